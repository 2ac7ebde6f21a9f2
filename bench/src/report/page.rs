//! The page: its head, its pieces, and what every report has.

use std::env;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::table::Table;

/// A plot with its title, what its colours mean, and a sentence that says how to read it.
pub(crate) struct Figure {
    pub(crate) title: String,
    pub(crate) drawing: Markup,
    pub(crate) key: Markup,
    pub(crate) how_to_read: String,
}

impl Figure {
    pub(crate) fn draw(&self) -> Markup {
        html! {
            figure {
                h4 { (self.title) }
                p.how { (self.how_to_read) }
                (self.drawing)
                (self.key)
            }
        }
    }
}

/// A whole page.
pub(crate) fn document(title: &str, body: &Markup) -> String {
    let style = PreEscaped(include_str!("page.css"));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Else a browser asks for /favicon.ico.
                link rel="icon" href="data:,";
                title { (title) }
                style { (style) }
            }
            body { main { h1 { (title) } (body) } }
        }
    };
    page.into_string()
}

/// What colours and strokes mean: class and meaning.
pub(crate) fn key<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        ul.key {
            @for (class, meaning) in entries {
                li { span class=(format!("swatch {class}")) {} (meaning) }
            }
        }
    }
}

/// A table that scrolls by itself where it is too wide.
pub(crate) fn table(table: &Table) -> Markup {
    let rows = table.rows();
    html! {
        div.scrolls {
            table {
                @if let Some(header) = rows.first() {
                    thead { tr { @for cell in header { th scope="col" { (cell) } } } }
                }
                tbody {
                    @for row in rows.iter().skip(1) {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// What was typed to make the page, as a shell takes it.
pub(crate) fn command_line() -> String {
    let words =
        env::args().enumerate().map(|(nth, word)| if nth == 0 { "foresail-bench".to_owned() } else { word });
    words.map(|word| quoted(&word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_can_be_typed_again() {
        assert_eq!(quoted("--cut"), "--cut");
        assert_eq!(quoted("window=0..2"), "window=0..2");
        assert_eq!(quoted("it's a log"), r"'it'\''s a log'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn names_cannot_become_markup() {
        let mut rows = Table::new(["<b>", "x"]);
        rows.row(["<script>".to_owned(), "&".to_owned()]);
        let page = document("a < b", &table(&rows));
        assert!(page.contains("&lt;script&gt;") && page.contains("a &lt; b") && !page.contains("<script"));
    }
}
