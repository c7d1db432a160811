//! The incident drill from the console alone, in a real browser: the database stops under load, and an operator sees it, changes
//! the mode, and watches reconciliation prove everything afterwards.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

use crate::{
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS},
    support::{
        innovation,
        postgres::Stop,
        root,
        s3::S3,
        service::{TestEnv, env},
        wait::eventually,
    },
};

/// The time between two submissions of the load.
const PACE: Duration = Duration::from_secs(1);

/// Submits runs to both replicas until told to stop. A refused run is sent again, under the same id, as the frontend does.
async fn load(ports: [u16; 2], request: Value, is_over: Arc<AtomicBool>, accepted: Arc<AtomicUsize>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for number in 1.. {
        let mut body = request.clone();
        body["run_id"] = format!("run-{number}").into();
        for attempt in 0.. {
            let url = format!("http://127.0.0.1:{}/run", ports[(number + attempt) % 2]);
            let sent = client.post(url).bearer_auth(CLIENT_KEY).header("content-type", "application/json");
            let answer = sent.body(body.to_string()).send().await;
            if answer.is_ok_and(|answer| answer.status() == 202) {
                accepted.fetch_add(1, Ordering::SeqCst);
                break;
            }
            tokio::time::sleep(PACE).await;
        }
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Lets the browser's script give its orders. Returns what it saw.
async fn drill(env: &mut TestEnv, address: &str) -> Value {
    let package = root().join("tests/support/browser");
    assert!(package.join("node_modules").exists(), "the browser's driver is missing: run `make setup`");
    let mut child = Command::new("node")
        .current_dir(package)
        .args(["drill.mjs", address, ADMIN_KEY])
        .arg(root().join("target/console-drill"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut orders = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = child.stdin.take().unwrap();
    loop {
        let line = orders.next_line().await.unwrap().expect("the script says what it saw");
        match line.as_str() {
            "stop" => env.postgres().stop(Stop::Immediate),
            "start" => env.postgres().start_again(),
            seen => return serde_json::from_str(seen).unwrap(),
        }
        answers.write_all(b"done\n").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_handled_from_the_console() {
    let (mut env, bucket) = (env(Duration::from_millis(50)).await, S3::start());
    let stored = S3::environment(&bucket.url());
    let mut settings: Vec<(&str, &str)> =
        stored.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.extend(KEYS);
    settings.push(("ADMIN_SECRET", "0123456789abcdef-of-the-test"));
    let (one, two) = tokio::join!(env.replica("one", &settings), env.replica("two", &settings));
    let (is_over, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let request = env.request("run-0");
    let load = tokio::spawn(load([one.port, two.port], request, is_over.clone(), accepted.clone()));
    let address = format!("http://127.0.0.1:{}", one.port);
    let seen = tokio::time::timeout(Duration::from_secs(90), drill(&mut env, &address)).await;
    let seen = seen.expect("the drill ends");
    is_over.store(true, Ordering::SeqCst);
    load.await.unwrap();
    let steps = seen["steps"].as_array().unwrap();
    assert_eq!(seen["wrong"], Value::Array(Vec::new()), "{seen:#}");
    let step = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap();
    for (name, title) in [("file-only", "The mode is FILE_ONLY"), ("dual-write", "The mode is DUAL_WRITE")] {
        assert_eq!(step(name)["title"], title, "{seen:#}");
        assert_eq!(
            (&step(name)["accepting"], &step(name)["acknowledged"]),
            (&2.into(), &2.into()),
            "{seen:#}"
        );
    }
    assert_eq!(step("database-back")["acknowledged"], 2, "{seen:#}");
    let all = accepted.load(Ordering::SeqCst);
    assert!(all > 5, "the load went on: {all}");
    let complete = r#"SELECT count(*)::text FROM "PipelineRun" WHERE "status" = 'COMPLETED'"#;
    env.wait_for_value(complete, &all.to_string()).await;
    eventually("both sides are proved equal", async || {
        let mut command = innovation(&["reconcile", "--verify", "--json"]);
        command.env("APP_BASE_DIR", env.folder.path()).env("DATABASE_URL", env.database_url());
        command.envs(settings.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(()) } else { Err(text) }
    })
    .await;
}
