//! The contract of every store: one suite that memory, files, PostgreSQL and the router pass.
//!
//! A failed case panics, as a test does. No part of the service uses this module.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod commands;
mod fixtures;
mod principals;
mod waits;

use std::{collections::HashSet, time::Duration};

use pipeline::{
    failure::{FailureCode, RunFailure},
    run::{RunId, RunStatus, Stage},
};

use self::fixtures::FINISHED_AT;
pub use self::fixtures::{Place, accepted, at, by_person, claim, failure, lease, new_run, record, records};
use crate::{
    error::{StorageError, StorageErrorKind},
    ports::{
        lifecycle::{Acceptance, Claim, Fence, Lease, WaitingRuns},
        store::Store,
    },
    run::End,
};

/// A lease that expires at once, as a dead worker's does in the end.
#[must_use]
pub fn ended_lease(owner: &str) -> Lease {
    Lease { duration: Duration::ZERO, ..lease(owner) }
}

/// Claims the runs of a dead worker as soon as its lease has expired, which may take one millisecond of
/// rounding. The new lease expires at once too, so that the server's uptime does not matter.
async fn inherit(store: &dyn Store, owner: &str) -> Vec<Fence> {
    loop {
        match claim(store, &ended_lease(owner), 9).await {
            none if none.is_empty() => tokio::time::sleep(Duration::from_millis(1)).await,
            claimed => return claimed,
        }
    }
}

/// As [`inherit`], with a lasting lease.
async fn inherit_for_good(store: &dyn Store, owner: &str) -> Vec<Fence> {
    let claimed = inherit(store, owner).await;
    assert_eq!(store.renew(&lease(owner), &claimed).await.unwrap(), []);
    claimed
}

/// Runs every case.
pub async fn holds(place: &dyn Place) {
    of_many_at_once_one_is_accepted(place).await;
    another_request_is_told_from_the_same(place).await;
    the_oldest_free_runs_are_claimed(place).await;
    whoever_lost_a_run_writes_no_more(place).await;
    a_stage_is_stored_once(place).await;
    what_is_loaded_is_what_was_stored(place).await;
    an_end_is_final(place).await;
    a_released_run_is_free_at_once(place).await;
    attempts_count_claims_that_ended_without_a_stage(place).await;
    waits::holds(place).await;
    commands::holds(place).await;
    principals::holds(place).await;
    place.open().await.probe().await.unwrap();
}

async fn of_many_at_once_one_is_accepted(place: &dyn Place) {
    let new = new_run("many", "https://a/many");
    let store = place.open().await;
    let all = (0..place.callers()).map(|n| {
        let (store, new) = (store.clone(), new.clone());
        tokio::spawn(async move { store.accept(&new, Some(&lease(&format!("many-{n}")))).await.unwrap() })
    });
    let mut fences = Vec::new();
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Acceptance::New(fence) => fences.extend(fence),
            other => assert_eq!(other, Acceptance::Existing(RunStatus::Processing)),
        }
    }
    assert_eq!(fences.len(), 1, "accepted once");
    let fence = &fences[0];
    assert_eq!((fence.epoch, fence.generation), (1, 1));
    assert_eq!(claim(&*store, &lease("thief"), 9).await, [], "it is leased");
    store.finish(fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    assert_eq!(store.accept(&new, None).await.unwrap(), Acceptance::Existing(RunStatus::Failed));
}

async fn another_request_is_told_from_the_same(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("asked", "https://a/1"), "one").await;
    let other = store.accept(&new_run("asked", "https://a/2"), None).await.unwrap();
    assert_eq!(other, Acceptance::RequestMismatch);
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

