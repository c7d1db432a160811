//! The contract of every store for listing, retrying, cancelling and deleting runs.

use std::time::Duration;

use pipeline::{
    brand::BrandId,
    failure::{FailureCode, RunFailure},
    run::{RunId, RunStatus, Stage},
};

use serde_json::{Value, json};

use super::fixtures::{
    ACCEPTED_AT, FINISHED_AT, Place, accepted, at, audited, by_person, claim, failure, lease, new_run,
    record, records,
};
use crate::{
    control_plane::Principal,
    error::StorageErrorKind,
    ports::{
        lifecycle::{Acceptance, Fence},
        listing::{Listing, PageStart},
        store::Store,
        tombstones::TombstoneOutcome,
    },
    run::End,
};

pub(super) async fn holds(place: &dyn Place) {
    of_many_retries_at_once_one_is_the_next_generation(place).await;
    a_cancelled_run_takes_no_more_writes(place).await;
    a_deleted_run_never_comes_back(place).await;
    runs_are_listed_newest_first(place).await;
}

/// A run that failed after its first stage.
async fn failed(store: &dyn Store, id: &str) -> Fence {
    let fence = accepted(store, &new_run(id, "https://a/control"), "one").await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    fence
}

async fn of_many_retries_at_once_one_is_the_next_generation(place: &dyn Place) {
    let store = place.open().await;
    let old = failed(&*store, "retry").await;
    let all = (0..place.callers()).map(|_| {
        let (store, run) = (store.clone(), old.run.clone());
        tokio::spawn(async move { store.retry(&run, 1, Some(&by_person(&run, "run.retry"))).await.unwrap() })
    });
    let mut generations = Vec::new();
    for one in all.collect::<Vec<_>>() {
        generations.extend(one.await.unwrap());
    }
    assert_eq!(generations, [2], "retried once");
    let changes = [json!(["run.retry", "FAILED", { "status": "PROCESSING", "generation": 2 }])];
    assert_eq!(audited(place, &old.run).await, changes, "once");
    let snapshot = store.load(&old.run).await.unwrap().unwrap();
    assert_eq!((snapshot.status, snapshot.generation), (RunStatus::Processing, 2));
    assert_eq!((snapshot.failure, snapshot.finished_at, snapshot.stages.len()), (None, None, 1));
    let late = store.finish(&old, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap_err();
    assert_eq!(late.kind, StorageErrorKind::Fenced);
    let claimed = claim(&*store, &lease("two"), 9).await;
    assert_eq!(claimed.len(), 1);
    let fence = &claimed[0];
    assert_eq!((&fence.run, fence.generation), (&old.run, 2));
    assert!(fence.epoch > old.epoch);
    let late = store.store_stage(&old, &record(Stage::SignalAmplification, "late")).await.unwrap_err();
    assert_eq!(late.kind, StorageErrorKind::Fenced);
    for record in &records()[1..] {
        store.store_stage(fence, record).await.unwrap();
    }
    let end = End::Completed { records: &records(), report: "# Report\n" };
    store.finish(fence, end, at(FINISHED_AT)).await.unwrap();
    let snapshot = store.load(&old.run).await.unwrap().unwrap();
    assert_eq!((snapshot.status, snapshot.failure), (RunStatus::Completed, None));
    assert_eq!(
        store.retry(&old.run, 2, Some(&by_person(&old.run, "run.retry"))).await.unwrap(),
        None,
        "it is complete"
    );
    assert_eq!(audited(place, &old.run).await, changes, "nothing has changed");
}

async fn a_cancelled_run_takes_no_more_writes(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("stop", "https://a/control"), "one").await;
    assert_eq!(store.lost_leases(std::slice::from_ref(&fence)).await.unwrap(), []);
    let why = RunFailure::cancelled(Some(Stage::InputProcessing));
    let by = by_person(&fence.run, "run.cancel");
    assert!(store.cancel(&fence.run, &why, at(FINISHED_AT), Some(&by)).await.unwrap());
    let by = by_person(&fence.run, "run.cancel");
    let again = store.cancel(&fence.run, &why, at(FINISHED_AT), Some(&by)).await.unwrap();
    assert!(!again, "it is cancelled already");
    let changes = [json!(["run.cancel", "PROCESSING", { "status": "CANCELLED" }])];
    assert_eq!(audited(place, &fence.run).await, changes);
    let late = store.store_stage(&fence, &record(Stage::InputProcessing, "late")).await.unwrap_err();
    assert_eq!(late.kind, StorageErrorKind::Fenced);
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    assert_eq!((snapshot.status, snapshot.finished_at), (RunStatus::Cancelled, Some(at(FINISHED_AT))));
    let told = snapshot.failure.unwrap();
    assert_eq!((told.code, told.stage), (FailureCode::Cancelled, Some(Stage::InputProcessing)));
    assert!(snapshot.epoch > fence.epoch && !snapshot.is_leased && snapshot.stages.is_empty());
    assert_eq!(claim(&*store, &lease("two"), 9).await, []);
    assert_eq!(store.retry(&fence.run, 1, None).await.unwrap(), Some(2));
    let claimed = claim(&*store, &lease("two"), 9).await;
    assert_eq!(claimed.len(), 1);
    let cancelled = store.cancel(&fence.run, &why, at(FINISHED_AT), None).await.unwrap();
    assert!(cancelled, "the retried one too");
    assert_eq!(audited(place, &fence.run).await, changes, "the service leaves no record");
}

