//! A run of ours on the pages of the existing frontend: in every mode, with and without webhooks, however the run ends.

mod ends;
mod requests;
mod webhooks;

use std::time::Duration;

use serde_json::json;

use crate::support::{
    frontend::{
        Frontend, Version,
        pages::{GENERAL_LABEL, GENERAL_SUBTITLE, LaunchPage, Panel},
    },
    innovation,
    receiver::Receiver,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, Service, TestEnv, env},
    wait::{eventually, wanted},
};

const SECRET: &str = "0123456789abcdef-secret";
const USER: &str = "user_2abc";
const COMPANY: &str = "Decathlon";
/// As the page that launches a run makes it.
const RUN: &str = "run-1764511200000-42";
const STEPS: [&str; 5] = [
    "Input Processing",
    "Signal Amplification",
    "General Translation",
    "Brand Contextualization",
    "Opportunity Generation",
];

/// A service beside a frontend, on one database.
struct Site {
    env: TestEnv,
    frontend: Frontend,
    receiver: Receiver,
    /// Whether the service sends webhooks.
    tells: bool,
}

impl Site {
    async fn new(version: Version, tells: bool, latency: Duration) -> Self {
        let env = env(latency).await;
        let frontend = Frontend { database_url: env.database_url(), version, secret: SECRET.to_owned() };
        let receiver = Receiver::of(frontend.clone()).await;
        Self { env, frontend, receiver, tells }
    }

    /// A service with these settings.
    async fn serve(&self, settings: &[(&str, &str)]) -> Service {
        let url = self.receiver.url();
        let mut all = Vec::new();
        if self.tells {
            all.extend([
                ("FRONTEND_WEBHOOK_URL", url.as_str()),
                ("WEBHOOK_SECRET", SECRET),
                ("WEBHOOK_TIMEOUT_SECONDS", "5"),
            ]);
        }
        all.extend(settings);
        self.env.serve(&all).await
    }

    /// As the launching page does: the user, the row, then the request.
    async fn launch(&self, service: &Service, run: &str) {
        let url = self.env.blob.url("sample/spotted-innovation.md");
        self.frontend.launch(run, USER, &url, COMPANY).await;
        let body = json!({"run_id": run, "blob_url": url, "brand_id": "decathlon"});
        service.submit(&body).await;
    }

    /// The panels of a run's stages tab, when they are as wanted.
    async fn panels(&self, run: &str, is_wanted: impl Fn(&[Panel]) -> bool) -> Vec<Panel> {
        let look = async || {
            let panels = self.frontend.stages_tab(run).await.unwrap_or_else(|error| panic!("{error}"));
            wanted(panels, |panels| is_wanted(panels))
        };
        eventually("the panels", look).await
    }

    async fn wait_for_status(&self, run: &str, status: &str) {
        let sql = format!(
            r#"SELECT COALESCE((SELECT "status"::text FROM "PipelineRun" WHERE "id" = '{run}'), 'no row')"#
        );
        self.env.wait_for_value(&sql, status).await;
    }

    /// Waits until the frontend has taken a run's completion whole.
    async fn told(&self, run: &str) {
        let complete = "complete".to_owned();
        eventually("the completion", async || {
            wanted(self.receiver.taken(run), |taken| taken.contains(&complete))
        })
        .await;
    }

