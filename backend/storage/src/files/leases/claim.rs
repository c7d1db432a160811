//! Claims runs that no worker holds, and releases them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use pipeline::{
    clock::Timestamp,
    run::{RunId, Stage},
};

use crate::{
    error::{StorageError, StorageErrorKind},
    files::{
        db_sync::DbSync,
        integrity::{DigestCheck, check_digest},
        io::lock,
        layout::{MANIFEST_FILE, OPEN_FOLDER, in_run},
        manifest::Manifest,
        run_files::{ObservedRun, RunFiles},
    },
    ports::{
        lifecycle::{Fence, WaitingRuns},
        outbox::WebhookEvent,
    },
    waiting::{Postponement, WaitReason, Waiting},
};

/// The most manifests that one search reads where each read costs a request. A longer queue is read over
/// several searches.
const LOOKS_MAX: usize = 64;

/// How long one search may claim runs. The caller waits longer, so that no claimed run is lost by its
/// timeout.
const TAKING_MAX: Duration = Duration::from_millis(1_000);

/// The criteria of a search for work.
#[derive(Debug, Clone)]
pub(in crate::files) struct Search {
    pub(in crate::files) owner: String,
    pub(in crate::files) limit: usize,
    /// Runs that this process works on already.
    pub(in crate::files) held: HashSet<RunId>,
    /// Claim only runs that have no row in the database.
    pub(in crate::files) without_row_only: bool,
    /// The waiting runs to claim.
    pub(in crate::files) waiting: WaitingRuns,
}

impl Search {
    /// Whether a run with this wait may be claimed.
    fn takes(&self, waiting: Option<&Waiting>, now: Timestamp) -> bool {
        match (self.waiting, waiting.filter(|waiting| waiting.until.is_some())) {
            (WaitingRuns::None | WaitingRuns::Due, None) => true,
            (WaitingRuns::None, Some(_)) | (WaitingRuns::Overdue(_), None) => false,
            (WaitingRuns::Due, Some(waiting)) => waiting.is_due(now),
            (WaitingRuns::Overdue(limit), Some(waiting)) => {
                waiting.reason.code().is_some() && waiting.has_lasted(limit, now)
            }
        }
    }
}

impl RunFiles {
    /// Takes a run over. Removes half-written files and trusts only stages whose digest matches.
    pub(in crate::files) fn take(&self, manifest: &mut Manifest, owner: &str) -> Result<Fence, StorageError> {
        let run = manifest.run_id.clone();
        let fence = self.owners.own(manifest, owner)?;
        // From here on, the fence of the previous owner is stale. Only now can its stage files no longer
        // change.
        self.manifests.write(manifest)?;
        self.clear_leftovers(&run)?;
        let names = Stage::ALL.map(|stage| in_run(&run, stage.file()));
        let mut has_changed = false;
        for ((stage, name), stored) in
            Stage::ALL.into_iter().zip(&names).zip(self.io.backend.read_all(&names))
        {
            let stored = stored.map_err(|error| self.io.fault(name, &error))?;
            let known = manifest.stages.get(&stage).cloned();
            match check_digest(stored, stage, known.as_ref())? {
                DigestCheck::Record(record, sha256, _) => {
                    // The process crashed between stage file and manifest. The file's own digest proves it.
                    if known.is_none() {
                        let db_sync = manifest.database.map_or(DbSync::NotTracked, |_| DbSync::Pending);
                        manifest.stages.insert(stage, self.stored_stage(&record, sha256, db_sync));
                        // The killed process may not have flushed the file's name.
                        manifest.flush_with(name);
                        has_changed = true;
                    }
                }
                DigestCheck::Nothing => {
                    if manifest.stages.remove(&stage).is_some() {
                        has_changed = true;
                        let path = self.io.backend.place(name);
                        tracing::warn!(
                            event = "stage_file_missing",
                            path,
                            "stored stage is missing; it will be run again"
                        );
                    }
                }
                DigestCheck::Damaged(reason, version) => {
                    // Check the fence first: a new owner may have stored this file by its own manifest.
                    self.manifests.read_fenced(&fence)?;
                    self.io.quarantine(name, &reason, Some(&version))?;
                    has_changed |= manifest.stages.remove(&stage).is_some();
                }
            }
        }
        if has_changed {
            self.manifests.write(manifest)?;
        }
        Ok(fence)
    }

