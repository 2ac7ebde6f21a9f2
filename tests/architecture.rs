//! Holds the house together: the core pure, the data on its one way, files short, no traces of a machine.

#[path = "support/rust_source.rs"]
mod rust_source;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use rust_source::SourceFile;

/// The rooms of the core. Each may use those that stand before it, and nothing else of this crate.
const CORE: [&str; 6] = ["series", "forecast", "sizing", "nodes", "victims", "sim"];

/// The rooms of the shell, and what each may use besides the core. Data walks one way: source -> sampler,
/// workloads -> engine -> answers -> scaler, hints, http. Only `commands` knows everybody.
const SHELL: [(&str, &[&str]); 17] = [
    ("clock", &[]),
    ("shutdown", &[]),
    // A layout is a preset with parameters, so configuration reads presets.
    ("config", &["source"]),
    ("telemetry", &["answers", "clock", "config", "workloads"]),
    ("source", &["clock", "config"]),
    ("sampler", &["clock", "config", "shutdown", "source", "telemetry"]),
    ("workloads", &["clock", "config"]),
    ("refs", &["clock", "config"]),
    ("answers", &["clock", "config", "refs", "workloads"]),
    ("state", &["clock", "config", "shutdown", "telemetry"]),
    (
        "engine",
        &[
            "answers",
            "clock",
            "config",
            "refs",
            "sampler",
            "shutdown",
            "source",
            "state",
            "telemetry",
            "workloads",
        ],
    ),
    // One implementation for `foresail learn` and for the harness.
    ("history", &["clock", "config"]),
    ("proto", &[]),
    ("scaler", &["answers", "clock", "config", "proto", "refs", "shutdown", "telemetry"]),
    ("hints", &["answers", "clock", "config", "shutdown", "telemetry", "workloads"]),
    ("http", &["answers", "clock", "config", "refs", "shutdown", "telemetry", "workloads"]),
    ("commands", &["*"]),
];

/// Crates that the core may use, and those that its simulator may use besides.
const CORE_CRATES: [&str; 5] = ["std", "core", "alloc", "serde", "thiserror"];
const SIM_CRATES: [&str; 6] = ["csv", "flate2", "jiff", "rand", "rand_distr", "rand_pcg"];

/// Tools that attributes name, as in `#[expect(clippy::float_cmp, ...)]`.
const TOOLS: [&str; 2] = ["clippy", "rustfmt"];

/// What is a clock, I/O or a global, of std and of crates that the core may use.
const IMPURE: [&str; 16] = [
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::sync::atomic",
    "std::sync::LazyLock",
    "std::sync::Mutex",
    "std::sync::OnceLock",
    "std::sync::RwLock",
    "std::sync::mpsc",
];

/// Crates that wait for somebody, and the rooms that may: so no other room can make an answer wait.
const WAITING_CRATES: [(&str, &[&str]); 6] = [
    ("redis", &["source", "state"]),
    ("sqlx", &["source", "state"]),
    ("kube", &["workloads", "hints", "commands"]),
    ("k8s_openapi", &["workloads", "hints", "commands"]),
    ("tonic", &["proto", "scaler", "commands"]),
    ("axum", &["http", "commands"]),
];

const LONGEST_FILE: usize = 600;
const LONGEST_MAIN: usize = 60;

/// One broken rule.
#[derive(Debug)]
struct Fault {
    file: PathBuf,
    line: usize,
    what: String,
    why: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} ({})", self.file.display(), self.line, self.what, self.why)
    }
}

#[test]
fn the_core_stays_pure() {
    hold(impurities);
}

#[test]
fn a_room_uses_only_the_rooms_that_it_may() {
    hold(wrong_ways);
}

#[test]
fn only_the_rooms_at_the_border_wait_for_a_store_or_for_kubernetes() {
    hold(waiting_rooms);
}

#[test]
fn nothing_outside_tests_unwraps() {
    hold(unwraps);
}

#[test]
fn every_file_is_short_and_says_what_it_is() {
    hold(long_or_silent_files);
}

#[test]
fn lib_rs_lists_every_room_on_one_line() {
    let files = SourceFile::all(root());
    let lib = files.iter().find(|file| file.path == Path::new("src/lib.rs")).expect("there is a lib.rs");
    let listed: Vec<(&str, usize)> = lib.modules();
    let faults = files.iter().filter(|file| file.module.len() == 1).filter_map(|file| {
        let room = file.module[0].as_str();
        let lines = listed.iter().filter(|(name, _)| *name == room).count();
        (lines != 1).then(|| Fault {
            file: lib.path.clone(),
            line: 1,
            what: format!("`mod {room};` stands here {lines} times"),
            why: "lib.rs is the plan of the house: each room has one line, in reading order",
        })
    });
    report(faults);
}

