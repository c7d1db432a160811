//! Events through a proxy that compresses, as Express' `compression` and Next.js' own server do: each leaves alone what says
//! `no-transform` (RFC 9111, 5.2.2.6), and holds everything else back until a buffer is full or the answer ends.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::PATH;
use crate::support::{assert_ok, openrouter::Reply, root, service::env};

/// How long a proxy collects what it compresses.
const COLLECTS: Duration = Duration::from_secs(20);

/// Starts the proxy in front of a port; the answer is its own.
async fn compressing_proxy(upstream: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = Arc::new(upstream);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let upstream = upstream.clone();
            tokio::spawn(async move { pass_on(client, *upstream).await });
        }
    });
    port
}

async fn head(from: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await?);
    }
    Ok(head)
}

async fn pass_on(mut client: TcpStream, upstream: u16) -> std::io::Result<()> {
    let request = head(&mut client).await?;
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await?;
    server.write_all(&request).await?;
    let answer = head(&mut server).await?;
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    let control = text.lines().find_map(|line| line.strip_prefix("cache-control:")).unwrap_or_default();
    let is_let_alone = control.split(',').any(|directive| directive.trim() == "no-transform");
    if !is_let_alone {
        // The compressor gives nothing out before it has enough.
        tokio::time::sleep(COLLECTS).await;
    }
    client.write_all(&answer).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// Case 53.
#[tokio::test]
async fn events_come_at_once_through_a_compressing_proxy() {
    let env = env(Duration::ZERO).await;
    let service = env.serve(&[("ENABLE_DATABASE_WRITES", "false")]).await;
    env.model.script([Reply::HangBeforeHeaders]);
    service.submit(&env.request("run-1")).await;
    let port = compressing_proxy(service.port).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let first = async {
        let request =
            client.get(format!("http://127.0.0.1:{port}{PATH}")).header("accept-encoding", "gzip, br");
        let mut response = request.send().await.unwrap();
        let mut text = String::new();
        while !text.contains("event: accepted") {
            text.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
        }
    };
    tokio::time::timeout(COLLECTS / 2, first).await.expect("the event is held back");
}

/// Calls the route as Next.js does, and prints its answer's head and first event.
const CALLER: &str = "import { GET } from './route.ts';
const answer = await GET(new Request('http://frontend/'), { params: Promise.resolve({ id: 'run-1' }) });
const reader = answer.body!.getReader();
let text = '';
while (!text.includes('event: accepted')) text += new TextDecoder().decode((await reader.read()).value);
const header = (name: string) => answer.headers.get(name);
console.log(JSON.stringify([answer.status, header('content-type'), header('cache-control'), header('x-accel-buffering')]));
process.exit(0);
";

/// The frontend's route of docs/API.md, run as it stands there: a proxy in front of the frontend reads its headers, not ours.
#[tokio::test]
async fn the_documented_proxy_route_passes_streams() {
    let readme = std::fs::read_to_string(root().join("docs/API.md")).unwrap();
    let (_, route) = readme.split_once("// app/api/runs/[id]/events/route.ts\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("route.ts"), route.split("```").next().unwrap()).unwrap();
    std::fs::write(folder.path().join("caller.mts"), CALLER).unwrap();
    std::fs::write(folder.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
    let env = env(Duration::ZERO).await;
    let service = env.serve(&[("ENABLE_DATABASE_WRITES", "false")]).await;
    env.model.script([Reply::HangBeforeHeaders]);
    service.submit(&env.request("run-1")).await;
    let mut node = tokio::process::Command::new("node");
    node.args(["--import", "tsx"])
        .arg(folder.path().join("caller.mts"))
        .current_dir(root().join("tests/support/prisma"))
        .env("BACKEND_URL", format!("http://127.0.0.1:{}", service.port))
        .env("BACKEND_API_KEY", "none-is-wanted");
    let output = tokio::time::timeout(COLLECTS, node.output()).await.expect("no event comes").unwrap();
    assert_ok(&output);
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let wanted = serde_json::json!([200, "text/event-stream", "no-store, no-transform", "no"]);
    assert_eq!(said, wanted);
}
