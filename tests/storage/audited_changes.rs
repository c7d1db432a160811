//! A change and its audit record are one statement: neither is there without the other.

use pipeline::{
    failure::RunFailure,
    run::{RunId, RunStatus},
};
use serde_json::json;
use storage::{
    End, RunQueries, StorageErrorKind, TombstoneOutcome,
    contract::{accepted, at, by_person, failure, new_run},
    control_plane::{
        AuditFilter, AuditLog, AuditRecord, Evidence, EvidenceLog, FlagEdit, FlagEdits, FlagStore, Principal,
        Waiver, Waivers,
    },
    prelude::*,
};

use super::{migrated, store, value};
use crate::support::postgres::{Postgres, query};

/// As for a role that may not insert audit records. The role of these tests may do everything.
const REFUSE_RECORDS: &str = r#"
CREATE FUNCTION refuse_record() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'permission denied for table AuditRecord'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON "innovation"."AuditRecord" FOR EACH ROW EXECUTE FUNCTION refuse_record()"#;

const ENDED_AT: &str = "2026-11-21T12:00:00Z";

fn waiver(reason: &str) -> Waiver {
    Waiver {
        check_id: "backup".into(),
        reason: reason.into(),
        actor: "command".into(),
        created_at: at(ENDED_AT),
        expires_at: at("2999-01-01T00:00:00Z"),
    }
}

fn evidence(content: serde_json::Value) -> Evidence {
    Evidence { id: "evidence-1".into(), kind: "smoke".into(), at: at(ENDED_AT), passed: true, content }
}

fn flag_edits(expected: u64, audit: AuditRecord) -> FlagEdits {
    let edit = FlagEdit { key: "OPERATIONS_PAUSE_CLAIMS".into(), new: Some(json!(true)), audit };
    FlagEdits { edits: vec![edit], expected, order_id: None }
}

#[tokio::test]
async fn no_change_is_made_without_its_record() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let running = accepted(&store, &new_run("running", "https://a/1"), "one").await.run;
    let failed = accepted(&store, &new_run("failed", "https://a/2"), "two").await;
    store.finish(&failed, End::Failed(&failure()), at(ENDED_AT)).await.unwrap();
    let failed = failed.run;
    query(&url, REFUSE_RECORDS).await;

    let (why, owner) = (RunFailure::cancelled(None), Principal::environment());
    let by = by_person(&running, "tried");
    let refused = [
        store.cancel(&running, &why, at(ENDED_AT), Some(&by)).await.unwrap_err(),
        store.retry(&failed, 1, Some(&by)).await.unwrap_err(),
        store.create_tombstone(&failed, &owner, Some(&by)).await.unwrap_err(),
        Waivers::accept(&store, &waiver("why"), &by).await.unwrap_err(),
        EvidenceLog::add(&store, &evidence(json!({})), &by).await.unwrap_err(),
        FlagStore::change(&store, &flag_edits(0, by.clone())).await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind, StorageErrorKind::Schema, "{error}");
        assert!(error.message.contains("AuditRecord"), "{error}");
        assert!(!error.is_failure_of_the_store(), "the breaker does not count it: {error}");
    }
    for (run, status) in [(&running, RunStatus::Processing), (&failed, RunStatus::Failed)] {
        let stored = RunQueries::load(&store, run).await.unwrap().unwrap();
        assert_eq!((stored.status, stored.generation, stored.epoch), (status, 1, 1));
    }
    assert!(!store.is_deleted(&failed).await.unwrap());
    assert_eq!(Waivers::current(&store).await.unwrap(), []);
    assert_eq!(EvidenceLog::newest(&store, "smoke").await.unwrap(), None);
    assert_eq!(FlagStore::load(&store).await.unwrap().revision, 0);
    assert_eq!(AuditLog::newest(&store, &AuditFilter::default(), None, 9).await.unwrap(), []);

    // The service's own changes need no record.
    assert_eq!(store.retry(&failed, 1, None).await.unwrap(), Some(2));
    for run in [&running, &failed] {
        assert!(store.cancel(run, &why, at(ENDED_AT), None).await.unwrap());
        let deleted = store.create_tombstone(run, &owner, None).await.unwrap();
        assert_eq!(deleted, TombstoneOutcome::Done { had_run: true });
    }
}

#[tokio::test]
async fn a_record_shows_old_and_new_values() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    for reason in ["first", "second"] {
        let by = by_person(&RunId::parse("backup").unwrap(), "check.accept");
        Waivers::accept(&store, &waiver(reason), &by).await.unwrap();
    }
    let old = r#"SELECT "old"->>'reason' FROM "innovation"."AuditRecord" ORDER BY "id" DESC LIMIT 1"#;
    assert_eq!(value(&url, old).await, "first");
    // A run that only files hold: nobody knows its status here.
    let (absent, owner) = (RunId::parse("absent").unwrap(), Principal::environment());
    let by = by_person(&absent, "run.delete");
    let deleted = store.create_tombstone(&absent, &owner, Some(&by)).await.unwrap();
    assert_eq!(deleted, TombstoneOutcome::Done { had_run: false });
    let newest = AuditLog::newest(&store, &AuditFilter::default(), None, 1).await.unwrap().remove(0);
    assert_eq!((newest.old, newest.new), (None, Some(json!({ "deleted": true }))));
}

#[tokio::test]
async fn no_text_with_nul_fails_a_change() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let run = accepted(&store, &new_run("running", "https://a/1"), "one").await.run;
    let by = |action: &str| AuditRecord {
        actor: "per\0son".into(),
        reason: Some("wh\0y".into()),
        request_id: Some("\0".into()),
        ..by_person(&run, action)
    };
    Waivers::accept(&store, &waiver("wh\0y"), &by("check.accept")).await.unwrap();
    EvidenceLog::add(&store, &evidence(json!({ "a\0": ["b\0"] })), &by("evidence.add")).await.unwrap();
    FlagStore::change(&store, &flag_edits(0, by("flag.set"))).await.unwrap();
    AuditLog::add(&store, &[by("key.create")]).await.unwrap();
    assert!(
        store
            .cancel(&run, &RunFailure::cancelled(None), at(ENDED_AT), Some(&by("run.cancel")))
            .await
            .unwrap()
    );
    let records = AuditLog::newest(&store, &AuditFilter::default(), None, 9).await.unwrap();
    assert_eq!(records.len(), 5);
    for record in records {
        assert_eq!((record.actor.as_str(), record.reason.as_deref()), ("person", Some("why")), "{record:?}");
    }
    assert_eq!(Waivers::current(&store).await.unwrap(), [waiver("why")]);
    let stored = EvidenceLog::newest(&store, "smoke").await.unwrap().unwrap();
    assert_eq!(stored.content, json!({ "a": ["b"] }));
}
