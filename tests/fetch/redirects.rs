//! Redirects as RFC 9110 has them, each hop checked as the address itself is.

use std::time::Duration;

use super::{config, fetch};
use crate::support::origin::{Answer, Origin};

#[tokio::test]
async fn every_form_of_a_redirect_is_followed() {
    let origin = Origin::start(|path, _| match path {
        "/301" => Answer::to(301, "/final"),
        "/302" => Answer::to(302, "final"),
        "/303" => Answer::to(303, "./x/../final"),
        "/307" => Answer::to(307, "/final#page=3"),
        "/308" => Answer::to(308, "?next"),
        "/308?next" => Answer::to(308, "/R\u{e9}sum\u{e9} n\u{b0}1.md"),
        "/R%C3%A9sum%C3%A9%20n%C2%B01.md" => Answer::to(302, b"/caf\xe9"),
        "/caf%E9" => Answer::to(302, "/final"),
        "/final" => Answer::ok("", "content"),
        path => match path.strip_prefix("/hops/").map(|left| left.parse::<u32>().unwrap()) {
            Some(0) => Answer::ok("", "content"),
            Some(left) => Answer::to(302, format!("/hops/{}", left - 1)),
            None => Answer::new("500 Oops", "", ""),
        },
    })
    .await;
    for path in ["301", "302", "303", "307", "308", "hops/10"] {
        let fetched = fetch(config(&origin, Duration::ZERO), &origin.url(path)).await;
        assert_eq!(fetched.unwrap(), b"content", "{path}");
    }
    let error = fetch(config(&origin, Duration::ZERO), &origin.url("hops/11")).await.unwrap_err();
    assert_eq!(error.code(), "DOCUMENT_UNAVAILABLE", "{error}");
}

#[tokio::test]
async fn no_redirect_leads_where_the_address_may_not() {
    let origin = Origin::start(|path, _| match path {
        "/inside" => Answer::to(302, "https://169.254.169.254/latest"),
        "/loopback" => Answer::to(302, "https://127.0.0.1/x"),
        "/mapped" => Answer::to(302, "https://[::ffff:127.0.0.1]/x"),
        "/number" => Answer::to(302, "https://2130706433/x"),
        "/other" => Answer::to(302, "https://example.com/x"),
        "/plain" => Answer::to(302, "http://localhost/x"),
        "/file" => Answer::to(302, "file:///etc/passwd"),
        "/user" => Answer::to(302, "https://user:password@localhost/x"),
        "/none" => Answer::new("302 Found", "", ""),
        "/two" => Answer::new("302 Found", "location: /a\r\nlocation: /b\r\n", ""),
        "/circle" => Answer::to(302, "/circle"),
        "/there" => Answer::to(302, "/back"),
        "/back" => Answer::to(302, "/there"),
        _ => Answer::ok("", "content"),
    })
    .await;
    for path in [
        "inside", "loopback", "mapped", "number", "other", "plain", "file", "user", "none", "two", "circle",
        "there",
    ] {
        // Asked again it would be the same: nothing waits for the budget.
        let config = config(&origin, Duration::from_secs(60));
        let error = fetch(config, &origin.url(path)).await.unwrap_err();
        assert_eq!(error.code(), "DOCUMENT_UNAVAILABLE", "{path}: {error}");
        let asked = origin.asked().iter().filter(|one| one.path == format!("/{path}")).count();
        assert_eq!(asked, 1, "{path}");
    }
}
