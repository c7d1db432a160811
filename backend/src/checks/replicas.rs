//! The running replicas: alive, equal, with a worker, and what each may accept without the database.

use std::collections::BTreeSet;

use serde_json::json;
use storage::{Replica, ReplicaRegistry as _};

use super::{
    check::{Check, Finding, Severity},
    database::{asking, unanswered},
    deps::CheckDeps,
};
use crate::{config::Role, health::FileStorage};

/// A heartbeat comes every 5 seconds. A replica that is silent for longer has missed three.
const SILENT_SECONDS_MAX: u32 = 20;

pub(super) fn alive(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "replicas",
        "Replicas are alive, and one executes runs",
        Severity::Critical,
        |deps, database| async move {
            if !deps.wants_database() {
                return Finding::ok("does not apply: without database writes, replicas do not register");
            }
            match database.replicas().await {
                Ok(replicas) => finding(&replicas),
                Err(error) => unanswered(&error),
            }
        },
    )
}

fn finding(replicas: &[Replica]) -> Finding {
    let data = json!({ "replicas": replicas });
    if replicas.is_empty() {
        return Finding::fail("no replica sent a heartbeat in the last minute")
            .with(data)
            .next("innovation serve");
    }
    if replicas.iter().all(|replica| replica.role == Role::Web.as_str()) {
        return Finding::fail(format!("{} replicas accept runs, and none executes them", replicas.len()))
            .with(data)
            .next("innovation serve --role worker");
    }
    let silent: Vec<_> =
        replicas.iter().filter(|replica| replica.silent_seconds > SILENT_SECONDS_MAX).collect();
    if !silent.is_empty() {
        let names = silent.iter().map(|replica| replica.id.as_str()).collect::<Vec<_>>().join(", ");
        return Finding::warn(format!("{} of {} replicas are silent: {names}", silent.len(), replicas.len()))
            .with(data)
            .next("innovation healthcheck");
    }
    let shas: BTreeSet<_> = replicas.iter().filter_map(|replica| replica.git_sha.as_deref()).collect();
    let flags: BTreeSet<_> = replicas.iter().map(|replica| replica.flags.as_str()).collect();
    if shas.len() > 1 || flags.len() > 1 {
        let what = match (shas.len() > 1, flags.len() > 1) {
            (true, true) => "commits and flags",
            (true, false) => "commits",
            _ => "flags",
        };
        return Finding::warn(format!(
            "the {} replicas differ in their {what}, as during a deployment",
            replicas.len()
        ))
        .with(data)
        .next("innovation doctor");
    }
    Finding::ok(format!("{} replicas are alive", replicas.len())).with(data)
}

/// A deployment whose operator did not say whether it is alone. Its files alone accept nothing while the database is away.
pub(super) fn alone(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("not-alone", "It is clear who may accept runs by file", Severity::Major, move || {
        let config = &deps.config;
        let is_deployed = config.process.environment.is_strict();
        let finding = match (config.work.single_replica, deps.file_storage) {
            _ if !config.modes.file_fallback => Finding::ok("does not apply: the mode keeps no files"),
            _ if !is_deployed => Finding::ok("does not apply: a developer's machine has no other replica"),
            (_, FileStorage::Bucket) => Finding::ok("all replicas share a bucket"),
            (_, FileStorage::Volume) => Finding::ok("the files are on a volume of this container alone"),
            (Some(true), _) => Finding::ok("SINGLE_REPLICA=true says that there is no other replica"),
            (Some(false), _) => Finding::ok(
                "SINGLE_REPLICA=false says that there are several replicas, so files alone accept nothing",
            ),
            (None, _) if config.work.role == Role::Web => {
                Finding::ok("does not apply: a process with ROLE=web accepts nothing by file alone")
            }
            (None, _) if !config.modes.database_writes => Finding::fail(
                "without a database and without SINGLE_REPLICA, a deployed service accepts nothing",
            )
            .next("SINGLE_REPLICA=true"),
            (None, _) => Finding::warn(
                "a replica that starts while the database is away accepts nothing, because SINGLE_REPLICA is not set",
            )
            .next("SINGLE_REPLICA=true"),
        };
        async move { finding }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::check::Verdict;

    fn replica(role: &str, silent_seconds: u32, flags: &str) -> Replica {
        Replica {
            id: "one".to_owned(),
            role: role.to_owned(),
            version: "1".to_owned(),
            git_sha: None,
            flags: flags.to_owned(),
            runs_in_flight: 0,
            is_draining: false,
            silent_seconds,
        }
    }

    #[test]
    fn replicas_must_live_work_and_agree() {
        let verdict = |replicas: &[Replica]| finding(replicas).verdict;
        assert_eq!(verdict(&[]), Verdict::Fail);
        assert_eq!(verdict(&[replica("web", 0, "1")]), Verdict::Fail);
        assert_eq!(verdict(&[replica("web", 0, "1"), replica("worker", 1, "1")]), Verdict::Ok);
        assert_eq!(verdict(&[replica("all", 40, "1")]), Verdict::Warn);
        assert_eq!(verdict(&[replica("all", 1, "1"), replica("all", 1, "2")]), Verdict::Warn);
    }
}
