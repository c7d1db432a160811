//! The model's endpoint.

use serde_json::json;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};
use crate::config::AnalystChoice;

pub(super) fn endpoint(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("model-endpoint", "The model's endpoint answers", Severity::Major, move || {
        let deps = deps.clone();
        async move {
            let Some(probe) = &deps.model else {
                return without_model(&deps);
            };
            let answer = match probe.probe().await {
                Ok(answer) => answer,
                Err(reason) => {
                    return Finding::fail(format!("{}: {reason}", probe.place()))
                        .next("OPENROUTER_BASE_URL=https://openrouter.ai/api/v1");
                }
            };
            let told = format!(
                "{} answers {} to a key that is invalid on purpose, in {} ms",
                probe.place(),
                answer.status,
                answer.elapsed.as_millis()
            );
            let data = json!({ "status": answer.status, "elapsed_ms": u64::try_from(answer.elapsed.as_millis()).unwrap_or(u64::MAX) });
            match answer.status {
                200..=299 => {
                    Finding::warn(format!("{told}; it takes any key, so nobody's calls are counted"))
                        .next("OPENROUTER_BASE_URL=https://openrouter.ai/api/v1")
                }
                500.. => Finding::fail(told).next("innovation doctor"),
                _ => Finding::ok(told),
            }
            .with(data)
        }
    })
}

fn without_model(deps: &CheckDeps) -> Finding {
    if deps.config.analyst.choice == AnalystChoice::Model {
        return Finding::fail("ANALYST=model needs OPENROUTER_API_KEY").next("OPENROUTER_API_KEY=sk-or-v1-…");
    }
    Finding::ok("does not apply: the built-in extractive analyst answers")
}
