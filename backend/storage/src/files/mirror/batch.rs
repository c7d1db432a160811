//! The parts of one run in the mirror: parts that the row has, under the fence of their write.

use std::sync::Arc;

use pipeline::{
    clock::Timestamp,
    record::StageRecord,
    run::{RunStatus, Stage},
};

use crate::{
    error::StorageError,
    files::{
        db_sync::DbSync,
        integrity::{digest, record_bytes},
        manifest::DocumentSummary,
        runs::finish::OwnedEnd,
    },
    ports::lifecycle::Fence,
    run::{End, RunSubmission},
};

/// The memory of a part beside its content: names, digests and the fence.
const PART_OVERHEAD: usize = 1024;

/// A stage's record as its file will hold it.
#[derive(Debug)]
pub(crate) struct StageBytes {
    pub(crate) stage: Stage,
    pub(crate) provider: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) record_sha256: String,
    pub(crate) payload_sha256: String,
}

impl StageBytes {
    fn of(record: &StageRecord) -> Result<Self, StorageError> {
        let record_sha256 = digest(record)?;
        let bytes = record_bytes(record)?;
        Ok(Self {
            stage: record.meta.stage,
            provider: record.meta.provider.clone(),
            bytes,
            record_sha256,
            payload_sha256: record.meta.payload_sha256.clone(),
        })
    }
}

/// One write that the row has taken.
#[derive(Debug)]
pub(crate) enum MirrorPart {
    /// The run was accepted, and this process works on it. Only on a disk: in a bucket, the manifest decides between replicas.
    Begin(Arc<RunSubmission>),
    /// The document, for a resumed run and for readers of the report. The row does not have it; its address has.
    Document(Arc<[u8]>),
    Stage(StageBytes),
    /// The files have the records already, or get them before.
    End(OwnedEnd, Timestamp),
}

impl MirrorPart {
    /// # Errors
    ///
    /// `Invalid` if the record has no canonical form.
    pub(crate) fn stage(record: &StageRecord) -> Result<Self, StorageError> {
        StageBytes::of(record).map(Self::Stage)
    }

    pub(crate) fn end(end: End<'_>, at: Timestamp) -> Self {
        let end = match end {
            End::Completed { report, .. } => {
                OwnedEnd::Completed { records: Vec::new(), report: report.to_owned() }
            }
            End::Failed(failure) => OwnedEnd::Failed(failure.clone()),
        };
        Self::End(end, at)
    }

    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::End(..))
    }

    /// The memory that the part takes.
    pub(super) fn size(&self) -> usize {
        let content = match self {
            Self::Begin(_) => 0,
            Self::Document(bytes) => bytes.len(),
            Self::Stage(stage) => stage.bytes.len(),
            Self::End(OwnedEnd::Completed { report, .. }, _) => report.len(),
            Self::End(OwnedEnd::Failed(_), _) => 0,
        };
        content + PART_OVERHEAD
    }
}

/// The parts of one run that are written together.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) fence: Fence,
    /// In the order in which the row got them.
    pub(crate) parts: Vec<MirrorPart>,
    /// The summary of the run's document. The worker forgets it when the run ends.
    pub(super) document: Option<DocumentSummary>,
    /// Whether the files did not take an earlier part.
    pub(crate) is_after_gap: bool,
    /// Whether the database holds the parts. It holds all that the mirror does.
    pub(super) db_sync: DbSync,
}

impl Batch {
    pub(super) fn new(fence: Fence) -> Self {
        let db_sync = DbSync::Synced;
        Self { fence, parts: Vec::new(), document: None, is_after_gap: false, db_sync }
    }

    /// One part that the mirror does not hold: its run waits for it.
    pub(super) fn of(fence: Fence, part: MirrorPart, db_sync: DbSync) -> Self {
        Self { parts: vec![part], db_sync, ..Self::new(fence) }
    }

    /// The memory of all parts.
    pub(super) fn size(&self) -> usize {
        self.parts.iter().map(MirrorPart::size).sum()
    }

    pub(crate) fn stages(&self) -> impl Iterator<Item = &StageBytes> {
        self.parts.iter().filter_map(|part| match part {
            MirrorPart::Stage(stage) => Some(stage),
            MirrorPart::Begin(_) | MirrorPart::Document(_) | MirrorPart::End(..) => None,
        })
    }

    /// The request of a run that begins with these parts.
    pub(super) fn begun(&self) -> Option<&RunSubmission> {
        match self.parts.first() {
            Some(MirrorPart::Begin(new)) => Some(new),
            _ => None,
        }
    }

    /// The status in which the run ends with these parts.
    pub(super) fn end_status(&self) -> Option<RunStatus> {
        self.parts.iter().find_map(|part| match part {
            MirrorPart::Begin(_) | MirrorPart::Document(_) | MirrorPart::Stage(_) => None,
            MirrorPart::End(end, _) => Some(end.borrowed().status()),
        })
    }
}
