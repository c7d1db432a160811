//! Runs that wait, hang, differ, or would be lost.

use pipeline::run::RunId;
use serde_json::json;
use storage::{
    StorageError,
    control_plane::{DatabaseInspection as _, FlagStore},
    files::FileStore,
    postgres::PostgresStore,
};

use super::{
    check::{Check, Finding, Severity},
    database::{asking, unanswered},
    deps::CheckDeps,
};
use crate::{
    flags::{definitions::PAUSE_CLAIMS, of_json},
    health::Durability,
};

/// Nobody needs a larger count.
const COUNTED_MAX: usize = 10_000;

/// So many ids of runs are shown. A person looks at the first few.
const LISTED_MAX: usize = 20;

/// So many commands are shown for runs that need one each.
const NEXT_MAX: usize = 5;

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
        let found = match database.conflicting(COUNTED_MAX).await {
            Ok(found) if found.is_empty() => return Finding::ok("no run has a conflict"),
            Ok(found) => found,
            Err(error) => return unanswered(&error),
        };
        let resolve = |run: &str| format!("innovation reconcile resolve {run} --keep database");
        Finding::fail(format!(
            "row and files of {} runs differ, and both versions are kept; see the difference with `innovation reconcile --verify`, \
             then keep the database's version or, with --keep files, that of the files",
            found.len()
        ))
        .with(json!({ "runs": found.len(), "run_ids": found.iter().take(LISTED_MAX).collect::<Vec<_>>() }))
        .next_all(typable(&found).take(NEXT_MAX).map(resolve))
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
                Ok(facts) if facts.stalled == 0 => {
                    Finding::ok(format!("no stage has lasted longer than {limit} s"))
                }
                Ok(facts) => {
                    let cancel = cancel(&facts.stalled_runs);
                    Finding::fail(format!(
                        "{} runs are in a stage that has lasted longer than {limit} s: their worker hangs, and loses them with the \
                         cancellation; POST /api/pipeline/RUN_ID/retry continues a run where it stopped",
                        facts.stalled
                    ))
                    .with(facts)
                    .next_all(cancel)
                }
                Err(error) => unanswered(&error),
            }
        },
    )
}

/// The command that cancels as many of these runs as fit into a line to type. None if it takes none of their ids.
fn cancel(ids: &[String]) -> Option<String> {
    let runs: Vec<&str> = typable(ids).take(LISTED_MAX).collect();
    (!runs.is_empty()).then(|| format!("innovation cancel {}", runs.join(" ")))
}

/// The ids that our commands take. The frontend may have given its rows others.
fn typable(ids: &[String]) -> impl Iterator<Item = &str> {
    ids.iter().map(String::as_str).filter(|id| RunId::parse(id).is_ok())
}

/// Whether the flags of the database keep workers from claiming runs. A replica's own file or environment may say otherwise.
async fn is_paused(deps: &CheckDeps, database: &PostgresStore) -> bool {
    let configured = deps.config.modes.flags.get(PAUSE_CLAIMS.key).is_some_and(|value| value.is_on());
    let Ok(stored) = FlagStore::load(database).await else { return configured };
    let stored = stored.flags.iter().find(|flag| flag.key == PAUSE_CLAIMS.key);
    let value = stored.and_then(|flag| of_json(&PAUSE_CLAIMS, flag.value.as_ref()?));
    value.map_or(configured, |value| value.is_on())
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
        let is_late = facts.queued > 0 && facts.oldest_queued_seconds > QUEUE_SECONDS_MAX;
        let finding = if !is_late && !is_full {
            Finding::ok(told)
        } else if is_paused(&deps, &database).await {
            Finding::fail(format!("{told}; the flag {} keeps workers from claiming runs", PAUSE_CLAIMS.key))
                .next(format!(
                    "innovation flags set {} false --reason 'accepted runs wait'",
                    PAUSE_CLAIMS.key
                ))
        } else {
            Finding::fail(told).next("innovation serve --role worker")
        };
        finding.with(facts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_without_a_typable_id_need_no_command() {
        let ids = ["a b", "run-1", "", "run-2"].map(str::to_owned);
        assert_eq!(cancel(&ids).as_deref(), Some("innovation cancel run-1 run-2"));
        assert_eq!(cancel(&ids[..1]), None);
    }
}
