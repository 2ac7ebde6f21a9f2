//! Names and values as SQL text, so that none of them is ever read as SQL.

/// Quotes one identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes one value. The `E` form is read alike whatever `standard_conforming_strings` says.
pub(super) fn literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// Values of an `IN (...)`: bare literals, which take the column's own type.
pub(super) fn literals<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> String {
    values.into_iter().map(|value| literal(value.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A `text[]` value.
pub(super) fn text_array<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> String {
    format!("ARRAY[{}]::text[]", literals(values))
}

/// Splits the name of a table or sequence (`jobs`, `app.jobs`, `app."odd.name"`) and quotes its parts.
///
/// # Errors
/// Says what is wrong with the name.
pub(super) fn relation(name: &str) -> Result<String, String> {
    let wrong = |what: &str| Err(format!("{name:?} is no table's name: {what}"));
    let mut parts = Vec::new();
    let mut rest = name;
    loop {
        let part;
        (part, rest) = if let Some(quoted) = rest.strip_prefix('"') {
            let Some(found) = unquote(quoted) else { return wrong("a double quote is not closed") };
            found
        } else {
            let end = rest.find(['.', '"']).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        if part.is_empty() {
            return wrong("a part of it is empty");
        }
        parts.push(identifier(&part));
        match rest.strip_prefix('.') {
            Some(next) => rest = next,
            None if rest.is_empty() => break,
            None => return wrong("a dot is wanted between its parts"),
        }
    }
    if parts.len() > 2 { wrong("schema and table are enough") } else { Ok(parts.join(".")) }
}

/// Reads up to the closing quote: the name, and what comes after.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_end_their_literal() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"\'; DROP"), r"E'\\''; DROP'");
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(text_array(["a", "b"]), "ARRAY['a', 'b']::text[]");
        assert_eq!(text_array([""; 0]), "ARRAY[]::text[]");
    }

    #[test]
    fn a_table_may_have_a_schema_and_odd_parts() {
        for (name, wanted) in [
            ("jobs", r#""jobs""#),
            ("app.Jobs", r#""app"."Jobs""#),
            (r#"app."odd.name""#, r#""app"."odd.name""#),
            (r#""say ""hi""".t"#, r#""say ""hi"""."t""#),
        ] {
            assert_eq!(relation(name).as_deref(), Ok(wanted), "{name}");
        }
        for name in ["", "a.", ".a", "a.b.c", r#""open"#, r#"a"b""#] {
            assert!(relation(name).is_err(), "{name}");
        }
    }
}
