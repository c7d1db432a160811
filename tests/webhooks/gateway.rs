//! Gateways in front of a receiver, and receivers that answer oddly.
//!
//! The gateway follows what is published of the real ones. Vercel's Deployment Protection lets a request through that has
//! `x-vercel-protection-bypass`, as header or in the query, and answers every other with 401 and a page. Cloudflare Access
//! wants two headers and redirects to its page to log in. Others answer 200 with such a page.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{
    service::{FILE_ONLY, TestEnv},
    wait::{eventually, wanted},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How a request without the secret is answered, or how every request is.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Vercel,
    Cloudflare,
    Page,
    /// Takes the request; its answer's body never ends.
    Endless,
    /// The same, with the type of a page.
    EndlessHtml,
    /// A plain `ok` as PHP and others send it: with the type of a page.
    HtmlWord,
    /// A limit of the body's size, as routes of Next.js have.
    Limited,
}

/// A request: its path, its `webhook-id`, and whether it reached the receiver.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    id: String,
    passed: bool,
}

struct Gateway {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Gateway {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let noted = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let noted = noted.clone();
                tokio::spawn(async move { serve(stream, manner, &noted).await });
            }
        });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits for requests, as they are by then.
    async fn wait_for(&self, what: &str, is_wanted: impl Fn(&[Asked]) -> bool) -> Vec<Asked> {
        let look = async || wanted(self.asked.lock().unwrap().clone(), |asked| is_wanted(asked));
        eventually(what, look).await
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, noted: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let header = |name: &str| {
        let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or_default()];
    stream.read_exact(&mut body).await?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let passed = match manner {
        Manner::Vercel => {
            header("x-vercel-protection-bypass") == SECRET
                || query.split('&').any(|pair| pair == format!("x-vercel-protection-bypass={SECRET}"))
        }
        Manner::Cloudflare => {
            header("cf-access-client-id") == "id, with comma" && header("cf-access-client-secret") == SECRET
        }
        Manner::Page => header("authorization") == "Basic dTpw",
        Manner::Limited => !path.ends_with("/stage-update"),
        Manner::Endless | Manner::EndlessHtml | Manner::HtmlWord => true,
    };
    noted.lock().unwrap().push(Asked { path: path.to_owned(), id: header("webhook-id"), passed });
    let page = "<!doctype html><html><title>Log in</title></html>";
    let answer = match manner {
        Manner::Endless | Manner::EndlessHtml => {
            let kind = if matches!(manner, Manner::EndlessHtml) { "text/html" } else { "application/json" };
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b"1\r\n.\r\n").await?;
                // The gateway's own pace: its answer never ends.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Manner::HtmlWord => answer("200 OK", "content-type: text/html; charset=UTF-8\r\n", "ok"),
        _ if passed => answer("200 OK", "content-type: application/json\r\n", "{}"),
        Manner::Limited => answer("413 Payload Too Large", "", ""),
        Manner::Vercel => answer("401 Unauthorized", "content-type: text/html; charset=utf-8\r\n", page),
        Manner::Cloudflare => {
            answer("302 Found", "location: https://team.cloudflareaccess.com/login?token=x\r\n", "")
        }
        Manner::Page => answer("200 OK", "content-type: text/html\r\n", page),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// Runs one document with these settings, and waits for what the gateway must see.
async fn told(manner: Manner, settings: &[(&str, String)], what: &str, is_wanted: impl Fn(&[Asked]) -> bool) {
    let env = TestEnv::files_only().await;
    let gateway = Gateway::start(manner).await;
    let address = gateway.url();
    let mut all = vec![
        FILE_ONLY[0],
        ("ANALYST", "extractive"),
        ("LOG_LEVEL", "trace"),
        ("FRONTEND_WEBHOOK_URL", &address),
        ("WEBHOOK_SECRET", "a-secret-of-the-tests"),
        ("WEBHOOK_TIMEOUT_SECONDS", "5"),
    ];
    let replaced: Vec<_> =
        settings.iter().map(|(name, value)| (*name, value.replace("GATEWAY", &address))).collect();
    all.extend(replaced.iter().map(|(name, value)| (*name, value.as_str())));
    let service = env.serve(&all).await;
    service.submit(&env.request("run-1")).await;
    gateway.wait_for(what, is_wanted).await;
    assert!(!service.log().contains(SECRET), "{what}: no secret is logged");
}

fn has_complete(asked: &[Asked]) -> bool {
    asked.iter().any(|one| one.passed && one.path.ends_with("/complete"))
}

/// The same event came twice, so its first answer was no delivery.
/// Whether an event was sent again. `init`, which goes before each event, makes no row that exists already.
fn is_repeated(asked: &[Asked]) -> bool {
    let asked: Vec<&Asked> = asked.iter().filter(|one| !one.path.ends_with("/init")).collect();
    asked.iter().enumerate().any(|(index, one)| asked[..index].iter().any(|before| before.id == one.id))
}

/// Case 55.
#[tokio::test]
async fn a_protected_preview_takes_what_brings_its_secret() {
    let query = format!("GATEWAY/?x-vercel-protection-bypass={SECRET}");
    for (manner, variable, value) in [
        (Manner::Vercel, "FRONTEND_WEBHOOK_URL", query),
        (Manner::Vercel, "VERCEL_AUTOMATION_BYPASS_SECRET", SECRET.to_owned()),
        (Manner::Vercel, "WEBHOOK_HEADERS", format!("x-vercel-protection-bypass={SECRET}")),
        (
            Manner::Cloudflare,
            "WEBHOOK_HEADERS",
            format!("CF-Access-Client-Id=id%2C%20with%20comma,CF-Access-Client-Secret={SECRET}"),
        ),
        (Manner::Page, "WEBHOOK_HEADERS", "Authorization=Basic%20dTpw".to_owned()),
    ] {
        told(manner, &[(variable, value)], variable, |asked| {
            assert!(asked.iter().all(|one| one.passed), "{variable}: {asked:?}");
            has_complete(asked)
        })
        .await;
    }
}

#[tokio::test]
async fn a_page_to_log_in_is_no_delivery() {
    for manner in [Manner::Vercel, Manner::Cloudflare, Manner::Page] {
        told(manner, &[], "an event is sent again", |asked| {
            assert!(asked.iter().all(|one| !one.path.ends_with("/complete")), "{manner:?}: {asked:?}");
            is_repeated(asked)
        })
        .await;
    }
}

/// Case 57.
#[tokio::test]
#[ignore = "slow: make test-long"]
async fn an_answer_counts_when_its_head_is_there() {
    for manner in [Manner::Endless, Manner::EndlessHtml, Manner::HtmlWord] {
        told(manner, &[], "complete", |asked| {
            assert!(!is_repeated(asked), "{manner:?}: {asked:?}");
            has_complete(asked)
        })
        .await;
    }
}

#[tokio::test]
async fn an_oversized_update_does_not_block_completion() {
    told(Manner::Limited, &[], "complete", |asked| {
        assert!(!is_repeated(asked), "what is too large stays so: {asked:?}");
        has_complete(asked)
    })
    .await;
}
