//! A run that was accepted by file while the database was away, brought here under the fence that it has there.

use std::time::Duration;

use super::{
    super::{Acceptance, Fence, Lease, NewRun, StorageError, StorageErrorKind},
    Fault, Held, accept, fenced,
};

/// The default one, as below.
const ADOPTED_LEASE: Duration = Duration::from_secs(15);

/// Nobody else's, and never back to an older fence; an ended one only where it was retried since, in files. The lease
/// is the default one: the next renewal, which comes within a fifth of it, sets the configured. $1 run, $2 owner,
/// $3 epoch, $4 generation, $5 request digest, $6 attempt
const TAKE: &str = r#"
UPDATE "PipelineRun" SET "status" = 'PROCESSING', "completedAt" = NULL, "duration" = NULL,
  "errorCode" = NULL, "errorStage" = NULL, "errorMessage" = NULL, "errorCanRetry" = NULL,
  "leaseOwner" = $2, "leaseEpoch" = $3, "generation" = $4, "attempts" = $6,
  "leaseUntil" = now() + interval '15 seconds', "startedAt" = COALESCE("startedAt", now()), "updatedAt" = now()
WHERE "id" = $1 AND "requestDigest" = $5 AND "leaseEpoch" <= $3 AND "generation" <= $4
  AND ("status" = 'PROCESSING' OR ("status" IN ('FAILED', 'CANCELLED') AND "generation" < $4))
  AND ("leaseOwner" IS NULL OR "leaseOwner" = $2 OR "leaseUntil" < now())
RETURNING "id""#;

pub(super) async fn adopt(held: &mut Held<'_>, run: &NewRun, fence: &Fence) -> Result<(), Fault> {
    // A new row is leased from its first moment: a worker that took it in between would find its work done.
    let lease = Lease { owner: fence.owner.clone(), duration: ADOPTED_LEASE };
    match accept::accept(held, run, Some(&lease)).await? {
        Acceptance::OtherRequest => {
            let what = format!("run {} is in the database for another request; both are kept", run.id);
            return Err(Fault::Store(StorageError::new(StorageErrorKind::Conflict, what)));
        }
        Acceptance::Deleted => return Err(fenced(&run.id)),
        Acceptance::New(_) | Acceptance::Existing(_) => {}
    }
    let taken = held
        .query(TAKE)
        .bind(run.id.as_str())
        .bind(&fence.owner)
        .bind(fence.epoch)
        .bind(fence.generation)
        .bind(&run.request.digest)
        .bind(fence.attempt)
        .fetch_optional(held.connection()?)
        .await?;
    taken.map(drop).ok_or_else(|| fenced(&run.id))
}
