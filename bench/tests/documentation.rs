//! Every command line of the harness in the documentation is one that it takes.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

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
            let words = line.split('\'').enumerate().flat_map(|(part, text)| match part % 2 {
                0 => text.split_whitespace().collect(),
                _ => vec![text],
            });
            let bench = Command::new(env!("CARGO_BIN_EXE_foresail-bench")).args(words).arg("--help").output();
            let bench = bench.unwrap();
            let said = String::from_utf8_lossy(&bench.stderr);
            assert!(bench.status.success(), "{}: {line}: {said}", path.display());
        }
    }
    assert!(seen >= 4, "{seen}");
}

#[test]
fn every_option_of_a_command_with_a_page_is_in_its_table_with_its_default() {
    for (command, page) in
        [("compare", "compare.md"), ("tune", "tune.md"), ("speed", "speed.md"), ("forecast", "forecast.md")]
    {
        let help =
            Command::new(env!("CARGO_BIN_EXE_foresail-bench")).args([command, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/bench").join(page))
            .unwrap();
        let rows: Vec<(&str, &str)> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `--"))
            .map(|row| {
                (
                    row.split(['`', ' ']).next().unwrap(),
                    row.trim_end_matches(" |").rsplit("| ").next().unwrap(),
                )
            })
            .collect();
        let documented: BTreeSet<&str> = rows.iter().map(|row| row.0).collect();
        let mut known = BTreeSet::new();
        for part in help.split("\n      --").skip(1) {
            let name = part.split([' ', '\n']).next().unwrap();
            known.insert(name);
            if let Some(default) = part.split("[default: ").nth(1).map(|rest| rest.split(']').next().unwrap())
            {
                let row =
                    rows.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("{page}: no --{name}"));
                assert_eq!(
                    row.1.trim_matches(['`', '"']),
                    default.trim_matches('"'),
                    "{page}: the default of --{name}"
                );
            }
        }
        assert_eq!(documented, known, "{page}");
        assert!(known.len() > 1, "{page}: {known:?}");
    }
}
