//! `innovation alerts`, and the same by the API: silences, roles, and tried channels.

use serde_json::{Value, json};

use super::{
    FAST, alerts, all, command,
    mail::{MailServer, PASSWORD},
    of_rule,
    others::Others,
    wait_for, wait_for_looks,
};
use crate::{
    control_plane::{ADMIN_KEY, KEYS, ask, keys},
    support::{
        assert_ok,
        postgres::Stop,
        service::TestEnv,
        stderr,
        wait::{eventually, wanted},
    },
};

const NO_SETTINGS: &[(&str, String)] = &[];

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)))
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn silences_hold_and_are_audited_without_database() {
    let mut env = TestEnv::with_database().await;
    let others = Others::start().await;
    let settings = others.settings();
    let service = env.serve(&all(&[&FAST, &KEYS], &settings)).await;
    wait_for_looks(&service).await;
    let viewer = keys(&env, &["create", "--name", "eyes", "--role", "viewer"]);
    let viewer = viewer["key"].as_str().unwrap();
    let body = json!({"rule": "database-breaker", "for_seconds": 600, "reason": "we know"});
    eventually("the viewer's key is known", async || {
        ask(&service, viewer, "GET", "/api/admin/alerts", None).await.status == 200
    })
    .await;
    let path = "/api/admin/alerts/silences";
    let refused = ask(&service, viewer, "POST", path, Some(body.clone())).await;
    assert_eq!(refused.code(), (403, "insufficient_role"));
    let wrong = json!({"rule": "nonsense", "for_seconds": 600, "reason": "we know"});
    assert_eq!(ask(&service, ADMIN_KEY, "POST", path, Some(wrong)).await.code(), (422, "invalid_fields"));
    let made = ask(&service, ADMIN_KEY, "POST", path, Some(body)).await;
    assert_eq!((made.status, &made.body["stored_in"]), (201, &json!("database")), "{}", made.body);

    // By a command, while the database is away.
    env.postgres().stop(Stop::Immediate);
    wait_for(&service, "database-breaker", "firing").await;
    let silenced =
        command(&env, &["silence", "conflicts", "--for", "2h", "--reason", "known", "--json"], NO_SETTINGS)
            .await;
    assert_ok(&silenced);
    assert_eq!(json_of(&silenced)["stored_in"], "files");
    let listed = command(&env, &["list", "--json"], NO_SETTINGS).await;
    assert_ok(&listed);
    let listed = json_of(&listed);
    assert_eq!(of_rule(&listed, "database-breaker")["state"], "firing");
    assert_eq!((&listed["shared_by"], listed["silences"].as_array().unwrap().len()), (&json!("files"), 1));
    wait_for_looks(&service).await;
    let listing = alerts(&service).await;
    assert_eq!(listing["silences"].as_array().unwrap().len(), 2, "{}", listing["silences"]);
    let alert = of_rule(&listing, "database-breaker");
    assert!(alert["silenced_until"].is_string() && alert["told"] == json!([]), "{alert}");
    assert!(others.with(|state| state.slack.is_empty() && state.incidents.is_empty()));

    // Back again: both silences, and the records of both, are in the database.
    env.postgres().start_again();
    env.wait_for_value(r#"SELECT count(*)::text FROM "innovation"."AlertSilence""#, "2").await;
    let audited = r#"SELECT count(*)::text FROM "innovation"."AuditRecord" WHERE "action" = 'alert.silence'"#;
    env.wait_for_value(audited, "2").await;
    let id = made.body["silence"]["id"].as_str().unwrap();
    assert_ok(&command(&env, &["unsilence", id], NO_SETTINGS).await);
    let again = command(&env, &["unsilence", id], NO_SETTINGS).await;
    assert_eq!(again.status.code(), Some(1), "it has ended");
    eventually("the service knows its end", async || {
        wanted(alerts(&service).await["silences"].clone(), |all| all.as_array().unwrap().len() == 1)
    })
    .await;
}

#[tokio::test]
async fn channels_are_tried_by_command() {
    let env = TestEnv::files_only().await;
    let others = Others::start().await;
    let mail = MailServer::start_plain(&env.blob.authority).await;
    let mut settings = others.settings();
    settings.extend([
        ("ALERT_SMTP_URL", format!("smtp://me:{PASSWORD}@localhost:{}", mail.port)),
        ("ALERT_EMAIL_FROM", "Alerts <alerts@example.com>".to_owned()),
        ("ALERT_EMAIL_TO", "one@example.com".to_owned()),
    ]);
    for channel in ["slack", "pagerduty", "webhook", "github", "email"] {
        let sent = command(&env, &["test", channel, "--json"], &settings).await;
        assert_ok(&sent);
        assert_eq!(json_of(&sent), json!({"channel": channel, "is_sent": true}));
    }
    others.with(|state| {
        assert!(state.slack[0].contains("TEST"), "{:?}", state.slack);
        assert!(state.incidents.values().all(|incident| !incident.0), "nobody stays awake");
        assert!(state.issues.iter().all(|issue| !issue.is_open));
        assert_eq!((state.webhooks.len(), &state.refused), (1, &Vec::new()));
    });
    let mails = mail.taken();
    assert!(mails.len() == 1 && mails[0].text.contains("TEST"), "{mails:?}");
    others.with(|state| state.broken.insert("/services", 500));
    let failed = command(&env, &["test", "slack"], &settings).await;
    assert_eq!(
        (failed.status.code(), stderr(&failed).contains("500")),
        (Some(1), true),
        "{}",
        stderr(&failed)
    );
    assert!(!stderr(&failed).contains("/services"), "{}", stderr(&failed));
    let missing = command(&env, &["test", "slack"], NO_SETTINGS).await;
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("ALERT_SLACK_WEBHOOK_URL"), "{}", stderr(&missing));
    let unknown = command(&env, &["test", "pigeon"], NO_SETTINGS).await;
    assert_eq!(unknown.status.code(), Some(64));
    let nothing = command(&env, &["list"], NO_SETTINGS).await;
    assert_eq!(nothing.status.code(), Some(3), "no service has looked yet");
}
