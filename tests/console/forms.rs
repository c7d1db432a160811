//! Sign-in, the origin of forms, and the records that they leave in the audit.

use serde_json::{Value, json};

use super::{ADMIN_KEY, Browser, CLIENT_KEY, KEYS};
use crate::support::{
    postgres::Stop,
    service::{Service, TestEnv, fail_after},
    wait::{eventually, wanted},
};

async fn key_with_role(service: &Service, name: &str, role: &str) -> (String, String) {
    let body = json!({"name": name, "role": role});
    let made = service.send("POST", "/api/admin/keys", &body, &[("x-api-key", ADMIN_KEY)]).await;
    let text = |field: &str| made.body[field].as_str().unwrap().to_owned();
    (text("key"), text("id"))
}

async fn audit(service: &Service) -> Vec<Value> {
    let answer = service.send("GET", "/api/admin/audit", &Value::Null, &[("x-api-key", ADMIN_KEY)]).await;
    answer.body["records"].as_array().unwrap().clone()
}

#[tokio::test]
async fn sessions_hold_everywhere_and_end_with_their_key() {
    let mut env = TestEnv::with_database().await;
    let (one, two) = tokio::join!(env.replica("one", &KEYS), env.replica("two", &KEYS));
    let stranger = Browser::new(&one);
    assert_eq!(
        stranger.get("/console/login").await.referrer,
        "same-origin",
        "else its form has the origin null"
    );
    let page = stranger.get("/console/runs?status=FAILED").await;
    assert_eq!(
        (page.status.as_u16(), page.location.as_str()),
        (303, "/console/login?next=%2Fconsole%2Fruns%3Fstatus%3DFAILED")
    );
    // The address of a form is no page to come back to, and the note of an earlier form is not about this one.
    let form = stranger.client.post(stranger.url("/console/runs/run-1/retry"));
    let form = form.header("sec-fetch-site", "same-origin");
    let form = form.header("referer", stranger.url("/console/runs/run-1?note=run-retried"));
    assert_eq!(stranger.send(form).await.location, "/console/login?next=%2Fconsole%2Fruns%2Frun-1");
    for (key, status) in [(CLIENT_KEY, 403), ("no-key-of-this-service", 403), ("", 401)] {
        let page = stranger.post("/console/login", &[("key", key)]).await;
        assert_eq!((page.status.as_u16(), page.cookie), (status, None), "{key}");
    }
    let foreign = Browser { site: Some("cross-site"), ..Browser::new(&one) };
    assert_eq!(foreign.post("/console/login", &[("key", ADMIN_KEY)]).await.status, 403);

    let (key, id) = key_with_role(&one, "Night shift", "viewer").await;
    let viewer = Browser::signed_in(&one, &key).await;
    let elsewhere = Browser { cookie: viewer.cookie.clone(), ..Browser::new(&two) };
    eventually("the other replica", async || {
        wanted(elsewhere.get("/console").await.status, |status| *status == 200)
    })
    .await;
    env.postgres().stop(Stop::Immediate);
    eventually("the banner", async || {
        wanted(elsewhere.get("/console").await.text, |text| text.contains("The database is away"))
    })
    .await;
    env.postgres().start_again();

    let revoked = async || {
        let answer = one
            .send("DELETE", &format!("/api/admin/keys/{id}"), &Value::Null, &[("x-api-key", ADMIN_KEY)])
            .await;
        wanted(answer.status, |status| *status == 204)
    };
    eventually("the key is revoked", revoked).await;
    for browser in [&viewer, &elsewhere] {
        eventually("the session's end", async || {
            wanted(browser.get("/console").await.status, |status| *status == 303)
        })
        .await;
    }

    let admin = Browser::signed_in(&one, ADMIN_KEY).await;
    let page = admin.post("/console/logout", &[]).await;
    assert!(page.cookie.is_some_and(|cookie| cookie.ends_with('=')), "the browser forgets it");
    assert_eq!(admin.get("/console").await.status, 303, "and this replica too");
}

