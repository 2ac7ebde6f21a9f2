//! Every relative link leads somewhere.

use std::path::Path;

use regex::Regex;

use super::pages::{Page, page, pages, root};

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let (mut checked, mut faults) = (0, Vec::new());
    for page in pages() {
        for (line, text) in page.prose() {
            for found in link.captures_iter(text) {
                checked += 1;
                if let Some(fault) = fault(&page, &found[1]) {
                    faults.push(format!("{}:{line}: {}: {fault}", page.path.display(), &found[1]));
                }
            }
        }
    }
    assert!(checked > 40, "{checked}");
    assert!(faults.is_empty(), "{faults:#?}");
}

fn fault(from: &Page, link: &str) -> Option<&'static str> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let folder = from.path.parent().unwrap_or(Path::new(""));
    let to = if path.is_empty() { from.path.clone() } else { folder.join(path) };
    if !root().join(&to).exists() {
        return Some("no such file");
    }
    let headings = || {
        page(to.to_str().unwrap()).prose().iter().any(|(_, line)| anchor(line) == Some(heading.to_owned()))
    };
    (!heading.is_empty() && !headings()).then_some("no such heading")
}

/// The anchor that a heading gets.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    Some(kept.replace(' ', "-"))
}
