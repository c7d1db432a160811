//! Behaviour of the database alone: it adopts rows of the frontend, and fills the frontend's tables.

use std::collections::HashSet;

use pipeline::run::{RunStatus, Stage};
use storage::{
    Acceptance, End, StorageErrorKind, SyncTarget as _,
    contract::{accepted, at, claim, ended_lease, lease, new_run, record, records},
    prelude::*,
};

use super::{migrated, store, value};
use crate::support::postgres::{Postgres, query};

const URL: &str = "https://a/report.pdf";

/// A row as the frontend creates it before it asks.
async fn frontend_row(url: &str, id: &str, status: &str, more: &str) {
    let sql = format!(
        r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u1', 'user_1', 'p@example.com', now())
           ON CONFLICT DO NOTHING;
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "status",
             "pipelineVersion") VALUES ('{id}', 'u1', 'My report', '{URL}', 'Acme', '{status}', '1.0');
           {more}"#
    );
    query(url, &sql).await;
}

#[tokio::test]
async fn only_a_matching_frontend_row_is_adopted_once() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);

    frontend_row(&url, "fresh", "PROCESSING", "").await;
    let before = store.load(&new_run("fresh", URL).id).await.unwrap().unwrap();
    assert_eq!((before.request, before.accepted_at), (None, None));
    assert_eq!(claim(&store, &lease("one"), 9).await, [], "nobody has asked for it");
    let all = (0..50).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            store.accept(&new_run("fresh", URL), Some(&lease(&format!("w{n}")))).await.unwrap()
        })
    });
    let mut fences = Vec::new();
    for one in all.collect::<Vec<_>>() {
        match one.await.unwrap() {
            Acceptance::New(fence) => fences.extend(fence),
            other => assert_eq!(other, Acceptance::Existing(RunStatus::Processing)),
        }
    }
    assert_eq!(fences.len(), 1);
    let snapshot = store.load(&fences[0].run).await.unwrap().unwrap();
    let request = snapshot.request.unwrap();
    assert_eq!((request.source.as_str(), request.brand_id.as_str()), ("My report", "acme"));
    assert_eq!(value(&url, r#"SELECT count(*) FROM "User""#).await, "1");
    let kept = r#"SELECT concat_ws(' ', "companyName", "attempts", "leaseEpoch") FROM "PipelineRun""#;
    assert_eq!(value(&url, kept).await, "Acme 1 1");

    let other = store.accept(&new_run("fresh", "https://a/other"), None).await.unwrap();
    assert_eq!(other, Acceptance::RequestMismatch);
    frontend_row(&url, "other", "PROCESSING", "").await;
    let other = store.accept(&new_run("other", "https://a/other"), None).await.unwrap();
    assert_eq!(other, Acceptance::RequestMismatch);
    let output = r#"UPDATE "PipelineRun" SET "stage1Output" = '{}' WHERE "id" = 'begun'"#;
    frontend_row(&url, "begun", "PROCESSING", output).await;
    let begun = store.accept(&new_run("begun", URL), None).await.unwrap();
    assert_eq!(begun, Acceptance::RequestMismatch);
    frontend_row(&url, "ended", "FAILED", "").await;
    let ended = store.accept(&new_run("ended", URL), None).await.unwrap();
    assert_eq!(ended, Acceptance::Existing(RunStatus::Failed));
    let ended = store.accept(&new_run("ended", "https://a/other"), None).await.unwrap();
    assert_eq!(ended, Acceptance::RequestMismatch);
}

#[tokio::test]
async fn legacy_rows_bound_each_page_of_outlines() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    store.accept(&new_run("ours", URL), None).await.unwrap();
    let legacy = r#"UPDATE "PipelineRun" SET "status" = 'COMPLETED';
        INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "status", "pipelineVersion", "createdAt")
        SELECT 'legacy ' || n, (SELECT min("id") FROM "User"), 'Old', 'Acme', 'COMPLETED', '1.0',
          timestamp '2020-01-01' + n * interval '1 second' FROM generate_series(1, 3000) AS n"#;
    query(&url, legacy).await;
    let (mut pages, mut after, mut is_last) = (Vec::new(), None, false);
    while !is_last {
        let page = store.outlines(after.as_ref(), 20).await.unwrap();
        pages.push(page.rows.len());
        is_last = page.next.is_none();
        after = page.next;
    }
    assert_eq!(pages, [0, 0, 0, 1], "no page reads more than a thousand rows");
}

