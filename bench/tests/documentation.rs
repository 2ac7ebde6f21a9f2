//! Every command line of the harness in the documentation is one that it takes.

use std::{fs, path::Path, process::Command};

#[test]
fn every_command_line_in_a_block_is_taken() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bench");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter_map(|line| line.strip_prefix("$ foresail-bench ")) {
            seen += 1;
            let line = line.split(['<', '>', '|']).next().unwrap_or_default();
            // With --help at its end, a line is parsed and nothing is done.
            let words = line.split_whitespace().map(|word| word.trim_matches('\''));
            let bench = Command::new(env!("CARGO_BIN_EXE_foresail-bench")).args(words).arg("--help").output();
            let bench = bench.unwrap();
            let said = String::from_utf8_lossy(&bench.stderr);
            assert!(bench.status.success(), "{}: {line}: {said}", path.display());
        }
    }
    assert!(seen >= 4, "{seen}");
}
