//! Runs that wait, hang, differ, or would be lost.

use serde_json::json;
use storage::{QueueStats as _, StorageError, control_plane::DatabaseInspection as _, files::FileStore};

use super::{
    check::{Check, Finding, Severity},
    database::{asking, unanswered},
    deps::CheckDeps,
};
use crate::health::Durability;

/// Nobody needs a larger count.
const COUNTED_MAX: usize = 10_000;

/// A younger part is under way: reconciliation passes every two seconds.
const UNSYNCED_SECONDS_MAX: i64 = 30;

/// A queued run is claimed within seconds if a worker has room.
const QUEUE_SECONDS_MAX: i64 = 300;

fn unreadable(error: &StorageError) -> Finding {
    Finding::could_not_check(format!("the files cannot be read: {error}")).next("innovation doctor")
}

/// Reads of a folder that does not exist yet are no failure: nothing is in it.
fn has_files(deps: &CheckDeps) -> bool {
    match &deps.config.storage.place {
        crate::config::StoragePlace::Folder(folder) => folder.is_dir(),
        crate::config::StoragePlace::Bucket(_) => true,
    }
}

pub(super) fn unsynced(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("unsynced", "The database has every ended run of these files", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            if deps.database.is_none() || !deps.wants_database() {
                return Finding::ok("does not apply: this mode has no database to bring them to");
            }
            if !has_files(&deps) {
                return Finding::ok("there are no files yet");
            }
            let unsynced = match deps.files.unsynced().await {
                Ok(unsynced) => unsynced,
                Err(error) => return unreadable(&error),
            };
            let age = unsynced.oldest_age(deps.clock.now()).map_or(0, |age| age.num_seconds());
            let data = json!({ "runs": unsynced.runs, "stages": unsynced.stages, "oldest_seconds": age });
            if unsynced.runs == 0 && unsynced.stages == 0 {
                return Finding::ok("the database lacks nothing of these files").with(data);
            }
            let told = format!(
                "the database lacks {} ended runs and {} stages of these files; the oldest part waits for {age} s",
                unsynced.runs, unsynced.stages
            );
            let finding = if unsynced.runs > 0 || age > UNSYNCED_SECONDS_MAX {
                Finding::fail(told)
            } else {
                Finding::warn(told)
            };
            finding.with(data).next("innovation reconcile")
        }
    })
}

pub(super) fn forecast(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("durability-forecast", "A redeploy now would lose nothing", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            if deps.file_storage.durability() == Durability::Durable {
                return Finding::ok("the files survive a redeploy");
            }
            if !has_files(&deps) {
                return Finding::ok("there are no files yet");
            }
            let files: &FileStore = &deps.files;
            let forecast = match files.durability_forecast(deps.database.is_some()).await {
                Ok(forecast) => forecast,
                Err(error) => return unreadable(&error),
            };
            let told = format!(
                "a redeploy now would lose {} open and {} ended runs with {} stages",
                forecast.open_runs, forecast.ended_runs, forecast.stages
            );
            let finding = if forecast.runs() == 0 {
                Finding::ok("a redeploy now would lose nothing")
            } else if deps.database.is_some() {
                Finding::fail(told).next("innovation reconcile")
            } else {
                Finding::fail(told).next("STORAGE_URL=s3://bucket/prefix")
            };
            finding.with(&forecast)
        }
    })
}

pub(super) fn conflicts(deps: &CheckDeps) -> Check {
    asking(deps, "conflicts", "Row and files of every run agree", Severity::Major, |_, database| async move {
        match database.conflicts(COUNTED_MAX).await {
            Ok(0) => Finding::ok("no run has a conflict"),
            Ok(count) => {
                Finding::fail(format!("row and files of {count} runs differ, and both versions are kept"))
                    .with(json!({ "runs": count }))
                    .next("innovation reconcile --verify")
                    .next("innovation reconcile resolve RUN_ID --keep database")
            }
            Err(error) => unanswered(&error),
        }
    })
}

pub(super) fn stalled(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "stalled-runs",
        "No stage takes longer than its limit",
        Severity::Major,
        |deps, database| async move {
            let limit = deps.stage_limit().as_secs();
            match database.runs(limit).await {
            Ok(facts) if facts.stalled == 0 => Finding::ok(format!("no stage has lasted longer than {limit} s")),
            Ok(facts) => Finding::fail(format!("{} runs are in a stage that has lasted longer than {limit} s", facts.stalled))
                .with(facts)
                .next("psql \"$DATABASE_URL\" -c 'SELECT \"id\", \"leaseOwner\", \"currentStage\", \"stageStartedAt\" FROM \"PipelineRun\" WHERE \"status\" = '\\''PROCESSING'\\'' ORDER BY \"stageStartedAt\" LIMIT 20'"),
            Err(error) => unanswered(&error),
        }
        },
    )
}

pub(super) fn queue(deps: &CheckDeps) -> Check {
    asking(deps, "queue", "Accepted runs are claimed soon", Severity::Major, |deps, database| async move {
        let facts = match database.runs(deps.stage_limit().as_secs()).await {
            Ok(facts) => facts,
            Err(error) => return unanswered(&error),
        };
        let max = deps.config.work.queued_runs_max;
        let told = format!(
            "{} runs wait for a worker, the oldest for {} s; the limit is {max}",
            facts.queued, facts.oldest_queued_seconds
        );
        let is_full = usize::try_from(facts.queued).is_ok_and(|queued| queued >= max);
        match () {
            () if facts.queued > 0 && facts.oldest_queued_seconds > QUEUE_SECONDS_MAX || is_full => {
                Finding::fail(told).next("innovation serve --role worker")
            }
            () => Finding::ok(told),
        }
        .with(facts)
    })
}
