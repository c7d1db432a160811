//! Callers who guess keys are slowed down, and callers with a key are not.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};

use super::{CLIENT_KEY, KEYS};
use crate::support::service::TestEnv;

/// Sends so many wrong keys from so many addresses, while a right key is sent from the same addresses.
async fn attack(wrong_keys: usize, addresses: usize) {
    let env = TestEnv::files_only().await;
    let limits = [("TRUSTED_PROXY_HOPS", "1"), ("LOG_LEVEL", "warn")];
    let service = env.serve(&[&KEYS[..], &limits].concat()).await;
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let ask = async |key: String, address: usize| {
        let url = format!("http://127.0.0.1:{}/status/nobody", service.port);
        let from = format!("10.9.{}.{}", address / 250, address % 250 + 1);
        let request = client.get(url).header("x-api-key", key).header("x-forwarded-for", from);
        let response = request.send().await.unwrap();
        let after = response.headers().contains_key("retry-after");
        (response.status().as_u16(), after)
    };
    let ask = &ask;
    let guesses = stream::iter(0..wrong_keys).map(|n| ask(format!("wrong-{n}"), n % addresses));
    let answers = guesses.buffer_unordered(128).collect::<Vec<_>>();
    let served = async {
        let mut served = 0;
        for n in 0..200 {
            let (status, _) = ask(CLIENT_KEY.to_owned(), addresses + n).await;
            served += usize::from(status == 404);
        }
        served
    };
    let (answers, served) = tokio::join!(answers, served);
    assert_eq!(served, 200, "a right key is served throughout");
    let limited = answers.iter().filter(|answer| **answer == (429, true)).count();
    let refused = answers.iter().filter(|(status, _)| *status == 403).count();
    assert_eq!(limited + refused, wrong_keys);
    // Five of each address are answered before it is limited, and five more where that takes a slow machine a minute.
    assert!((5 * addresses..=10 * addresses).contains(&refused), "{refused}");
    for address in [0, addresses - 1] {
        assert_eq!(ask(CLIENT_KEY.to_owned(), address).await.0, 404, "also from a blocked address");
    }
    service.wait_for_event("wrong_keys_blocked").await;
}

#[tokio::test]
async fn wrong_keys_are_limited_and_right_ones_served() {
    attack(400, 2).await;
}

#[tokio::test]
#[ignore = "long: 50,000 requests"]
async fn guessing_from_one_address_stops_nobody() {
    attack(50_000, 1).await;
}

#[tokio::test]
#[ignore = "long: 50,000 requests"]
async fn guessing_from_many_addresses_stops_nobody() {
    attack(50_000, 1_000).await;
}
