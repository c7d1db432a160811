//! The figures of the pages are those of the stores.

use serde_json::Value;

use super::changes::page;
use crate::{
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask, keys},
    flags::set,
    support::{
        postgres::Stop,
        service::{Service, TestEnv, fail_after},
        wait::{eventually, wanted},
    },
};

/// HTML without its tags.
fn text(html: &str) -> String {
    let pieces = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    pieces.collect::<String>().trim().to_owned()
}

/// The piece of a page between two marks, the first of which is behind a third one.
fn between<'p>(page: &'p str, behind: &str, begin: &str, end: &str) -> &'p str {
    let rest = page.split_once(behind).unwrap_or_else(|| panic!("{behind}: {page}")).1;
    let rest = rest.split_once(begin).unwrap_or_else(|| panic!("{behind} {begin}: {page}")).1;
    rest.split_once(end).unwrap_or_else(|| panic!("{behind} {end}: {page}")).0
}

/// A figure of a page: its value without its glyph, and the words below it.
fn figure(page: &str, name: &str) -> (String, String) {
    let whole = between(page, &format!("<dt>{name}</dt>"), "<dd>", "</dd>");
    let (value, note) = whole.split_once("<span class=\"under\">").unwrap_or((whole, ""));
    let value = text(value);
    (value.trim_start_matches(['✓', '!', '✕', '▸']).to_owned(), text(note))
}

/// A fact of a run's page.
fn fact(page: &str, name: &str) -> String {
    text(between(page, &format!("<dt>{name}</dt>"), "<dd>", "</dd>"))
}

/// The cells of the row of a table that begins with a text.
fn cells(page: &str, first: &str) -> Vec<String> {
    let rows = page.split("<tr>").skip(1).map(|row| row.split("</tr>").next().unwrap());
    let mut rows = rows.map(|row| row.split("</t").map(text).collect::<Vec<_>>());
    rows.find(|row| row[0].starts_with(first)).unwrap_or_else(|| panic!("{first}: {page}"))
}