    pub(in crate::files) fn claim(&self, search: &Search) -> Result<Vec<Fence>, StorageError> {
        let began = self.io.clock.monotonic();
        let mut fences = Vec::new();
        for run in self.waiting(search, began)? {
            if fences.len() == search.limit || self.io.clock.monotonic().saturating_sub(began) > TAKING_MAX {
                break;
            }
            match self.take_free(&run, search) {
                Ok(Some(fence)) => {
                    self.owners.clear_indeterminate(&run);
                    fences.push(fence);
                }
                // The run has changed since the search observed it.
                Ok(None) => self.forget_observation(&run),
                Err(error) => {
                    self.forget_observation(&run);
                    match error.kind {
                        StorageErrorKind::CasConflict
                        | StorageErrorKind::NotFound
                        | StorageErrorKind::Fenced => {}
                        // Keep the runs that were claimed before this error.
                        _ if !fences.is_empty() => {
                            self.owners.note_indeterminate(&run);
                            tracing::warn!(event = "run_claim_failed", run_id = %run, %error, "run could not be claimed");
                            break;
                        }
                        _ => {
                            self.owners.note_indeterminate(&run);
                            return Err(error);
                        }
                    }
                }
            }
        }
        Ok(fences)
    }

    /// Counts the waiting runs by reason, as the last search observed them. It does not wait for a search, which
    /// may take as long as a slow bucket.
    pub(in crate::files) fn waiting_by_reason(&self) -> Option<BTreeMap<WaitReason, usize>> {
        let mut waiting = BTreeMap::new();
        let observed_runs = self.observed_runs.try_lock()?;
        let waits = observed_runs.values().filter_map(|run| run.waiting).filter(|one| one.until.is_some());
        for one in waits {
            *waiting.entry(one.reason).or_default() += 1;
        }
        Some(waiting)
    }

    /// Lists runs that seem to be free, the oldest first.
    fn waiting(&self, search: &Search, now: Duration) -> Result<Vec<RunId>, StorageError> {
        let mut open = self.markers.marked(OPEN_FOLDER)?;
        open.retain(|run| !search.held.contains(run));
        // Hold the lock throughout. A retry makes a run claimable; it must wait until this search has stored
        // its observations.
        let mut observed_runs = lock(&self.observed_runs);
        let mut known: HashMap<RunId, ObservedRun> = std::mem::take(&mut *observed_runs);
        known.retain(|run, _| open.contains(run));
        self.look(&open, &mut known, search, now)?;
        let mut waiting = Vec::new();
        let wall_now = self.io.clock.now();
        for (run, look) in &known {
            let Some(accepted_at) = look.accepted_at else { continue };
            let is_lost_answer = look.owner.as_ref() == Some(&search.owner);
            let is_held = match &look.owner {
                Some(owner) if !is_lost_answer => {
                    self.io.backend.is_alive(owner, false).map_err(|error| self.io.fault("", &error))?
                }
                _ => false,
            };
            let is_wanted = search.takes(look.waiting.as_ref(), wall_now);
            if !(is_held || search.without_row_only && look.has_row) && is_wanted {
                waiting.push((accepted_at, run.clone()));
            }
        }
        *observed_runs = known;
        waiting.sort();
        Ok(waiting.into_iter().map(|(_, run)| run).collect())
    }

    /// Reads the manifests of open runs whose observation is missing or old.
    fn look(
        &self,
        open: &[RunId],
        known: &mut HashMap<RunId, ObservedRun>,
        search: &Search,
        now: Duration,
    ) -> Result<(), StorageError> {
        let detection_delay = self.io.backend.detection_delay();
        let is_cheap = detection_delay.is_zero();
        let mut stale: Vec<(Option<Duration>, &RunId)> = open
            .iter()
            .filter_map(|run| match known.get(run) {
                None => Some((None, run)),
                // On a local disk, only the database hands out a run that has a row.
                Some(look) if is_cheap && search.without_row_only && look.has_row => None,
                Some(look) => {
                    (now.saturating_sub(look.at) >= detection_delay).then_some((Some(look.at), run))
                }
            })
            .collect();
        if !is_cheap {
            stale.sort();
            stale.truncate(LOOKS_MAX);
        }
        let names: Vec<String> = stale.iter().map(|(_, run)| in_run(run, MANIFEST_FILE)).collect();
        for ((_, run), (name, stored)) in
            stale.into_iter().zip(names.iter().zip(self.io.backend.read_all(&names)))
        {
            let manifest = stored
                .map_err(|error| self.io.fault(name, &error))
                .and_then(|stored| stored.map_or(Ok(None), |stored| self.manifests.parse(run, stored)));
            // Read without the lock. `take_free` checks again under the lock.
            let look = match manifest {
                Ok(Some(manifest)) if manifest.has_ended() => {
                    known.remove(run);
                    if let Err(error) = self.unmark_ended(run) {
                        tracing::warn!(event = "open_marker_not_removed", run_id = %run, %error, "failed to remove the open marker of a finished run");
                    }
                    continue;
                }
                Ok(Some(manifest)) => ObservedRun {
                    accepted_at: Some(manifest.accepted_at),
                    has_row: manifest.has_row(),
                    owner: manifest.owner,
                    waiting: manifest.waiting,
                    at: now,
                    unaccepted_since: None,
                },
                // The process died before it wrote the manifest or is about to write it, or the folder was
                // removed.
                Ok(None) => {
                    let since = known.get(run).and_then(|look| look.unaccepted_since).unwrap_or(now);
                    if let Err(error) = self.clear_unaccepted(run, now.saturating_sub(since)) {
                        tracing::warn!(event = "acceptance_leftover_not_removed", run_id = %run, %error, "failed to remove the files of an incomplete acceptance");
                    }
                    ObservedRun {
                        accepted_at: None,
                        owner: None,
                        has_row: false,
                        waiting: None,
                        at: now,
                        unaccepted_since: Some(since),
                    }
                }
                Err(error) => {
                    tracing::error!(event = "run_claim_rejected", run_id = %run, %error, "run cannot be claimed");
                    known.remove(run);
                    continue;
                }
            };
            known.insert(run.clone(), look);
        }
        Ok(())
    }

