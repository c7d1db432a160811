//! The receiver of webhooks.

use serde_json::json;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};

/// A receiver that works takes an event within seconds. This long, it was away.
const PENDING_SECONDS_MAX: u64 = 300;

pub(super) fn receiver(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("webhook-receiver", "The receiver of webhooks answers", Severity::Major, move || {
        let deps = deps.clone();
        async move {
            let Some(webhooks) = &deps.webhooks else {
                return Finding::ok(
                    "does not apply: webhooks are off, because FRONTEND_WEBHOOK_URL is not set",
                );
            };
            match webhooks.sender.probe().await {
                Ok(status) if status < 500 => Finding::ok(format!("the receiver answers ({status})")),
                Ok(status) => {
                    Finding::fail(format!("the receiver answers {status}")).next("innovation webhooks status")
                }
                Err(reason) => Finding::fail(format!("the receiver gives no answer: {reason}"))
                    .next("FRONTEND_WEBHOOK_URL=https://app.example.com"),
            }
        }
    })
}

pub(super) fn backlog(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("webhook-backlog", "Webhooks are delivered", Severity::Major, move || {
        let deps = deps.clone();
        async move {
            let Some(webhooks) = &deps.webhooks else {
                return Finding::ok("does not apply: webhooks are off");
            };
            let counts = match webhooks.admin.counts().await {
                Ok(counts) => counts,
                Err(error) => {
                    return Finding::could_not_check(error.to_string()).next("innovation webhooks status");
                }
            };
            let told = format!(
                "{} are pending, the oldest for {} s; {} were given up",
                counts.pending, counts.oldest_pending_seconds, counts.gave_up
            );
            let data = json!(&counts);
            match () {
                () if counts.gave_up > 0 => Finding::fail(told).next_all(
                    counts.gave_up_runs.iter().map(|run| format!("innovation webhooks replay --run {run}")),
                ),
                () if counts.pending > 0 && counts.oldest_pending_seconds > PENDING_SECONDS_MAX => {
                    Finding::fail(told).next("innovation webhooks send-now")
                }
                () => Finding::ok(told),
            }
            .with(data)
        }
    })
}
