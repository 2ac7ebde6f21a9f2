//! Logs and load shapes from files.

use std::{fs, io::Write as _};

use super::{imported, refused, support::process::temp_dir};

const SWF: &str = "; UnixStartTime: 1000\n1 50 -1 60 4 -1 -1 4 -1 -1 1 9 1 -1 -1 -1 -1 -1\n\
                   2 70 -1 0 2 -1 -1 2 -1 -1 1 9 1 -1 -1 -1 -1 -1\n3 90 -1 30 1 -1 -1 1 -1 -1 1 8 1 -1 -1 -1 -1 -1\n";

#[test]
fn a_log_is_cut_and_written_as_csv_that_is_read_again() {
    let folder = temp_dir();
    let log = folder.path().join("a.swf");
    fs::write(&log, SWF).unwrap();
    let out = folder.path().join("b.csv");
    let arguments = [
        "file",
        log.to_str().unwrap(),
        "--cut",
        "with-run",
        "--cut",
        "median=90",
        "--out",
        out.to_str().unwrap(),
    ];
    let (csv, said) = imported(&arguments);
    assert_eq!(csv, "");
    assert_eq!(
        said,
        "2 jobs of 2 owners in 40s (1970-01-01 to 1970-01-01); run time: median 1m 30s, p95 2m; \
         at most 2 jobs an hour, 0 % in bursts\n"
    );
    let written = fs::read_to_string(&out).unwrap();
    assert_eq!(
        written,
        "submit,run,cpus,gpus,memory,owner,queue,estimate\n1050,120,4,,,9,,\n1090,60,1,,,8,,\n"
    );
    assert_eq!(imported(&["file", out.to_str().unwrap()]).0, written);
}

#[test]
fn a_load_shape_is_drawn_by_its_seed() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"length: 1d\nparts:\n- poisson: { rate: 10, run: { fixed: 5m } }\n").unwrap();
    let path = file.path().to_str().unwrap();
    let (one, said) = imported(&["load", path, "--seed", "1"]);
    assert!(said.contains("run time: median 5m, p95 5m"), "{said}");
    assert_eq!(one, imported(&["load", path, "--seed", "1"]).0);
    assert_ne!(one, imported(&["load", path, "--seed", "2"]).0);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = temp_dir();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    for (arguments, message) in [
        (
            ["file".into(), path("a.swf", "1 2 3 4\n")],
            "line 1, column `5: allocated processors`: the line has only 4",
        ),
        (["file".into(), path("none.csv", "submit,run\n")], "no jobs were found"),
        (["file".into(), folder.path().join("b.csv").to_str().unwrap().to_owned()], "cannot open"),
        (
            ["load".into(), path("l.yaml", "length: 1d\nparts:\n- poisson: { rate: 0, run: { fixed: 1 } }")],
            "parts[0].poisson.rate",
        ),
    ] {
        let said = refused(&arguments.each_ref().map(String::as_str));
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
    let log = path("good.swf", SWF);
    let said = refused(&["file", &log, "--cut", "queue=batch"]);
    assert!(said.contains("queue=batch leaves no job of 3 jobs"), "{said}");
    let said = refused(&["file", &log, "--cut", "shuffle"]);
    assert!(said.contains("`shuffle` is no transform of a job log: write window="), "{said}");
}
