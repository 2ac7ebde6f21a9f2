//! Reads Rust source just well enough to hold rules about it: words with their lines, without comments, strings
//! and test code, and the paths that they name, resolved through the file's own `use` lines.

#![allow(unreachable_pub, reason = "it reads like a library")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// One `.rs` file of `src/`, without its tests.
#[derive(Debug)]
pub struct SourceFile {
    /// From the root of the repository, as in `src/source/redis.rs`.
    pub path: PathBuf,
    /// `["source", "redis"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    pub text: String,
    pub tokens: Vec<Token>,
    /// Modules that are declared here, and only built for tests.
    test_modules: Vec<String>,
}

/// A word, a number, `::` or one other character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub text: String,
    pub line: usize,
}

/// A path such as `crate::series::Sample` or `std::fs::read`, resolved as far as the file itself tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    pub segments: Vec<String>,
    pub line: usize,
}

impl SourceFile {
    /// Every file of `src/` that is built into the program, in the order of their paths.
    pub fn all(root: &Path) -> Vec<Self> {
        let mut paths = Vec::new();
        collect(&root.join("src"), &mut paths);
        paths.sort();
        let files: Vec<Self> = paths
            .iter()
            .map(|path| {
                let text = fs::read_to_string(path).expect("source is readable UTF-8");
                Self::parse(path.strip_prefix(root).expect("the path is below the root"), &text)
            })
            .collect();
        let tests: Vec<Vec<String>> = files.iter().flat_map(Self::test_module_paths).collect();
        files.into_iter().filter(|file| !tests.iter().any(|test| file.module.starts_with(test))).collect()
    }

    pub fn parse(path: &Path, text: &str) -> Self {
        let (tokens, test_modules) = without_tests(&tokens(text));
        Self { path: path.to_owned(), module: module_of(path), text: text.to_owned(), tokens, test_modules }
    }

    /// The room that the file belongs to.
    pub fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// Names of the modules that the file declares, with their lines.
    pub fn modules(&self) -> Vec<(&str, usize)> {
        let named = self.tokens.windows(2).filter(|pair| pair[0].text == "mod");
        named.map(|pair| (pair[1].text.as_str(), pair[1].line)).collect()
    }

    /// All paths of the file: those of `use` lines, one for each leaf, and those that stand in the code.
    pub fn paths(&self) -> Vec<NamedPath> {
        let mut found = Vec::new();
        let mut names: HashMap<String, Vec<String>> = HashMap::new();
        for (name, _) in self.modules() {
            names.insert(name.to_owned(), self.absolute(&["self".to_owned(), name.to_owned()], &names));
        }

        let mut rest = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if self.tokens[at].text == "use" && !is_capture_list(&self.tokens, at) {
                at += 1;
                let mut leaves = Vec::new();
                use_tree(&self.tokens, &mut at, &[], &mut leaves);
                for (path, alias, line) in leaves {
                    let segments = self.absolute(&path, &names);
                    if let Some(alias) = alias.or_else(|| segments.last().cloned()) {
                        names.insert(alias, segments.clone());
                    }
                    found.push(NamedPath { segments, line });
                }
            } else {
                rest.push(&self.tokens[at]);
                at += 1;
            }
        }

