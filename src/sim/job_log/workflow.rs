//! Workflow runs as task graphs: CSV with the columns `instance`, `task`, `parents` (task numbers of the same
//! instance, joined by `;`) and `runtime_s`; `cores` and `memory_bytes` where it has them.

use std::{
    collections::HashMap,
    io::Read,
    num::{NonZeroU32, NonZeroU64},
};

use csv::StringRecord;
use rand::SeedableRng as _;
use rand_distr::{Distribution as _, Exp1};
use rand_pcg::Pcg64Mcg;

use super::{About, Job, JobLog, JobLogBuilder, JobLogError, build::Pushed, csv::Table, text::seconds};

/// Workflows without times of their own: [`Workflows::place`] gives them some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workflows {
    instances: Vec<Instance>,
}

/// When workflows are submitted. The n-th submission is of the n-th workflow, and after the last comes the first
/// again.
#[derive(Clone, Debug, PartialEq)]
pub enum Placement {
    /// At these Unix seconds.
    At(Vec<f64>),
    /// All of them once, so many seconds apart.
    Every {
        /// When the first is submitted, Unix seconds.
        first: f64,
        /// Seconds from one to the next, 0 or more.
        gap: f64,
    },
    /// As a Poisson process.
    Poisson {
        /// When it begins, Unix seconds.
        from: f64,
        /// When it ends, Unix seconds.
        to: f64,
        /// Mean seconds from one to the next, above 0.
        mean_gap: f64,
        /// The same seed gives the same instants.
        seed: u64,
    },
}

impl Default for Placement {
    /// One an hour, from Unix second 0.
    fn default() -> Self {
        Self::Every { first: 0.0, gap: 3600.0 }
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Instance {
    name: String,
    /// Parents stand before their children.
    tasks: Vec<Task>,
}

#[derive(Clone, Debug, PartialEq)]
struct Task {
    job: Job,
    /// Places in the instance's `tasks`.
    parents: Vec<usize>,
}

impl Workflows {
    /// Reads all instances.
    pub fn read(reader: impl Read) -> Result<Self, JobLogError> {
        Self::read_table(&mut Table::open(reader)?)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.instances.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// A log of them. The owner of a task is its instance.
    pub fn place(&self, placement: &Placement) -> JobLog {
        let mut builder = JobLogBuilder::default();
        builder.about(About { undated: true, ..About::default() });
        for (submit, instance) in
            placement.instants(self.len()).into_iter().zip(self.instances.iter().cycle())
        {
            let owner = Some(builder.owner(&instance.name));
            let mut pushed: Vec<Pushed> = Vec::with_capacity(instance.tasks.len());
            for task in &instance.tasks {
                let parents: Vec<Pushed> = task.parents.iter().map(|&parent| pushed[parent]).collect();
                pushed.push(builder.push_after(Job { submit, owner, ..task.job }, &parents));
            }
        }
        builder.build()
    }

    pub(super) fn read_table(table: &mut Table<'_>) -> Result<Self, JobLogError> {
        let [instance, task, parents, run] =
            ["instance", "task", "parents", "runtime_s"].map(|column| table.place(column));
        let (instance, task, parents, run) = (instance?, task?, parents?, run?);
        let [cores, memory] = ["cores", "memory_bytes"].map(|column| table.place(column).ok());
        let mut raw: Vec<RawInstance> = Vec::new();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        while let Some(line) = table.next()? {
            let name = line.text(&instance)?;
            let at = *numbers.entry(name.to_owned()).or_insert_with(|| {
                raw.push(RawInstance { name: name.to_owned(), ..RawInstance::default() });
                raw.len() - 1
            });
            let number: u64 = line.parse(&task, "a task number", |text| text.parse().ok())?;
            let RawInstance { tasks, places, .. } = &mut raw[at];
            if places.insert(number, tasks.len()).is_some() {
                return line.parse(&task, "a number that no other task of the instance has", |_| None);
            }
            tasks.push(RawTask {
                line: line.number,
                number,
                parents: line.parse(&parents, "task numbers joined by `;`", |text| {
                    text.split(';')
                        .filter(|part| !part.is_empty())
                        .map(|part| part.trim().parse().ok())
                        .collect()
                })?,
                job: Job {
                    cpus: line.whole(cores.as_ref())?.and_then(NonZeroU32::new),
                    memory: line.whole(memory.as_ref())?.and_then(NonZeroU64::new),
                    ..Job::new(0.0, line.parse(&run, "a run time in seconds, 0 or more", seconds)?)
                },
            });
        }
        let instances = raw.into_iter().map(RawInstance::sort).collect::<Result<_, _>>()?;
        Ok(Self { instances })
    }
}

/// Whether a head line is that of workflows.
pub(super) fn is_head(head: &StringRecord) -> bool {
    ["instance", "task", "parents"].iter().all(|column| head.iter().any(|name| name == *column))
}

impl Placement {
    fn instants(&self, workflows: usize) -> Vec<f64> {
        match *self {
            Self::At(ref instants) => instants.clone(),
            Self::Every { first, gap } => (0..workflows).map(|at| first + gap * at as f64).collect(),
            Self::Poisson { from, to, mean_gap, seed } => {
                let mut rng = Pcg64Mcg::seed_from_u64(seed);
                let mut instants = Vec::new();
                let mut now = from;
                loop {
                    let gap: f64 = Exp1.sample(&mut rng);
                    now += gap * mean_gap;
                    if now.partial_cmp(&to).is_none_or(std::cmp::Ordering::is_ge) {
                        return instants;
                    }
                    instants.push(now);
                }
            }
        }
    }
}

#[derive(Default)]
struct RawInstance {
    name: String,
    tasks: Vec<RawTask>,
    /// Where the task of a number is.
    places: HashMap<u64, usize>,
}

struct RawTask {
    line: usize,
    number: u64,
    parents: Vec<u64>,
    job: Job,
}

impl RawInstance {
    /// Puts parents before their children (Kahn's algorithm, tasks in the order of the file otherwise).
    fn sort(self) -> Result<Instance, JobLogError> {
        let Self { name, tasks, places } = self;
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
        let mut missing: Vec<usize> = Vec::with_capacity(tasks.len());
        for (at, task) in tasks.iter().enumerate() {
            for parent in &task.parents {
                let Some(&place) = places.get(parent) else {
                    let expected = "a task of the same instance";
                    return Err(JobLogError::bad_field(task.line, "parents", &parent.to_string(), expected));
                };
                children[place].push(at);
            }
            missing.push(task.parents.len());
        }
        let mut order: Vec<usize> = (0..tasks.len()).filter(|&at| missing[at] == 0).collect();
        let mut next = 0;
        while let Some(&at) = order.get(next) {
            next += 1;
            for &child in &children[at] {
                missing[child] -= 1;
                if missing[child] == 0 {
                    order.push(child);
                }
            }
        }
        if let Some(at) = missing.iter().position(|&count| count > 0) {
            return Err(JobLogError::Cycle { line: tasks[at].line, task: tasks[at].number });
        }
        let mut place_of = vec![0; tasks.len()];
        for (place, &at) in order.iter().enumerate() {
            place_of[at] = place;
        }
        let sorted = |&at: &usize| Task {
            job: tasks[at].job,
            parents: tasks[at].parents.iter().map(|parent| place_of[places[parent]]).collect(),
        };
        Ok(Instance { name, tasks: order.iter().map(sorted).collect() })
    }
}
