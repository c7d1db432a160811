//! A run that does not simply complete: failed, cancelled, retried, given up, deleted, settled again.

use std::time::Duration;

use serde_json::json;

use super::{COMPANY, RUN, Site, USER, states};
use crate::support::{
    frontend::Version,
    innovation,
    openrouter::{Reply, Wrapping},
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, fail_after},
    wait::eventually,
};

#[tokio::test]
async fn a_failure_shows_its_error_until_a_retry() {
    for (mode, tells) in [(DATABASE_ONLY, false), (DUAL_WRITE, true), (FILE_ONLY, true)] {
        let site = Site::new(Version::Newest, tells, Duration::ZERO).await;
        fail_after(&site.env, 1);
        let mut service = site.serve(mode).await;
        site.launch(&service, RUN).await;
        site.wait_for_status(RUN, "FAILED").await;
        let panels = site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "FAILED")]).await;
        let error = &panels[1].content.as_ref().unwrap()["error"];
        assert_eq!(error["code"], "LLM_ERROR");
        assert!(error["message"].as_str().unwrap().len() > 10 && panels[1].has_end);
        let listed = site.frontend.list(USER, COMPANY).await;
        assert_eq!((listed[0].status.as_str(), listed[0].cards), ("FAILED", None));
        // Taken up again, the step is under way.
        site.env.model.script([Reply::HangBeforeHeaders]);
        assert_eq!(service.call("POST", &format!("/api/pipeline/{RUN}/retry")).await.status, 202);
        site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "PROCESSING")]).await;
        eventually("the third call", async || site.env.model.calls() >= 3).await;
        assert_eq!(service.call("POST", &format!("/api/pipeline/{RUN}/cancel")).await.status, 200);
        let stopped = if mode == FILE_ONLY { "FAILED" } else { "CANCELLED" };
        let panels = site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, stopped)]).await;
        assert_eq!(panels[1].content.as_ref().unwrap()["error"]["code"], "CANCELLED");
        site.wait_for_status(RUN, stopped).await;
        assert_eq!(service.call("POST", &format!("/api/pipeline/{RUN}/retry")).await.status, 202);
        if mode == FILE_ONLY {
            site.told(RUN).await;
        }
        site.wait_for_status(RUN, "COMPLETED").await;
        site.assert_complete(RUN, mode != FILE_ONLY).await;
        if mode == FILE_ONLY {
            service.kill();
            let _service = site.serve(DUAL_WRITE).await;
            site.env.manifest_when(RUN, |manifest| manifest.get("proof").is_some()).await;
            site.assert_complete(RUN, true).await;
            site.assert_verified();
        } else if mode == DUAL_WRITE {
            site.env.assert_both_agree(RUN).await;
            site.assert_verified();
        }
    }
}

#[tokio::test]
async fn a_run_ended_by_file_ends_its_row() {
    for version in [Version::First, Version::Newest] {
        let site = Site::new(version, true, Duration::ZERO).await;
        site.env.model.script([Reply::Answer(Wrapping::None), Reply::HangBeforeHeaders]);
        let mut service = site.serve(FILE_ONLY).await;
        site.launch(&service, RUN).await;
        site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "PROCESSING")]).await;
        assert_eq!(service.call("POST", &format!("/api/pipeline/{RUN}/cancel")).await.status, 200);
        site.wait_for_status(RUN, "FAILED").await;
        service.kill();
        let _service = site.serve(DUAL_WRITE).await;
        site.env.manifest_when(RUN, |manifest| manifest.get("proof").is_some()).await;
        site.wait_for_status(RUN, "CANCELLED").await;
        site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "CANCELLED")]).await;
        site.assert_verified();
    }
}