#[test]
fn no_file_names_a_machine_or_a_package_registry() {
    let mut files = Vec::new();
    repository_files(root(), &mut files);
    assert!(files.len() > 20, "only {} files were found", files.len());
    let faults = files.iter().flat_map(|path| {
        let text = fs::read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
        machine_words(path.strip_prefix(root()).unwrap_or(path), &text)
    });
    report(faults);
}

#[test]
fn the_rules_see_what_breaks_them() {
    let in_core = SourceFile::parse(
        Path::new("src/sizing/limits.rs"),
        r#"//! Doc with std::fs::read in it.
use std::{collections::HashMap, time::{self, Duration}};
use crate::{engine, series::{Sample, tokio}};
fn now() -> time::Instant { /* std::net */ "tokio::spawn"; time::Instant::now() }
fn later<'a>(x: &'a str) -> char { tokio::spawn(x); tracing::info!("hi"); '"' }
fn up() { super::super::scaler::serve(); super::policy::get(); f64::max(1.0, 2.0); dashmap::DashMap::new(); }
#[expect(clippy::float_cmp, reason = "exact")]
#[cfg(test)]
mod tests { use std::fs; fn f() { x.unwrap() } }
fn last() { std::env::var(r"x").unwrap() }
"#,
    );
    let said =
        |faults: Vec<Fault>| faults.iter().map(|f| format!("{}: {}", f.line, f.what)).collect::<Vec<_>>();
    assert_eq!(
        said(impurities(&in_core)),
        [
            "4: the core names std::time::Instant",
            "4: the core names std::time::Instant::now",
            "5: the core names the crate `tracing`",
            "6: the core names the crate `dashmap`",
            "10: the core names std::env::var",
        ]
    );
    assert_eq!(said(wrong_ways(&in_core)), ["3: `sizing` uses `engine`", "6: `sizing` uses `scaler`"]);
    assert_eq!(said(unwraps(&in_core)), ["10: `.unwrap()`"]);

    let in_shell = SourceFile::parse(
        Path::new("src/http.rs"),
        "use crate::source::redis;\nuse redis::x;\nfn f() { redis::read(); sqlx::query(); ::kube::Client }\n",
    );
    assert_eq!(said(wrong_ways(&in_shell))[0], "1: `http` uses `source`");
    assert_eq!(
        said(waiting_rooms(&in_shell)),
        ["3: `http` names the crate `sqlx`", "3: `http` names the crate `kube`"]
    );
    let unknown = SourceFile::parse(Path::new("src/attic.rs"), "");
    assert_eq!(said(wrong_ways(&unknown)), ["1: the room `attic` is not in this test's tables"]);

    let machine = format!("see {}x\nno{}ne\nfrom {}\n", path("work"), path("home"), registries()[0]);
    let said = said(machine_words(Path::new("README.md"), &machine));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("1: ") && said[1].starts_with("3: "), "{said:?}");
}

/// Applies a rule to all of `src/`.
fn hold(rule: fn(&SourceFile) -> Vec<Fault>) {
    let files = SourceFile::all(root());
    assert!(files.iter().any(|file| !file.module.is_empty()), "no rooms were found in src/");
    report(files.iter().flat_map(rule));
}

