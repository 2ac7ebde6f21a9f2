//! What a preset's file says about Redis, and what it becomes for one layout.
//!
//! ```yaml
//! redis:
//!   queues: { key: "{key}", type: list }         # how a queue's name is found among the keys
//!   unit: "{score_unit}"                         # of `{now}` and of scores: s, ms or us
//!   read:
//!     - { run: "LLEN {key}", gives: waiting }    # the answers of one field add up
//!     - { run: "ZCARD {held}", gives: in_flight, where: { held_as: zset } }
//!   held: { list: "{processing}", workers: "{workers}", oldest: "{oldest}" }
//!   stream: { key: "{key}", group: "{group}" }
//! ```
//!
//! A text that names a parameter without a value is left out, with the step it stands in. `held`,
//! `tail` and `stream` are what no command and field can say; each is a module of this room.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    config::source::{Layout, LayoutRead, MissingQueue, Parameters},
    source::{
        preset::{ParameterError, Preset},
        redis::template::{Places, Template, with_parameters},
    },
};

/// What a preset reads from Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    queues: QueuesRecipe,
    unit: Option<String>,
    #[serde(default)]
    read: Vec<StepRecipe>,
    held: Option<HeldRecipe>,
    tail: Option<TailRecipe>,
    stream: Option<StreamRecipe>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueuesRecipe {
    key: String,
    r#type: KeyType,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepRecipe {
    run: String,
    gives: Field,
    #[serde(default)]
    r#where: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeldRecipe {
    list: String,
    workers: String,
    oldest: String,
    #[serde(default)]
    r#where: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TailRecipe {
    list: String,
    oldest: String,
    #[serde(default)]
    r#where: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamRecipe {
    key: String,
    group: String,
}

impl Recipe {
    /// Whether a queue that has run dry is still there: Redis removes empty keys, but for streams.
    pub(in crate::source) fn keeps_empty_queues(&self) -> bool {
        self.stream.is_some()
    }

    /// Why `stuck_after` means nothing to a plan of this recipe; `None` where it counts.
    fn ignores_stuck_after(&self, plan: &Plan) -> Option<&'static str> {
        if plan.held.is_some() || plan.stream.is_some() {
            None
        } else if plan.steps.iter().any(|step| step.gives == Field::Stuck) {
            Some("the leases say themselves which jobs are stuck: leave it out")
        } else if self.held.is_some() {
            Some("it needs processing, the list to which workers move the jobs that they work on")
        } else {
            Some(
                "nothing here says since when a job runs: leave it out; leases (processing_is: leases) tell \
                 stuck jobs without it",
            )
        }
    }
}

/// What a step's answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Field {
    /// A count of jobs that wait.
    Waiting,
    /// A count of jobs that become ready later.
    Scheduled,
    /// A count of jobs that workers hold.
    InFlight,
    /// A count of jobs held past their lease.
    Stuck,
    /// An element with its score: when the next job is due.
    NextDue,
    /// An element with its score: since when the oldest job waits.
    OldestAge,
    /// Jobs that ever arrived.
    ArrivalsTotal,
    /// Jobs that ever ended.
    CompletionsTotal,
}

/// Types of keys, as `SCAN TYPE` spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeyType {
    List,
    Zset,
    Stream,
    Hash,
    Set,
    String,
}

impl KeyType {
    /// As `SCAN TYPE` spells it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Zset => "zset",
            Self::Stream => "stream",
            Self::Hash => "hash",
            Self::Set => "set",
            Self::String => "string",
        }
    }
}

/// What one layout reads: its preset's recipe with its parameters put in.
#[derive(Debug)]
pub(super) struct Plan {
    /// The layout itself.
    pub(super) layout: Layout,
    /// The key that makes a queue.
    pub(super) queues: Vec<Template>,
    /// Its type.
    pub(super) key_type: KeyType,
    /// Unit of `{now}` and of scores.
    pub(super) unit: Unit,
    /// Commands with one field each.
    pub(super) steps: Vec<Step>,
    /// Lists that workers hold jobs in.
    pub(super) held: Option<HeldPlan>,
    /// The list whose oldest element is watched.
    pub(super) tail: Option<(Template, End)>,
    /// A stream and its consumer group.
    pub(super) stream: Option<(Template, Template)>,
}

