//! Finds the line of a field, so that an error of meaning names it as one of syntax does.

use std::fmt;

use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;

/// The line (from 1) on which the field of `path` (`sources.jobs.layouts.md.group`) stands, or its
/// nearest parent that is written.
pub(super) fn line_of(text: &str, path: &str) -> Option<u64> {
    let mut node = &serde_saphyr::from_str::<Node>(text).ok()?;
    let mut line = None;
    let mut rest = path;
    while !rest.is_empty() {
        // Names may hold dots themselves: the longest child that fits wins.
        let fits =
            |name: &str| rest.strip_prefix(name).is_some_and(|tail| tail.is_empty() || tail.starts_with('.'));
        let Some(child) =
            node.0.iter().filter(|child| fits(&child.name)).max_by_key(|child| child.name.len())
        else {
            break;
        };
        line = child.line.or(line);
        rest = rest[child.name.len()..].trim_start_matches('.');
        node = &child.node;
    }
    line
}

/// A YAML document as names and lines.
struct Node(Vec<Child>);

struct Child {
    name: String,
    line: Option<u64>,
    node: Node,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> de::Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(name) = map.next_key::<Spanned<String>>()? {
            let line = Some(name.referenced.line()).filter(|line| *line > 0);
            children.push(Child { name: name.value, line, node: map.next_value()? });
        }
        Ok(Node(children))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(node) = items.next_element::<Node>()? {
            let line = node.0.first().and_then(|child| child.line);
            children.push(Child { name: children.len().to_string(), line, node });
        }
        Ok(Node(children))
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_in_block_and_flow_style() {
        let text = "sources:\n  a.b:\n    layouts:\n      md: { preset: x,\n            group: y }\nwatch:\n  - { queue: a }\n  - queue: b\n";
        assert_eq!(line_of(text, "sources.a.b.layouts.md.group"), Some(5));
        assert_eq!(line_of(text, "sources.a.b.layouts.md.missing"), Some(4));
        assert_eq!(line_of(text, "watch.1.queue"), Some(8));
        assert_eq!(line_of(text, "nowhere"), None);
    }
}
