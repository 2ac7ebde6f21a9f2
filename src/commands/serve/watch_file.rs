//! Takes up a changed configuration, at SIGHUP or when the file's content changes.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::signal::unix::Signal;

use crate::{
    commands::serve::{Shared, sources::Sources},
    config::Config,
    engine::Event,
};

/// How often the file is looked at. Kubernetes swaps a link to change a mounted file, which a look at
/// the content sees and a watch on the file does not.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks until the process ends; `known` is the text that the process runs by.
pub(super) async fn run(
    path: PathBuf,
    known: String,
    mut hang_up: Signal,
    shared: Arc<Shared>,
    mut sources: Sources,
) {
    let mut looks = Looks { known: known.into_bytes(), seen: None };
    loop {
        let asked = tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = hang_up.recv() => true,
            () = tokio::time::sleep(LOOK_EVERY) => false,
        };
        let content = fs::read(&path);
        let result = if asked {
            match content.with_context(|| format!("cannot read {}", path.display())) {
                Ok(content) => {
                    looks.take_up(&content);
                    reload(&path, content, &shared, &mut sources).await
                }
                Err(error) => Err(error),
            }
        } else if let Some(content) = looks.changed(content.ok()) {
            reload(&path, content, &shared, &mut sources).await
        } else {
            continue;
        };
        let word = if result.is_ok() { "ok" } else { "error" };
        shared.metrics.reloads.with_label_values(&[word]).inc();
        match result {
            Ok(()) => tracing::info!("the configuration was taken up"),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the new configuration is not taken up: the old one holds");
            }
        }
    }
}

/// What the looks at the file have shown.
struct Looks {
    /// The content that was last taken up, or found wrong.
    known: Vec<u8>,
    /// Another content, seen by the last look.
    seen: Option<Vec<u8>>,
}

impl Looks {
    /// A new content, once two looks in a row agree on it: a file that is being written is cut off for
    /// a moment. One that is missing or empty is no content.
    fn changed(&mut self, now: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let new = now.filter(|now| *now != self.known && !is_blank(now));
        let before = std::mem::replace(&mut self.seen, new);
        let agreed = self.seen.take_if(|new| before.as_ref() == Some(new))?;
        self.take_up(&agreed);
        Some(agreed)
    }

    /// Notes a content that somebody asked to take up.
    fn take_up(&mut self, content: &[u8]) {
        self.seen = None;
        if !is_blank(content) {
            content.clone_into(&mut self.known);
        }
    }
}

fn is_blank(content: &[u8]) -> bool {
    content.trim_ascii().is_empty()
}

async fn reload(path: &Path, content: Vec<u8>, shared: &Shared, sources: &mut Sources) -> anyhow::Result<()> {
    let file = path.display().to_string();
    if is_blank(&content) {
        bail!("{file} is empty");
    }
    let text = String::from_utf8(content).with_context(|| format!("cannot read {file}"))?;
    let config = Arc::new(Config::from_yaml(&file, &text)?);
    let before = shared.config.load_full();
    let at_start = |config: &Config| {
        let Config { grpc, http, kubernetes, state, hints, .. } = config;
        (grpc.clone(), http.clone(), kubernetes.clone(), state.clone(), hints.clone())
    };
    if at_start(&config) != at_start(&before) {
        tracing::warn!("grpc, http, kubernetes, state and hints are taken up at a restart only");
    }
    let prepared = sources.prepare(&config)?;
    sources.stop_changed(&config).await;
    shared.config.store(config.clone());
    // Their last state would alert for ever.
    before.sources.keys().filter(|name| !config.sources.contains_key(*name)).for_each(|name| {
        shared.metrics.forget_source(name);
    });
    let (done, taken_up) = mpsc::channel();
    shared.events.send(Event::Reload(config.clone(), done)).ok().context("the engine has stopped")?;
    let interests = tokio::task::spawn_blocking(move || taken_up.recv()).await??;
    sources.start(prepared, &interests);
    shared.reloaded.notify_one();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks() -> Looks {
        Looks { known: b"old".to_vec(), seen: None }
    }

    fn look(looks: &mut Looks, content: &str) -> Option<String> {
        looks.changed(Some(content.into())).map(|content| String::from_utf8(content).unwrap())
    }

    #[test]
    fn a_change_counts_once_when_two_looks_agree() {
        let mut looks = looks();
        assert_eq!(look(&mut looks, "old"), None);
        assert_eq!(look(&mut looks, "half"), None);
        assert_eq!(look(&mut looks, "half and the rest"), None);
        assert_eq!(look(&mut looks, "half and the rest").as_deref(), Some("half and the rest"));
        assert_eq!(look(&mut looks, "half and the rest"), None);
        assert_eq!(look(&mut looks, "half and the rest"), None);
    }

    #[test]
    fn a_file_that_is_missing_or_empty_is_no_change() {
        let mut looks = looks();
        for _ in 0..3 {
            assert_eq!(look(&mut looks, ""), None);
            assert_eq!(look(&mut looks, " \n"), None);
            assert_eq!(looks.changed(None), None);
        }
        assert_eq!(look(&mut looks, "old"), None);
        assert_eq!(look(&mut looks, "new"), None);
        assert_eq!(look(&mut looks, ""), None);
        assert_eq!(look(&mut looks, "new"), None, "the two looks were not in a row");
        assert_eq!(look(&mut looks, "new").as_deref(), Some("new"));
    }

    #[test]
    fn what_was_taken_up_at_sighup_is_not_taken_up_again() {
        let mut looks = looks();
        assert_eq!(look(&mut looks, "new"), None);
        looks.take_up(b"new");
        assert_eq!(look(&mut looks, "new"), None);
        assert_eq!(look(&mut looks, "new"), None);
        looks.take_up(b"");
        assert_eq!(look(&mut looks, "new"), None);
    }
}
