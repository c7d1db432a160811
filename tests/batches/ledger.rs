//! The costs of a batch, by the ledger of the model double.

use std::time::Duration;

use super::{BRANDS, ended, order};
use crate::support::{
    openrouter::calls,
    service::{self, SHORT_LEASE},
    wait::{eventually, wanted},
};

const ON: (&str, &str) = ("ANSWER_CACHE", "on");

#[tokio::test]
async fn four_brands_in_a_batch_cost_seven_calls() {
    let brands = [&BRANDS[..], &["columbia-sportswear"]].concat();
    let env = service::env(Duration::from_millis(100)).await;
    let service = env.serve(&[ON]).await;
    service.submit(&order(&env, "spring", &brands)).await;
    let view = ended(&service, "spring").await;
    assert_eq!(view["totals"]["complete"], 4, "{view}");
    assert_eq!((env.model.paid(), calls(&env.model)), (7, [1, 1, 1, 4]));
}

#[tokio::test]
async fn a_killed_batch_repeats_the_call_under_way() {
    let brands = [&BRANDS[..], &["columbia-sportswear"]].concat();
    let env = service::env(Duration::from_millis(400)).await;
    let settings = [&SHORT_LEASE[..], &[ON]].concat();
    let mut service = env.serve(&settings).await;
    service.submit(&order(&env, "spring", &brands)).await;
    eventually("the second question", async || wanted(env.model.calls(), |calls| *calls == 2)).await;
    service.kill();
    let service = env.serve(&settings).await;
    let view = ended(&service, "spring").await;
    assert_eq!(view["totals"]["complete"], 4, "{view}");
    assert_eq!(calls(&env.model), [1, 2, 1, 4], "stage 2 was under way at the kill");
}