#[tokio::test]
async fn a_missing_document_fails_stage_one() {
    for (mode, tells) in [(DATABASE_ONLY, false), (FILE_ONLY, true)] {
        let site = Site::new(Version::First, tells, Duration::ZERO).await;
        let service = site.serve(mode).await;
        let url = site.env.blob.url("sample/no-text.bin");
        site.frontend.launch(RUN, USER, &url, COMPANY).await;
        service.submit(&json!({"run_id": RUN, "blob_url": url, "brand_id": "decathlon"})).await;
        site.wait_for_status(RUN, "FAILED").await;
        let panels = site.panels(RUN, |panels| states(panels) == [(1, "FAILED")]).await;
        let code = panels[0].content.as_ref().unwrap()["error"]["code"].as_str().unwrap().to_owned();
        assert!(code.starts_with("DOCUMENT_"), "{code}");
    }
}

#[tokio::test]
async fn a_deleted_row_ends_the_run_for_good() {
    for (mode, tells) in [(DATABASE_ONLY, false), (DUAL_WRITE, true)] {
        let site = Site::new(Version::Newest, tells, Duration::ZERO).await;
        site.env.model.script([Reply::Answer(Wrapping::None), Reply::HangBeforeHeaders]);
        let service = site.serve(mode).await;
        site.launch(&service, RUN).await;
        site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "PROCESSING")]).await;
        site.env.query(&format!(r#"DELETE FROM "PipelineRun" WHERE "id" = '{RUN}'"#)).await;
        service.wait_for_run_event(RUN, "run_lost").await;
        let left =
            r#"SELECT ((SELECT count(*) FROM "PipelineRun") + (SELECT count(*) FROM "StageOutput"))::text"#;
        assert_eq!(site.env.value(left).await, "0");
        assert!(site.frontend.list(USER, COMPANY).await.is_empty());
        if mode == DUAL_WRITE {
            site.env.manifest_when(RUN, |manifest| manifest["status"] == "CANCELLED").await;
            assert_eq!(site.env.value(left).await, "0");
        }
        assert!(site.receiver.taken(RUN).is_empty(), "{:?}", site.receiver.taken(RUN));
    }
}

#[tokio::test]
async fn a_run_abandoned_by_the_frontend_is_failed() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    site.env.model.script([Reply::Answer(Wrapping::None), Reply::HangBeforeHeaders]);
    let service = site.serve(DUAL_WRITE).await;
    site.launch(&service, RUN).await;
    site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "PROCESSING")]).await;
    let given_up =
        r#"UPDATE "PipelineRun" SET "status" = 'FAILED', "completedAt" = now() AT TIME ZONE 'UTC'"#;
    site.env.query(given_up).await;
    site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "FAILED")]).await;
    site.env.manifest_when(RUN, |manifest| manifest["status"] == "FAILED").await;
    site.assert_verified();
}

#[tokio::test]
async fn a_star_stays_whatever_is_written_again() {
    let site = Site::new(Version::First, false, Duration::ZERO).await;
    let service = site.serve(DUAL_WRITE).await;
    site.launch(&service, RUN).await;
    site.wait_for_status(RUN, "COMPLETED").await;
    site.env.assert_both_agree(RUN).await;
    let ids = r#"SELECT string_agg("id", ' ' ORDER BY "number") FROM "OpportunityCard""#;
    let before = site.env.value(ids).await;
    site.env.query(r#"UPDATE "OpportunityCard" SET "isStarred" = true WHERE "number" = 2"#).await;
    // A conflict that is settled for the files ends the row again.
    site.env
        .query(r#"UPDATE "PipelineRun" SET "stage2Output" = jsonb_set("stage2Output", '{trends}', '[]')"#)
        .await;
    let output = innovation(&["reconcile", "resolve", RUN, "--keep", "files"])
        .env("APP_BASE_DIR", site.env.folder.path())
        .env("DATABASE_URL", site.env.database_url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.assert_complete(RUN, true).await;
    assert_eq!(site.env.value(ids).await, before, "the same cards");
    let stars: Vec<_> = site.frontend.run_cards(RUN).await.iter().map(|card| card.is_starred).collect();
    assert_eq!(stars, [false, true, false, false, false]);
}
