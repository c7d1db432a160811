//! The outbox in files. The run's manifest holds the events to send, written together with the state change.
//! Markers name the manifests that hold such events.
//!
//! On a local disk, one process sends. It holds a lock that the operating system releases at its end. In a
//! bucket, every replica sends. It claims an event by compare-and-swap, so that no other replica sends it
//! too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        layout::{DELIVERED_FOLDER, MANIFEST_FILE, PENDING_FOLDER, in_run},
        manifest::Manifest,
        run_files::RunFiles,
        store::FileStore,
    },
    ports::outbox::{Delivery, DeliveryCounts, DeliveryOutcome, DueDelivery, Outbox, WebhookEvent},
};

/// The report's number: the step after the last stage.
const REPORT_STEP: u8 = 5;

impl RunFiles {
    /// Adds events to a manifest, without writing it, unless the database queues them.
    pub(super) fn enqueue_events(
        &self,
        manifest: &mut Manifest,
        events: &[WebhookEvent],
        db_sync: DbSync,
    ) -> Result<(), StorageError> {
        if self.webhook_queue.wake.is_none() || db_sync.is_synced() {
            return Ok(());
        }
        self.markers.mark_with_manifest(manifest, PENDING_FOLDER)?;
        self.webhook_queue.recheck_now(&manifest.run_id);
        let generation = manifest.generation;
        for event in events {
            if !manifest.webhooks.iter().any(|one| (one.generation, one.event) == (generation, *event)) {
                manifest.webhooks.push(Delivery {
                    generation,
                    event: *event,
                    attempts: 0,
                    next_attempt_at: self.io.clock.now(),
                    outcome: None,
                    last_error: None,
                });
            }
        }
        manifest.webhooks.sort_by_key(Delivery::position);
        Ok(())
    }

    /// Adds the start of the next step to a manifest, without writing it.
    pub(super) fn enqueue_step(&self, manifest: &mut Manifest, db_sync: DbSync) -> Result<(), StorageError> {
        let missing = Stage::ALL.into_iter().find(|stage| !manifest.stages.contains_key(stage));
        let step = missing.map_or(REPORT_STEP, Stage::number);
        self.enqueue_events(manifest, &[WebhookEvent::Started(step)], db_sync)
    }

    fn claim_due(
        &self,
        limit: usize,
        visibility_timeout: Duration,
    ) -> Result<Vec<DueDelivery>, StorageError> {
        let runs = self.markers.marked(PENDING_FOLDER)?;
        let mut all = Vec::new();
        let is_ours = || {
            self.io
                .backend
                .try_become_leader(PENDING_FOLDER)
                .map_err(|error| self.io.fault(PENDING_FOLDER, &error))
        };
        if runs.is_empty() || !is_ours()? {
            return Ok(all);
        }
        for run in runs {
            if all.len() >= limit {
                break;
            }
            if !self.webhook_queue.is_resting(&run, self.io.clock.now()) {
                match self.claim_first(&run, visibility_timeout) {
                    // Another process claimed it first.
                    Err(error) if error.kind == StorageErrorKind::CasConflict => {}
                    claimed => all.extend(claimed?),
                }
            }
        }
        Ok(all)
    }

    /// Claims the first unfinished event of a run, if it is due.
    fn claim_first(
        &self,
        run: &RunId,
        visibility_timeout: Duration,
    ) -> Result<Option<DueDelivery>, StorageError> {
        let mut due = None;
        self.change_deliveries(run, |deliveries, now| {
            let is_gone = deliveries.iter().any(|one| one.outcome == Some(DeliveryOutcome::Gone));
            let first = deliveries.iter_mut().find(|one| one.outcome.is_none());
            let Some(first) = first.filter(|first| first.next_attempt_at <= now) else {
                return false;
            };
            first.attempts += 1;
            first.next_attempt_at = now + visibility_timeout;
            due = Some(DueDelivery {
                run: run.clone(),
                generation: first.generation,
                event: first.event,
                attempt: first.attempts,
                is_gone,
            });
            true
        })?;
        Ok(due)
    }