#[tokio::test]
async fn a_run_belongs_to_its_user_or_system() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    accepted(&store, &new_run("first", URL), "one").await;
    accepted(&store, &new_run("second", URL), "one").await;
    let mut nobody = new_run("nobody", URL);
    nobody.request.user_id = None;
    accepted(&store, &nobody, "one").await;
    let users = query(
        &url,
        r#"SELECT r."id" || ' ' || u."clerkId" || ' ' || u."email" FROM "PipelineRun" r
           JOIN "User" u ON u."id" = r."userId" ORDER BY 1"#,
    )
    .await;
    let users: Vec<String> = users.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
    assert_eq!(
        users,
        [
            "first user_1 user-user_1@temp.com",
            "nobody system user-system@temp.com",
            "second user_1 user-user_1@temp.com"
        ]
    );
    assert_eq!(value(&url, r#"SELECT count(*) FROM "User""#).await, "2");
    assert_eq!(store.load(&nobody.id).await.unwrap().unwrap().request, Some(nobody.request));
    let row = r#"SELECT concat_ws(' ', "documentName", "companyName", "pipelineVersion", "createdAt", "documentUrl")
                 FROM "PipelineRun" WHERE "id" = 'first'"#;
    assert_eq!(value(&url, row).await, "report.pdf acme 1.0 2026-11-21 11:00:00.123 https://a/report.pdf");
}

#[tokio::test]
async fn completion_fills_the_frontends_tables_in_one_transaction() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let fence = accepted(&store, &new_run("done", URL), "one").await;
    for record in records() {
        store.store_stage(&fence, &record).await.unwrap();
    }
    let report = "# R\0eport\n\n## Opportunities\n\n### O1 · Deposit bottle 1\n\nFirst.\n\n## Lessons\n";
    let records = records();
    for _ in 0..2 {
        let end = End::Completed { records: &records, report };
        store.finish(&fence, end, at("2026-11-21T11:00:42.500Z")).await.unwrap();
    }
    store.mark_unsynced(&fence, &[Stage::SignalAmplification]).await.unwrap();
    store.mark_unsynced(&fence, &[]).await.unwrap();
    store.mark_unsynced(&fence, &[Stage::SignalAmplification]).await.unwrap();
    let run = r#"SELECT concat_ws(' ', "status", "duration", "completedAt", "currentStage", "attempts",
                   round("grounding"::numeric, 3), "filesMissingStages", "leaseOwner" IS NULL, "leaseEpoch")
                 FROM "PipelineRun""#;
    assert_eq!(value(&url, run).await, "COMPLETED 42 2026-11-21 11:00:42.5 5 0 0.923 {2,5} t 1");
    assert_eq!(value(&url, r#"SELECT left("fullReportMarkdown", 8) FROM "PipelineRun""#).await, "# Report");
    let outputs = r#"SELECT string_agg(concat_ws(' ', "stageNumber", "stageName", "status"), ', ' ORDER BY "stageNumber")
                     FROM "StageOutput""#;
    assert_eq!(
        value(&url, outputs).await,
        "1 Input Processing COMPLETED, 2 Signal Amplification COMPLETED, 3 General Translation COMPLETED, \
         4 Brand Contextualization COMPLETED, 5 Opportunity Generation COMPLETED"
    );
    let cards = r#"SELECT string_agg(concat_ws('|', "number", "title", "content", "isStarred"), ' ' ORDER BY "number")
                   FROM "OpportunityCard" WHERE "number" < 3"#;
    assert_eq!(
        value(&url, cards).await,
        "1|Deposit bottle 1|Milk in a bottle that comes back to the shop.|f 2|Deposit bottle 2|Milk in a bottle that comes back to the shop.|f"
    );
    let page = r#"SELECT concat_ws('|', "selectedTrack", "nonSelectedTrack", left("stage5Output", 6)) FROM "InspirationReport""#;
    assert_eq!(value(&url, page).await, "Refill bar 1|Refill bar 2|### O1");
}

#[tokio::test]
async fn a_run_ended_by_the_frontend_rejects_writes() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let fence = accepted(&store, &new_run("gone", URL), "one").await;
    query(&url, r#"UPDATE "PipelineRun" SET "status" = 'FAILED'"#).await;
    let error = store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    let lost = store.renew(&lease("one"), std::slice::from_ref(&fence)).await.unwrap();
    assert_eq!(lost.as_slice(), std::slice::from_ref(&fence.run));
    let end = End::Completed { records: &records(), report: "# R\n" };
    let error = store.finish(&fence, end, at("2026-11-21T12:00:00Z")).await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Fenced);
    assert_eq!(value(&url, r#"SELECT count(*) FROM "OpportunityCard""#).await, "0");
    let begun = r#"SELECT concat_ws(' ', count(*), min("status"::text), max("output")) FROM "StageOutput""#;
    assert_eq!(value(&url, begun).await, "1 PROCESSING ");
}

#[tokio::test]
async fn a_damaged_stage_is_ignored_and_replaceable() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let fence = accepted(&store, &new_run("damaged", URL), "one").await;
    let stage = Stage::InputProcessing;
    for damage in [
        r#"'{}'"#,
        r#"jsonb_set("stage1Output", '{meta,attempts}', '9')"#,
        r#"jsonb_set("stage1Output", '{inspirations,0,title}', '"Other"')"#,
    ] {
        store.store_stage(&fence, &record(stage, "one")).await.unwrap();
        query(&url, &format!(r#"UPDATE "PipelineRun" SET "stage1Output" = {damage}"#)).await;
        let snapshot = store.load(&fence.run).await.unwrap().unwrap();
        assert!(snapshot.stages.is_empty(), "{damage}");
        store.store_stage(&fence, &record(stage, "two")).await.unwrap();
        let snapshot = store.load(&fence.run).await.unwrap().unwrap();
        assert_eq!(snapshot.stages[&stage].record, record(stage, "two"), "{damage}");
        let error = store.store_stage(&fence, &record(stage, "one")).await.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Conflict);
        query(&url, r#"UPDATE "PipelineRun" SET "stage1Output" = NULL"#).await;
    }
}

#[tokio::test]
async fn of_many_workers_each_run_has_one() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    for n in 0..60 {
        store.accept(&new_run(&format!("r{n}"), URL), None).await.unwrap();
    }
    let workers = (0..8).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut runs = Vec::new();
            while let claimed @ [_, ..] = claim(&store, &lease(&format!("w{n}")), 5).await.as_slice() {
                runs.extend(claimed.iter().map(|fence| fence.run.clone()));
            }
            runs
        })
    });
    let mut runs = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        runs.extend(worker.await.unwrap());
    }
    let distinct: HashSet<_> = runs.iter().collect();
    assert_eq!((runs.len(), distinct.len()), (60, 60));
    assert_eq!(
        value(&url, r#"SELECT string_agg(DISTINCT "leaseEpoch"::text, ' ') FROM "PipelineRun""#).await,
        "1"
    );
}

#[tokio::test]
async fn only_claims_without_a_new_stage_count_attempts() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let attempts = || async { value(&url, r#"SELECT "attempts" FROM "PipelineRun""#).await };
    let fence = accepted(&store, &new_run("r1", URL), "one").await;
    assert_eq!(attempts().await, "1");
    for _ in 0..2 {
        // Once more, for the first answer may have been lost.
        store.release(&fence).await.unwrap();
    }
    assert_eq!(attempts().await, "0");
    for worker in ["two", "three"] {
        while claim(&store, &ended_lease(worker), 1).await.is_empty() {}
    }
    assert_eq!(attempts().await, "2");
    let fence = loop {
        if let Some(fence) = claim(&store, &ended_lease("four"), 1).await.pop() {
            break fence;
        }
    };
    assert_eq!(attempts().await, "2", "a third attempt counts once the run is alone");
    store.count_attempt(&fence).await.unwrap();
    assert_eq!(attempts().await, "3");
    store.store_stage(&fence, &record(Stage::InputProcessing, "one")).await.unwrap();
    assert_eq!(attempts().await, "0");
}