async fn the_oldest_free_runs_are_claimed(place: &dyn Place) {
    let store = place.open().await;
    for (id, seconds) in [("queue-b", 20), ("queue-a", 30), ("queue-c", 10)] {
        let mut new = new_run(id, "https://a/queue");
        new.accepted_at += Duration::from_secs(seconds);
        assert_eq!(store.accept(&new, None).await.unwrap(), Acceptance::New(None));
    }
    let held = HashSet::from([RunId::parse("queue-b").unwrap()]);
    let lease_of_one = lease("one");
    let asked =
        Claim { lease: &lease_of_one, limit: 1, held: &held, expired: false, waiting: WaitingRuns::None };
    let first = store.claim(asked).await.unwrap();
    assert_eq!(first.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>(), ["queue-c"]);
    let rest = claim(&*store, &lease("one"), 9).await;
    assert_eq!(rest.iter().map(|fence| fence.run.as_str()).collect::<Vec<_>>(), ["queue-b", "queue-a"]);
    assert_eq!(claim(&*store, &lease("two"), 9).await, []);
    assert_eq!(store.renew(&lease("one"), &rest).await.unwrap(), []);
    for fence in first.iter().chain(&rest) {
        store.finish(fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    }
}

async fn whoever_lost_a_run_writes_no_more(place: &dyn Place) {
    let dead = place.open().await;
    let brief = ended_lease("dead");
    let new = new_run("fenced", "https://a/fenced");
    let Acceptance::New(Some(old)) = dead.accept(&new, Some(&brief)).await.unwrap() else {
        panic!("it is new");
    };
    dead.store_stage(&old, &record(Stage::InputProcessing, "one")).await.unwrap();
    drop(dead);
    let store = place.open().await;
    let claimed = inherit_for_good(&*store, "heir").await;
    assert_eq!(claimed.len(), 1);
    let fence = &claimed[0];
    assert!(fence.epoch > old.epoch);
    let stage_2 = record(Stage::SignalAmplification, "one");
    let is_fenced = |result: Result<(), StorageError>| {
        assert_eq!(result.unwrap_err().kind, StorageErrorKind::Fenced);
    };
    is_fenced(store.store_stage(&old, &stage_2).await);
    is_fenced(store.store_stage(&old, &record(Stage::InputProcessing, "one")).await);
    is_fenced(store.finish(&old, End::Failed(&failure()), at(FINISHED_AT)).await);
    is_fenced(store.finish(&old, End::Completed { records: &[], report: "" }, at(FINISHED_AT)).await);
    is_fenced(store.release(&old).await);
    store.store_stage(fence, &stage_2).await.unwrap();
    let snapshot = store.load(&new.id).await.unwrap().unwrap();
    assert_eq!(snapshot.stages.len(), 2, "the dead worker's stage is kept");
    assert!(snapshot.is_leased && snapshot.epoch == fence.epoch);
    store.finish(fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

async fn a_stage_is_stored_once(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("once", "https://a/once"), "one").await;
    let (one, two) = (record(Stage::InputProcessing, "one"), record(Stage::InputProcessing, "two"));
    store.store_stage(&fence, &one).await.unwrap();
    store.store_stage(&fence, &one).await.unwrap();
    let error = store.store_stage(&fence, &two).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Conflict);
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    let held = &snapshot.stages[&Stage::InputProcessing];
    assert_eq!(held.record.meta.model, one.meta.model);
    store.mark_unsynced(&fence, &[Stage::InputProcessing]).await.unwrap();
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

async fn what_is_loaded_is_what_was_stored(place: &dyn Place) {
    let store = place.open().await;
    let new = new_run("whole", "https://a/whole");
    assert_eq!(store.load(&new.id).await.unwrap(), None);
    let fence = accepted(&*store, &new, "one").await;
    for record in records() {
        store.store_stage(&fence, &record).await.unwrap();
    }
    let report = "# Opportunities\n\n“quotes” 😀\n";
    let end = End::Completed { records: &records(), report };
    store.finish(&fence, end, at(FINISHED_AT)).await.unwrap();
    let snapshot = place.open().await.load(&new.id).await.unwrap().unwrap();
    assert_eq!(snapshot.request.as_ref(), Some(&new.request));
    assert_eq!(snapshot.accepted_at, Some(new.accepted_at));
    assert_eq!((snapshot.status, snapshot.finished_at), (RunStatus::Completed, Some(at(FINISHED_AT))));
    assert_eq!(snapshot.report.as_deref(), Some(report));
    assert_eq!((snapshot.failure, snapshot.is_leased), (None, false));
    assert_eq!(snapshot.stages.len(), 4);
    for (held, record) in snapshot.stages.values().zip(records()) {
        assert_eq!(held.sha256, held.record.sha256().unwrap());
        assert_eq!(held.record.payload, record.payload);
        assert_eq!(held.record.meta.payload_sha256, record.meta.payload_sha256);
    }
}

async fn an_end_is_final(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("end", "https://a/end"), "one").await;
    let failed = End::Failed(&failure()).status();
    for _ in 0..2 {
        store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    }
    let other = End::Completed { records: &records(), report: "# Late\n" };
    let error = store.finish(&fence, other, at(FINISHED_AT)).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    let error = store.store_stage(&fence, &record(Stage::InputProcessing, "late")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    assert_eq!(claim(&*store, &lease("two"), 9).await, []);
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    assert_eq!((snapshot.status, snapshot.report), (failed, None));
    let told = snapshot.failure.unwrap();
    assert_eq!((told.code, told.stage), (FailureCode::LlmTimeout, Some(Stage::SignalAmplification)));
    assert_eq!((told.message.as_str(), told.can_retry), ("no answer in time", true));
    assert!((snapshot.lost_usd - 0.25).abs() < 1e-9, "counted once: {}", snapshot.lost_usd);
    let fence = accepted(&*store, &new_run("cancel", "https://a/cancel"), "one").await;
    let cancelled = RunFailure::cancelled(None);
    store.finish(&fence, End::Failed(&cancelled), at(FINISHED_AT)).await.unwrap();
    assert_eq!(store.load(&fence.run).await.unwrap().unwrap().status, RunStatus::Cancelled);
}

async fn a_released_run_is_free_at_once(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("back", "https://a/back"), "one").await;
    store.release(&fence).await.unwrap();
    let claimed = claim(&*store, &lease("two"), 9).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!((&claimed[0].run, claimed[0].owner.as_str()), (&fence.run, "two"));
    assert!(claimed[0].epoch > fence.epoch);
    store.finish(&claimed[0], End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

async fn attempts_count_claims_that_ended_without_a_stage(place: &dyn Place) {
    let store = place.open().await;
    let new = new_run("attempts", "https://a/attempts");
    let Acceptance::New(Some(fence)) = store.accept(&new, Some(&ended_lease("dead-1"))).await.unwrap() else {
        panic!("it is new");
    };
    assert_eq!(fence.attempt, 1, "an acceptance with a lease is the first");
    drop(store);
    // A claim counts two attempts at most. The third counts once the run is alone in its worker.
    for (owner, attempt) in [("dead-2", 2), ("dead-3", 3), ("dead-4", 3)] {
        let store = place.open().await;
        let claimed = inherit(&*store, owner).await;
        assert_eq!(claimed.iter().map(|fence| fence.attempt).collect::<Vec<_>>(), [attempt]);
    }
    let store = place.open().await;
    let fence = inherit(&*store, "alone").await.remove(0);
    for _ in 0..2 {
        store.count_attempt(&fence).await.unwrap();
    }
    drop(store);
    let store = place.open().await;
    let fence = inherit_for_good(&*store, "five").await.remove(0);
    assert_eq!(fence.attempt, 4);
    for _ in 0..2 {
        // Repeat the call, because the first answer may have been lost.
        let _ = store.release(&fence).await;
    }
    let fence = claim(&*store, &lease("five"), 9).await.remove(0);
    assert_eq!(fence.attempt, 4, "given back");
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    store.release(&fence).await.unwrap();
    let fence = claim(&*store, &lease("six"), 9).await.remove(0);
    assert_eq!(fence.attempt, 1, "a stored stage begins the count anew");
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

/// For stores whose leases expire by time. Another worker can claim an expired run, and its first worker gets
/// the attempt back when it notices.
pub async fn an_ended_lease_is_taken_when_asked_for(place: &dyn Place) {
    let store = place.open().await;
    let new = new_run("ended", "https://a/ended");
    let Acceptance::New(Some(late)) = store.accept(&new, Some(&ended_lease("late"))).await.unwrap() else {
        panic!("it is new");
    };
    let (heir, held) = (lease("heir"), HashSet::new());
    let asked = Claim { lease: &heir, limit: 9, held: &held, expired: false, waiting: WaitingRuns::None };
    assert_eq!(store.claim(asked).await.unwrap(), []);
    let claimed = inherit_for_good(&*store, "heir").await;
    assert_eq!(claimed.iter().map(|fence| fence.attempt).collect::<Vec<_>>(), [2]);
    // The same worker claims its own run again: an answer was lost, and no process died.
    let again = Lease { duration: Duration::ZERO, ..heir.clone() };
    assert_eq!(store.renew(&again, &claimed).await.unwrap(), []);
    let claimed = inherit_for_good(&*store, "heir").await;
    assert_eq!(claimed.iter().map(|fence| fence.attempt).collect::<Vec<_>>(), [2]);
    assert_eq!(store.release(&late).await.unwrap_err().kind, StorageErrorKind::Fenced);
    store.release(&claimed[0]).await.unwrap();
    let again = store.claim(asked).await.unwrap();
    assert_eq!(again.iter().map(|fence| fence.attempt).collect::<Vec<_>>(), [1]);
    store.finish(&again[0], End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}