    /// `reconcile --verify --all` finds no difference, with the database and the files as they are.
    fn assert_verified(&self) {
        let output = innovation(&["reconcile", "--verify", "--all", "--json"])
            .env("APP_BASE_DIR", self.env.folder.path())
            .env("DATABASE_URL", self.env.database_url())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Reads every page of a completed run. `is_ours`: we have written the rows, with the fields of the
    /// launching page.
    async fn assert_complete(&self, run: &str, is_ours: bool) {
        let panels = self
            .panels(run, |panels| {
                states(panels)
                    == [
                        (1, "COMPLETED"),
                        (2, "COMPLETED"),
                        (3, "COMPLETED"),
                        (4, "COMPLETED"),
                        (5, "COMPLETED"),
                    ]
            })
            .await;
        assert_eq!(panels.iter().map(|panel| panel.name.as_str()).collect::<Vec<_>>(), STEPS);
        assert!(panels.iter().all(|panel| panel.content.is_some() && panel.has_end), "{panels:?}");
        for (panel, list) in
            panels.iter().zip(["inspirations", "trends", "lessons", "opportunities", "opportunities"])
        {
            assert!(panel.content.as_ref().unwrap()[list].is_array(), "{panel:?}");
        }
        let (results, warns) = self.frontend.results(run).await;
        assert!(!warns && results.len() == 5, "{results:?}");
        for card in &results {
            assert!(card.label != GENERAL_LABEL && card.subtitle != GENERAL_SUBTITLE, "{card:?}");
            assert!(
                card.label.len() < 20 && card.subtitle.len() > 10 && !card.summary.is_empty(),
                "{card:?}"
            );
            assert!(
                card.opened.contains("\n## ") && card.opened.contains("\n- "),
                "headings, lists: {card:?}"
            );
            assert!(!card.opened.contains("---"), "{card:?}");
        }
        let cards = self.frontend.run_cards(run).await;
        let titles = |all: Vec<(i64, String)>| all;
        assert_eq!(
            titles(cards.iter().map(|card| (card.number, card.title.clone())).collect()),
            titles(results.iter().map(|card| (card.number, card.title.clone())).collect())
        );
        assert_eq!(cards.iter().map(|card| card.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        for card in &cards {
            assert!(card.content.starts_with(char::is_alphanumeric), "a plain sentence: {card:?}");
        }
        let report = self.frontend.report_tab(run).await.unwrap();
        assert!(report.tracks.iter().chain(&report.texts).all(|text| !text.is_empty()), "{report:?}");
        if is_ours || self.frontend.version == Version::First {
            assert_eq!(report.blocks_of_json, [] as [usize; 0], "{report:?}");
        }
        let page = self.frontend.launch_page(run).await;
        assert!(page.goes_on && page.stage == 5 && page.sparks.len() == 5, "{page:?}");
        if is_ours {
            assert_summary(&page);
        }
        let company = r#"SELECT "companyName" FROM "PipelineRun""#;
        assert_eq!(self.env.value(company).await, COMPANY);
        let listed = self.frontend.list(USER, COMPANY).await;
        let line = listed.iter().find(|line| line.run == run).unwrap();
        assert_eq!((line.status.as_str(), line.cards), ("COMPLETED", Some(5)), "{line:?}");
        assert!(line.duration.starts_with("0m ") && line.duration != "0m 0s", "{line:?}");
    }
}

fn states(panels: &[Panel]) -> Vec<(i64, &str)> {
    panels.iter().map(|panel| (panel.number, panel.status.as_str())).collect()
}

/// Everything that the launching page shows of a completed run.
fn assert_summary(page: &LaunchPage) {
    assert!(page.trend_title.is_some() && page.business_impact.is_some(), "{page:?}");
    assert!((1..=3).contains(&page.mechanisms.len()), "{page:?}");
    assert!(page.mechanisms.iter().all(|text| text.len() > 10), "{page:?}");
    assert!(!page.transfers_to.is_empty(), "{page:?}");
}

#[tokio::test]
async fn a_completed_run_shows_on_every_page() {
    for (mode, tells, version) in [
        (DATABASE_ONLY, false, Version::First),
        (DATABASE_ONLY, true, Version::Newest),
        (DUAL_WRITE, false, Version::Newest),
        (DUAL_WRITE, true, Version::First),
        (DUAL_WRITE, true, Version::Newest),
    ] {
        let site = Site::new(version, tells, Duration::ZERO).await;
        let service = site.serve(mode).await;
        site.launch(&service, RUN).await;
        site.wait_for_status(RUN, "COMPLETED").await;
        site.assert_complete(RUN, true).await;
        if tells {
            site.receiver.wait_for_taken(RUN, &["complete"]).await;
            site.assert_complete(RUN, true).await;
        }
        if mode == DUAL_WRITE {
            site.env.assert_both_agree(RUN).await;
            site.assert_verified();
        }
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_run_in_files_appears_once_rows_exist() {
    for (tells, version) in [(true, Version::First), (true, Version::Newest), (false, Version::Newest)] {
        let site = Site::new(version, tells, Duration::ZERO).await;
        let mut service = site.serve(FILE_ONLY).await;
        site.launch(&service, RUN).await;
        assert_eq!(service.ended(RUN).await["status"], "complete");
        if tells {
            site.told(RUN).await;
            site.assert_complete(RUN, false).await;
        }
        service.kill();
        let _service = site.serve(DUAL_WRITE).await;
        site.env.manifest_when(RUN, |manifest| manifest.get("proof").is_some()).await;
        site.assert_complete(RUN, true).await;
        site.assert_verified();
    }
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn progress_shows_while_the_run_is_under_way() {
    for (mode, tells) in [(DATABASE_ONLY, false), (DUAL_WRITE, true), (FILE_ONLY, true)] {
        let site = Site::new(Version::Newest, tells, Duration::from_millis(700)).await;
        let service = site.serve(mode).await;
        site.launch(&service, RUN).await;
        let mut seen: Vec<(i64, String)> = Vec::new();
        eventually("the last panel", async || {
            let panels = site.frontend.stages_tab(RUN).await.unwrap();
            if let Some(last) = panels.last() {
                let state = (last.number, last.status.clone());
                if seen.last() != Some(&state) {
                    seen.push(state);
                }
                let before = &panels[..panels.len() - 1];
                assert!(before.iter().all(|panel| panel.status == "COMPLETED"), "{panels:?}");
                let is_empty = last.content.is_none() && !last.has_end;
                assert_eq!(last.status == "PROCESSING", is_empty, "{panels:?}");
            }
            if seen.last() == Some(&(5, "COMPLETED".to_owned())) { Ok(()) } else { Err(seen.clone()) }
        })
        .await;
        // Webhooks come one after the other, so a completed step may be seen for a moment.
        seen.retain(|(number, status)| status == "PROCESSING" || *number == 5);
        seen.retain(|state| *state != (5, "PROCESSING".to_owned()));
        let stages = (1..=4).map(|number| (number, "PROCESSING".to_owned()));
        assert_eq!(seen, stages.chain([(5, "COMPLETED".to_owned())]).collect::<Vec<_>>());
        drop(service);
    }
}

#[tokio::test]
async fn the_first_row_is_there_before_the_document() {
    let site = Site::new(Version::First, false, Duration::from_secs(5)).await;
    let service = site.serve(DUAL_WRITE).await;
    site.launch(&service, RUN).await;
    // The answer to the request and the row are one statement.
    assert_eq!(states(&site.frontend.stages_tab(RUN).await.unwrap()), [(1, "PROCESSING")]);
    assert_eq!(site.frontend.launch_page(RUN).await, LaunchPage { stage: 1, ..LaunchPage::default() });
}

#[tokio::test]
async fn an_unaccepted_row_stays_the_frontends() {
    let site = Site::new(Version::First, true, Duration::ZERO).await;
    let service = site.serve(&[DATABASE_ONLY, FILE_ONLY].concat()).await;
    let url = site.env.blob.url("sample/spotted-innovation.md");
    site.frontend.launch(RUN, USER, &url, COMPANY).await;
    let body = json!({"run_id": RUN, "blob_url": url, "brand_id": "decathlon"});
    let (status, answer) = service.post(&body).await.unwrap();
    assert_eq!((status, &answer["code"]), (503, &"persistence_disabled".into()));
    assert!(site.frontend.stages_tab(RUN).await.unwrap().is_empty());
    assert_eq!(site.frontend.list(USER, COMPANY).await[0].status, "PROCESSING");
    assert!(site.receiver.received().is_empty());
}

#[tokio::test]
async fn a_stage_stored_in_an_outage_syncs_later() {
    use crate::support::postgres::Stop;
    let mut site = Site::new(Version::Newest, false, Duration::from_millis(600)).await;
    let service = site.serve(DUAL_WRITE).await;
    site.launch(&service, RUN).await;
    site.panels(RUN, |panels| states(panels) == [(1, "COMPLETED"), (2, "PROCESSING")]).await;
    site.env.postgres().stop(Stop::Immediate);
    eventually("stage 2 in a file", async || {
        service.run_events(RUN, "stage_file_written").iter().any(|line| line["stage"] == 2)
    })
    .await;
    site.env.postgres().start_again();
    assert_eq!(service.ended(RUN).await["status"], "complete");
    site.wait_for_status(RUN, "COMPLETED").await;
    site.assert_complete(RUN, true).await;
    site.env.wait_until_synced(RUN).await;
    site.assert_verified();
}