    /// Changes the queued events of a run. A missing run has none. `change` returns whether it changed
    /// anything.
    fn change_deliveries(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Vec<Delivery>, Timestamp) -> bool,
    ) -> Result<(), StorageError> {
        let lock = match self.io.lock(run) {
            Err(error) if error.kind == StorageErrorKind::NotFound => None,
            lock => Some(lock?),
        };
        let (is_deleted, manifest) =
            if lock.is_some() { self.manifests.read_run(run)? } else { (true, None) };
        let Some(mut manifest) = manifest.filter(|_| !is_deleted) else {
            self.markers.unmark(DELIVERED_FOLDER, run)?;
            return self.markers.unmark(PENDING_FOLDER, run);
        };
        let has_changed = change(&mut manifest.webhooks, self.io.clock.now());
        let next = manifest.webhooks.iter().find(|one| one.outcome.is_none()).map(|one| one.next_attempt_at);
        if next.is_some() {
            self.markers.mark(PENDING_FOLDER, run)?;
        }
        if has_changed {
            self.manifests.write(&mut manifest)?;
        }
        match next {
            Some(next) => self.webhook_queue.recheck_at(run, next, self.io.clock.now()),
            None => {
                let is_to_be_handed_over = manifest.database.is_some() && !manifest.webhooks.is_empty();
                if is_to_be_handed_over {
                    self.markers.mark(DELIVERED_FOLDER, run)?;
                } else {
                    self.markers.unmark(DELIVERED_FOLDER, run)?;
                }
                self.markers.unmark(PENDING_FOLDER, run)?;
            }
        }
        Ok(())
    }

    fn to_hand_over(&self) -> Result<Vec<RunId>, StorageError> {
        let mut runs = self.markers.marked(PENDING_FOLDER)?;
        runs.extend(self.markers.marked(DELIVERED_FOLDER)?);
        runs.sort();
        runs.dedup();
        Ok(runs)
    }

    fn count_deliveries(&self) -> Result<DeliveryCounts, StorageError> {
        let (mut counts, mut oldest) = (DeliveryCounts::default(), None);
        let runs = self.to_hand_over()?;
        let names: Vec<String> = runs.iter().map(|run| in_run(run, MANIFEST_FILE)).collect();
        for (run, (name, stored)) in runs.iter().zip(names.iter().zip(self.io.backend.read_all(&names))) {
            let Some(stored) = stored.map_err(|error| self.io.fault(name, &error))? else { continue };
            let Some(manifest) = self.manifests.parse(run, stored)? else { continue };
            for one in &manifest.webhooks {
                match one.outcome {
                    None => {
                        counts.pending += 1;
                        let since = manifest.stages.values().map(|stage| stage.stored_at).min();
                        oldest = oldest.min(since).or(oldest).or(since);
                    }
                    Some(DeliveryOutcome::Delivered) => counts.delivered += 1,
                    Some(DeliveryOutcome::Gone) => counts.gone += 1,
                    Some(DeliveryOutcome::GaveUp) => {
                        counts.gave_up += 1;
                        counts.name_gave_up(run.as_str());
                    }
                    Some(DeliveryOutcome::Superseded | DeliveryOutcome::TooLarge) => {}
                }
            }
        }
        let age = oldest.map(|oldest| (self.io.clock.now() - oldest).num_seconds());
        counts.oldest_pending_seconds = age.and_then(|age| u64::try_from(age).ok()).unwrap_or_default();
        Ok(counts)
    }
}

impl FileStore {
    /// Lists runs with events that were queued or delivered here and that the database lacks.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be read. `Indeterminate` if the store does not answer in time.
    pub async fn runs_with_pending_deliveries(&self) -> Result<Vec<RunId>, StorageError> {
        self.whole(RunFiles::to_hand_over).await
    }

    /// Removes events that the database now holds.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if a write may have happened.
    /// `CasConflict` if other processes kept changing the run.
    pub async fn handed_over(&self, run: &RunId, all: Vec<Delivery>) -> Result<(), StorageError> {
        self.change(run, move |kept, _| {
            kept.retain(|one| !all.iter().any(|other| other.position() == one.position()));
            true
        })
        .await
    }