        let mut at = 0;
        while at < rest.len() {
            let line = rest[at].line;
            let mut path = Vec::new();
            while at < rest.len() && is_word(&rest[at].text) {
                path.push(rest[at].text.clone());
                let goes_on = rest.get(at + 1).is_some_and(|t| t.text == "::")
                    && rest.get(at + 2).is_some_and(|t| is_word(&t.text));
                at += if goes_on { 2 } else { 1 };
                if !goes_on {
                    break;
                }
            }
            if path.len() > 1 {
                found.push(NamedPath { segments: self.absolute(&path, &names), line });
            }
            at += usize::from(path.is_empty());
        }
        found
    }

    /// With `crate`, a crate or a type's name in front.
    fn absolute(&self, path: &[String], names: &HashMap<String, Vec<String>>) -> Vec<String> {
        let here = || std::iter::once("crate".to_owned()).chain(self.module.iter().cloned());
        let first = path[0].as_str();
        if first == "self" {
            return here().chain(path[1..].iter().cloned()).collect();
        }
        let ups = path.iter().take_while(|segment| *segment == "super").count();
        if ups > 0 {
            let kept = (self.module.len() + 1).saturating_sub(ups).max(1);
            return here().take(kept).chain(path[ups..].iter().cloned()).collect();
        }
        match names.get(first) {
            // `use redis::redis` must not resolve itself for ever: one step is enough for a `use` line.
            Some(known) if first != "crate" => known.iter().chain(&path[1..]).cloned().collect(),
            _ => path.to_vec(),
        }
    }

    fn test_module_paths(&self) -> Vec<Vec<String>> {
        let below = |name: &String| self.module.iter().cloned().chain([name.clone()]).collect();
        self.test_modules.iter().map(below).collect()
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("src is a folder") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn module_of(path: &Path) -> Vec<String> {
    let path = path.strip_prefix("src").unwrap_or(path).with_extension("");
    let module: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if module == ["lib"] || module == ["main"] { Vec::new() } else { module }
}

/// Leaves of one `use` tree: path, name given with `as`, line. Stops behind the tree.
type Leaf = (Vec<String>, Option<String>, usize);

fn use_tree(tokens: &[Token], at: &mut usize, before: &[String], leaves: &mut Vec<Leaf>) {
    let mut path = before.to_vec();
    let line = tokens.get(*at).map_or(0, |token| token.line);
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token.text.as_str() {
            "::" | "*" => {}
            "{" => {
                while tokens.get(*at).is_some_and(|token| token.text != "}") {
                    use_tree(tokens, at, &path, leaves);
                    *at += usize::from(tokens.get(*at).is_some_and(|token| token.text == ","));
                }
                *at += 1;
                return;
            }
            "as" => {
                let alias = tokens.get(*at).map(|token| token.text.clone());
                *at += 1;
                leaves.push((path, alias, line));
                return;
            }
            // `{self, ...}` is the path so far.
            "self" if !path.is_empty() => {}
            word if is_word(word) => path.push(word.to_owned()),
            _ => {
                *at -= 1;
                break;
            }
        }
    }
    if !path.is_empty() {
        leaves.push((path, None, line));
    }
}

/// `impl Trait + use<'_>` is no import.
fn is_capture_list(tokens: &[Token], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|next| next.text == "<")
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Leaves out every item behind `#[cfg(test)]`; of modules in files of their own, gives the names.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, Vec<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut modules = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let marked = tokens[at..].iter().map(|token| token.text.as_str()).take(MARK.len()).eq(MARK);
        if !marked {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        let start = at;
        let mut depth = 0_usize;
        while at < tokens.len() {
            match tokens[at].text.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            let ended = depth == 0 && matches!(tokens[at].text.as_str(), ";" | "}");
            at += 1;
            if ended {
                break;
            }
        }
        if let [.., key, name, end] = &tokens[start..at]
            && key.text == "mod"
            && end.text == ";"
        {
            modules.push(name.text.clone());
        }
    }
    (kept, modules)
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while at < chars.len() {
        let (c, next) = (chars[at], chars.get(at + 1).copied());
        let end = if c == '/' && next == Some('/') {
            find(&chars, at, |rest| rest[0] == '\n')
        } else if c == '/' && next == Some('*') {
            end_of_block_comment(&chars, at)
        } else if c == '"' {
            end_of_string(&chars, at)
        } else if let Some(end) = end_of_raw_string(&chars, at) {
            end
        } else if c == '\'' {
            end_of_quote(&chars, at)
        } else if c.is_alphanumeric() || c == '_' {
            let end = find(&chars, at, |rest| !(rest[0].is_alphanumeric() || rest[0] == '_'));
            // The prefix of a string (b"", c"") is part of no path, so it may stay a word.
            tokens.push(Token { text: chars[at..end].iter().collect(), line });
            end
        } else if c == ':' && next == Some(':') {
            tokens.push(Token { text: "::".to_owned(), line });
            at + 2
        } else {
            if !c.is_whitespace() {
                tokens.push(Token { text: c.to_string(), line });
            }
            at + 1
        };
        line += chars[at..end].iter().filter(|&&c| c == '\n').count();
        at = end;
    }
    tokens
}

fn find(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&at| found(&chars[at..])).unwrap_or(chars.len())
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `r"..."`, `r#"..."#` and so on, where one begins here.
fn end_of_raw_string(chars: &[char], start: usize) -> Option<usize> {
    let in_a_word = start > 0
        && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_')
        && chars[start - 1] != 'b';
    if chars[start] != 'r' || in_a_word {
        return None;
    }
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return None;
    }
    let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let end = find(chars, start + 2 + hashes, |rest| rest.starts_with(&close));
    Some((end + close.len()).min(chars.len()))
}

/// A character, or the quote of a lifetime.
fn end_of_quote(chars: &[char], start: usize) -> usize {
    match chars[start + 1..] {
        ['\\', _, ..] => (find(chars, start + 3, |rest| rest[0] == '\'') + 1).min(chars.len()),
        [_, '\'', ..] => start + 3,
        _ => start + 1,
    }
}