    /// Claims a run if no living worker holds it. The owner's heartbeat is checked after the manifest is
    /// read. An owner that returns has then changed the manifest, or the check sees it alive.
    fn take_free(&self, run: &RunId, search: &Search) -> Result<Option<Fence>, StorageError> {
        let _lock = self.io.lock(run)?;
        let (is_deleted, manifest) = self.manifests.read_run(run)?;
        let Some(mut manifest) = manifest.filter(|manifest| !is_deleted && !manifest.has_ended()) else {
            return Ok(None);
        };
        let is_rows = search.without_row_only && manifest.has_row();
        let is_wanted = search.takes(manifest.waiting.as_ref(), self.io.clock.now());
        if is_rows || !is_wanted || !self.owners.is_free(&manifest, &search.owner, true)? {
            return Ok(None);
        }
        let known: Vec<Stage> = manifest.stages.keys().copied().collect();
        let fence = self.take(&mut manifest, &search.owner)?;
        if self.webhook_queue.wake.is_some() {
            // A killed process may have stored a stage without queueing its event.
            let found = manifest.stages.keys().filter(|stage| !known.contains(stage));
            let found: Vec<WebhookEvent> = found.copied().map(WebhookEvent::Stage).collect();
            let db_sync = manifest.database.map_or(DbSync::NotTracked, |_| DbSync::Pending);
            self.enqueue_events(&mut manifest, &found, db_sync)?;
            self.enqueue_step(&mut manifest, db_sync)?;
            self.manifests.write(&mut manifest)?;
        }
        Ok(Some(fence))
    }

    /// Releases a run and undoes its attempt, which did not end in a crash. Releasing a released run
    /// succeeds.
    pub(in crate::files) fn release(&self, fence: &Fence) -> Result<(), StorageError> {
        let _lock = self.io.lock(&fence.run)?;
        let is_released = |manifest: &Manifest| manifest.owner.is_none() && manifest.term() == fence.term();
        if self
            .manifests
            .read(&fence.run)?
            .is_some_and(|manifest| !manifest.has_ended() && is_released(&manifest))
        {
            return Ok(());
        }
        let mut manifest = self.manifests.read_fenced(fence)?;
        manifest.owner = None;
        manifest.attempts = fence.undone(manifest.attempts);
        self.manifests.write(&mut manifest)
    }

    /// Releases a run that no worker may claim before its time. Repeating the call succeeds.
    pub(in crate::files) fn postpone(
        &self,
        fence: &Fence,
        postponement: &Postponement,
    ) -> Result<(), StorageError> {
        // Before the lock: a search holds this cache while it waits for the run's lock.
        self.forget_observation(&fence.run);
        let _lock = self.io.lock(&fence.run)?;
        let is_postponed = |manifest: &Manifest| {
            manifest.owner.is_none() && manifest.waiting.is_some() && manifest.term() == fence.term()
        };
        if self.manifests.read(&fence.run)?.is_some_and(|one| !one.has_ended() && is_postponed(&one)) {
            return Ok(());
        }
        let mut manifest = self.manifests.read_fenced(fence)?;
        manifest.owner = None;
        manifest.attempts = fence.undone(manifest.attempts);
        manifest.lost_usd += postponement.lost_usd;
        manifest.waiting = Some(Waiting::after(manifest.waiting, postponement, self.io.clock.now()));
        self.manifests.write(&mut manifest)
    }

    /// Counts the attempt of a run that is alone in its worker.
    pub(in crate::files) fn count_attempt(&self, fence: &Fence) -> Result<(), StorageError> {
        self.update(fence, |manifest| manifest.attempts = manifest.attempts.max(fence.attempt))
    }
}
