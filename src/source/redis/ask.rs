//! One command of a round, where it goes, and what a refusal of it means.

use redis::{Cmd, Value};

/// A command that waits for its round.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// Where it goes.
    pub(super) to: To,
    /// The command itself.
    pub(super) command: Cmd,
}

/// Where a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    /// To the node that holds the key at this place of the command.
    KeyAt(usize),
    /// To the node of this number.
    Node(usize),
}

/// The place of a command in its round, and so of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place(usize);

/// The commands of one round, over all nodes.
#[derive(Debug, Default)]
pub(super) struct Round(Vec<Ask>);

impl Round {
    /// Puts a command into the round.
    pub(super) fn push(&mut self, to: To, command: Cmd) -> Place {
        self.0.push(Ask { to, command });
        Place(self.0.len() - 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn asks(&self) -> &[Ask] {
        &self.0
    }
}

/// What came back for one command.
pub(super) type Answer = Result<Value, Refusal>;

/// The answers of one round.
#[derive(Debug)]
pub(super) struct Answers(Vec<Answer>);

impl Answers {
    pub(super) fn new(answers: Vec<Answer>) -> Self {
        Self(answers)
    }

    /// The answer to a command of the same round.
    pub(super) fn at(&self, place: Place) -> Result<&Value, &Refusal> {
        static LOST: Refusal = Refusal { code: Code::Other, what: String::new() };
        self.0.get(place.0).map_or(Err(&LOST), Result::as_ref)
    }

    /// All that was refused.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.0.iter().filter_map(|answer| answer.as_ref().err())
    }
}

/// Why one command was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The kind of refusal.
    pub(super) code: Code,
    /// What was refused, of which key, and what to do about it.
    pub(super) what: String,
}

/// Kinds of refusal that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// The ACL forbids the command.
    CommandForbidden,
    /// The ACL forbids the key.
    KeyForbidden,
    /// The key holds another type.
    WrongType,
    /// There is no such key.
    NoKey,
    /// There is no such consumer group (or no such key).
    NoGroup,
    /// The slot has moved to another node.
    Moved,
    /// The slot is moving, and this key has gone already.
    Ask,
    /// Anything else.
    Other,
}

impl Refusal {
    /// What the server's error means for this command of this user.
    pub(super) fn of(ask: &Ask, error: &redis::ServerError, user: &str) -> Self {
        let name = ask.name();
        let key = ask.key();
        let details = error.details().unwrap_or_default();
        let key_forbidden = details.contains("access one of the keys") || details.contains("access a key");
        let code = match error.code() {
            "NOPERM" if key_forbidden => Code::KeyForbidden,
            "NOPERM" => Code::CommandForbidden,
            "WRONGTYPE" => Code::WrongType,
            "NOGROUP" => Code::NoGroup,
            "MOVED" => Code::Moved,
            "ASK" => Code::Ask,
            "ERR" if details.contains("no such key") => Code::NoKey,
            _ => Code::Other,
        };
        let on = key.as_ref().map_or_else(String::new, |key| format!(" of key {key:?}"));
        let what = match code {
            Code::CommandForbidden => format!(
                "the ACL of user {user:?} forbids {name}{on}: allow it with ACL SETUSER {user} +{}",
                ask.acl_name(),
            ),
            Code::KeyForbidden => format!(
                "the ACL of user {user:?} forbids {name}{on}: allow it with ACL SETUSER {user} %R~{}",
                key.as_deref().unwrap_or("*"),
            ),
            Code::WrongType => format!(
                "{name}{on}: the key holds another type (WRONGTYPE); check the layout's preset and the queue's name",
            ),
            _ => format!("{name}{on}: {} {details}", error.code()).trim_end().to_owned(),
        };
        Self { code, what }
    }

    /// A refusal because the command's node could not be asked.
    pub(super) fn of_node(what: String) -> Self {
        Self { code: Code::Other, what }
    }
}

impl From<&Self> for Refusal {
    fn from(refusal: &Self) -> Self {
        refusal.clone()
    }
}

impl Ask {
    /// The key's bytes, where the command has one.
    pub(super) fn key_bytes(&self) -> Option<&[u8]> {
        match self.to {
            To::KeyAt(place) => self.word(place),
            To::Node(_) => None,
        }
    }

    fn key(&self) -> Option<String> {
        self.key_bytes().map(|key| String::from_utf8_lossy(key).into_owned())
    }

    /// The command's name, with its subcommand: `XINFO GROUPS`.
    pub(super) fn name(&self) -> String {
        let word = |place| self.word(place).map(String::from_utf8_lossy).unwrap_or_default().to_uppercase();
        let name = word(0);
        if HAVE_SUBCOMMANDS.contains(&name.as_str()) { format!("{name} {}", word(1)) } else { name }
    }

    /// The name as ACL rules spell it: `xinfo|groups`.
    pub(super) fn acl_name(&self) -> String {
        self.name().to_lowercase().replace(' ', "|")
    }

    fn word(&self, place: usize) -> Option<&[u8]> {
        self.command.args_iter().nth(place).and_then(|argument| match argument {
            redis::Arg::Simple(bytes) => Some(bytes),
            _ => None,
        })
    }
}

/// Commands whose second word belongs to their name.
const HAVE_SUBCOMMANDS: [&str; 5] = ["XINFO", "CLIENT", "CLUSTER", "ACL", "SENTINEL"];
