//! Webhooks to the frontend: their order, their contents, and the rows that come of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{RUN, Site, USER};
use crate::support::{
    frontend::Version,
    receiver::Manner,
    service::{DUAL_WRITE, FILE_ONLY},
};

/// Everything that files tell of a run that goes well.
const WHOLE: [&str; 11] = [
    "1 PROCESSING",
    "1 COMPLETED",
    "2 PROCESSING",
    "2 COMPLETED",
    "3 PROCESSING",
    "3 COMPLETED",
    "4 PROCESSING",
    "4 COMPLETED",
    "5 PROCESSING",
    "5 COMPLETED",
    "complete",
];

/// Leaves out the beginnings that a run was past when they were due.
fn ends(taken: &[String]) -> Vec<&str> {
    taken.iter().map(String::as_str).filter(|what| !what.ends_with("PROCESSING")).collect()
}

#[tokio::test]
async fn files_send_each_step_with_the_whole_record() {
    let site = Site::new(Version::Newest, true, Duration::from_millis(500)).await;
    let mut service = site.serve(FILE_ONLY).await;
    site.launch(&service, RUN).await;
    assert_eq!(service.ended(RUN).await["status"], "complete");
    site.told(RUN).await;
    let taken = site.receiver.taken(RUN);
    let wanted: Vec<_> = WHOLE.into_iter().filter(|what| *what != "5 PROCESSING").collect();
    assert_eq!(taken.iter().filter(|what| *what != "5 PROCESSING").collect::<Vec<_>>(), wanted);
    for one in site.receiver.received() {
        let Some(number @ 1..=4) = one.body["stageNumber"].as_i64() else { continue };
        if one.body["status"] == "COMPLETED" {
            let output: Value = serde_json::from_str(one.body["output"].as_str().unwrap()).unwrap();
            let file = ["stage1/inspirations", "stage2/trends", "stage3/lessons", "stage4/context"];
            let stored = site.env.json(RUN, &format!("{}.json", file[usize::try_from(number).unwrap() - 1]));
            assert_eq!(output, stored, "the record as it is stored");
        } else {
            assert_eq!((&one.body["output"], one.body.get("completedAt")), (&"".into(), None));
        }
    }
    let complete = site.receiver.received().pop().unwrap().body;
    assert!(complete["duration"].as_i64().is_some_and(|seconds| (1..60).contains(&seconds)), "{complete}");
    assert!(complete["fullReportMarkdown"].as_str().unwrap().starts_with("# "));
    assert_eq!(complete["opportunities"].as_array().unwrap().len(), 5);
    for number in 1..=5 {
        let stage = &complete["stageOutputs"][format!("stage{number}")];
        assert!(stage[format!("stage{number}_output")].as_str().unwrap().starts_with('#'), "{stage}");
    }
    assert!(complete["stageOutputs"]["stage1"]["inspirations"][1]["title"].is_string());
    assert!(complete["stageOutputs"]["stage1"].get("meta").is_none());
    service.kill();
}

#[tokio::test]
async fn the_frontend_creates_the_row_it_lacks() {
    let site = Site::new(Version::First, true, Duration::ZERO).await;
    let service = site.serve(FILE_ONLY).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    for named in [Some("run-of-a-script"), None] {
        let answer =
            service.submit(&json!({"run_id": named, "blob_url": url, "brand_id": "mccormick-usa"})).await;
        let run = answer["run_id"].as_str().unwrap().to_owned();
        site.told(&run).await;
        let taken = site.receiver.taken(&run);
        assert_eq!(taken[0], "init", "{taken:?}");
        assert_eq!(taken.iter().filter(|what| *what == "init").count(), 1, "{taken:?}");
        let row = format!(
            r#"SELECT concat_ws(' ', "companyName", "documentName", "clerkId") FROM "PipelineRun"
               JOIN "User" ON "User"."id" = "userId" WHERE "PipelineRun"."id" = '{run}'"#
        );
        assert_eq!(site.env.value(&row).await, "McCormick USA spotted-innovation.md system-backend");
    }
    let refused = site.receiver.received().iter().filter(|one| one.answered == Some(404)).count();
    assert_eq!(refused, 0, "no update came before its row");
}