fn report(faults: impl Iterator<Item = Fault>) {
    let lines: Vec<String> = faults.map(|fault| fault.to_string()).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

fn impurities(file: &SourceFile) -> Vec<Fault> {
    let Some(room) = file.room().filter(|room| CORE.contains(room)) else { return Vec::new() };
    let mut faults = Vec::new();
    for path in file.paths() {
        let full = path.segments.join("::");
        let first = path.segments[0].as_str();
        let impure = IMPURE.iter().any(|&name| full == name || full.starts_with(&format!("{name}::")));
        let ours =
            first == "crate" || CORE_CRATES.contains(&first) || room == "sim" && SIM_CRATES.contains(&first);
        let a_type = first.starts_with(char::is_uppercase) || PRIMITIVE_TYPES.contains(&first);
        let foreign = !ours && !a_type && !TOOLS.contains(&first);
        if impure || foreign {
            let what = if impure {
                format!("the core names {full}")
            } else {
                format!("the core names the crate `{first}`")
            };
            faults.push(fault(
                file,
                path.line,
                what,
                "values in, values out: so that the simulator runs the very same code, and time is an argument",
            ));
        }
    }
    faults
}

fn wrong_ways(file: &SourceFile) -> Vec<Fault> {
    const WHY: &str = "data walks one way through the house, and there are no stairs back up";
    let Some(room) = file.room() else { return Vec::new() };
    let core = CORE.iter().position(|name| *name == room);
    let shell = SHELL.iter().find(|(name, _)| *name == room).map(|(_, may)| *may);
    if core.is_none() && shell.is_none() {
        return vec![fault(file, 1, format!("the room `{room}` is not in this test's tables"), WHY)];
    }
    let may = |used: &str| {
        let used_core = CORE.iter().position(|name| *name == used);
        let known_shell = SHELL.iter().any(|(name, _)| *name == used);
        match (core, used_core) {
            _ if used == room => true,
            (Some(mine), Some(its)) => its < mine,
            (Some(_), None) => !known_shell,
            (None, Some(_)) => true,
            (None, None) => {
                !known_shell || shell.is_some_and(|may| may.contains(&used) || may.contains(&"*"))
            }
        }
    };
    let mut faults: Vec<Fault> = Vec::new();
    for path in file.paths() {
        if path.segments[0] == "crate"
            && let Some(used) = path.segments.get(1)
            && !may(used)
        {
            faults.push(fault(file, path.line, format!("`{room}` uses `{used}`"), WHY));
        }
    }
    faults
}

fn waiting_rooms(file: &SourceFile) -> Vec<Fault> {
    let Some(room) = file.room() else { return Vec::new() };
    let mut faults = Vec::new();
    for path in file.paths() {
        for (name, rooms) in WAITING_CRATES {
            if path.segments[0] == name && !rooms.contains(&room) {
                faults.push(fault(
                    file,
                    path.line,
                    format!("`{room}` names the crate `{name}`"),
                    "a gRPC answer never waits for Redis, Postgres or Kubernetes",
                ));
            }
        }
    }
    faults
}

fn unwraps(file: &SourceFile) -> Vec<Fault> {
    let calls =
        file.tokens.windows(3).filter(|t| t[0].text == "." && t[1].text == "unwrap" && t[2].text == "(");
    calls
        .map(|call| {
            fault(
                file,
                call[1].line,
                "`.unwrap()`".to_owned(),
                "an error says what was wrong; where none can come, `expect` says why",
            )
        })
        .collect()
}

fn long_or_silent_files(file: &SourceFile) -> Vec<Fault> {
    let lines = file.text.lines().count();
    let most = if file.path.ends_with("main.rs") { LONGEST_MAIN } else { LONGEST_FILE };
    let mut faults = Vec::new();
    if lines > most {
        faults.push(fault(
            file,
            most + 1,
            format!("{lines} lines, more than {most}"),
            "a file has one idea, and is read in one sitting",
        ));
    }
    if !file.text.starts_with("//! ") {
        let what = "does not begin with a `//!` line".to_owned();
        faults.push(fault(file, 1, what, "a reader learns first what a file is for"));
    }
    faults
}

fn machine_words(file: &Path, text: &str) -> Vec<Fault> {
    let paths = ["work", "root", "home"].map(path);
    let mut faults = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut add =
            |what: String, why| faults.push(Fault { file: file.to_owned(), line: index + 1, what, why });
        for word in &paths {
            // `docs/work/plan` is no path of a machine.
            let starts_a_path = line.match_indices(word.as_str()).any(|(at, _)| {
                !line[..at].ends_with(|c: char| {
                    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | ')' | '*')
                })
            });
            if starts_a_path {
                add(format!("names {word}"), "a builder's machine is nobody else's");
            }
        }
        for host in registries() {
            if line.contains(&host) {
                add(format!("names {host}"), "where packages come from is the builder's choice");
            }
        }
    }
    faults
}

/// Composed, so that this file does not break its own rule.
fn path(folder: &str) -> String {
    format!("/{folder}/")
}

/// As [`path`].
fn registries() -> [String; 6] {
    [
        ["index.crates", "io"],
        ["static.crates", "io"],
        ["registry.npmjs", "org"],
        ["files.pythonhosted", "org"],
        ["proxy.golang", "org"],
        ["deb.debian", "org"],
    ]
    .map(|parts| parts.join("."))
}

const PRIMITIVE_TYPES: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

fn fault(file: &SourceFile, line: usize, what: String, why: &'static str) -> Fault {
    Fault { file: file.path.clone(), line, what, why }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of the repository, but for what git and builds keep there.
fn repository_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the repository can be listed") {
        let path = entry.expect("the repository can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == ".git" || name.starts_with("target") || name == "node_modules" {
            continue;
        }
        if path.is_dir() {
            repository_files(&path, files);
        } else {
            files.push(path);
        }
    }
}
