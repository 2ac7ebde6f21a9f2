//! Others who forecast the same counts.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

use anyhow::{Context as _, bail};
use augurs_core::{Fit as _, Predict as _};
use augurs_ets::AutoETS;

use super::{Task, Told, Z};

/// Exponential smoothing in Rust, fitted anew to the last counts: it knows no next step.
pub(super) fn augurs(task: &Task) -> Told {
    let window = |at: usize| -> Vec<f64> {
        task.counts[at - task.window..at].iter().map(|&count| count as f64).collect()
    };
    let windows: Vec<Vec<f64>> = task.scored.iter().map(|&at| window(at)).collect();
    let (mut means, mut quantiles) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for window in &windows {
        let (mean, scale) = smoothed(window);
        means.push(mean);
        quantiles.push(Z.map(|z| (mean + z * scale).max(0.0)));
    }
    let seconds = began.elapsed().as_secs_f64() / windows.len() as f64;
    Told { name: "augurs, AutoETS".to_owned(), seconds, means, quantiles: Some(quantiles) }
}

/// Mean and standard deviation of the next count. Of counts that are all alike no model is fitted.
fn smoothed(window: &[f64]) -> (f64, f64) {
    let told = AutoETS::non_seasonal().fit(window).and_then(|fitted| fitted.predict(1, 0.8));
    let Ok(told) = told else { return (window.last().copied().unwrap_or(0.0), 0.0) };
    let mean = told.point.first().copied().unwrap_or(0.0);
    let high = told.intervals.and_then(|within| within.upper.first().copied()).unwrap_or(mean);
    (mean, (high - mean) / Z[2])
}

/// The libraries of Python, in an environment beside this program.
pub(super) fn python(task: &Task) -> anyhow::Result<Vec<Told>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/forecast");
    let mut child = Command::new(environment(&folder)?)
        .arg(folder.join("peers.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("the environment's python does not start")?;
    let mut input = child.stdin.take().context("its input is a pipe")?;
    input.write_all(&serde_json::to_vec(task)?)?;
    drop(input);
    let output = child.wait_with_output()?;
    let said = done("peers.py", &output)?;
    said.lines().map(|line| serde_json::from_str(line).context("peers.py told no forecast")).collect()
}

/// The python of an environment with what is required; made the first time and when that changes, half a minute.
fn environment(folder: &Path) -> anyhow::Result<PathBuf> {
    let place = env::current_exe()?.with_file_name("forecast-peers");
    let (python, required) = (place.join("bin/python"), folder.join("requirements.txt"));
    // What stands in it, left there once all of it was installed.
    let (wanted, installed) = (fs::read(&required)?, place.join("installed.txt"));
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
    done("python3 -m venv", &made.context("python3 is not installed (apt install python3-venv)")?)?;
    let pip = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(required)
        .output();
    done("pip install", &pip?)?;
    fs::write(&installed, wanted)?;
    Ok(python)
}

/// What a program wrote, if it ended well.
fn done(what: &str, output: &Output) -> anyhow::Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{what}: {}", said.lines().last().unwrap_or("failed without a word"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
