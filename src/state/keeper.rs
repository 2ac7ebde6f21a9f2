//! The thread that encodes and writes what the engine hands out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use super::{Piece, Record, Shelf, Store};

/// Some of a round.
#[derive(Debug)]
struct Portion {
    pieces: Vec<Piece>,
    /// Where the round is complete, the time before which nothing needs to be remembered, Unix seconds.
    end: Option<f64>,
}

/// Where the engine puts its copies; nothing of it waits.
#[derive(Debug)]
pub struct Outlet {
    portions: Sender<Portion>,
    /// Whether a round is being written.
    busy: Arc<AtomicBool>,
}

impl Outlet {
    /// Whether the last round is written, or given up: only then may the next one begin, so that what is on its way
    /// is never more than one copy of everything.
    pub fn is_free(&self) -> bool {
        !self.busy.load(Ordering::Acquire)
    }

    /// Hands over some of a round; with its end comes the time before which nothing needs to be remembered.
    pub fn send(&self, pieces: Vec<Piece>, end: Option<f64>) {
        self.busy.store(true, Ordering::Release);
        // The keeper ends only when nobody can send any more.
        let _ = self.portions.send(Portion { pieces, end });
    }
}

/// The thread, to be waited for at the end.
#[derive(Debug)]
pub struct Keeper {
    ended: Receiver<()>,
}

impl Keeper {
    /// Reads what was kept, and starts the thread that writes, which tells `wrote` of each round whether it is kept.
    /// What cannot be read is said, and learning begins anew.
    ///
    /// # Errors
    /// Where no thread can be started.
    pub fn start(
        mut store: Box<dyn Store>,
        wrote: impl FnMut(bool) + Send + 'static,
    ) -> std::io::Result<(Self, Shelf, Outlet)> {
        let shelf = load(store.as_mut());
        let (portions, inbox) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let busy = Arc::new(AtomicBool::new(false));
        let outlet = Outlet { portions, busy: busy.clone() };
        thread::Builder::new().name("state".to_owned()).spawn(move || {
            write(store.as_mut(), &inbox, &busy, wrote);
            drop(end);
        })?;
        Ok((Self { ended }, shelf, outlet))
    }

    /// Waits until all that was handed over is written, once every [`Outlet`] is gone. Returns whether it was within
    /// `patience`.
    pub fn finish(self, patience: Duration) -> bool {
        !matches!(self.ended.recv_timeout(patience), Err(mpsc::RecvTimeoutError::Timeout))
    }
}

fn load(store: &mut dyn Store) -> Shelf {
    let place = store.place();
    match store.load() {
        Ok(loaded) => {
            if let Some(fault) = loaded.fault {
                tracing::warn!(place, fault, "some of what was kept cannot be used: that is learned anew");
            }
            let shelf = Shelf::of(loaded.records);
            let (queues, refs) = shelf.count();
            tracing::info!(place, queues, refs, "what was learned before is taken up");
            shelf
        }
        Err(error) => {
            tracing::warn!(place, %error, "what was kept cannot be read: learning begins anew");
            Shelf::default()
        }
    }
}

fn write(store: &mut dyn Store, inbox: &Receiver<Portion>, busy: &AtomicBool, mut wrote: impl FnMut(bool)) {
    let place = store.place();
    // Of the round at hand, and whether the rounds before it could be written.
    let (mut failed, mut was_failing) = (false, false);
    for Portion { pieces, end } in inbox {
        let records: Vec<Arc<Record>> = pieces.into_iter().map(Piece::into_record).collect();
        let mut result = if failed { Ok(()) } else { store.put(&records) };
        if let (Ok(()), false, Some(forget_before)) = (&result, failed, end) {
            result = store.commit(forget_before);
        }
        if let Err(error) = result {
            failed = true;
            if !std::mem::replace(&mut was_failing, true) {
                tracing::warn!(place, %error, "what is learned cannot be kept: it is tried again");
            }
        }
        if end.is_some() {
            if !failed && std::mem::take(&mut was_failing) {
                tracing::info!(place, "what is learned is kept again");
            }
            wrote(!failed);
            failed = false;
            busy.store(false, Ordering::Release);
        }
    }
}
