//! Kills the pods' processes when this process is gone, however it went.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Reads on a pipe which process groups there are; when the pipe breaks, kills those.
const SCRIPT: &str = r#"
groups=" "
while read -r what group; do
  case $what in
    add) groups="$groups$group " ;;
    drop) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
"#;

/// A small shell beside us, in a process group of its own.
#[derive(Debug)]
pub(super) struct Reaper {
    shell: Mutex<Child>,
    pipe: Mutex<Option<ChildStdin>>,
}

impl Reaper {
    pub(super) fn start() -> Self {
        use std::os::unix::process::CommandExt as _;

        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let pipe = shell.stdin.take();
        Self { shell: Mutex::new(shell), pipe: Mutex::new(pipe) }
    }

    pub(super) fn add(&self, group: u32) {
        self.tell("add", group);
    }

    /// The group is gone, and its number may soon be another's.
    pub(super) fn forget(&self, group: u32) {
        self.tell("drop", group);
    }

    /// Kills what is left, now.
    pub(super) fn end(&self) {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = self.shell.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }

    fn tell(&self, what: &str, group: u32) {
        if let Some(pipe) = self.pipe.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            // It lives as long as we do; where it was killed, the pods outlive a crash of ours: no more.
            let _ = writeln!(pipe, "{what} {group}");
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.end();
    }
}
