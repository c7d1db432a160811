//! The forms of the console that change something: who may send them, from where, and what the audit has of it.

use serde_json::{Value, json};

use crate::{
    control_plane::{ADMIN_KEY, KEYS, ask, keys},
    support::{
        postgres::Stop,
        service::{Service, TestEnv},
        wait::{eventually, wanted},
    },
};

/// A form with a key in a header, from a page of this site or of another one.
pub(super) async fn send(
    service: &Service,
    key: &str,
    site: Option<&str>,
    path: &str,
    form: &[(&str, &str)],
) -> (u16, String) {
    let client =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = format!("http://127.0.0.1:{}{path}", service.port);
    let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request =
        client.post(url).bearer_auth(key).header("content-type", "application/x-www-form-urlencoded");
    if let Some(site) = site {
        request = request.header("sec-fetch-site", site);
    }
    let response = request.body(body).send().await.unwrap();
    let status = response.status().as_u16();
    let led_to = response.headers().get("location").map(|place| place.to_str().unwrap().to_owned());
    (status, led_to.unwrap_or(response.text().await.unwrap()))
}

pub(super) async fn page(service: &Service, key: &str, path: &str) -> (u16, String) {
    let answer = ask(service, key, "GET", path, None).await;
    (answer.status, answer.body.as_str().unwrap_or_default().to_owned())
}

/// Those of runs come one by one, while the operation goes on.
const ACTIONS: &str = r#"SELECT COALESCE(string_agg("action" || ' ' || "actor", ', ' ORDER BY "id"), '') FROM "innovation"."AuditRecord"
  WHERE "action" NOT LIKE 'run.%'"#;

/// A form: its address, its fields, the status of its success, and the action of the audit.
type Change<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16, &'a str);

