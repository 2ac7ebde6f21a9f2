//! Every command line is one that the program, make or cargo takes.

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use foresail::commands::Cli;
use regex::Regex;

use super::pages::{pages, root, source};

#[test]
fn every_command_line_in_a_block_is_taken() {
    let mut lines = 0;
    for block in pages().iter().flat_map(super::pages::Page::blocks).filter(|block| block.info == "console") {
        for line in block.text.lines().filter_map(|line| line.strip_prefix("$ ")) {
            lines += 1;
            if let Some(fault) = fault(line) {
                panic!("{}: {line}: {fault}", block.place());
            }
        }
    }
    assert!(lines >= 10, "{lines}");
}

#[test]
fn every_command_of_foresail_in_a_sentence_exists() {
    let span = Regex::new("`(foresail [^`]+)`").unwrap();
    for page in pages() {
        for (line, text) in page.prose() {
            for found in span.captures_iter(text) {
                // A sentence may name a command without what it needs.
                let words: Vec<&str> = found[1].split(' ').collect();
                let named = words.len() == 2 && Cli::command().find_subcommand(words[1]).is_some();
                let fault = (!named).then(|| parse(&words)).flatten();
                assert_eq!(fault, None, "{}:{line}: {}", page.path.display(), &found[1]);
            }
        }
    }
}

/// Why a line of a shell would not do; `None` where it does.
fn fault(line: &str) -> Option<String> {
    let line = line.split(['<', '>', '|']).next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["foresail", ..] => parse(&words),
        ["cargo", "run", "--release", "--", args @ ..] => parse(&[&["foresail"], args].concat()),
        ["make", target, ..] => {
            let known = source("Makefile").lines().any(|line| line.starts_with(&format!("{target}:")));
            (!known).then(|| "the Makefile has no such target".to_owned())
        }
        // bench/tests/documentation.rs asks the harness itself.
        ["foresail-bench", ..] | ["cat", _] | ["helm", "uninstall", ..] => None,
        ["helm", "install" | "upgrade", _, chart, ..] => {
            (!root().join(chart).join("Chart.yaml").is_file()).then(|| "there is no such chart".to_owned())
        }
        ["kubectl", rest @ ..] => match rest.iter().position(|word| *word == "/foresail") {
            Some(at) => parse(&[&["foresail"], &rest[at + 1..]].concat()),
            None => None,
        },
        _ => Some("not a command that this test knows".to_owned()),
    }
}

fn parse(words: &[&str]) -> Option<String> {
    match Cli::try_parse_from(words) {
        Ok(_) => None,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => None,
        Err(error) => Some(error.to_string()),
    }
}
