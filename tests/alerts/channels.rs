//! Every channel, with the database away.

use serde_json::Value;

use super::{
    FAST, alerts, all, mail::MailServer, mail::PASSWORD, of_rule, others, others::Others, set_flag, wait_for,
    wait_for_looks,
};
use crate::{
    control_plane::{ADMIN_KEY, KEYS},
    support::{
        postgres::Stop,
        service::{MODEL_KEY, TestEnv},
        wait::{eventually, wanted},
    },
};

const RULE: &str = "database-breaker";

/// Slack, PagerDuty, mail, a webhook and GitHub.
const CHANNELS: usize = 5;

#[tokio::test]
async fn each_channel_is_told_once_also_after_restart() {
    let mut env = TestEnv::with_database().await;
    let (others, mail) = (Others::start().await, MailServer::start(&env.blob.authority).await);
    let mut settings = others.settings();
    settings.extend([
        ("ALERT_SMTP_URL", format!("smtps://me:{PASSWORD}@localhost:{}", mail.port)),
        ("ALERT_EMAIL_FROM", "Alerts <alerts@example.com>".to_owned()),
        ("ALERT_EMAIL_TO", "one@example.com,two@example.com".to_owned()),
        ("ALERT_HEARTBEAT_SECONDS", "1".to_owned()),
    ]);
    let settings = all(&[&FAST, &KEYS], &settings);
    let mut service = env.serve(&settings).await;
    wait_for_looks(&service).await;
    env.postgres().stop(Stop::Immediate);
    let firing = wait_for(&service, RULE, "firing").await;
    assert_eq!((&firing["severity"], &firing["hint"]), (&"critical".into(), &"innovation doctor".into()));
    let told = async |is_resolved: bool| {
        eventually("all channels know", async || {
            let word = if is_resolved { "RESOLVED critical" } else { "FIRING critical" };
            let seen = others.with(|state| {
                let about = format!("{word} {RULE}");
                let slack = state.slack.iter().filter(|text| text.contains(&about)).count();
                let incident = state.incidents.iter().find(|(key, _)| key.ends_with(RULE)).map(|(_, it)| *it);
                let issue = state.issues.iter().find(|issue| issue.title.contains(RULE)).map(|it| it.is_open);
                let status = if is_resolved { "resolved" } else { "firing" };
                let hooks = state.webhooks.iter().flat_map(|body| body["alerts"].as_array().unwrap().clone());
                let hooks =
                    hooks.filter(|alert| alert["labels"]["alertname"] == RULE && alert["status"] == status);
                (slack, incident, issue, hooks.count())
            });
            let mails = mail.taken();
            let mails = mails.iter().filter(|mail| mail.text.contains(&format!("{word} {RULE}"))).count();
            wanted((seen, mails), |(seen, mails)| {
                *seen == (1, Some((!is_resolved, 1)), Some(!is_resolved), 1) && *mails == 1
            })
        })
        .await;
    };
    told(false).await;
    assert!(service.log().contains("ALERT database-breaker"));
    let to = mail.taken().remove(0).to;
    assert_eq!(to, ["one@example.com", "two@example.com"]);

    // Killed, and started again while the database is still away. Before its note, a process repeats a message.
    let note = env.folder.path().join("data/test-outputs/.alerts/state/book");
    eventually("the note of what was told", async || {
        let told = std::fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        let channels = told.as_ref().map(|book| &book["entries"][RULE]["told"]).and_then(Value::as_object);
        wanted(channels.map_or(0, serde_json::Map::len), |channels| *channels == CHANNELS)
    })
    .await;
    service.kill();
    let service = env.serve(&settings).await;
    wait_for(&service, RULE, "firing").await;
    wait_for_looks(&service).await;
    assert_eq!(alerts(&service).await["shared_by"], "files");
    told(false).await;

    env.postgres().start_again();
    wait_for(&service, RULE, "resolved").await;
    told(true).await;
    let changes = || others.with(|state| state.changes.len());
    let before = changes();
    set_flag(&service, "ENABLE_FILE_FALLBACK", false).await;
    eventually("the change of mode is told", async || changes() > before).await;
    eventually("a ping", async || others.with(|state| state.heartbeats > 1)).await;
    let refused = others.with(|state| state.refused.clone());
    assert!(refused.is_empty(), "{refused:?}");
    let texts = others.with(|state| state.raw.join("\n")) + &format!("{:?}", mail.taken());
    let log = service.log();
    let channels = [PASSWORD, others::SLACK_SECRET, others::GITHUB_TOKEN, others::HEARTBEAT_SECRET];
    for secret in channels.into_iter().chain([others::SIGNING_KEY, MODEL_KEY, ADMIN_KEY]) {
        assert!(!texts.contains(secret) && !log.contains(secret), "{secret}");
    }
    assert!(!log.contains(others::ROUTING_KEY), "the key is in the messages to PagerDuty alone");
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_failing_channel_delays_no_other() {
    let env = TestEnv::files_only().await;
    let others = Others::start().await;
    // PagerDuty asks to slow down, and Slack is broken.
    others.with(|state| state.broken.extend([("/services", 500), ("/v2/enqueue", 429)]));
    let settings = others.settings();
    let service = env.serve(&all(&[&FAST, &KEYS, &[("ENABLE_DATABASE_WRITES", "false")]], &settings)).await;
    wait_for_looks(&service).await;
    // The disk fails.
    let root = env.folder.path().join("data/test-outputs");
    let aside = env.folder.path().join("aside");
    let _ = std::fs::rename(&root, &aside);
    std::fs::write(&root, "no folder").unwrap();
    wait_for(&service, "file-storage", "firing").await;
    eventually("the webhook is told", async || {
        others.with(|state| state.webhooks.iter().any(|body| body.to_string().contains("file-storage")))
    })
    .await;
    eventually("the outage of channels is known", async || {
        let listing = alerts(&service).await;
        let failing = listing["channels"].as_array().unwrap().clone();
        wanted(failing, |all| all.iter().filter(|one| one["failures_in_a_row"] != 0).count() == 2)
    })
    .await;
    wait_for(&service, "alert-channel", "firing").await;
    others.with(|state| state.broken.clear());
    eventually("both are told at last", async || {
        others.with(|state| {
            state.slack.iter().any(|text| text.contains("file-storage"))
                && state.incidents.keys().any(|key| key.ends_with("file-storage"))
        })
    })
    .await;
    std::fs::remove_file(&root).unwrap();
    let _ = std::fs::rename(&aside, &root);
    for rule in ["file-storage", "alert-channel"] {
        wait_for(&service, rule, "resolved").await;
    }
    eventually("the incident is over", async || {
        others.with(|state| state.incidents.values().all(|it| !it.0))
    })
    .await;
    assert_eq!(of_rule(&alerts(&service).await, "file-storage")["state"], "resolved");
}

#[tokio::test]
async fn alerts_that_fire_together_are_one_message() {
    let env = TestEnv::files_only().await;
    let others = Others::start().await;
    let flags = env.folder.path().join("flags");
    std::fs::write(&flags, "").unwrap();
    let settings = others.settings();
    let more = [
        ("ENABLE_DATABASE_WRITES", "false"),
        ("FLAGS_FILE", flags.to_str().unwrap()),
        ("ALERT_GROUP_WAIT_SECONDS", "4"),
    ];
    let service = env.serve(&all(&[&FAST, &KEYS, &more], &settings)).await;
    wait_for_looks(&service).await;
    let root = env.folder.path().join("data/test-outputs");
    std::fs::rename(&root, env.folder.path().join("aside")).unwrap();
    std::fs::write(&root, "no folder").unwrap();
    std::fs::write(&flags, "nonsense").unwrap();
    for rule in ["file-storage", "flags-alarm"] {
        wait_for(&service, rule, "firing").await;
    }
    let messages = eventually("Slack is told", async || {
        wanted(others.with(|state| state.slack.clone()), |messages| !messages.is_empty())
    })
    .await;
    assert!(messages[0].contains("file-storage") && messages[0].contains("flags-alarm"), "{messages:?}");
}
