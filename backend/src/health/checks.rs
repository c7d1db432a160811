//! The checks of the deep report: a name, a status, and a sentence for people.

use storage::{ClockSkew, Replica, WaitReason};

use super::{
    Durability, NotReady,
    check::{Check, CheckStatus},
    report::{ModelPause, Schema, StorageReport},
};
use crate::{
    config::Role,
    flags::{
        FlagListing,
        definitions::{PAUSE_ACCEPTANCE, PAUSE_CLAIMS},
    },
};

impl Check {
    pub(super) fn of_schema(storage: &StorageReport) -> Self {
        let status = match storage.schema {
            Schema::Ok => CheckStatus::Ok,
            Schema::Behind => CheckStatus::Failed,
            Schema::Unknown => CheckStatus::Skipped,
        };
        let detail = match storage.schema {
            Schema::Behind => {
                let what = storage.schema_detail.as_deref().unwrap_or("the schema is behind");
                Some(format!("{what}; run `innovation migrate deploy`"))
            }
            _ => storage.schema_detail.clone(),
        };
        Self { name: "schema", status, detail, elapsed_ms: 0 }
    }

    /// A conflict stays until an operator resolves it. A missing row stays missing until somebody says what it means.
    pub(super) fn of_reconciliation(storage: &StorageReport) -> Self {
        let Some(standing) = &storage.reconciliation else {
            return Self {
                name: "reconciliation",
                status: CheckStatus::Skipped,
                detail: None,
                elapsed_ms: 0,
            };
        };
        let mut details = Vec::new();
        if standing.conflicts > 0 {
            details.push(format!(
                "row and files of {} run(s) differ, and both are kept; `innovation reconcile --verify` lists them, `innovation reconcile resolve ID --keep database|files` resolves one",
                standing.conflicts
            ));
        }
        if standing.missing_rows > 0 {
            details.push(format!(
                "{} ended run(s) have no row any more; `innovation reconcile --restore-rows` inserts them, `DELETE /api/pipeline/ID` removes their files",
                standing.missing_rows
            ));
        }
        let status = if details.is_empty() { CheckStatus::Ok } else { CheckStatus::Warning };
        let detail = (!details.is_empty()).then(|| details.join("; "));
        Self { name: "reconciliation", status, detail, elapsed_ms: 0 }
    }

    pub(super) fn of_model(breaker: Option<&'static str>, pause: Option<ModelPause>) -> Self {
        let (status, detail) = match breaker {
            None => (CheckStatus::Skipped, Some("the built-in extractive analyst answers".to_owned())),
            Some(state) => match pause {
                None => (CheckStatus::Ok, None),
                // Nobody but the operator can end such a pause.
                Some(pause) if matches!(pause.reason, WaitReason::LlmCredits | WaitReason::LlmAuth) => (
                    CheckStatus::Failed,
                    Some(format!("the endpoint refuses the account: {}", pause.reason.as_str())),
                ),
                Some(pause) => (
                    CheckStatus::Warning,
                    Some(format!("the breaker in front of the model is {state}: {}", pause.reason.as_str())),
                ),
            },
        };
        Self { name: "model", status, detail, elapsed_ms: 0 }
    }

    /// A pause is meant, and easily forgotten. Replicas differ for a moment after each change.
    pub(super) fn of_flags(alarm: Option<String>, flags: Option<&FlagListing>) -> Self {
        let mut details: Vec<String> = alarm.into_iter().collect();
        let status = if details.is_empty() { CheckStatus::Warning } else { CheckStatus::Failed };
        if let Some(listing) = flags {
            let is_on = |key| listing.flags.iter().any(|flag| flag.key == key && flag.value == true);
            for key in [PAUSE_CLAIMS.key, PAUSE_ACCEPTANCE.key] {
                if is_on(key) {
                    details
                        .push(format!("{key} is on; to end it: innovation flags set {key} false --reason …"));
                }
            }
            let behind = listing.behind();
            if !behind.is_empty() {
                details.push(format!("not at the newest revision of the flags: {}", behind.join(", ")));
            }
        }
        let status = if details.is_empty() { CheckStatus::Ok } else { status };
        let detail = (!details.is_empty()).then(|| details.join("; "));
        Self { name: "flags", status, detail, elapsed_ms: 0 }
    }

    /// Leases and times of both sides are compared, so their clocks must agree.
    pub(super) fn of_clock(skew: Option<ClockSkew>) -> Self {
        let (status, detail) = match skew {
            None => (CheckStatus::Skipped, None),
            Some(skew) if skew.is_too_large() => {
                let ClockSkew { ahead_ms, uncertainty_ms } = skew;
                let what = format!(
                    "the database's clock is {ahead_ms} ms ahead of this one (within {uncertainty_ms} ms); set both by NTP"
                );
                (CheckStatus::Warning, Some(what))
            }
            Some(_) => (CheckStatus::Ok, None),
        };
        Self { name: "clock", status, detail, elapsed_ms: 0 }
    }

    /// Fails if only web processes run: they accept runs that no worker executes.
    pub(super) fn of_workers(replicas: Option<&[Replica]>) -> Self {
        let (status, detail) = match replicas {
            // Before the first heartbeat, no replica is registered.
            None | Some([]) => (CheckStatus::Skipped, None),
            Some(all) if all.iter().any(|replica| replica.role != Role::Web.as_str()) => {
                (CheckStatus::Ok, None)
            }
            Some(_) => {
                let what = "no worker sent a heartbeat in the last minute: accepted runs wait; start one with ROLE=worker or all";
                (CheckStatus::Failed, Some(what.to_owned()))
            }
        };
        Self { name: "workers", status, detail, elapsed_ms: 0 }
    }

    pub(super) fn of_durability(storage: &StorageReport, not_ready: Option<NotReady>) -> Self {
        let accepts_nothing = matches!(not_ready, Some(NotReady::NoStorage | NotReady::NotAlone(_)));
        let is_at_risk = storage.durability == Durability::Ephemeral && !accepts_nothing;
        let (status, detail) = if is_at_risk {
            let what = "outputs are only on this container's disk, and the next deploy deletes it; mount a volume, set STORAGE_URL to a bucket, or use the database";
            (CheckStatus::Warning, Some(what.to_owned()))
        } else {
            (CheckStatus::Ok, None)
        };
        Self { name: "durability", status, detail, elapsed_ms: 0 }
    }
}

pub(super) fn parser_status(
    read: Option<Result<(), &'static str>>,
    is_confined: bool,
) -> (CheckStatus, Option<String>) {
    match read {
        Some(Ok(())) if is_confined => (CheckStatus::Ok, None),
        Some(Ok(())) => {
            let what = "this kernel confines the reader of documents only in part; `document_reader` says what is missing";
            (CheckStatus::Warning, Some(what.to_owned()))
        }
        Some(Err(code)) => (CheckStatus::Failed, Some(format!("the self-test failed: {code}"))),
        None => (CheckStatus::Warning, Some("the self-test has not run yet".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unconfined_reader_is_a_warning() {
        let status = |read, is_confined| parser_status(read, is_confined).0;
        assert_eq!(status(Some(Ok(())), true), CheckStatus::Ok);
        assert_eq!(status(Some(Ok(())), false), CheckStatus::Warning);
        assert_eq!(status(Some(Err("DOCUMENT_CORRUPT")), true), CheckStatus::Failed);
        assert_eq!(status(None, true), CheckStatus::Warning);
    }
}
