//! What is said of a search, and the policy file that it ends with.

use std::fmt::{self, Write as _};

use super::{
    cases::Case,
    goal::Goal,
    judge::{Advice, Verdict, advise, between, change, price},
    runs::{Known, Part, Played, Run},
    search::Found,
    space::Configuration,
};
use crate::table::{Table, count};

/// Characters of a line of comment.
const LINE: usize = 110;

/// A search at its end.
pub(crate) struct Tuned<'a> {
    pub(crate) goal: Goal,
    pub(crate) worth: f64,
    /// The command that gives the same.
    pub(crate) command: String,
    pub(crate) cases: &'a [Case],
    pub(crate) known: &'a Known,
    pub(crate) defaults: &'a Configuration,
    pub(crate) found: Found,
    /// Of the best.
    pub(crate) verdict: Verdict,
    pub(crate) elsewhere: Vec<LeftOut>,
}

/// What was tuned without a log, judged by the later days of that log.
pub(crate) struct LeftOut {
    pub(crate) log: String,
    pub(crate) policy: Configuration,
    pub(crate) verdict: Verdict,
}

impl Tuned<'_> {
    /// The policy, with where it comes from and what to expect of it: a file that `foresail serve` takes under a name
    /// in `policies:`, and `decide` and `compare` as it is. Where nothing is better for sure, the defaults.
    pub(crate) fn policy_file(&self) -> String {
        let mut text = String::new();
        let mut comment = |line: &str| {
            let _ = writeln!(text, "# {line}");
        };
        comment(&format!("By foresail-bench {}:", env!("CARGO_PKG_VERSION")));
        comment(&format!("  {}", self.command));
        for line in self.logs() {
            comment(&line);
        }
        let advice = self.advice();
        for line in wrapped(&format!("{}{}", advice.sentence, self.abroad())) {
            comment(&line);
        }
        let best = &self.found.best;
        if !advice.take && best != self.defaults {
            comment("Best on the days that it was tuned on:");
            for line in best.yaml().lines() {
                comment(&format!("  {line}"));
            }
        }
        let keys = if advice.take { best.yaml() } else { self.defaults.yaml() };
        // A file of comments alone would be no policy.
        text.push_str(if keys.is_empty() { "{}\n" } else { &keys });
        text
    }

    fn advice(&self) -> Advice {
        let tried = count(self.known.policies() as u64);
        let is_defaults = self.found.best == *self.defaults;
        advise(self.goal, &self.verdict, &tried, is_defaults, self.found.keeps_the_bound)
    }

    /// One line a log.
    fn logs(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .cases
            .iter()
            .map(|case| {
                let Case { log, jobs, tuned_days, later_days, .. } = case;
                let jobs = count(*jobs as u64);
                format!("Log {log}: {jobs} jobs, tuned on {tuned_days} days, judged by the {later_days} after them.")
            })
            .collect();
        lines.dedup();
        lines
    }

    /// What to expect where no log is from.
    fn abroad(&self) -> String {
        let all = &self.elsewhere;
        let Some(worst) = all.iter().max_by(|a, b| a.verdict.ratio.total_cmp(&b.verdict.ratio)) else {
            return String::new();
        };
        let mean = all.iter().map(|left_out| left_out.verdict.ratio).sum::<f64>() / all.len() as f64;
        let mut sentence = format!(
            " On a log that it was not tuned on, expect {} {} than with the defaults in the mean, and at worst {} ({}).",
            change(mean),
            price(self.goal),
            change(worst.verdict.ratio),
            worst.log
        );
        if let Goal::Within(_, most) = self.goal {
            let missed = |left_out: &&LeftOut| left_out.verdict.waits.is_some_and(|(ours, _)| ours > most);
            let missed = all.iter().filter(missed).count();
            let _ = write!(sentence, " There the bound was missed on {missed} of {} logs.", all.len());
        }
        sentence
    }

    fn played(&self, case: usize, part: Part, policy: &Configuration) -> Option<&Played> {
        self.known.get(Run { case, part, policy: policy.clone() }).ok()
    }

    /// The best beside the defaults, in each case.
    fn beside(&self) -> Table {
        let mut table = Table::new(["", "mean wait", "p95 wait", "paid h", "cost h"]);
        for (at, case) in self.cases.iter().enumerate() {
            for (part, days) in [(Part::Tuned, case.tuned_days), (Part::Later, case.later_days)] {
                for (who, policy) in [("the defaults", self.defaults), ("the best", &self.found.best)] {
                    let Some(played) = self.played(at, part, policy) else { continue };
                    let hours = |seconds: f64| format!("{:.0}", seconds / 3600.0);
                    table.row([
                        format!("{}, {}, {} ({days}): {who}", case.log, case.world, part.name()),
                        short(played.mean),
                        short(played.p95),
                        hours(played.paid),
                        hours(played.cost(self.known.worth())),
                    ]);
                }
            }
        }
        table
    }

    /// All of a front: means over the cases.
    fn front(&self) -> Table {
        let mut table = Table::new([
            "nobody is both cheaper and quicker",
            "paid, tuned",
            "wait, tuned",
            "paid, later",
            "wait, later",
        ]);
        let Goal::Front(wait) = self.goal else { return table };
        for policy in &self.found.front {
            let cells = [Part::Tuned, Part::Later].into_iter().flat_map(|part| {
                let marks: Vec<_> = (0..self.cases.len())
                    .filter_map(|case| {
                        Some((self.played(case, part, policy)?, self.played(case, part, self.defaults)?))
                    })
                    .map(|(ours, theirs)| ours.mark(theirs, self.worth))
                    .collect();
                let mean = |of: &dyn Fn(&super::goal::Mark) -> f64| {
                    marks.iter().map(of).sum::<f64>() / marks.len() as f64
                };
                [change(mean(&|mark| mark.paid)), format!("{} s", short(mean(&|mark| wait.of(mark))))]
            });
            table.row([policy.to_string()].into_iter().chain(cells));
        }
        table
    }

    /// What was tuned without each of the logs, on that log.
    fn strangers(&self) -> Table {
        let mut table = Table::new(["tuned without", "came to", "95 %", "policy"]);
        for LeftOut { log, policy, verdict } in &self.elsewhere {
            let sure = verdict.interval.map_or_else(|| "-".to_owned(), between);
            table.row([log.clone(), change(verdict.ratio), sure, policy.to_string()]);
        }
        table
    }
}

impl fmt::Display for Tuned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.logs() {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "Goal {}, a second of waiting worth {} worker-seconds; {} policies in {} runs.\n\n{}",
            self.goal,
            self.worth,
            count(self.known.policies() as u64),
            count(self.known.len() as u64),
            self.beside()
        )?;
        if matches!(self.goal, Goal::Front(_)) {
            writeln!(f, "{}", self.front())?;
        }
        if !self.elsewhere.is_empty() {
            writeln!(f, "{}", self.strangers())?;
        }
        write!(f, "{}{}\n\n{}", self.advice().sentence, self.abroad(), self.policy_file())
    }
}

fn short(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.1}") } else { format!("{seconds:.0}") }
}

/// Words in lines.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.len() + word.len() >= LINE {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