/// One command and its field.
#[derive(Debug)]
pub(super) struct Step {
    /// The command's words; the second is the key.
    pub(super) words: Vec<Template>,
    /// What the answer is.
    pub(super) gives: Field,
}

/// Lists that workers hold jobs in.
#[derive(Debug)]
pub(super) struct HeldPlan {
    /// The list, or one for each worker.
    pub(super) list: Template,
    /// A set that names the workers.
    pub(super) workers: Option<Template>,
    /// The end of the list where its oldest job stands.
    pub(super) oldest: End,
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Left,
    Right,
}

/// Unit of times in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
}

impl Unit {
    /// Units in a second.
    pub(super) fn per_second(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
        }
    }

    /// A time as the store writes it, to the microsecond.
    pub(super) fn write(self, seconds: f64) -> String {
        let digits = match self {
            Self::Seconds => 6,
            Self::Milliseconds => 3,
            Self::Microseconds => 0,
        };
        format!("{:.digits$}", seconds * self.per_second())
    }
}

/// A layout that a Redis source cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layout {layout}: {error}")]
pub struct LayoutError {
    /// The layout's name.
    pub layout: String,
    /// What is wrong with it.
    pub error: ParameterError,
}

impl HeldPlan {
    /// Whether the workers' lists are looked for among all keys, since nothing names the workers.
    pub(super) fn is_searched(&self) -> bool {
        self.list.names_worker() && self.workers.is_none()
    }
}

impl Plan {
    /// The first key of a queue, which tells where it lies.
    pub(super) fn key(&self, queue: &str) -> String {
        let places = Places { queue, ..Places::default() };
        self.queues.first().map(|key| key.fill(places)).unwrap_or_default()
    }

    /// Puts a layout's parameters into its preset's recipe.
    ///
    /// # Errors
    /// Names the layout and the parameter.
    pub(super) fn new(layout: Layout) -> Result<Self, LayoutError> {
        let name = layout.name.clone();
        Self::compile(layout).map_err(|error| LayoutError { layout: name, error })
    }

