//! A file that is replaced as a whole.
//!
//! A line with the format's version, then each record with its length before it (4 bytes, little-endian), then a
//! length of 0 and the number of records. It is written beside its place, flushed to the disk and moved there, so a
//! reader finds the old file or the new one, and never a half. Two processes that write the same file do each other no
//! harm: the last one's stays.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::NamedTempFile;

use super::{Loaded, Record, Store, StoreError};

/// First line of the file.
const MAGIC: &[u8] = b"foresail state 1\n";

/// How the line of every version begins.
const KIND: &[u8] = b"foresail state ";

/// Names of files that are being written.
const UNFINISHED: (&str, &str) = (".foresail-state-", ".new");

/// A file that is being written for longer than this is one that a killed process left.
const LEFT_BEHIND: Duration = Duration::from_hours(1);

/// The file of a path.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    round: Option<Round>,
    /// What stands there is not to be lost, though it cannot be used: it is moved aside first.
    foreign: bool,
}

#[derive(Debug)]
struct Round {
    out: BufWriter<NamedTempFile>,
    records: u32,
}

impl FileStore {
    /// The file of this path. Its folder must be there.
    pub fn new(path: PathBuf) -> Self {
        Self { path, round: None, foreign: false }
    }

    fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn error(&self, what: &str, error: &io::Error) -> StoreError {
        StoreError(format!("cannot {what} {}: {error}", self.path.display()))
    }

    fn begin(&self) -> io::Result<Round> {
        let (prefix, suffix) = UNFINISHED;
        let file = tempfile::Builder::new().prefix(prefix).suffix(suffix).tempfile_in(self.folder())?;
        let mut out = BufWriter::with_capacity(1 << 16, file);
        out.write_all(MAGIC)?;
        Ok(Round { out, records: 0 })
    }

    fn finish(&self, round: Round) -> io::Result<()> {
        let Round { mut out, records } = round;
        out.write_all(&0_u32.to_le_bytes())?;
        out.write_all(&records.to_le_bytes())?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        // The new name lasts once the folder is on the disk too.
        File::open(self.folder())?.sync_all()
    }

    /// Removes what killed processes left half written.
    fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.folder())? {
            let entry = entry?;
            let name = entry.file_name();
            let unfinished = name
                .to_str()
                .is_some_and(|name| name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1));
            let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
            if unfinished && age.is_some_and(|age| age > LEFT_BEHIND) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn aside(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".unusable");
        name.into()
    }
}

impl Store for FileStore {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn load(&mut self) -> Result<Loaded, StoreError> {
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Loaded::default()),
            Err(error) => {
                self.foreign = true;
                let StoreError(said) = self.error("read", &error);
                return Err(StoreError(format!("{said}; it is kept as {}", self.aside().display())));
            }
        }
        let mut loaded = parse(&bytes);
        if let Some(fault) = &mut loaded.fault {
            self.foreign = true;
            *fault = format!("{fault}; the file is kept as {}", self.aside().display());
        }
        Ok(loaded)
    }

    fn put(&mut self, records: &[Arc<Record>]) -> Result<(), StoreError> {
        let mut round = match self.round.take() {
            Some(round) => round,
            None => self.begin().map_err(|error| self.error("write beside", &error))?,
        };
        for record in records {
            let bytes = record.to_bytes();
            let Ok(length) = u32::try_from(bytes.len()) else { continue };
            let written =
                round.out.write_all(&length.to_le_bytes()).and_then(|()| round.out.write_all(&bytes));
            written.map_err(|error| self.error("write beside", &error))?;
            round.records += 1;
        }
        self.round = Some(round);
        Ok(())
    }

    fn commit(&mut self, _forget_before: f64) -> Result<(), StoreError> {
        self.put(&[])?;
        let Some(round) = self.round.take() else { return Ok(()) };
        if self.foreign {
            fs::rename(&self.path, self.aside()).map_err(|error| self.error("move aside", &error))?;
            self.foreign = false;
        }
        self.finish(round).map_err(|error| self.error("replace", &error))?;
        self.sweep().map_err(|error| self.error("sweep the folder of", &error))
    }
}

