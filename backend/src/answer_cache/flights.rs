//! The questions that this process asks: its own runs wait for them in memory, also while no store is there.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use pipeline::answers::CachedAnswer;
use storage::control_plane::{AnswerQuestion, Principal};
use tokio::sync::watch;

/// The most questions at once. A process executes fewer runs than this, and each asks one question at a time.
const FLIGHTS_MAX: usize = 100_000;

type Key = (Principal, String);
type Landed = Option<Arc<CachedAnswer>>;

/// The open questions of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, watch::Receiver<Landed>>>>);

/// The way in which a run gets its answer.
#[derive(Debug)]
pub(super) enum Boarding {
    /// This run asks.
    Lead(Flight),
    /// Another run of this process asks.
    Wait(watch::Receiver<Landed>),
    /// There are too many questions.
    Full,
}

/// An open question. Dropping it without an answer lets another run ask.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Flights,
    key: Key,
    landed: watch::Sender<Landed>,
}

impl Flights {
    pub(super) fn board(&self, question: &AnswerQuestion) -> Boarding {
        let key = (question.principal.clone(), question.key.clone());
        let mut open = self.0.lock();
        if let Some(landed) = open.get(&key) {
            return Boarding::Wait(landed.clone());
        }
        if open.len() >= FLIGHTS_MAX {
            return Boarding::Full;
        }
        let (landed, receiver) = watch::channel(None);
        open.insert(key.clone(), receiver);
        Boarding::Lead(Flight { flights: self.clone(), key, landed })
    }
}

impl Flight {
    /// Hands the answer to all that wait.
    pub(super) fn land(self, answer: CachedAnswer) {
        self.landed.send_replace(Some(Arc::new(answer)));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.0.lock().remove(&self.key);
    }
}
