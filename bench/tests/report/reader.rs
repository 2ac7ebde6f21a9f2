//! A page as somebody sees it who opens it in a browser.

use std::path::Path;

use crate::support::browser::{Browser, Look};

/// What is to be there.
pub(crate) struct Expected<'a> {
    pub(crate) plots: u64,
    /// In the text.
    pub(crate) words: &'a [&'a str],
}

/// What sticks out of the window, and is not in a box that scrolls by itself.
const OVERFLOWING: &str = "[...document.querySelectorAll('body *')]
    .filter(one => !one.closest('.scrolls') || one.matches('.scrolls'))
    .filter(one => { const box = one.getBoundingClientRect(); return box.right > innerWidth + 1 || box.left < -1; })
    .map(one => one.tagName + ' ' + (one.textContent || '').slice(0, 40))";

/// Words of plots that stand on each other.
const OVERLAPPING: &str = "[...document.querySelectorAll('svg')].flatMap(plot => {
    const words = [...plot.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0);
    return words.flatMap(([text, a], nth) => words.slice(nth + 1)
        .filter(([, b]) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom)
        .map(([other]) => plot.getAttribute('aria-label') + ': ' + text + ' | ' + other));
})";

/// Words of plots that are smaller than can be read.
const TINY: &str =
    "[...document.querySelectorAll('svg text')].map(one => [one.textContent, one.getBoundingClientRect()])
    .filter(([, box]) => box.height > 0 && box.height < 11).map(([text]) => text)";

/// Plots that show something.
const DRAWN: &str = "[...document.querySelectorAll('svg')]
    .filter(plot => plot.getBoundingClientRect().height > 50 && plot.querySelector('path.line, path.area')).length";

/// Opens the page wide and narrow, in the light and in the dark, and looks at everything.
pub(crate) fn reads(page: &Path, expected: &Expected<'_>) {
    let url = format!("file://{}", page.display());
    let mut browser = Browser::start();
    for width in [1280, 390] {
        for dark in [false, true] {
            let look = Look { width, dark };
            let page = browser.open(&url, look);
            let fetched: Vec<&String> =
                page.requests.iter().filter(|one| !one.starts_with("data:")).collect();
            assert_eq!(fetched, [&url], "{look:?}: nothing else is fetched");
            assert!(page.console.is_empty(), "{look:?}: {:?}", page.console);
            let none = serde_json::json!([]);
            for (what, how) in [("sticks out", OVERFLOWING), ("overlaps", OVERLAPPING), ("is tiny", TINY)] {
                let found = browser.evaluate(&page, how);
                assert_eq!(found, none, "{look:?}: {what}");
            }
            assert_eq!(browser.evaluate(&page, DRAWN), expected.plots, "{look:?}: plots");
            let text = browser.evaluate(&page, "document.body.innerText");
            for word in expected.words {
                assert!(text.as_str().unwrap().contains(word), "{look:?}: no `{word}`");
            }
            let ground = browser.evaluate(&page, "getComputedStyle(document.body).backgroundColor");
            let is_dark = ground != "rgb(255, 255, 255)";
            assert_eq!(is_dark, dark, "{look:?}: {ground}");
        }
    }
}
