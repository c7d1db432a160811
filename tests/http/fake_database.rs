//! A database that behaves as a test says.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use pipeline::{
    clock::Timestamp,
    failure::RunFailure,
    record::StageRecord,
    run::{RunId, Stage},
};
use storage::{
    Acceptance, Claim, ClockSkew, Control, End, Fence, Lease, Lifecycle, Listing, Postponement, QueueStats,
    Replica, ReplicaRegistry, RunPage, RunQueries, RunRecord, RunSubmission, Stages, StorageError,
    StorageErrorKind, StoredIn, TombstoneOutcome, Tombstones, WaitReason,
    control_plane::{AuditRecord, Principal},
};

/// How the database of a test behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behaviour {
    Works,
    Fails(StorageErrorKind),
    /// It answers when the test is over.
    Hangs,
    Panics,
}

/// A database that answers probes and refuses runs as it is told to.
#[derive(Debug)]
pub(super) struct FakeDatabase {
    pub(super) behaviour: Mutex<Behaviour>,
    pub(super) probes: AtomicUsize,
    pub(super) conflicts: AtomicUsize,
    pub(super) skew: Mutex<Option<ClockSkew>>,
}

impl FakeDatabase {
    pub(super) fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            behaviour: Mutex::new(behaviour),
            probes: AtomicUsize::new(0),
            conflicts: AtomicUsize::new(0),
            skew: Mutex::default(),
        })
    }

    pub(super) fn probes(&self) -> usize {
        self.probes.load(Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<(), StorageError> {
        let behaviour = *self.behaviour.lock().unwrap();
        match behaviour {
            Behaviour::Works => Ok(()),
            Behaviour::Fails(kind) => Err(StorageError::new(kind, "connect to db.internal: refused")),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Panics => panic!("a defect, on purpose, in /srv/secret"),
        }
    }
}

#[async_trait]
impl Lifecycle for FakeDatabase {
    async fn accept(&self, _: &RunSubmission, _: Option<&Lease>) -> Result<Acceptance, StorageError> {
        self.answer().await.map(|()| Acceptance::New(None))
    }

    async fn adopt(&self, _: &RunSubmission, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn claim(&self, _: Claim<'_>) -> Result<Vec<Fence>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn renew(&self, _: &Lease, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn lost_leases(&self, _: &[Fence]) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }

    async fn release(&self, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn put_back(&self, _: &Fence, _: &Postponement) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn count_attempt(&self, _: &Fence) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn finish(&self, _: &Fence, _: End<'_>, _: Timestamp) -> Result<(), StorageError> {
        self.answer().await
    }

    fn clock_skew(&self) -> Option<ClockSkew> {
        *self.skew.lock().unwrap()
    }

    async fn probe(&self) -> Result<(), StorageError> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        self.answer().await
    }
}

#[async_trait]
impl Stages for FakeDatabase {
    async fn store_stage(&self, _: &Fence, _: &StageRecord) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn mark_unsynced(&self, _: &Fence, _: &[Stage]) -> Result<(), StorageError> {
        self.answer().await
    }
}

#[async_trait]
impl RunQueries for FakeDatabase {
    async fn load(&self, _: &RunId) -> Result<Option<RunRecord>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn list(&self, listing: &Listing) -> Result<RunPage, StorageError> {
        self.answer().await.map(|()| RunPage::of(Vec::new(), listing, StoredIn::DATABASE))
    }
}

#[async_trait]
impl Control for FakeDatabase {
    async fn retry(&self, _: &RunId, _: i32, _: Option<&AuditRecord>) -> Result<Option<i32>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn cancel(
        &self,
        _: &RunId,
        _: &RunFailure,
        _: Timestamp,
        _: Option<&AuditRecord>,
    ) -> Result<bool, StorageError> {
        self.answer().await.map(|()| false)
    }
}

#[async_trait]
impl Tombstones for FakeDatabase {
    async fn create_tombstone(
        &self,
        _: &RunId,
        _: &Principal,
        _: Option<&AuditRecord>,
    ) -> Result<TombstoneOutcome, StorageError> {
        self.answer().await.map(|()| TombstoneOutcome::Done { had_run: false })
    }

    async fn deleted_owner(&self, _: &RunId) -> Result<Option<Principal>, StorageError> {
        self.answer().await.map(|()| None)
    }

    async fn remove(&self, _: &RunId) -> Result<(), StorageError> {
        self.answer().await
    }

    async fn pending_purges(&self) -> Result<Vec<RunId>, StorageError> {
        self.answer().await.map(|()| Vec::new())
    }
}

#[async_trait]
impl ReplicaRegistry for FakeDatabase {
    async fn replicas(&self) -> Result<Vec<Replica>, StorageError> {
        let replica = |id: &str| Replica {
            id: id.to_owned(),
            role: "all".to_owned(),
            version: "1.2.3".to_owned(),
            git_sha: None,
            flags: "1".to_owned(),
            runs_in_flight: 2,
            is_draining: false,
            silent_seconds: 0,
        };
        self.answer().await.map(|()| vec![replica("here"), replica("there")])
    }

    async fn heartbeat(&self, _: &Replica) -> Result<Vec<String>, StorageError> {
        self.answer().await.map(|()| vec!["there".to_owned()])
    }

    async fn leave(&self, _: &str) -> Result<(), StorageError> {
        self.answer().await
    }
}

#[async_trait]
impl QueueStats for FakeDatabase {
    async fn queue_depth(&self, _: usize) -> Result<usize, StorageError> {
        self.answer().await.map(|()| 7)
    }

    async fn waiting(&self, _: usize) -> Result<BTreeMap<WaitReason, usize>, StorageError> {
        self.answer().await.map(|()| BTreeMap::from([(WaitReason::LlmRateLimit, 3)]))
    }

    async fn conflicts(&self, _: usize) -> Result<usize, StorageError> {
        self.answer().await.map(|()| self.conflicts.load(Ordering::Relaxed))
    }
}