#[tokio::test]
async fn forms_take_the_role_and_leave_records() {
    let env = TestEnv::with_database().await;
    env.query(
        r#"WITH person AS (INSERT INTO "User" ("id", "clerkId", "email", "updatedAt") VALUES ('u', 'c', 'e', now()) RETURNING "id")
           INSERT INTO "PipelineRun" ("id", "userId", "documentName", "companyName", "status", "pipelineVersion", "acceptedAt",
             "completedAt")
           SELECT 'old-' || n, "id", 'd.pdf', 'b', 'COMPLETED', '1.0', now(), now() FROM person, generate_series(1, 3) n"#,
    )
    .await;
    let made = |role: &str| {
        keys(&env, &["create", "--name", role, "--role", role])["key"].as_str().unwrap().to_owned()
    };
    let (viewer, operator) = (made("viewer"), made("operator"));
    env.query(r#"DELETE FROM "innovation"."AuditRecord""#).await;
    let closed = ("FRONTEND_WEBHOOK_URL", "http://127.0.0.1:1");
    let slack = ("ALERT_SLACK_WEBHOOK_URL", "http://127.0.0.1:1/services/of-the-test");
    let settings: Vec<_> =
        KEYS.into_iter().chain([closed, slack, ("WEBHOOK_SECRET", "0123456789abcdef-secret")]).collect();
    let service = env.serve(&settings).await;
    let as_of = ask(
        &service,
        ADMIN_KEY,
        "POST",
        "/api/admin/operations/preview",
        Some(json!({ "action": "delete", "filter": { "status": "COMPLETED" } })),
    )
    .await
    .body["as_of"]
        .as_str()
        .unwrap()
        .to_owned();
    let changes: Vec<Change<'_>> = vec![
        (
            "/console/flags/OPERATIONS_PAUSE_CLAIMS",
            vec![("value", "true"), ("reason", "a test"), ("expected_revision", "0")],
            303,
            "flag.set",
        ),
        ("/console/flags/revert", vec![("revision", "1"), ("reason", "a test")], 303, "flag.revert"),
        ("/console/reconciliation", vec![], 303, "reconcile.run"),
        ("/console/webhooks/send", vec![], 303, "webhook.send_now"),
        (
            "/console/alerts/silences",
            vec![("rule", "conflicts"), ("minutes", "5"), ("reason", "a test")],
            303,
            "alert.silence",
        ),
        // Nobody listens there: the page says so, and the record remains.
        ("/console/alerts/test", vec![("channel", "slack")], 503, "alert.test"),
        (
            "/console/operations",
            vec![
                ("action", "delete"),
                ("status", "COMPLETED"),
                ("expected", "3"),
                ("as_of", &as_of),
                ("reason", "old"),
                ("sure", "yes"),
            ],
            303,
            "operation.start",
        ),
        ("/console/rollback", vec![("to", "DATABASE_ONLY"), ("reason", "a test")], 200, "flag.rollback"),
    ];
    for (path, form, status, action) in changes {
        let before = env.value(ACTIONS).await;
        assert_eq!(send(&service, &operator, Some("cross-site"), path, &form).await.0, 403, "{path}");
        assert_eq!(send(&service, &viewer, Some("same-origin"), path, &form).await.0, 403, "{path}");
        assert_eq!(env.value(ACTIONS).await, before, "{path}");
        let (answered, said) = send(&service, &operator, Some("same-origin"), path, &form).await;
        assert_eq!(answered, status, "{path}: {said}");
        let recorded = format!("{action} operator");
        eventually("the record", async || wanted(env.value(ACTIONS).await, |now| now.contains(&recorded)))
            .await;
    }
    let listed = ask(&service, ADMIN_KEY, "GET", "/api/admin/alerts", None).await.body;
    let end = format!("/console/alerts/silences/{}/end", listed["silences"][0]["id"].as_str().unwrap());
    assert_eq!(send(&service, &viewer, Some("same-origin"), &end, &[]).await.0, 403);
    let ended = send(&service, &operator, Some("same-origin"), &end, &[]).await;
    assert_eq!(ended, (303, "/console/alerts?note=silence-ended".to_owned()));
    assert!(env.value(ACTIONS).await.contains("alert.unsilence operator"));
    let long = "x".repeat(501);
    let wrong: [(&str, &[(&str, &str)]); 6] = [
        ("/console/webhooks/send", &[("reason", long.as_str())]),
        ("/console/flags/OPERATIONS_PAUSE_CLAIMS", &[("value", "true"), ("expected_revision", "2")]),
        (
            "/console/flags/OPERATIONS_PAUSE_CLAIMS",
            &[("value", "7"), ("reason", "r"), ("expected_revision", "2")],
        ),
        ("/console/rollback", &[("to", "NOWHERE"), ("reason", "r")]),
        ("/console/conflicts/run-1", &[("reason", "r")]),
        (
            "/console/operations",
            &[("action", "delete"), ("expected", "3"), ("as_of", &as_of), ("reason", "old")],
        ),
    ];
    for (path, form) in wrong {
        assert_eq!(send(&service, &operator, None, path, form).await.0, 422, "{path} {form:?}");
    }
    let stale = [("value", "true"), ("reason", "r"), ("expected_revision", "0")];
    assert_eq!(
        send(&service, &operator, None, "/console/flags/OPERATIONS_PAUSE_CLAIMS", &stale).await.0,
        409
    );
    let (_, runs) = page(&service, &viewer, "/console/operations").await;
    assert!(runs.contains("status=COMPLETED"), "{runs}");
}

#[tokio::test]
async fn a_key_for_operations_alone_reads_no_run() {
    let env = TestEnv::with_database().await;
    let create = ["create", "--name", "watcher", "--role", "viewer", "--scopes", "read_operations"];
    let key = keys(&env, &create)["key"].as_str().unwrap().to_owned();
    let service = env.serve(&KEYS).await;
    assert_eq!(page(&service, &key, "/console").await.0, 200);
    for path in ["", "/run-1", "/run-1/document", "/run-1/report", "/run-1/pages/1", "/run-1/events"] {
        assert_eq!(page(&service, &key, &format!("/console/runs{path}")).await.0, 403, "{path}");
    }
    assert_eq!(page(&service, &key, "/console/conflicts/run-1").await.0, 403);
}

