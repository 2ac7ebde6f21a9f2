//! `foresail demo`, as a user runs it.

#[path = "support/mod.rs"]
mod support;

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, ChildStderr, Command, Output, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use support::process::PATIENCE;

/// Two runs over the log's first day, side by side.
static TWO_RUNS: LazyLock<[Output; 2]> = LazyLock::new(|| {
    let run = || demo().args(["--days", "1", "--no-progress"]).output().expect("foresail starts");
    thread::scope(|scope| {
        let other = scope.spawn(run);
        [run(), other.join().expect("the thread ends")]
    })
});

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail"));
    command.arg("demo").stdin(Stdio::null());
    command
}

/// A demo that is running; killed on drop.
struct Running {
    child: Child,
    errors: BufReader<ChildStderr>,
}

impl Running {
    fn start(args: &[&str]) -> Self {
        let mut child =
            demo().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("foresail starts");
        let errors = BufReader::new(child.stderr.take().expect("it is piped"));
        Self { child, errors }
    }

    /// Reads standard error up to a line that holds `wanted`.
    fn line_with(&mut self, wanted: &str) -> String {
        let mut read = String::new();
        loop {
            let mut line = String::new();
            let bytes = self.errors.read_line(&mut line).expect("standard error can be read");
            assert!(bytes > 0, "foresail ended without {wanted:?}; it said:\n{read}");
            if line.contains(wanted) {
                return line;
            }
            read.push_str(&line);
        }
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {signal} {id}: {sent}");
    }

    /// Waits for the end: the exit code and all that was not read of standard error.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.errors.read_to_string(&mut rest).expect("standard error is text");
        (self.child.wait().expect("foresail can be waited for").code(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The table's numbers by line, in the order of its columns.
fn table(output: &Output) -> HashMap<String, Vec<f64>> {
    let text = String::from_utf8(output.stdout.clone()).expect("the output is text");
    let lines = text.lines().skip_while(|line| !line.contains("depth/1")).skip(1);
    let numbers = |line: &str| {
        let (name, rest) = line.split_at_checked(31)?;
        let values = rest.split_whitespace().map(|value| value.replace(',', "").parse::<f64>());
        Some((name.trim().to_owned(), values.collect::<Result<Vec<_>, _>>().ok()?))
    };
    lines.map_while(numbers).collect()
}

#[test]
fn two_runs_print_the_same() {
    let [first, second] = &*TWO_RUNS;
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let text = String::from_utf8_lossy(&first.stdout);
    assert_eq!(text, String::from_utf8_lossy(&second.stdout));
    for said in [
        "Philly traces, Microsoft, CC-BY-4.0",
        "2017-10-09 to 2017-10-09: 1,118 jobs",
        "median of 300 s, at most 14400 s",
        "samples every 5 s",
        "seed 1",
        "calls over gRPC; 0 failed",
    ] {
        assert!(text.contains(said), "no {said:?} in:\n{text}");
    }
}

#[test]
fn mean_waits_are_a_tenth_of_plain_kedas_for_a_quarter_more_worker_hours_at_most() {
    let table = table(&TWO_RUNS[0]);
    let [ours, plain, lazy] = table["wait, mean (s)"][..] else { panic!("{table:?}") };
    assert!(ours > 0.0 && ours < 0.1 * plain && plain < lazy, "{table:?}");
    let [ours, plain, _] = table["wait, 95 % of jobs within (s)"][..] else { panic!("{table:?}") };
    assert!(ours < 0.125 * plain, "{table:?}");
    let [ours, plain, _] = table["worker-hours"][..] else { panic!("{table:?}") };
    assert!(ours < 1.25 * plain, "{table:?}");
    assert_eq!(table["jobs done"], [1118.0; 3]);
}

#[test]
fn ctrl_c_ends_it_at_once_and_says_where() {
    for signal in ["INT", "TERM"] {
        let mut running = Running::start(&[]);
        running.line_with("mean wait");
        let sent = Instant::now();
        running.signal(signal);
        let (code, said) = running.end();
        let took = sent.elapsed();
        assert_eq!(code, Some(130), "{said}");
        assert!(said.contains("stopped at 2017-10-"), "{said}");
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn its_metrics_and_api_can_be_read_while_it_runs() {
    let mut running = Running::start(&[]);
    let address = running.line_with("http://");
    let address = address.trim().split("http://").nth(1).expect("the line holds it").to_owned();
    running.line_with("mean wait");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).expect("the demo listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
            .expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers with text");
        answer
    };
    let deadline = Instant::now() + PATIENCE;
    // The first line comes before KEDA's first call.
    while !get("/metrics").contains("foresail_ref_target{") {
        assert!(Instant::now() < deadline, "no target in:\n{}", get("/metrics"));
        thread::sleep(Duration::from_millis(5));
    }
    let answer = get("/api/refs/demo/workers");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"why\""), "{answer}");
}

#[test]
fn an_unknown_option_or_a_wrong_value_says_what_there_is() {
    for (args, wanted) in [
        (&["--speed", "9"][..], "--sample-every TIME"),
        (&["--days", "8"], "1..=7"),
        (&["--median", "0s"], "a time above 0"),
        (&["--cap", "long"], "is not a duration"),
        (&["--sample-every", "2h"], "between 0.1s and 1h"),
    ] {
        let output = demo().args(args).output().expect("foresail starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(wanted), "{args:?}: {said}");
    }
}
