//! Runs that were put back into the queue.

use std::{collections::HashSet, time::Duration};

use pipeline::run::Stage;

use crate::{
    contract::fixtures::{FINISHED_AT, Place, accepted, at, claim, failure, lease, new_run, record},
    error::StorageErrorKind,
    ports::{
        lifecycle::{Claim, Fence, WaitingRuns},
        store::Store,
    },
    run::End,
    waiting::{Postponement, WaitReason, Waiting},
};

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn holds(place: &dyn Place) {
    a_waiting_run_is_claimed_at_its_time(place).await;
    an_overdue_run_is_claimed_to_end_it(place).await;
    a_retry_ends_a_wait(place).await;
    a_retry_elsewhere_ends_a_wait(place).await;
}

fn postponement(reason: WaitReason, wait: Duration) -> Postponement {
    Postponement { reason, wait, lost_usd: 0.25 }
}

async fn waiting(store: &dyn Store, fence: &Fence) -> Option<Waiting> {
    store.load(&fence.run).await.unwrap().unwrap().waiting
}

/// Claims runs until there are some, because a store may look for waiting runs only now and then.
async fn claim_soon(store: &dyn Store, owner: &str, waiting: WaitingRuns) -> Fence {
    let (lease, held) = (lease(owner), HashSet::new());
    loop {
        let asked = Claim { lease: &lease, limit: 9, held: &held, expired: false, waiting };
        match store.claim(asked).await.unwrap().pop() {
            Some(fence) => return fence,
            None => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

async fn a_waiting_run_is_claimed_at_its_time(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("waits", "https://a/waits"), "one").await;
    let short = postponement(WaitReason::LlmRateLimit, Duration::from_secs(2));
    for _ in 0..2 {
        store.put_back(&fence, &short).await.unwrap();
    }
    let snapshot = store.load(&fence.run).await.unwrap().unwrap();
    assert!(!snapshot.is_leased && (snapshot.lost_usd - 0.25).abs() < 1e-9, "{snapshot:?}");
    let first = snapshot.waiting.unwrap();
    assert_eq!(first.reason, WaitReason::LlmRateLimit);
    assert!(first.until.unwrap() > first.since);
    assert_eq!(claim(&*store, &lease("early"), 9).await, []);
    let fence = claim_soon(&*store, "two", WaitingRuns::Due).await;
    assert_eq!(fence.attempt, 1, "a wait is no attempt");
    let tried = waiting(&*store, &fence).await.unwrap();
    assert_eq!((tried.since, tried.until), (first.since, None));
    store.put_back(&fence, &postponement(WaitReason::LlmCredits, Duration::ZERO)).await.unwrap();
    let again = waiting(&*store, &fence).await.unwrap();
    assert_eq!((again.reason, again.since), (WaitReason::LlmCredits, first.since), "the wait goes on");
    let fence = claim_soon(&*store, "three", WaitingRuns::Due).await;
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    assert_eq!(waiting(&*store, &fence).await, None, "a stored stage ends it");
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    let late = store.put_back(&fence, &short).await.unwrap_err();
    assert_eq!(late.kind, StorageErrorKind::Fenced);
}

async fn an_overdue_run_is_claimed_to_end_it(place: &dyn Place) {
    let store = place.open().await;
    let fences = [("late", WaitReason::LlmError), ("suspected", WaitReason::CrashSuspected)];
    let mut put_back = Vec::new();
    for (id, reason) in fences {
        let fence = accepted(&*store, &new_run(id, "https://a/late"), "one").await;
        store.put_back(&fence, &postponement(reason, HOUR)).await.unwrap();
        put_back.push(fence);
    }
    assert_eq!(claim(&*store, &lease("two"), 9).await, []);
    let overdue = WaitingRuns::Overdue(Duration::from_millis(1));
    let fence = claim_soon(&*store, "two", overdue).await;
    assert_eq!(fence.run, put_back[0].run, "no model is awaited for a suspect");
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

async fn a_retry_ends_a_wait(place: &dyn Place) {
    let store = place.open().await;
    let fence = accepted(&*store, &new_run("retried", "https://a/retried"), "one").await;
    store.put_back(&fence, &postponement(WaitReason::LlmError, Duration::ZERO)).await.unwrap();
    let fence = claim_soon(&*store, "two", WaitingRuns::Due).await;
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
    assert!(store.retry(&fence.run, fence.generation, None).await.unwrap().is_some());
    assert_eq!(waiting(&*store, &fence).await, None);
    let fence = claim_soon(&*store, "three", WaitingRuns::None).await;
    store.finish(&fence, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}

/// The other store took the retry, and this one only sees the claim that followed.
async fn a_retry_elsewhere_ends_a_wait(place: &dyn Place) {
    let store = place.open().await;
    let run = new_run("elsewhere", "https://a/elsewhere");
    let fence = accepted(&*store, &run, "one").await;
    store.put_back(&fence, &postponement(WaitReason::LlmError, Duration::ZERO)).await.unwrap();
    let claimed = Fence { epoch: fence.epoch + 1, owner: "two".to_owned(), ..fence.clone() };
    store.adopt(&run, &claimed).await.unwrap();
    assert!(waiting(&*store, &fence).await.is_some(), "the same try of the run");
    let retried = Fence { generation: fence.generation + 1, epoch: claimed.epoch + 1, ..claimed };
    store.adopt(&run, &retried).await.unwrap();
    assert_eq!(waiting(&*store, &fence).await, None);
    store.finish(&retried, End::Failed(&failure()), at(FINISHED_AT)).await.unwrap();
}
