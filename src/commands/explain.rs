//! `foresail explain`: what a running Foresail answers for a ref, and why.

mod learned;

use std::io;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use crate::http::{NodeReport, ObjectReport, QueueReport, RefReport, RoomReport, WorkloadReport};

/// Asks the server at `http` and prints all refs of that name.
pub(super) fn run(name: &str, http: &str) -> Result<()> {
    let Some((namespace, name)) = name.split_once('/') else { bail!("{name:?} is not NAMESPACE/NAME") };
    let http = http.trim_end_matches('/');
    let reports: Vec<RefReport> = ask(&format!("{http}/api/refs/{namespace}/{name}"))?.unwrap_or_default();
    let objects: Vec<ObjectReport> =
        ask(&format!("{http}/api/objects/{namespace}/{name}"))?.unwrap_or_default();
    if reports.is_empty() && objects.is_empty() {
        bail!("no ref is called {namespace}/{name}: nobody has asked {http} for it");
    }
    let mut out = io::stdout().lock();
    for report in reports {
        write_report(&mut out, &report)?;
    }
    for object in objects {
        write_object(&mut out, &object)?;
    }
    Ok(())
}

/// What the API says; `None` where it has nothing of that name.
fn ask<T: DeserializeOwned>(url: &str) -> Result<Option<T>> {
    let mut response = match ureq::get(url).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(404)) => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| {
                format!("cannot ask {url}: is --http the address of Foresail's http.listen?")
            });
        }
    };
    response.body_mut().read_json().with_context(|| format!("{url} is not Foresail's API")).map(Some)
}

fn write_report(out: &mut impl io::Write, report: &RefReport) -> io::Result<()> {
    writeln!(out, "{}/{}  metric {}", report.namespace, report.name, report.metric)?;
    match (&report.why, &report.error) {
        (Some(why), _) => writeln!(out, "  answer   {why}")?,
        (None, Some(error)) => writeln!(out, "  answer   none (KEDA is told an error): {error}")?,
        (None, None) => {}
    }
    if let (Some(target), Some(active)) = (report.target, report.active) {
        writeln!(out, "  target   {target}, {}", if active { "active" } else { "inactive" })?;
    }
    if let Some(queue) = &report.queue {
        write_queue(out, queue)?;
    }
    if let Some(workload) = &report.workload {
        write_workload(out, workload)?;
    }
    learned::write(out, report)?;
    match report.last_asked {
        Some(seconds) => writeln!(out, "  asked    {seconds:.0} s ago"),
        None => writeln!(out, "  asked    never: seen in Kubernetes, or watched"),
    }
}

fn write_workload(out: &mut impl io::Write, workload: &WorkloadReport) -> io::Result<()> {
    writeln!(
        out,
        "  scales   {}: {} replicas, {} ready, {} starting, {} terminating",
        workload.target,
        count(workload.replicas),
        count(workload.ready),
        count(workload.starting),
        count(workload.terminating),
    )?;
    for (name, starts) in [("warm", &workload.warm_starts), ("cold", &workload.cold_starts)] {
        if let Some(median) = starts.median {
            writeln!(
                out,
                "  starts   {name}: {median:.0} s (median of the latest; {} in all)",
                starts.count
            )?;
        }
    }
    if workload.given_up_starts > 0 {
        writeln!(
            out,
            "  starts   given up: {} in all (gone before they were Ready, having waited for a node)",
            workload.given_up_starts
        )?;
    }
    workload.newest_node.as_ref().map_or(Ok(()), |node| write_node(out, node))
}

fn write_node(out: &mut impl io::Write, node: &NodeReport) -> io::Result<()> {
    let NodeReport { node_pool, instance_type, seconds } = node;
    let what = instance_type.as_deref().unwrap_or("a node");
    writeln!(out, "  node     {what} of pool {node_pool} came in {seconds:.0} s (the newest)")
}

fn write_object(out: &mut impl io::Write, object: &ObjectReport) -> io::Result<()> {
    let ObjectReport { kind, namespace, name, room, traps, workload: _ } = object;
    let mut say = |what: &str, words: &str| writeln!(out, "{kind} {namespace}/{name}  {what}: {words}");
    if let Some(room) = room {
        say("room", &words_of(room))?;
        room.troubles.iter().try_for_each(|trouble| say(&trouble.reason, &trouble.what))?;
    }
    traps.iter().try_for_each(|trap| say(&trap.trap, &trap.what))
}