    async fn change(
        &self,
        run: &RunId,
        change: impl FnOnce(&mut Vec<Delivery>, Timestamp) -> bool + Send + Sync + Clone + 'static,
    ) -> Result<(), StorageError> {
        let id = run.clone();
        self.write(run, move |files| files.change_deliveries(&id, change.clone())).await
    }
}

#[async_trait]
impl Outbox for FileStore {
    async fn claim_due(
        &self,
        limit: usize,
        visibility_timeout: Duration,
    ) -> Result<Vec<DueDelivery>, StorageError> {
        self.whole(move |files| files.claim_due(limit, visibility_timeout)).await
    }

    async fn ack(
        &self,
        due: &DueDelivery,
        outcome: DeliveryOutcome,
        error: Option<&str>,
    ) -> Result<(), StorageError> {
        let (at, error) = ((due.generation, due.event.place()), error.map(str::to_owned));
        let is_unsent = due.is_gone;
        self.change(&due.run, move |all, _| {
            for one in all.iter_mut().filter(|one| one.outcome.is_none()) {
                if one.position() == at && is_unsent {
                    one.attempts -= 1;
                }
                if one.position() == at || outcome == DeliveryOutcome::Gone {
                    one.outcome = Some(outcome);
                    one.last_error.clone_from(&error);
                }
            }
            true
        })
        .await
    }

    async fn postpone(&self, due: &DueDelivery, wait: Duration, error: &str) -> Result<(), StorageError> {
        let (at, error) = ((due.generation, due.event.place()), error.to_owned());
        self.change(&due.run, move |all, now| {
            for one in all.iter_mut().filter(|one| one.outcome.is_none() && one.position() == at) {
                one.next_attempt_at = now + wait;
                one.last_error = Some(error.clone());
            }
            true
        })
        .await
    }

    async fn hasten(&self, visibility_timeout: Duration) -> Result<usize, StorageError> {
        let mut hastened = 0;
        for run in self.runs_with_pending_deliveries().await? {
            let counted = Arc::new(AtomicUsize::new(0));
            let count = counted.clone();
            self.change(&run, move |all, now| {
                let waits = |one: &&mut Delivery| {
                    one.outcome.is_none() && one.next_attempt_at > now + visibility_timeout
                };
                let waiting = all.iter_mut().filter(waits).map(|one| one.next_attempt_at = now).count();
                // An attempt that lost a race counts nothing.
                count.store(waiting, Ordering::Relaxed);
                waiting > 0
            })
            .await?;
            hastened += counted.load(Ordering::Relaxed);
        }
        Ok(hastened)
    }

    async fn replay(
        &self,
        run: &RunId,
        generation: i32,
        events: &[WebhookEvent],
    ) -> Result<usize, StorageError> {
        let wanted = events.to_vec();
        self.change(run, move |all, now| {
            for one in all.iter_mut() {
                (one.outcome, one.attempts, one.next_attempt_at, one.last_error) = (None, 0, now, None);
            }
            for event in wanted {
                if !all.iter().any(|one| one.event == event) {
                    let next_attempt_at = now;
                    let (attempts, outcome, last_error) = (0, None, None);
                    all.push(Delivery { generation, event, attempts, next_attempt_at, outcome, last_error });
                }
            }
            all.sort_by_key(Delivery::position);
            true
        })
        .await?;
        Ok(self.deliveries(run).await?.len())
    }

    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>, StorageError> {
        Ok(self.manifest(run).await?.map(|manifest| manifest.webhooks).unwrap_or_default())
    }

    async fn count_deliveries(&self) -> Result<DeliveryCounts, StorageError> {
        self.whole(RunFiles::count_deliveries).await
    }

    async fn import_deliveries(&self, run: &RunId, deliveries: &[Delivery]) -> Result<(), StorageError> {
        let new = deliveries.to_vec();
        self.change(run, move |all, _| {
            all.retain(|one| !new.iter().any(|other| other.position() == one.position()));
            all.extend(new);
            all.sort_by_key(Delivery::position);
            true
        })
        .await
    }
}
