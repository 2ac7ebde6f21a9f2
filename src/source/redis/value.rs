//! Replies as Redis sends them, taken apart without trusting their shape.

use std::borrow::Cow;

use redis::Value;

/// An integer, sent as one or as text.
pub(super) fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

/// A count; a negative number is none.
pub(super) fn count(value: &Value) -> Option<u64> {
    int(value).and_then(|number| u64::try_from(number).ok())
}

/// A score or another real number; `inf` and `-inf` are numbers, `nan` is none.
pub(super) fn float(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Double(number) => *number,
        Value::Int(number) => *number as f64,
        other => text(other)?.parse().ok()?,
    };
    (!number.is_nan()).then_some(number)
}

/// A text; bytes that are not UTF-8 are replaced.
pub(super) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(Cow::Borrowed(text)),
        Value::Okay => Some(Cow::Borrowed("OK")),
        _ => None,
    }
}

/// The bytes of a text.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text.as_bytes()),
        _ => None,
    }
}

/// The items of an array or a set.
pub(super) fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) | Value::Set(items) => Some(items),
        _ => None,
    }
}

/// The value that stands under a name in a map, or in an array of names and values.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let named = |key: &Value| bytes(key).is_some_and(|key| key == name.as_bytes());
    match value {
        Value::Map(pairs) => pairs.iter().find(|(key, _)| named(key)).map(|(_, value)| value),
        Value::Array(items) => items.chunks_exact(2).find(|pair| named(&pair[0])).map(|pair| &pair[1]),
        _ => None,
    }
}