fn words_of(room: &RoomReport) -> String {
    let RoomReport { asked_here, chunks, due, at_most, troubles: _ } = room;
    if !asked_here {
        return "another replica asks for it, the one whose foresail_leader is 1".to_owned();
    }
    let asked = chunks.unwrap_or(0);
    let is = match asked {
        0 => "none is asked for".to_owned(),
        1 => "for 1 pod is asked for".to_owned(),
        pods => format!("for {pods} pods is asked for"),
    };
    let due = if *due == asked { String::new() } else { format!(", for {due} it should be") };
    let most = at_most.map(|most| format!("; for {most} at most, since no node came for more"));
    is + &due + &most.unwrap_or_default()
}

fn count<N: ToString>(n: Option<N>) -> String {
    n.map_or_else(|| "?".to_owned(), |n| n.to_string())
}

fn write_queue(out: &mut impl io::Write, queue: &QueueReport) -> io::Result<()> {
    writeln!(out, "  queue    {} (source {}, layout {})", queue.queue, queue.source, queue.layout)?;
    write!(
        out,
        "  sample   waiting {}, in flight {}, scheduled {}",
        count(queue.waiting),
        count(queue.in_flight),
        count(queue.scheduled)
    )?;
    match queue.sample_age {
        Some(age) => writeln!(out, ", {age:.1} s old")?,
        None => writeln!(out)?,
    }
    queue.warnings.iter().try_for_each(|warning| writeln!(out, "  warning  {warning}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{StartReport, TroubleReport};

    fn workload() -> WorkloadReport {
        let starts = |count, median| StartReport { count, median };
        WorkloadReport {
            target: "Deployment/chem/md".to_owned(),
            replicas: Some(3),
            ready: Some(2),
            starting: Some(1),
            terminating: None,
            min: None,
            max: None,
            warm_starts: starts(0, None),
            cold_starts: starts(7, Some(92.0)),
            given_up_starts: 2,
            newest_node: Some(NodeReport {
                node_pool: "gpu".to_owned(),
                instance_type: Some("g6.2xlarge".to_owned()),
                seconds: 88.4,
            }),
        }
    }

    #[test]
    fn how_pods_and_nodes_start_is_told_as_far_as_it_was_seen() {
        let mut workload = workload();
        let said = |workload: &WorkloadReport| {
            let mut out = Vec::new();
            write_workload(&mut out, workload).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            said(&workload),
            "  scales   Deployment/chem/md: 3 replicas, 2 ready, 1 starting, ? terminating\n  \
             starts   cold: 92 s (median of the latest; 7 in all)\n  \
             starts   given up: 2 in all (gone before they were Ready, having waited for a node)\n  \
             node     g6.2xlarge of pool gpu came in 88 s (the newest)\n"
        );
        (workload.given_up_starts, workload.newest_node) = (0, None);
        assert!(!said(&workload).contains("given up") && !said(&workload).contains("node "));
    }

    #[test]
    fn the_room_of_an_object_is_told_with_what_is_in_its_way() {
        let said = |room: Option<RoomReport>| {
            let mut out = Vec::new();
            write_object(&mut out, &object(room)).unwrap();
            String::from_utf8(out).unwrap()
        };
        let here = RoomReport { asked_here: true, ..RoomReport::default() };
        assert_eq!(said(None), "");
        let lines = [
            RoomReport::default(),
            here.clone(),
            RoomReport { due: 3, ..here.clone() },
            RoomReport { chunks: Some(1), due: 1, ..here.clone() },
            RoomReport { chunks: Some(4), due: 2, at_most: Some(2), ..here.clone() },
        ]
        .map(|room| said(Some(room)));
        assert_eq!(
            lines,
            [
                "another replica asks for it, the one whose foresail_leader is 1",
                "none is asked for",
                "none is asked for, for 3 it should be",
                "for 1 pod is asked for",
                "for 4 pods is asked for, for 2 it should be; for 2 at most, since no node came for more",
            ]
            .map(|words| format!("ScaledObject chem/md  room: {words}\n"))
        );
        let trouble = TroubleReport { reason: "forbidden".to_owned(), what: "a right is missing".to_owned() };
        let told = said(Some(RoomReport { troubles: vec![trouble], ..here }));
        assert!(told.ends_with("\nScaledObject chem/md  forbidden: a right is missing\n"), "{told}");
    }

    fn object(room: Option<RoomReport>) -> ObjectReport {
        ObjectReport {
            kind: "ScaledObject".to_owned(),
            namespace: "chem".to_owned(),
            name: "md".to_owned(),
            workload: workload(),
            room,
            traps: vec![],
        }
    }
}
