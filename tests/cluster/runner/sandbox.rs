//! A container without a container runtime: a mount namespace with a small root, in which a pod's process finds
//! its program, its volumes and this machine's libraries, and little else.
//!
//! The process keeps the id that it was started with, so that signals and exit codes are its own. As root the
//! pod's user is a real one; otherwise user namespaces stand in, and files belong to whoever the pod runs as.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::process::{binary, unprivileged};

/// What of this machine every container sees, read-only. /bin and the like are links into /usr or stand alone.
const SYSTEM: [&str; 6] = ["usr", "bin", "sbin", "lib", "lib64", "lib32"];

/// Arguments: root, `ro` or `rw` for the root, working folder, then (how source target)... `--` program...
///
/// A target is made at the moment at which it is mounted, since it may lie in a volume that was mounted before.
const SCRIPT: &str = r#"
set -eu
root=$1 root_is=$2 folder=$3
shift 3
MOUNT --bind "$root" "$root"
while [ "$1" != -- ]; do
  how=$1 source=$2 target=$root$3
  shift 3
  if [ -d "$source" ]; then
    [ -d "$target" ] || mkdir -p "$target"
  elif ! [ -e "$target" ]; then
    mkdir -p "${target%/*}"
    : > "$target"
  fi
  case $how in
    all) MOUNT --rbind "$source" "$target" ;;
    *) MOUNT --bind "$source" "$target" ;;
  esac
  if [ "$how" = ro ]; then MOUNT -o remount,bind,ro "$target"; fi
done
shift
[ -d "$root$folder" ] || mkdir -p "$root$folder"
if [ "$root_is" = ro ]; then MOUNT -o remount,bind,ro "$root"; fi
cd "$root"
PIVOT_ROOT . .
UMOUNT -l .
cd "$folder"
exec ENTER "$@"
"#;

/// How containers are made on this machine.
#[derive(Debug)]
pub(super) struct Sandbox {
    tools: Tools,
    is_root: bool,
}

#[derive(Debug)]
struct Tools {
    unshare: PathBuf,
    mount: PathBuf,
    umount: PathBuf,
    pivot_root: PathBuf,
    setpriv: PathBuf,
}

/// What a container is made of.
#[derive(Debug)]
pub(super) struct Container<'a> {
    /// An empty folder for its root.
    pub(super) root: &'a Path,
    pub(super) read_only_root: bool,
    pub(super) working_folder: &'a str,
    /// The program's file and the volumes; those that others lie in come first.
    pub(super) mounts: &'a [Mount],
    pub(super) user: User,
    pub(super) command: &'a [String],
}

#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) source: PathBuf,
    /// Absolute, in the container.
    pub(super) target: String,
    pub(super) read_only: bool,
}

/// Whom a container runs as.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) id: u32,
    pub(super) group: u32,
    /// `fsGroup`.
    pub(super) files: Option<u32>,
    pub(super) no_new_privileges: bool,
    pub(super) drop_capabilities: bool,
}

impl Sandbox {
    /// Looks for what it needs, and tries it once. Panics where this machine allows no mount namespaces.
    pub(super) fn find() -> Self {
        let tool = |name: &str| {
            binary(name, &["/usr/sbin".into(), "/sbin".into()], "apt-get install util-linux mount")
        };
        let tools = Tools {
            unshare: tool("unshare"),
            mount: tool("mount"),
            umount: tool("umount"),
            pivot_root: tool("pivot_root"),
            setpriv: tool("setpriv"),
        };
        let sandbox = Self { tools, is_root: unprivileged().is_some() };
        let tried = sandbox.unshare().arg("true").output().expect("unshare starts");
        assert!(
            tried.status.success(),
            "pods cannot be started: neither are we root, nor may we make user namespaces (unshare says: {}). \
             Run the tests as root, or allow them: sysctl kernel.unprivileged_userns_clone=1 \
             kernel.apparmor_restrict_unprivileged_userns=0",
            String::from_utf8_lossy(&tried.stderr).trim()
        );
        sandbox
    }

    /// A command that becomes the container's process. It has no environment yet.
    pub(super) fn command(&self, container: &Container<'_>) -> Command {
        let mut command = self.unshare();
        command.args(["sh", "-c", &self.script(container.user), "container"]);
        command.arg(container.root).arg(access(container.read_only_root)).arg(container.working_folder);
        for folder in SYSTEM {
            let path = Path::new("/").join(folder);
            match fs::read_link(&path) {
                Ok(target) => link(&target, &container.root.join(folder)),
                Err(_) if path.is_dir() => {
                    command.arg("ro").args([&path, &path]);
                }
                Err(_) => {}
            }
        }
        command.args(["all", "/proc", "/proc", "all", "/dev", "/dev"]);
        command.args(["ro", "/etc/resolv.conf", "/etc/resolv.conf"]);
        for mount in container.mounts {
            command.arg(access(mount.read_only)).arg(&mount.source).arg(&mount.target);
        }
        command.arg("--").args(container.command);
        command.env_clear();
        command
    }

    fn unshare(&self) -> Command {
        let mut command = Command::new(&self.tools.unshare);
        if !self.is_root {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "--propagation", "private", "--"]);
        command
    }

    fn script(&self, user: User) -> String {
        let path = |tool: &Path| tool.display().to_string();
        SCRIPT
            .replace("PIVOT_ROOT", &path(&self.tools.pivot_root))
            .replace("UMOUNT", &path(&self.tools.umount))
            .replace("MOUNT", &path(&self.tools.mount))
            .replace("ENTER", &self.enter(user))
    }

    /// Becomes the pod's user, and then the program.
    fn enter(&self, user: User) -> String {
        let User { id, group, files, no_new_privileges, drop_capabilities } = user;
        let mut words = Vec::new();
        if !self.is_root {
            // Only this user is known in a namespace that a plain user may make: no others, no groups.
            words.push(format!(
                "{} --user --map-user={id} --map-group={group} --",
                self.tools.unshare.display()
            ));
        }
        words.push(self.tools.setpriv.display().to_string());
        if self.is_root {
            words.push(format!("--reuid={id} --regid={group}"));
            words.push(files.map_or("--clear-groups".to_owned(), |files| format!("--groups={files}")));
        }
        if drop_capabilities {
            words.push("--inh-caps=-all --ambient-caps=-all --bounding-set=-all".to_owned());
        }
        if no_new_privileges {
            words.push("--no-new-privs".to_owned());
        }
        words.push("--".to_owned());
        words.join(" ")
    }
}

fn access(read_only: bool) -> &'static str {
    if read_only { "ro" } else { "rw" }
}

fn link(target: &Path, at: &Path) {
    if fs::symlink_metadata(at).is_err() {
        std::os::unix::fs::symlink(target, at).expect("the container's root can be written");
    }
}
