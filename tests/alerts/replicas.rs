//! Several replicas: one of them tells.

use serde_json::json;

use super::{FAST, alerts, all, others::Others, wait_for, wait_for_looks};
use crate::{
    control_plane::KEYS,
    support::{
        s3::S3,
        service::{FILE_ONLY, Service, TestEnv},
        wait::{eventually, wanted},
    },
};

async fn notifies(service: &Service) -> bool {
    alerts(service).await["notifies"] == true
}

#[tokio::test]
async fn two_replicas_notify_once() {
    let env = TestEnv::with_database().await;
    let others = Others::start().await;
    let settings = others.settings();
    let web = all(&[&FAST, &KEYS, &[("ROLE", "web")]], &settings);
    // Nobody executes runs, and both see it.
    let (mut one, mut other) = tokio::join!(env.replica("one", &web), env.replica("other", &web));
    wait_for(&one, "no-worker", "firing").await;
    wait_for(&other, "no-worker", "firing").await;
    let told = || {
        others.with(|state| {
            let slack = state.slack.iter().filter(|text| text.contains("FIRING critical no-worker")).count();
            (
                slack,
                state.incidents.values().map(|(_, triggers)| *triggers).sum::<usize>(),
                state.issues.iter().filter(|issue| issue.title.contains("no-worker")).count(),
            )
        })
    };
    eventually("all are told", async || wanted(told(), |told| *told == (1, 1, 1))).await;
    let leads = (notifies(&one).await, notifies(&other).await);
    assert!(leads.0 != leads.1, "{leads:?}");
    // The one that tells hangs, and later dies.
    if !leads.0 {
        std::mem::swap(&mut one, &mut other);
    }
    // Its next look writes down what it has told.
    wait_for_looks(&one).await;
    // It hangs, and misses a change of flags. A killed one would count as behind until it is forgotten.
    one.signal("STOP");
    let change = json!({"value": true, "reason": "a test", "expected_revision": 0});
    let path = "/api/admin/flags/OPERATIONS_PAUSE_ACCEPTANCE";
    let key = crate::control_plane::ADMIN_KEY;
    let changed = crate::control_plane::ask(&other, key, "PUT", path, Some(change)).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    eventually("the other takes over", async || notifies(&other).await).await;
    wait_for(&other, "flags-differ", "firing").await;
    one.signal("CONT");
    wait_for(&other, "flags-differ", "resolved").await;
    one.kill();
    wait_for_looks(&other).await;
    assert_eq!(told(), (1, 1, 1), "nobody is told again");
    let _worker = env.replica("worker", &all(&[&FAST, &KEYS, &[("ROLE", "worker")]], &settings)).await;
    wait_for(&other, "no-worker", "resolved").await;
    eventually("the end is told", async || {
        others.with(|state| state.slack.iter().any(|text| text.contains("RESOLVED critical no-worker")))
    })
    .await;
    assert_eq!(others.with(|state| state.refused.clone()), Vec::<String>::new());
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn replicas_of_a_bucket_notify_once_without_database() {
    let env = TestEnv::files_only().await;
    let (others, s3) = (Others::start().await, S3::start());
    let url = s3.url();
    let mut settings = others.settings();
    settings.extend(others.platform());
    settings.extend(S3::environment(&url));
    settings.push(("ALERT_PLATFORM_SECONDS", "1".to_owned()));
    let settings = all(&[&FAST, &KEYS, FILE_ONLY], &settings);
    others.with(|state| state.incident = Some("builds are slow & <broken>".to_owned()));
    let (one, other) = tokio::join!(env.replica("one", &settings), env.replica("other", &settings));
    for service in [&one, &other] {
        let alert = wait_for(service, "platform-outage", "firing").await;
        assert!(alert["detail"].as_str().unwrap().contains("builds are slow"), "{alert}");
    }
    let told =
        || others.with(|state| state.slack.iter().filter(|text| text.contains("platform-outage")).count());
    eventually("Slack is told", async || told() == 1).await;
    wait_for_looks(&one).await;
    wait_for_looks(&other).await;
    assert_eq!((told(), others.with(|state| state.incidents.len())), (1, 0), "a warning wakes nobody");
    assert!(others.with(|state| state.slack.iter().any(|text| text.contains("&amp; &lt;broken&gt;"))));
    others.with(|state| state.incident = None);
    wait_for(&one, "platform-outage", "resolved").await;
    wait_for(&other, "platform-outage", "resolved").await;
}
