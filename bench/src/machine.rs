//! What the numbers were measured on.

use std::{fs, process::Command, thread};

/// Cores, processor, kernel and versions in one line; to be asked before anything is measured.
pub(crate) fn line() -> String {
    line_of(cfg!(debug_assertions))
}

/// As [`line()`], where what is measured is another program than this one: whether that is a debug build.
pub(crate) fn line_of(debug: bool) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let build = if debug { ", DEBUG BUILD" } else { "" };
    let mut parts = vec![
        format!("Measured on {cores} cores of {}", processor()),
        format!("Linux {}", kernel.split('-').next().unwrap_or_default().trim()),
        format!("foresail {}{build}", env!("CARGO_PKG_VERSION")),
    ];
    parts.extend(version("rustc", "--version").map(|text| first_words(&text, 2)));
    parts.extend(version("go", "version").and_then(|text| text.split(' ').nth(2).map(str::to_owned)));
    let busy = match others_load() {
        Some(load) if load > 0.5 => {
            format!(
                " Other work ran beside it (load average {load:.1}): trust its ratios more than its numbers."
            )
        }
        _ => String::new(),
    };
    format!("{}.{busy}", parts.join(", "))
}

/// Runnable threads of the last minute, on average.
fn others_load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The first line that a program says of its version; `None` where it is not installed.
pub(crate) fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

fn first_words(text: &str, words: usize) -> String {
    text.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

fn processor() -> String {
    let all = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = all.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("an unknown processor", |(_, model)| model.trim()).to_owned()
}