/// Submits a run, and waits until its row has a status.
pub(super) async fn submit(env: &TestEnv, service: &Service, run: &str, status: &str) {
    let answer = ask(service, CLIENT_KEY, "POST", "/run", Some(env.request(run))).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    env.wait_for_value(&format!(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = '{run}'"#), status)
        .await;
}

/// A service with a run that is complete, and one that has failed after its first stage.
pub(super) async fn two_runs(env: &TestEnv, more: &[(&str, &str)]) -> Service {
    let service = env.serve(&[&KEYS[..], more].concat()).await;
    submit(env, &service, "run-1", "COMPLETED").await;
    fail_after(env, 1);
    submit(env, &service, "run-2", "FAILED").await;
    for run in ["run-1", "run-2"] {
        env.wait_until_synced(run).await;
    }
    service
}

#[tokio::test]
async fn the_overview_counts_both_runs() {
    let mut env = TestEnv::with_database().await;
    let deployed = [("RAILWAY_DEPLOYMENT_ID", "d-1"), ("RAILWAY_GIT_COMMIT_SHA", "4be91d07c2a8f365")];
    let service = two_runs(&env, &deployed).await;
    set(&env, "PERFORMANCE_ANSWER_CACHE", "50").await;
    // Each model call costs a cent: four for the first run, one for the second.
    let shown = eventually("both runs are counted", async || {
        let (_, shown) = page(&service, ADMIN_KEY, "/console").await;
        wanted(shown, |shown| {
            figure(shown, "Cost today").0 == "$0.0500"
                && figure(shown, "Failed").0 == "1"
                && cells(shown, "Flags")[2] == "revision 1"
        })
    })
    .await;
    let (failed, queue, deployment) =
        (figure(&shown, "Failed"), figure(&shown, "Queue"), figure(&shown, "Deployment"));
    assert!(failed.1.contains("1 complete"), "{failed:?}");
    assert!(queue.0 == "0" && queue.1.contains("0 under way"), "{queue:?}");
    assert_eq!(
        (figure(&shown, "Mode").0, figure(&shown, "Health").0),
        ("DUAL_WRITE".to_owned(), "healthy".to_owned())
    );
    for none in ["Unsynced", "Lost by a redeploy", "Conflicts"] {
        assert_eq!(figure(&shown, none).0, "0", "{none}");
    }
    assert!(deployment.0 == "4be91d07" && deployment.1.contains("no verdict yet"), "{deployment:?}");
    assert!(!figure(&shown, "Run time").0.starts_with('–'), "{shown}");
    let name = env.value(r#"SELECT "id" FROM "Replica""#).await;
    let replica = eventually("the replica has applied the flag", async || {
        let (_, shown) = page(&service, ADMIN_KEY, "/console").await;
        wanted(cells(&shown, &name), |cells| cells[5] == "1")
    })
    .await;
    assert!(
        replica[0].contains("this one") && replica[1].contains("alive") && replica[2] == "all",
        "{replica:?}"
    );

    env.postgres().stop(Stop::Immediate);
    let away = eventually("the outage", async || {
        let (_, shown) = page(&service, ADMIN_KEY, "/console").await;
        wanted(shown, |shown| figure(shown, "Mode").0 == "FILE_ONLY")
    })
    .await;
    for unknown in ["Runs a minute", "Run time", "Failed", "Cost today", "Conflicts"] {
        assert_eq!(figure(&away, unknown).0, "–", "{unknown}");
    }
    assert!(!figure(&away, "Unsynced").1.contains("has everything"), "nobody knows: {away}");
}

#[tokio::test]
async fn a_runs_page_has_its_stages_and_costs() {
    let env = TestEnv::with_database().await;
    let service = two_runs(&env, &[]).await;
    let (_, shown) = page(&service, ADMIN_KEY, "/console/runs/run-1").await;
    let meta =
        env.value(r#"SELECT ("stage1Output"->'meta')::text FROM "PipelineRun" WHERE "id" = 'run-1'"#).await;
    let meta: Value = serde_json::from_str(&meta).unwrap();
    let first = cells(&shown, "1. ");
    let digits = |text: &str| text.replace(',', "");
    assert!(first[1].contains("complete") && first[3].contains(meta["model"].as_str().unwrap()), "{first:?}");
    for tokens in ["prompt_tokens", "completion_tokens"] {
        assert!(digits(&first[4]).contains(&meta["usage"][tokens].to_string()), "{tokens} {first:?}");
    }
    assert_eq!(
        (first[5].as_str(), first[6].as_str(), first[8].as_str()),
        ("$0.0100", "1", "database, files")
    );
    let quotes = meta["grounding"]["quotes"].as_u64().unwrap();
    assert!(quotes > 0 && first[7].contains(&format!("of {quotes} quotes")), "{first:?}");
    let grounding = env
        .value(r#"SELECT round("grounding"::numeric * 100)::text FROM "PipelineRun" WHERE "id" = 'run-1'"#)
        .await;
    assert_eq!(fact(&shown, "Grounding"), format!("{grounding} %"));
    assert_eq!(
        (fact(&shown, "Cost").as_str(), fact(&shown, "Stored in").as_str()),
        ("$0.0400", "database, files")
    );

    let (_, failed) = page(&service, ADMIN_KEY, "/console/runs/run-2").await;
    assert!(cells(&failed, "2. ")[1].contains("failed"), "{failed}");
    assert_eq!(fact(&failed, "Cost"), "$0.0100");
    // Three of four stages, by the first run.
    assert!(between(&failed, "id=\"retry\"", "<p>", "</p>").contains("$0.0300"), "{failed}");
}

#[tokio::test]
async fn filters_leave_other_runs_out() {
    let env = TestEnv::with_database().await;
    let service = two_runs(&env, &[]).await;
    submit(&env, &service, "run-3", "COMPLETED").await;
    env.query(r#"UPDATE "PipelineRun" SET "grounding" = 0.4 WHERE "id" = 'run-3'"#).await;
    env.query(r#"UPDATE "PipelineRun" SET "grounding" = 0.9 WHERE "id" = 'run-1'"#).await;
    let model =
        env.value(r#"SELECT "stage1Output"->'meta'->>'model' FROM "PipelineRun" WHERE "id" = 'run-1'"#).await;
    for (filter, runs) in [
        ("code=LLM_ERROR", &["run-2"][..]),
        ("code=LLM_TIMEOUT", &[]),
        ("grounding=50&status=COMPLETED", &["run-3"]),
        ("grounding=95&status=COMPLETED", &["run-3", "run-1"]),
        ("grounding=30&status=COMPLETED", &[]),
        ("cost=0.02", &["run-3", "run-1"]),
        ("cost=0.5", &[]),
        ("status=FAILED", &["run-2"]),
        ("brand=lactalis-canada", &[]),
        (&*format!("status=COMPLETED&model={}", model.replace('/', "%2F")), &["run-3", "run-1"]),
    ] {
        let (status, shown) = page(&service, ADMIN_KEY, &format!("/console/runs?{filter}")).await;
        assert_eq!(status, 200, "{shown}");
        let rows = shown.split("<th scope=\"row\">").skip(1);
        let found: Vec<_> = rows.map(|row| text(between(row, "<a", ">", "</a>"))).collect();
        assert_eq!(found, runs, "{filter}");
    }
}

#[tokio::test]
async fn viewers_see_no_way_to_change() {
    let env = TestEnv::with_database().await;
    let made = |role: &str| {
        keys(&env, &["create", "--name", role, "--role", role])["key"].as_str().unwrap().to_owned()
    };
    let (viewer, operator) = (made("viewer"), made("operator"));
    let service = two_runs(&env, &[]).await;
    for (path, way) in [
        ("/console/deployments", "/console/deployments/rollback"),
        ("/console/flags", "/console/rollback"),
        ("/console/runs?status=FAILED", "/console/operations?"),
        ("/console/runs/run-2", "/console/runs/run-2/retry"),
        ("/console/reconciliation", "<form method=\"post\" action=\"/console/reconciliation\""),
    ] {
        for (key, has_way) in [(&viewer, false), (&operator, true)] {
            let (status, shown) = page(&service, key, path).await;
            assert_eq!((status, shown.contains(way)), (200, has_way), "{path} {way}");
        }
    }
}
