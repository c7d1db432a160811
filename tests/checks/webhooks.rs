//! Webhooks that nobody takes.

use super::{report, type_next};
use crate::support::{
    receiver::{Manner, Receiver},
    service::TestEnv,
};

const BACKLOG: &str = "webhook-backlog";

/// The receiver answers while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn late_and_given_up_webhooks_are_sent() {
    let env = TestEnv::with_database().await;
    let receiver = Receiver::start().await;
    receiver.usually(Manner::Status(500));
    let url = receiver.url();
    let settings =
        [("FRONTEND_WEBHOOK_URL", url.as_str()), ("WEBHOOK_SECRET", "a-secret-of-this-test-0123456789")];
    let mut service = env.serve(&settings).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    env.wait_for_value(r#"SELECT count(*)::text FROM "WebhookDelivery" WHERE "lastError" IS NOT NULL"#, "1")
        .await;
    // A killed one would hold the event for a while.
    service.signal("TERM");
    service.wait().await;
    env.query(r#"UPDATE "WebhookDelivery" SET "createdAt" = now() - interval '10 minutes'"#).await;
    let late = report(&env, &settings, "doctor");
    assert_eq!((late.verdict(BACKLOG), late.verdict("webhook-receiver")), ("fail", "fail"));
    receiver.usually(Manner::Status(200));
    type_next(&env, &settings, late.check(BACKLOG));
    receiver.wait_for_ends("run-1", &["complete"]).await;
    let sent = report(&env, &settings, "doctor");
    assert_eq!((sent.verdict(BACKLOG), sent.verdict("webhook-receiver")), ("ok", "ok"));
    env.query(r#"UPDATE "WebhookDelivery" SET "outcome" = 'gave_up'"#).await;
    let given_up = report(&env, &settings, "doctor");
    assert_eq!(given_up.check(BACKLOG)["next"][0], "innovation webhooks replay --run run-1");
    type_next(&env, &settings, given_up.check(BACKLOG));
    let queued = report(&env, &settings, "doctor");
    if queued.verdict(BACKLOG) == "fail" {
        type_next(&env, &settings, queued.check(BACKLOG));
    }
    assert_eq!(report(&env, &settings, "doctor").verdict(BACKLOG), "ok");
}
