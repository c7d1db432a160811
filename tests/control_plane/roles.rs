//! Roles: each route with each of them, the control plane's schema for another role of the database, and the reach of a
//! developer's machine.

use std::net::TcpStream;

use serde_json::{Value, json};

use super::{CLIENT_KEY, KEYS, keys, text};
use crate::support::{
    innovation,
    postgres::try_query,
    service::{Service, TestEnv},
    wait::{eventually, wanted},
};

/// SQLSTATE `insufficient_privilege`.
const REFUSED: &str = "42501";

/// Status and problem code of a request without a body.
async fn asked(service: &Service, key: Option<&str>, method: &str, path: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}{path}", service.port);
    let request = client.request(method.parse().unwrap(), url);
    let request = key.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    // A stream of events does not end.
    let text = if status < 400 { String::new() } else { response.text().await.unwrap() };
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn each_route_takes_the_roles_of_its_description() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&KEYS).await;
    let made = ["client", "viewer", "operator", "admin"]
        .map(|role| (role, keys(&env, &["create", "--name", role, "--role", role])));
    for (_, made) in &made {
        eventually("the key", async || {
            wanted(asked(&service, Some(text(made, "key")), "GET", "/status/nobody").await, |got| {
                got.0 == 404
            })
        })
        .await;
    }
    let printed = innovation(&["openapi"]).output().unwrap().stdout;
    let description: Value = serde_json::from_slice(&printed).unwrap();
    let (mut guarded, mut conditional) = (0, Vec::new());
    for (path, operations) in description["paths"].as_object().unwrap() {
        // Nothing has such an id, and no request has a body: none changes anything.
        let path = path.replace(['{', '}'], "");
        for (method, operation) in operations.as_object().unwrap() {
            let (method, security) = (method.to_uppercase(), operation["security"].as_array().unwrap());
            let route = format!("{method} {path}");
            let without = asked(&service, None, &method, &path).await;
            if security.is_empty() {
                assert!(!matches!(without.0, 401 | 403), "{route} is public: {without:?}");
                continue;
            }
            if security.contains(&json!({})) {
                conditional.push(route);
                continue;
            }
            assert_eq!(without, (401, "key_required".to_owned()), "{route}");
            guarded += 1;
            for (role, made) in &made {
                let answer = asked(&service, Some(text(made, "key")), &method, &path).await;
                let is_refused = (answer.0, answer.1.as_str()) == (403, "insufficient_role");
                for scheme in ["bearer", "apiKey"] {
                    let all = security.iter().find_map(|requirement| requirement[scheme].as_array()).unwrap();
                    assert_eq!(is_refused, !all.contains(&json!(role)), "{route} by {role}: {answer:?}");
                }
                assert!(is_refused || !matches!(answer.0, 401 | 403), "{route} by {role}: {answer:?}");
            }
        }
    }
    assert!(guarded > 30, "{guarded}");
    assert_eq!(conditional, ["GET /health/metrics", "GET /metrics"], "METRICS_KEY decides about them");
}

#[tokio::test]
async fn another_role_reads_nothing_of_the_control_plane() {
    let env = TestEnv::with_database().await;
    env.query(
        r#"CREATE ROLE frontend LOGIN; GRANT USAGE ON SCHEMA public TO frontend;
           GRANT ALL ON ALL TABLES IN SCHEMA public TO frontend"#,
    )
    .await;
    let frontend = env.database_url().replace("postgres@", "frontend@");
    let code = async |sql: String| match try_query(&frontend, &sql).await {
        Ok(_) => String::new(),
        Err(error) => {
            error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned()
        }
    };
    assert_eq!(code(r#"SELECT * FROM "PipelineRun""#.to_owned()).await, "", "its own tables");
    let tables = env.query("SELECT tablename FROM pg_tables WHERE schemaname = 'innovation'").await;
    assert!(tables.len() > 8, "{tables:?}");
    for table in tables {
        let name = format!(r#""innovation"."{}""#, table[0].as_deref().unwrap());
        for sql in [format!("SELECT * FROM {name}"), format!("DELETE FROM {name}")] {
            assert_eq!(code(sql.clone()).await, REFUSED, "{sql}");
        }
    }
    assert_eq!(code(r#"CREATE TABLE "innovation"."Mine" (n int)"#.to_owned()).await, REFUSED);
}

/// All of 127.0.0.0/8 is this machine, so a service that listens on all addresses answers at another one of it.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_keys_only_this_machine_reaches_the_service() {
    let env = TestEnv::files_only().await;
    let without_host = |command: &mut std::process::Command| {
        command.env_remove("HOST");
    };
    let open = env.serve_with(&[], without_host).await;
    let reach = |service: &Service| TcpStream::connect(("127.0.0.2", service.port)).is_ok();
    assert!(!reach(&open), "it listens on 127.0.0.1 alone");
    let foreign = open.send("GET", "/brands", &Value::Null, &[("host", "evil.example")]).await;
    assert_eq!(foreign.code(), (403, "foreign_host"));
    let keyed = env.serve_with(&[("BACKEND_API_KEYS", CLIENT_KEY)], without_host).await;
    assert!(reach(&keyed), "with a key it serves everybody");
}