#[tokio::test]
async fn the_session_is_for_this_site_alone() {
    let env = TestEnv::files_only().await;
    let service = env.serve(&KEYS).await;
    let browser = Browser::new(&service);
    for (host, name, has_https) in [
        ("127.0.0.1", "innovation_console", false),
        ("console.example.com", "__Host-innovation_console", true),
    ] {
        let form = browser.client.post(browser.url("/console/login")).body(format!("key={ADMIN_KEY}"));
        let form = form.header("host", host).header("sec-fetch-site", "same-origin");
        let page = browser.send(form.header("content-type", "application/x-www-form-urlencoded")).await;
        assert_eq!(page.status, 303, "{}", page.text);
        assert_eq!(page.cookie.unwrap().split('=').next(), Some(name));
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(
                page.cookie_attributes.iter().any(|one| one == attribute),
                "{:?}",
                page.cookie_attributes
            );
        }
        let is_secure = page.cookie_attributes.iter().any(|one| one == "Secure");
        assert_eq!(is_secure, has_https, "{:?}", page.cookie_attributes);
    }
}

#[tokio::test]
async fn forms_change_runs_and_are_audited() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    fail_after(&env, 1);
    let submitted = service.send("POST", "/run", &env.request("run-1"), &[("x-api-key", CLIENT_KEY)]).await;
    assert_eq!(submitted.status, 202);
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = 'run-1'"#, "FAILED").await;

    let (key, _) = key_with_role(&service, "Watcher", "viewer").await;
    let viewer = Browser::signed_in(&service, &key).await;
    let page = viewer.get("/console/runs/run-1").await;
    assert!(page.text.contains("LLM_ERROR") && !page.text.contains("/retry\""), "a viewer has no button");
    assert_eq!(viewer.post("/console/runs/run-1/retry", &[]).await.status, 403);
    let (key, _) = key_with_role(&service, "Night shift", "operator").await;
    let operator = Browser::signed_in(&service, &key).await;
    for site in [Some("cross-site"), Some("same-site"), None] {
        let foreign = Browser { cookie: operator.cookie.clone(), site, ..Browser::new(&service) };
        assert_eq!(foreign.post("/console/runs/run-1/retry", &[]).await.status, 403, "{site:?}");
    }
    assert_eq!(operator.post("/console/runs/run-1/delete", &[]).await.status, 422, "it is not confirmed");
    let page = operator.get("/console/runs/run-1").await;
    assert!(page.text.contains("3 stages are not stored"), "{}", page.text);

    let page = operator.post("/console/runs/run-1/retry", &[("reason", "the model is back")]).await;
    assert_eq!((page.status.as_u16(), page.location.as_str()), (303, "/console/runs/run-1?note=run-retried"));
    assert!(operator.get(&page.location).await.text.contains("The run is retried"));
    env.wait_for_value(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = 'run-1'"#, "COMPLETED").await;
    let list = operator.get("/console/runs?status=COMPLETED&brand=decathlon&cost=0&from=2020-01-01").await;
    assert!(list.text.contains("/console/runs/run-1\""), "{}", list.text);
    assert!(!operator.get("/console/runs?model=no-such-model").await.text.contains("/console/runs/run-1\""));
    assert_eq!(operator.get("/console/runs?q=run-1").await.location, "/console/runs/run-1");
    assert_eq!(operator.get("/console/runs?status=x").await.status, 422);
    for (path, words) in [("report", "decathlon"), ("evidence/E1", "<blockquote")] {
        let page = operator.get(&format!("/console/runs/run-1/{path}")).await;
        assert!(page.status == 200 && page.text.to_lowercase().contains(words), "{path}: {}", page.text);
    }
    let page = operator.post("/console/runs/run-1/delete", &[("confirm", "yes"), ("reason", "")]).await;
    assert_eq!((page.status.as_u16(), page.location.as_str()), (303, "/console/runs?note=run-deleted"));
    assert_eq!(operator.get("/console/runs/run-1").await.status, 410);

    let records = audit(&service).await;
    let of = |action: &str| records.iter().filter(|one| one["action"] == action).collect::<Vec<_>>();
    for (action, reason) in [("run.retry", json!("the model is back")), ("run.delete", Value::Null)] {
        let [record] = of(action)[..] else { panic!("{action}: {records:#?}") };
        assert_eq!((&record["actor"], &record["target"]), (&json!("Night shift"), &json!("run-1")));
        assert_eq!(record["reason"], reason, "{record}");
        assert!(record["address"].is_string() && record["request_id"].is_string(), "{record}");
    }
}