async fn a_deleted_run_never_comes_back(place: &dyn Place) {
    let store = place.open().await;
    let new = new_run("gone", "https://a/control");
    let running = accepted(&*store, &new, "one").await;
    let (principal, by) = (&new.request.principal, by_person(&new.id, "run.delete"));
    let refused = store.create_tombstone(&new.id, principal, Some(&by)).await.unwrap();
    assert_eq!(refused, TombstoneOutcome::Running);
    assert_eq!(audited(place, &new.id).await, Vec::<Value>::new());
    assert!(!store.is_deleted(&new.id).await.unwrap());
    store.store_stage(&running, &record(Stage::InputProcessing, "one")).await.unwrap();
    store.finish(&running, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    for _ in 0..2 {
        let by = by_person(&new.id, "run.delete");
        let created = store.create_tombstone(&new.id, principal, Some(&by)).await.unwrap();
        assert_eq!(created, TombstoneOutcome::Done { had_run: true });
        let changes = [json!(["run.delete", "FAILED", { "deleted": true }])];
        assert_eq!(audited(place, &new.id).await, changes, "once");
        assert_eq!(store.load(&new.id).await.unwrap(), None);
        assert_eq!(store.accept(&new, None).await.unwrap(), Acceptance::Deleted);
        assert_eq!(store.retry(&new.id, 1, None).await.unwrap_or(None), None);
        assert!(store.pending_purges().await.unwrap().contains(&new.id));
    }
    // A new process finishes a removal that a dead one began.
    drop(store);
    let store = place.open().await;
    for _ in 0..2 {
        store.remove(&new.id).await.unwrap();
        assert_eq!(store.load(&new.id).await.unwrap(), None);
        assert_eq!(store.pending_purges().await.unwrap(), []);
        assert!(store.is_deleted(&new.id).await.unwrap());
        assert_eq!(store.accept(&new, Some(&lease("one"))).await.unwrap(), Acceptance::Deleted);
        assert_eq!(claim(&*store, &lease("two"), 9).await, []);
    }
    let late = store.finish(&running, End::Failed(&failure()), at(FINISHED_AT)).await;
    assert!(late.is_err(), "{late:?}");
    assert_eq!(store.load(&new.id).await.unwrap(), None);
    // A removal leaves other runs alone.
    let other = failed(&*store, "kept").await;
    assert_eq!(store.remove(&other.run).await.unwrap_err().kind, StorageErrorKind::Invalid);
    assert!(store.load(&other.run).await.unwrap().is_some());
}

async fn runs_are_listed_newest_first(place: &dyn Place) {
    let store = place.open().await;
    let brand: BrandId = "listed".parse().unwrap();
    for number in 0..7 {
        let mut new = new_run(&format!("list-{number}"), "https://a/list");
        new.request.brand_id = brand.clone();
        // Two runs share a time, so the id decides their order.
        new.accepted_at += Duration::from_secs(number / 2);
        let fence = accepted(&*store, &new, "one").await;
        if number % 2 == 0 {
            store.finish(&fence, End::Failed(&failure()), at("2026-11-21T13:00:00Z")).await.unwrap();
        } else {
            let why = RunFailure::cancelled(None);
            store.cancel(&fence.run, &why, at("2026-11-21T13:00:00Z"), None).await.unwrap();
        }
    }
    let all =
        |start, limit| Listing { status: None, brand_id: Some(brand.clone()), principal: None, start, limit };
    let ids = |page: &crate::ports::listing::RunPage| -> Vec<String> {
        page.runs.iter().map(|run| run.id.as_str().replace("list-", "")).collect()
    };
    let first = store.list(&all(PageStart::Offset(0), 3)).await.unwrap();
    assert_eq!(ids(&first), ["6", "5", "4"]);
    assert_eq!((first.total, first.has_next, first.is_total_exact), (7, true, true));
    let newest = &first.runs[0];
    assert_eq!((newest.status, newest.generation, newest.stages), (RunStatus::Failed, 1, 0));
    assert_eq!((newest.source.as_str(), newest.brand_id.as_ref()), ("report.pdf", Some(&brand)));
    assert_eq!(newest.created_at, at(ACCEPTED_AT) + Duration::from_secs(3));
    assert_eq!(newest.finished_at, Some(at("2026-11-21T13:00:00Z")));
    assert_eq!(newest.failure.as_ref().unwrap().code, FailureCode::LlmTimeout);
    let after = PageStart::After(first.runs[2].position());
    for start in [PageStart::Offset(3), after] {
        let second = store.list(&all(start, 3)).await.unwrap();
        assert_eq!(ids(&second), ["3", "2", "1"]);
        assert!(second.has_next);
    }
    let last = store.list(&all(PageStart::Offset(6), 3)).await.unwrap();
    assert_eq!((ids(&last), last.has_next, last.total), (vec!["0".to_owned()], false, 7));
    let none = store.list(&all(PageStart::Offset(9), 3)).await.unwrap();
    assert_eq!((ids(&none).len(), none.has_next, none.total), (0, false, 7));
    let cancelled = Listing { status: Some(RunStatus::Cancelled), ..all(PageStart::Offset(0), 9) };
    assert_eq!(ids(&store.list(&cancelled).await.unwrap()), ["5", "3", "1"]);
    let run = RunId::parse("list-6").unwrap();
    store.create_tombstone(&run, &Principal::environment(), None).await.unwrap();
    assert_eq!(
        store.list(&all(PageStart::Offset(0), 9)).await.unwrap().total,
        6,
        "deleted ones are not shown"
    );
    let failed = Listing { status: Some(RunStatus::Failed), brand_id: None, ..all(PageStart::Offset(0), 2) };
    let failed = store.list(&failed).await.unwrap();
    assert!(failed.has_next && failed.runs.iter().all(|run| run.status == RunStatus::Failed));
    store.remove(&run).await.unwrap();
}
