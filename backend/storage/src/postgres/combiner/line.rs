//! The line of writes that wait for a statement of their kind, and the turn to send one.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::run::RunId;
use tokio::sync::oneshot;

use crate::{ports::combined::Combined, postgres::combiner::pace::Pace};

/// The most rows of a statement. More save little: at 64, the flush and the round trip are a small part of its time.
const ROWS_MAX: usize = 64;

/// The most bytes of a statement, unless one row alone has more. A record has some kilobytes, seldom some hundred.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most writes in line. A replica works on fewer runs at once, and a write beyond it is sent alone.
const LINE_MAX: usize = 16_384;

/// A statement should take at most this part of a write's time limit, so that a write in the next one is not late.
const AIM: u32 = 8;

/// One run's part of a statement.
pub(in crate::postgres) trait Row: Send + 'static {
    fn run(&self) -> &RunId;

    /// About as many bytes as it adds to the statement.
    fn bytes(&self) -> usize;
}

#[derive(Debug)]
pub(super) struct Line<R> {
    state: Mutex<State<R>>,
    statements_max: usize,
}

#[derive(Debug)]
struct State<R> {
    under_way: usize,
    next_ticket: u64,
    /// By rising tickets.
    waiting: VecDeque<Waiting<R>>,
    pace: Pace,
}

#[derive(Debug)]
struct Waiting<R> {
    ticket: u64,
    /// None once its caller has left.
    row: Option<R>,
    tell: oneshot::Sender<Told<R>>,
}

/// The message to a waiting write.
#[derive(Debug)]
pub(super) enum Told<R> {
    /// It sends the next statement itself.
    Lead(Lead<R>),
    Ended(Combined),
}

/// The turn to send a statement with this row.
#[derive(Debug)]
pub(super) struct Lead<R> {
    row: R,
    turn: Turn<R>,
}

/// The right to have one statement under way. Dropped, it goes to the next one in line.
#[derive(Debug)]
pub(super) struct Turn<R>(Option<Arc<Line<R>>>);

/// How a write has joined the line.
pub(super) enum Joined<R> {
    Lead(Lead<R>),
    Waits(oneshot::Receiver<Told<R>>, u64),
    Full,
}

/// The rows of one statement, and who waits for its end.
pub(super) struct Group<R> {
    pub(super) rows: Vec<R>,
    pub(super) own: RunId,
    pub(super) others: Vec<(RunId, oneshot::Sender<Told<R>>)>,
    pub(super) turn: Turn<R>,
}

impl<R> Drop for Turn<R> {
    fn drop(&mut self) {
        if let Some(line) = self.0.take() {
            line.pass_on();
        }
    }
}

impl<R> Line<R> {
    pub(super) fn new(statements_max: usize, write_timeout: Duration) -> Self {
        let pace = Pace::new(write_timeout / AIM, ROWS_MAX);
        let state = State { under_way: 0, next_ticket: 0, waiting: VecDeque::new(), pace };
        Self { state: Mutex::new(state), statements_max: statements_max.max(1) }
    }

    pub(super) fn join(self: &Arc<Self>, row: R) -> Joined<R> {
        let mut state = self.state.lock();
        if state.under_way < self.statements_max {
            state.under_way += 1;
            return Joined::Lead(Lead { row, turn: Turn(Some(self.clone())) });
        }
        if state.waiting.len() >= LINE_MAX {
            return Joined::Full;
        }
        let (tell, told) = oneshot::channel();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(Waiting { ticket, row: Some(row), tell });
        Joined::Waits(told, ticket)
    }

    /// Leaves the line. Returns false if the row is no longer in it.
    pub(super) fn withdraw(&self, ticket: u64) -> bool {
        let mut state = self.state.lock();
        let Ok(at) = state.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) else {
            return false;
        };
        state.waiting.get_mut(at).and_then(|waiting| waiting.row.take()).is_some()
    }

    /// Takes note of how a statement ended.
    pub(super) fn note(&self, rows: usize, took: Duration, is_ok: bool) {
        self.state.lock().pace.note(rows, took, is_ok);
    }

    /// Gives a turn that is over to the next one in line.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut state = self.state.lock();
                let next = state.waiting.pop_front();
                if next.is_none() {
                    state.under_way = state.under_way.saturating_sub(1);
                }
                next
            };
            let Some(Waiting { row, tell, .. }) = next else { return };
            let Some(row) = row else { continue };
            let lead = Lead { row, turn: Turn(Some(self.clone())) };
            match tell.send(Told::Lead(lead)) {
                // Its caller has gone. The turn stays here.
                Err(Told::Lead(mut lead)) => lead.turn.0 = None,
                _ => return,
            }
        }
    }
}

impl<R: Row> Line<R> {
    /// Takes the rows that go with the leader's, first come, first served. A run that is in the group already stays in line.
    pub(super) fn group(&self, lead: Lead<R>) -> Group<R> {
        let Lead { row, turn } = lead;
        let own = row.run().clone();
        let mut runs = HashSet::from([own.clone()]);
        let mut bytes = row.bytes();
        let (mut rows, mut others, mut left) = (vec![row], Vec::new(), Vec::new());
        let mut state = self.state.lock();
        let rows_max = state.pace.rows_max();
        while rows.len() < rows_max
            && let Some(waiting) = state.waiting.pop_front()
        {
            let Some(row) = waiting.row.as_ref().filter(|_| !waiting.tell.is_closed()) else { continue };
            let more = bytes + row.bytes();
            if more > BYTES_MAX || runs.contains(row.run()) {
                let is_full = more > BYTES_MAX;
                left.push(waiting);
                if is_full {
                    break;
                }
                continue;
            }
            bytes = more;
            if let Waiting { row: Some(row), tell, .. } = waiting {
                runs.insert(row.run().clone());
                others.push((row.run().clone(), tell));
                rows.push(row);
            }
        }
        for waiting in left.into_iter().rev() {
            state.waiting.push_front(waiting);
        }
        Group { rows, own, others, turn }
    }
}