#[tokio::test]
async fn only_keys_for_runs_cancel_one_and_say_why() {
    let env = TestEnv::with_database().await;
    let made = |name: &str, scopes: &str| {
        let create = ["create", "--name", name, "--role", "operator", "--scopes", scopes];
        keys(&env, &create)["key"].as_str().unwrap().to_owned()
    };
    let looks = made("looks", "read_runs,read_operations,operate");
    let acts = made("acts", "read_runs,read_operations,control_runs");
    // Without a worker, the run stays as it is.
    let settings: Vec<_> = KEYS.into_iter().chain([("ROLE", "web")]).collect();
    let service = env.serve(&settings).await;
    let submitted = ask(&service, ADMIN_KEY, "POST", "/run", Some(env.request("run-1"))).await;
    assert_eq!(submitted.status, 202, "{}", submitted.body);
    let (run, cancel) = ("/console/runs/run-1", "/console/runs/run-1/cancel");
    for (key, has_button) in [(&looks, false), (&acts, true)] {
        let (status, shown) = page(&service, key, run).await;
        assert_eq!((status, shown.contains("Cancel the run")), (200, has_button), "{shown}");
    }
    let same = Some("same-origin");
    let (form, long) = ([("reason", "sent twice")], "x".repeat(501));
    assert_eq!(send(&service, &looks, same, cancel, &form).await.0, 403);
    assert_eq!(send(&service, &acts, same, cancel, &[("reason", long.as_str())]).await.0, 422);
    let (status, to) = send(&service, &acts, same, cancel, &form).await;
    assert_eq!((status, to.as_str()), (303, "/console/runs/run-1?note=run-cancelled"));
    let record =
        ask(&service, ADMIN_KEY, "GET", "/api/admin/audit?target=run-1&action=run.cancel", None).await.body;
    let first = &record["records"][0];
    assert_eq!((&first["actor"], &first["reason"]), (&"acts".into(), &"sent twice".into()), "{record}");
}

#[tokio::test]
async fn only_filters_that_an_operation_knows_lead_to_one() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    let offers = async |query: &str| {
        let (status, text) = page(&service, ADMIN_KEY, &format!("/console/runs?{query}")).await;
        assert_eq!(status, 200, "{text}");
        text.split("/console/operations?").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    let offered = offers("status=FAILED&from=2026-11-01&to=2026-11-30").await.unwrap();
    assert!(offered.contains("created_before=2026-12-01T00"), "the last day is whole: {offered}");
    assert_eq!(offers("status=FAILED&cost=1").await, None);
    assert_eq!(offers("status=FAILED&grounding=50").await, None);
}

