//! The stored entries. A store that fails is no cache: the run asks the model, as without one.

use std::{sync::Arc, time::Duration};

use foundation::clock::timer_now;
use pipeline::{
    answers::CachedAnswer,
    clock::{Clock, Timestamp},
};
use storage::{
    StorageError,
    control_plane::{AnswerClaim, AnswerLease, AnswerQuestion, AnswerStore},
    files::FileStore,
    router::Router,
};
use tokio::time::Instant;

use super::{entry, settings::AnswerCacheSettings};

/// How often a waiting run looks whether another replica has the answer. The answer takes seconds to minutes.
const POLL: Duration = Duration::from_millis(500);

/// The stored entries.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// None without a database.
    pub(super) store: Option<Arc<dyn AnswerStore>>,
    pub(super) router: Arc<Router>,
}

/// The result of a look-up among the stored entries.
#[derive(Debug)]
pub(super) enum Claimed {
    Found(CachedAnswer),
    /// This run asks for all replicas.
    Led(AnswerLease),
    /// No store is there. This run asks for this process.
    NoStore,
    OptedOut,
    /// Another replica has asked for too long.
    Overdue,
}

impl Shared {
    /// The files, if the mode has them and the database is not used now.
    pub(super) fn files(&self) -> Option<&FileStore> {
        (self.store().is_none() && self.router.expects_files()).then(|| self.router.files())
    }

    /// Finds an answer in the files. A store that fails, and a damaged entry, hold none.
    async fn in_files(
        &self,
        question: &AnswerQuestion,
        settings: &AnswerCacheSettings,
        clock: &dyn Clock,
    ) -> Option<CachedAnswer> {
        let files = self.files()?;
        let keep = chrono::TimeDelta::from_std(settings.keep).ok()?;
        let after = clock.now().checked_sub_signed(keep)?;
        let found = files.find_answer(question, after).await.ok()??;
        let answer = entry::read(question, &found);
        if answer.is_none() {
            log_damaged(question);
            let _ = files.reject_answer(question).await;
        }
        answer
    }

    /// Keeps an answer in the files.
    pub(super) async fn keep_in_files(&self, question: &AnswerQuestion, answer: &CachedAnswer) {
        let (Some(files), Some(stored)) = (self.files(), entry::written(question, answer)) else { return };
        if let Err(error) = files.keep_answer(question, &stored, answer.origin.answered_at).await {
            log_not_kept(question, &error);
        }
    }

    /// Notes that a run uses an answer that it has got in memory.
    pub(super) async fn note_use(&self, question: &AnswerQuestion) {
        if let Some(store) = self.store() {
            let _ = store.note_use(question).await;
        } else if let Some(files) = self.files() {
            let _ = files.find_answer(question, Timestamp::MIN_UTC).await;
        }
    }

    /// Removes an answer that is not usable. If that fails, the next run finds it, and rejects it too.
    pub(super) async fn reject(&self, question: &AnswerQuestion) {
        if let Some(store) = self.store() {
            let _ = store.reject(question).await;
        }
        if let Some(files) = self.files() {
            let _ = files.reject_answer(question).await;
        }
    }

    /// The database, if the mode has it and it answers.
    pub(super) fn store(&self) -> Option<&Arc<dyn AnswerStore>> {
        self.store.as_ref().filter(|_| self.router.is_database_open())
    }

    /// Finds an answer, or takes the lease to ask. While another replica asks, it waits, and calls `on_wait` once.
    pub(super) async fn claim(
        &self,
        question: &AnswerQuestion,
        settings: &AnswerCacheSettings,
        clock: &dyn Clock,
        until: Instant,
        on_wait: &(dyn Fn() + Send + Sync),
    ) -> Claimed {
        let lease = AnswerLease { leader: uuid::Uuid::new_v4().to_string(), duration: settings.lease };
        let mut waits = false;
        loop {
            let Some(store) = self.store() else {
                let found = self.in_files(question, settings, clock).await;
                return found.map_or(Claimed::NoStore, Claimed::Found);
            };
            match store.claim(question, &lease, settings.keep).await {
                Ok(AnswerClaim::Found(stored)) => match entry::read(question, &stored) {
                    Some(answer) => return Claimed::Found(answer),
                    None => {
                        log_damaged(question);
                        if let Err(error) = store.reject(question).await {
                            return Self::no_store(question, &error);
                        }
                        continue;
                    }
                },
                Ok(AnswerClaim::Led) => return Claimed::Led(lease),
                Ok(AnswerClaim::OptedOut) => return Claimed::OptedOut,
                Ok(AnswerClaim::Taken) => {}
                Err(error) => return Self::no_store(question, &error),
            }
            if !std::mem::replace(&mut waits, true) {
                on_wait();
            }
            if timer_now() >= until {
                return Claimed::Overdue;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn no_store(question: &AnswerQuestion, error: &StorageError) -> Claimed {
        tracing::debug!(event = "answer_cache_unreachable", run_id = %question.run, stage = question.stage.number(), %error, "the answer cache cannot be reached; asking the model");
        Claimed::NoStore
    }
}

fn log_damaged(question: &AnswerQuestion) {
    tracing::warn!(event = "cached_answer_damaged", run_id = %question.run, stage = question.stage.number(), "a cached answer does not match its digest; removed");
}

/// The answer is not kept for later runs.
pub(super) fn log_not_kept(question: &AnswerQuestion, error: &StorageError) {
    tracing::debug!(event = "answer_not_cached", run_id = %question.run, stage = question.stage.number(), %error, "the answer could not be kept");
}