#[tokio::test]
async fn webhooks_do_not_recreate_a_deleted_row() {
    let site = Site::new(Version::Newest, true, Duration::from_millis(400)).await;
    let service = site.serve(FILE_ONLY).await;
    site.launch(&service, RUN).await;
    site.panels(RUN, |panels| !panels.is_empty()).await;
    site.env.query(r#"DELETE FROM "PipelineRun""#).await;
    assert_eq!(service.ended(RUN).await["status"], "complete");
    assert_eq!(site.env.value(r#"SELECT count(*)::text FROM "PipelineRun""#).await, "0");
    assert!(!site.receiver.taken(RUN).contains(&"init".to_owned()));
}

#[tokio::test]
async fn a_late_start_event_overwrites_nothing() {
    let site = Site::new(Version::First, true, Duration::ZERO).await;
    site.receiver.script([Manner::Late(Duration::from_millis(1_500))]);
    let service = site.serve(&[FILE_ONLY, &[("WEBHOOK_TIMEOUT_SECONDS", "1")]].concat()).await;
    site.launch(&service, RUN).await;
    site.told(RUN).await;
    let taken = site.receiver.taken(RUN);
    assert_eq!((taken[0].as_str(), ends(&taken).len()), ("1 PROCESSING", 6), "{taken:?}");
    site.assert_complete(RUN, false).await;
}

/// Completes a run while the receiver answers 503, and ends the service: all webhooks are due, and none is under way.
/// Returns the number of requests that the receiver refused.
async fn complete_unheard(site: &Site) -> usize {
    site.receiver.usually(Manner::Status(503));
    let mut service = site.serve(FILE_ONLY).await;
    site.launch(&service, RUN).await;
    assert_eq!(service.ended(RUN).await["status"], "complete");
    service.kill();
    site.receiver.usually_frontend();
    site.receiver.received().len()
}

#[tokio::test]
async fn an_oversized_update_is_skipped_before_completion() {
    let site = Site::new(Version::First, true, Duration::ZERO).await;
    let before = complete_unheard(&site).await;
    site.receiver.script([Manner::Status(413), Manner::Status(200), Manner::Status(413)]);
    let _service = site.serve(FILE_ONLY).await;
    site.told(RUN).await;
    let answered: Vec<_> =
        site.receiver.received()[before..].iter().map(|one| one.answered.unwrap()).collect();
    assert_eq!(answered, [413, 200, 413, 200, 200, 200]);
    assert_eq!(site.frontend.run_cards(RUN).await.len(), 5);
}

#[tokio::test]
async fn an_oversized_completion_is_sent_shortened() {
    let site = Site::new(Version::First, true, Duration::ZERO).await;
    complete_unheard(&site).await;
    site.receiver.script([200; 5].map(Manner::Status));
    site.receiver.script([Manner::Status(413)]);
    let _service = site.serve(FILE_ONLY).await;
    site.told(RUN).await;
    let last = site.receiver.received().pop().unwrap();
    assert!(last.path.ends_with("/complete") && last.body["stageOutputs"]["stage2"].get("trends").is_none());
    let report = site.frontend.report_tab(RUN).await.unwrap();
    assert!(report.blocks_of_json.is_empty() && !report.tracks[1].is_empty(), "{report:?}");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_killed_service_sends_every_end_in_order() {
    for point in ["stage-file-written:2", "webhook-claimed:3", "webhook-sent:4", "report-written"] {
        let site = Site::new(Version::Newest, true, Duration::ZERO).await;
        let mut service = site.serve(&[FILE_ONLY, &[("CRASH_AT", point)]].concat()).await;
        let url = site.env.blob.url("sample/spotted-innovation.md");
        site.frontend.launch(RUN, USER, &url, "Decathlon").await;
        let _ = service.post(&json!({"run_id": RUN, "blob_url": url, "brand_id": "decathlon"})).await;
        service.killed().await;
        let mut service = site.serve(FILE_ONLY).await;
        site.told(RUN).await;
        let mut taken = site.receiver.taken(RUN);
        taken.dedup();
        let all = ends(&taken).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            all,
            ["1 COMPLETED", "2 COMPLETED", "3 COMPLETED", "4 COMPLETED", "5 COMPLETED", "complete"],
            "{point}: {taken:?}"
        );
        site.assert_complete(RUN, false).await;
        service.kill();
        let _service = site.serve(DUAL_WRITE).await;
        site.env.manifest_when(RUN, |manifest| manifest.get("proof").is_some()).await;
        site.assert_verified();
    }
}