    fn compile(layout: Layout) -> Result<Self, ParameterError> {
        let wrong = |key: &str, what: &str| ParameterError { key: key.to_owned(), what: what.to_owned() };
        let LayoutRead::Preset { preset, parameters } = &layout.read else {
            return Err(wrong("preset", "a layout of a Redis names a preset"));
        };
        let Some(recipe) = &preset.redis else {
            return Err(wrong(
                "preset",
                &format!("{} reads Postgres, this source is a Redis", preset.preset),
            ));
        };
        let fill = Filler { preset, parameters };
        let steps = recipe.read.iter().filter(|step| fill.holds(&step.r#where));
        let held = recipe.held.as_ref().filter(|held| fill.holds(&held.r#where));
        let tail = recipe.tail.as_ref().filter(|tail| fill.holds(&tail.r#where));
        fill.check_choices()?;
        let plan = Self {
            queues: fill.templates(&recipe.queues.key),
            key_type: recipe.queues.r#type,
            unit: recipe.unit.as_deref().map_or(Ok(Unit::Seconds), |text| fill.unit(text))?,
            steps: steps.flat_map(|step| fill.steps(step)).collect(),
            held: held.map(|held| fill.held(held)).transpose()?.flatten(),
            tail: tail.map(|tail| fill.tail(tail)).transpose()?.flatten(),
            stream: recipe.stream.as_ref().and_then(|s| Some((fill.one(&s.key)?, fill.one(&s.group)?))),
            layout,
        };
        if plan.layout.stuck_after.is_some()
            && let Some(what) = recipe.ignores_stuck_after(&plan)
        {
            return Err(wrong("stuck_after", what));
        }
        if plan.layout.missing_queue == MissingQueue::Error && !recipe.keeps_empty_queues() {
            let what = "Redis removes a list or sorted set that has run dry, so a drained queue would fail \
                        for ever: leave it out";
            return Err(wrong("missing_queue", what));
        }
        let nothing = plan.steps.is_empty() && plan.held.is_none() && plan.stream.is_none();
        if nothing { Err(wrong("preset", "nothing is left to read with these parameters")) } else { Ok(plan) }
    }
}

/// Puts the parameters of one layout into the texts of its preset.
struct Filler<'a> {
    preset: &'a Preset,
    parameters: &'a Parameters,
}

impl Filler<'_> {
    fn texts(&self, text: &str) -> Vec<String> {
        let declared: Vec<_> = self.preset.parameters.iter().map(|p| p.name.as_str()).collect();
        with_parameters(text, &declared, self.parameters)
    }

    fn templates(&self, text: &str) -> Vec<Template> {
        self.texts(text).iter().map(|text| Template::new(text)).collect()
    }

    fn one(&self, text: &str) -> Option<Template> {
        self.templates(text).into_iter().next()
    }

    /// Words are parted before parameters are put in, so a key may hold a blank.
    fn steps(&self, step: &StepRecipe) -> Vec<Step> {
        let mut all = vec![Vec::new()];
        for word in step.run.split_whitespace() {
            let values = self.templates(word);
            all = values
                .iter()
                .flat_map(|value| all.iter().map(move |words| words.iter().chain([value]).cloned().collect()))
                .collect();
        }
        all.into_iter().map(|words| Step { words, gives: step.gives }).collect()
    }

    fn held(&self, held: &HeldRecipe) -> Result<Option<HeldPlan>, ParameterError> {
        let oldest = self.end(&held.oldest)?;
        let Some(list) = self.one(&held.list) else { return Ok(None) };
        let workers = self.one(&held.workers);
        if workers.is_some() && !list.names_worker() {
            let what = "names the workers' own lists, so `processing` must hold {worker}".to_owned();
            return Err(ParameterError { key: "workers".to_owned(), what });
        }
        Ok(Some(HeldPlan { list, workers, oldest }))
    }

    fn tail(&self, tail: &TailRecipe) -> Result<Option<(Template, End)>, ParameterError> {
        let end = self.end(&tail.oldest)?;
        Ok(self.one(&tail.list).map(|list| (list, end)))
    }

    fn end(&self, text: &str) -> Result<End, ParameterError> {
        self.choice(text, &[("right", End::Right), ("left", End::Left)])
    }

    fn unit(&self, text: &str) -> Result<Unit, ParameterError> {
        let units = [("s", Unit::Seconds), ("ms", Unit::Milliseconds), ("us", Unit::Microseconds)];
        self.choice(text, &units)
    }

    fn choice<T: Copy>(&self, text: &str, choices: &[(&str, T)]) -> Result<T, ParameterError> {
        let given = self.texts(text).into_iter().next().unwrap_or_default();
        let found = choices.iter().find(|(name, _)| *name == given);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names = choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            ParameterError {
                key: text.trim_matches(['{', '}']).to_owned(),
                what: format!("{given:?} is none of {names}"),
            }
        })
    }

    /// Whether the parameters have the values that a step's `where` wants.
    fn holds(&self, wanted: &BTreeMap<String, String>) -> bool {
        wanted.iter().all(|(name, value)| self.parameters.one(name) == Some(value))
    }

    /// A parameter that some `where` looks at takes only the values that one of them wants, and `none`.
    fn check_choices(&self) -> Result<(), ParameterError> {
        let Some(recipe) = &self.preset.redis else { return Ok(()) };
        let mut choices: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let steps = recipe.read.iter().map(|step| &step.r#where);
        let rest = recipe.held.iter().map(|h| &h.r#where).chain(recipe.tail.iter().map(|t| &t.r#where));
        for (name, value) in steps.chain(rest).flatten() {
            choices.entry(name).or_insert_with(|| vec!["none"]).push(value);
        }
        for (name, values) in choices {
            if let Some(given) = self.parameters.one(name)
                && !values.contains(&given)
            {
                let what = format!("{given:?} is none of {}", values.join(", "));
                return Err(ParameterError { key: name.to_owned(), what });
            }
        }
        Ok(())
    }
}