#[tokio::test]
async fn only_admins_handle_keys_on_the_console() {
    let env = TestEnv::with_database().await;
    let operator = keys(&env, &["create", "--name", "operator", "--role", "operator"])["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let service = env.serve(&KEYS).await;
    let form = [("name", "watcher"), ("role", "viewer"), ("reason", "a test")];
    assert_eq!(send(&service, &operator, None, "/console/keys", &form).await.0, 403);
    let (status, shown) = send(&service, ADMIN_KEY, None, "/console/keys", &form).await;
    assert_eq!(status, 201, "{shown}");
    let key = shown.split("value=\"ipk_").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let key = format!("ipk_{key}");
    assert_eq!(page(&service, &key, "/console/keys").await.0, 200, "a viewer sees the list");
    let listed = ask(&service, ADMIN_KEY, "GET", "/api/admin/keys", None).await.body;
    let found = listed["keys"].as_array().unwrap().iter().find(|one| one["name"] == "watcher").unwrap();
    let path = format!("/console/keys/{}", found["id"].as_str().unwrap());
    let (status, rotated) =
        send(&service, ADMIN_KEY, None, &format!("{path}/rotate"), &[("grace_hours", "1")]).await;
    assert!(status == 201 && rotated.contains("ipk_") && !rotated.contains(&key), "{status}");
    assert_eq!(
        send(&service, ADMIN_KEY, None, &format!("{path}/revoke"), &[("reason", "lost")]).await.0,
        303
    );
    assert_eq!(page(&service, &key, "/console").await.0, 403);
    let (_, list) = page(&service, ADMIN_KEY, "/console/keys").await;
    assert!(list.contains("watcher") && list.contains("revoked") && !list.contains(&key), "{list}");
    let (_, audit) = page(&service, ADMIN_KEY, "/console/audit?action=key&actor=environment").await;
    assert!(
        audit.contains("key.rotate") && audit.contains("key.revoke") && !audit.contains("ipk_"),
        "{audit}"
    );
}

/// The addresses of the pages of operations.
const PAGES: [&str; 9] = [
    "/console/operations",
    "/console/flags",
    "/console/flags/OPERATIONS_PAUSE_CLAIMS",
    "/console/rollback?to=FILE_ONLY",
    "/console/reconciliation?plan=yes",
    "/console/conflicts",
    "/console/webhooks",
    "/console/keys",
    "/console/audit",
];

#[tokio::test]
async fn pages_of_operations_hold_without_the_database() {
    let mut env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    for path in PAGES {
        assert_eq!(page(&service, ADMIN_KEY, path).await.0, 200, "{path}");
    }
    env.postgres().stop(Stop::Immediate);
    eventually("the banner", async || {
        wanted(page(&service, ADMIN_KEY, "/console/flags").await, |(_, text)| {
            text.contains("The database is away.")
        })
    })
    .await;
    for path in PAGES {
        let (status, text) = page(&service, ADMIN_KEY, path).await;
        assert!(status == 200 && text.contains("The database is away."), "{path}: {status}");
    }
    let (_, operations) = page(&service, ADMIN_KEY, "/console/operations").await;
    assert!(operations.contains("bulk operations need the database"), "{operations}");
    let form = [("to", "FILE_ONLY"), ("reason", "a test")];
    assert_eq!(send(&service, ADMIN_KEY, None, "/console/rollback", &form).await.0, 503, "no ADMIN_SECRET");
    let export = ask(&service, ADMIN_KEY, "GET", "/console/audit/export", None).await;
    let lines = export.body.to_string();
    assert!(export.status == 200 && lines.contains("is_incomplete"), "{lines}");
}

#[tokio::test]
async fn a_conflict_is_shown_and_settled() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    let (path, request) = ("/console/conflicts/run-1", env.request("run-1"));
    assert_eq!(ask(&service, ADMIN_KEY, "POST", "/run", Some(request)).await.status, 202);
    eventually("the end", async || {
        let status = ask(&service, ADMIN_KEY, "GET", "/status/run-1", None).await.body;
        wanted(status, |status| status["status"] == "complete")
    })
    .await;
    env.wait_until_synced("run-1").await;
    let equal = page(&service, ADMIN_KEY, path).await;
    assert!(equal.0 == 200 && equal.1.contains("Both versions are equal."), "{}", equal.1);
    env.query(r#"UPDATE "PipelineRun" SET "fullReportMarkdown" = '# by hand' WHERE "id" = 'run-1'"#).await;
    let (_, shown) = page(&service, ADMIN_KEY, path).await;
    assert!(shown.contains("<mark># by hand</mark>") && shown.contains("changed the row by hand"), "{shown}");
    let form = [("keep", "files"), ("reason", "nobody edits reports")];
    let (status, to) = send(&service, ADMIN_KEY, None, path, &form).await;
    assert_eq!((status, to.as_str()), (303, "/console/conflicts/run-1?note=conflict-settled"));
    env.assert_both_agree("run-1").await;
    let record =
        ask(&service, ADMIN_KEY, "GET", "/api/admin/audit?target=run-1&action=run.resolve", None).await.body;
    assert_eq!(record["records"][0]["reason"], "nobody edits reports", "{record}");
    assert_eq!(record["records"].as_array().map(Vec::len), Some(1));
    let none = ask(&service, ADMIN_KEY, "GET", "/api/admin/audit?target=run-2", None).await.body;
    assert_eq!(none["records"], Value::Array(Vec::new()));
}
