//! The queue: what waits, since when, and who waits for it.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::{clock::Clock, run::RunId};
use tokio::sync::Notify;

use super::batch::{Batch, MirrorPart};
use crate::{files::manifest::DocumentSummary, ports::lifecycle::Fence};

/// How long a run's first part waits for the next ones. With the write itself it stays below 250 ms.
const COALESCE: Duration = Duration::from_millis(150);

/// The most memory of all parts. At 100 runs a second it is half a minute of a disk that does not answer.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The parts that the files still have to get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MirrorLag {
    pub records: usize,
    pub bytes: usize,
    /// How long the oldest part has waited.
    pub age: Duration,
}

/// How the mirror took a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Kept,
    /// Nobody writes the mirror: this process is a command, or it is about to end.
    Off,
    Full,
}

/// A batch that is being written. Dropping it says that this is over, also after a panic.
#[derive(Debug)]
pub(crate) struct Taken {
    mirror: Arc<Mirror>,
    pub(crate) batch: Arc<Batch>,
    /// Whether the files lack a part of it.
    pub(crate) has_gap: bool,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.mirror.done(&self.batch, self.has_gap);
    }
}

/// The queue of the mirror.
#[derive(Debug)]
pub struct Mirror {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Whether a task writes what is due.
    is_driven: AtomicBool,
    /// Something is due earlier than the writer knows.
    hastened: Notify,
    /// A batch has been written.
    written: Notify,
}

#[derive(Debug, Default)]
struct State {
    runs: HashMap<RunId, Waiting>,
    records: usize,
    bytes: usize,
    /// Counts parts.
    pushed: u64,
}

/// The waiting parts of one run.
#[derive(Debug)]
struct Waiting {
    batch: Option<Batch>,
    due: Duration,
    /// The first part of the batch: its number, and when it came.
    first: (u64, Duration),
    /// The first part of the batch that is being written.
    under_way: Option<(u64, Duration)>,
    /// Whether the files did not take an earlier part.
    has_gap: bool,
}

impl Waiting {
    /// The oldest part that is not in the files.
    fn oldest(&self) -> (u64, Duration) {
        self.under_way.unwrap_or(self.first)
    }

    fn is_due(&self, now: Duration) -> bool {
        self.batch.is_some() && self.under_way.is_none() && self.due <= now
    }
}

impl State {
    fn add(&mut self, fence: &Fence, part: MirrorPart, document: Option<DocumentSummary>, now: Duration) {
        let Self { runs, records, bytes, pushed } = self;
        *pushed += 1;
        *records += 1;
        *bytes += part.size();
        let first = (*pushed, now);
        let waiting = runs.entry(fence.run.clone()).or_insert_with(|| Waiting {
            batch: None,
            due: now + COALESCE,
            first,
            under_way: None,
            has_gap: false,
        });
        // The files refuse the parts of an earlier claim anyway.
        if let Some(stale) = waiting.batch.take_if(|batch| batch.fence.term() != fence.term()) {
            *records = records.saturating_sub(stale.parts.len());
            *bytes = bytes.saturating_sub(stale.size());
        }
        if waiting.batch.is_none() {
            (waiting.due, waiting.first) = (now + COALESCE, first);
        }
        if part.is_end() {
            waiting.due = now;
        }
        let batch = waiting.batch.get_or_insert_with(|| Batch::new(fence.clone()));
        batch.document = document.or_else(|| batch.document.take());
        batch.parts.push(part);
    }
}

