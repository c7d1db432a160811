//! Finds answers for one run.

use async_trait::async_trait;

use super::{
    entry::{AnswerContent, CachedAnswer},
    key::AnswerKey,
};
use crate::run::Stage;

/// The answers that one run may use: those of its own principal.
#[async_trait]
pub trait AnswerCache: Send + Sync + std::fmt::Debug {
    /// Finds the answer to a question. While another run asks it, waits for that answer, within a limit. Never fails: a cache
    /// that cannot be reached is no cache.
    async fn look_up(&self, stage: Stage, key: &AnswerKey) -> LookUp;

    /// Notes that a stored answer was not usable, so that the next run asks anew.
    async fn reject(&self, stage: Stage, key: &AnswerKey);

    /// Waits until the answers that this run has given are kept, or are not. A run stores its stage afterwards: if the process
    /// dies in between, the answer that was paid for is there.
    async fn settled(&self) {}
}

/// The result of a look-up.
#[derive(Debug)]
pub enum LookUp {
    Hit(CachedAnswer),
    /// This run asks. Others with the same question wait for it. Dropping the lead lets another one ask.
    Lead(Box<dyn AnswerLead>),
    /// Ask, and keep nothing.
    Off,
}

/// The right to ask a question, while others wait for the answer.
pub trait AnswerLead: Send + Sync + std::fmt::Debug {
    /// Keeps the answer, and hands it to the runs that wait for it. It returns at once, so that the run goes on meanwhile;
    /// [`AnswerCache::settled`] waits. Never fails: the run has its answer.
    fn keep(self: Box<Self>, content: AnswerContent);
}