/// The records of a file, as far as it is one.
fn parse(bytes: &[u8]) -> Loaded {
    let mut loaded = Loaded::default();
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        let what = if bytes.starts_with(KIND) {
            "another version of Foresail wrote it"
        } else {
            "it is no kept state"
        };
        loaded.fault = Some(what.to_owned());
        return loaded;
    };
    let mut bad = 0_usize;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 {
            let count = after.first_chunk::<4>().map(|count| u32::from_le_bytes(*count) as usize);
            if count == Some(loaded.records.len() + bad) && after.len() == 4 {
                loaded.fault = (bad > 0).then(|| format!("{bad} of its records are torn"));
                return loaded;
            }
            break;
        }
        let Some((record, after)) = after.split_at_checked(length) else { break };
        match Record::from_bytes(record) {
            Ok(record) => loaded.records.push(record),
            Err(_) => bad += 1,
        }
        rest = after;
    }
    loaded.fault = Some(format!("it ends early: {} whole records are used", loaded.records.len()));
    loaded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        sizing::{Memory, RefState},
        state::RefName,
    };

    fn record(name: &str) -> Record {
        let name = RefName { namespace: "chem".into(), name: name.into(), metric: "m".into() };
        Record::of_ref(name, 1.0, &Memory::of(&RefState::default()))
    }

    fn write(store: &mut FileStore, records: &[Record]) {
        let records: Vec<_> = records.iter().cloned().map(Arc::new).collect();
        records.chunks(2).for_each(|some| store.put(some).unwrap());
        store.commit(0.0).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_and_a_round_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FileStore::new(folder.path().join("state"));
        assert!(store.load().unwrap().records.is_empty());
        write(&mut store, &[record("a"), record("b"), record("c")]);
        write(&mut store, &[record("b")]);
        let loaded = store.load().unwrap();
        assert_eq!((loaded.records, loaded.fault), (vec![record("b")], None));
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn a_process_that_ends_while_it_writes_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&mut FileStore::new(path.clone()), &[record("a")]);
        let mut killed = FileStore::new(path.clone());
        killed.put(&[record("b").into()]).unwrap();
        // As SIGKILL does: nothing is tidied up.
        std::mem::forget(killed);
        assert_eq!(FileStore::new(path.clone()).load().unwrap().records, [record("a")]);

        let left: Vec<_> =
            names(folder.path()).into_iter().filter(|name| name.ends_with(UNFINISHED.1)).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        let hours_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options()
            .write(true)
            .open(folder.path().join(&left[0]))
            .unwrap()
            .set_modified(hours_ago)
            .unwrap();
        write(&mut FileStore::new(path), &[record("c")]);
        assert_eq!(names(folder.path()), ["state"], "what was left behind is swept");
    }

    #[test]
    fn what_is_no_state_is_moved_aside_and_never_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::write(&path, "somebody's notes").unwrap();
        let mut store = FileStore::new(path.clone());
        let fault = store.load().unwrap().fault.unwrap();
        assert!(fault.starts_with("it is no kept state; the file is kept as "), "{fault}");
        write(&mut store, &[record("a")]);
        assert_eq!(fs::read_to_string(folder.path().join("state.unusable")).unwrap(), "somebody's notes");
        assert_eq!(FileStore::new(path).load().unwrap().records, [record("a")]);
    }

    #[test]
    fn what_cannot_be_read_is_moved_aside_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        fs::create_dir(&path).unwrap();
        let mut store = FileStore::new(path.clone());
        let said = store.load().unwrap_err().to_string();
        assert!(said.contains("cannot read ") && said.contains("; it is kept as "), "{said}");
        write(&mut store, &[record("a")]);
        assert_eq!(names(folder.path()), ["state", "state.unusable"]);
        assert_eq!(FileStore::new(path).load().unwrap().records, [record("a")]);
    }

    #[test]
    fn of_a_torn_file_the_whole_records_are_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&mut FileStore::new(path.clone()), &[record("a"), record("b"), record("c")]);
        let whole = fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        flipped[MAGIC.len() + 20] ^= 1;
        let loaded = parse(&flipped);
        assert_eq!(loaded.records, [record("b"), record("c")]);
        assert_eq!(loaded.fault.as_deref(), Some("1 of its records are torn"));
        let loaded = parse(&whole[..whole.len() - 20]);
        assert_eq!(loaded.records, [record("a"), record("b")]);
        assert!(loaded.fault.unwrap().starts_with("it ends early"));
        assert_eq!(
            parse(b"foresail state 7\nxyz").fault.as_deref(),
            Some("another version of Foresail wrote it")
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), ours in any::<bool>()) {
            let mut file = if ours { MAGIC.to_vec() } else { Vec::new() };
            file.extend(bytes);
            let loaded = parse(&file);
            prop_assert!(loaded.fault.is_some() || loaded.records.is_empty());
        }
    }
}