impl Mirror {
    pub(in crate::files) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            is_driven: AtomicBool::new(false),
            hastened: Notify::new(),
            written: Notify::new(),
        }
    }

    /// Says whether a task writes what is due. Until it does, every write goes to the files at once.
    pub fn set_driven(&self, is_driven: bool) {
        self.is_driven.store(is_driven, Ordering::Relaxed);
    }

    /// Adds a part that the row has taken under this fence.
    pub(super) fn push(&self, fence: &Fence, part: MirrorPart, document: Option<DocumentSummary>) -> Pushed {
        if !self.is_driven.load(Ordering::Relaxed) {
            return Pushed::Off;
        }
        let (now, is_end) = (self.clock.monotonic(), part.is_end());
        let mut state = self.state.lock();
        if state.bytes + part.size() > BYTES_MAX {
            return Pushed::Full;
        }
        let is_first = state.runs.is_empty();
        state.add(fence, part, document, now);
        drop(state);
        if is_first || is_end {
            self.hastened.notify_one();
        }
        Pushed::Kept
    }

    /// Takes what is due, ordered by run: two processes of one disk then take the locks of several runs in one order.
    pub(super) fn take_due(self: &Arc<Self>) -> Vec<Taken> {
        let now = self.clock.monotonic();
        let mut due = Vec::new();
        for waiting in self.state.lock().runs.values_mut().filter(|waiting| waiting.is_due(now)) {
            if let Some(mut batch) = waiting.batch.take() {
                batch.is_after_gap = waiting.has_gap;
                waiting.under_way = Some(waiting.first);
                due.push(Taken { mirror: self.clone(), batch: Arc::new(batch), has_gap: true });
            }
        }
        due.sort_by(|one, other| one.batch.fence.run.cmp(&other.batch.fence.run));
        due
    }

    /// Notes that a batch is in the files, or never will be: then `has_gap`.
    fn done(&self, batch: &Batch, has_gap: bool) {
        let mut state = self.state.lock();
        state.records = state.records.saturating_sub(batch.parts.len());
        state.bytes = state.bytes.saturating_sub(batch.size());
        if let Some(waiting) = state.runs.get_mut(&batch.fence.run) {
            waiting.under_way = None;
            waiting.has_gap |= has_gap;
            if waiting.batch.is_none() {
                state.runs.remove(&batch.fence.run);
            }
        }
        drop(state);
        self.written.notify_waiters();
    }

    /// Returns when something is due.
    pub async fn due(&self) {
        loop {
            let hastened = self.hastened.notified();
            let now = self.clock.monotonic();
            let next = {
                let state = self.state.lock();
                let waits = |waiting: &&Waiting| waiting.batch.is_some() && waiting.under_way.is_none();
                state.runs.values().filter(waits).map(|waiting| waiting.due).min()
            };
            match next {
                Some(due) if due <= now => return,
                Some(due) => tokio::select! {
                    () = hastened => {}
                    () = tokio::time::sleep(due - now) => {}
                },
                None => hastened.await,
            }
        }
    }

    /// Makes everything due at once: the database has stopped taking writes, or the mode changes.
    pub fn hasten(&self) {
        for waiting in self.state.lock().runs.values_mut() {
            waiting.due = Duration::ZERO;
        }
        self.hastened.notify_one();
    }

    /// Makes a run due at once, and waits until nothing of it waits.
    pub(super) async fn settled(&self, run: &RunId) {
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            match self.state.lock().runs.get_mut(run) {
                Some(waiting) => waiting.due = Duration::ZERO,
                None => return,
            }
            self.hastened.notify_one();
            written.await;
        }
    }

    /// Makes everything due at once, and waits until the files have all that is here now. Later parts do not count.
    pub async fn drained(&self) {
        let last = self.state.lock().pushed;
        loop {
            let written = self.written.notified();
            tokio::pin!(written);
            written.as_mut().enable();
            if self.state.lock().runs.values().all(|waiting| waiting.oldest().0 > last) {
                return;
            }
            self.hasten();
            written.await;
        }
    }

    /// The parts that the files still have to get.
    #[must_use]
    pub fn lag(&self) -> MirrorLag {
        let (now, state) = (self.clock.monotonic(), self.state.lock());
        let oldest = state.runs.values().map(|waiting| waiting.oldest().1).min();
        let age = oldest.map(|since| now.saturating_sub(since)).unwrap_or_default();
        MirrorLag { records: state.records, bytes: state.bytes, age }
    }
}
