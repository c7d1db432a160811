//! A run belongs to a principal: to a client, the run of another is as unknown as one that never was.

use serde_json::{Value, json};

use super::{ADMIN, CLIENT, ask, ended, post, with_keys};
use crate::support::{
    postgres::Stop,
    read_manifest,
    service::{DATABASE_ONLY, DUAL_WRITE, FILE_ONLY, Service, TestEnv},
};

/// Everything that names one run.
const ROUTES: [(&str, &str); 12] = [
    ("GET", "/status/RUN"),
    ("GET", "/api/pipeline/RUN"),
    ("GET", "/api/pipeline/RUN/status"),
    ("GET", "/api/pipeline/RUN/report"),
    ("GET", "/api/pipeline/RUN/document"),
    ("GET", "/api/pipeline/RUN/pages/1"),
    ("GET", "/api/pipeline/RUN/evidence/E1"),
    ("GET", "/api/pipeline/RUN/events"),
    ("POST", "/api/pipeline/RUN/retry"),
    ("POST", "/api/pipeline/RUN/cancel"),
    ("DELETE", "/api/pipeline/RUN"),
    ("GET", "/api/pipeline/RUN/nothing"),
];

/// An answer without what differs in each: the ids, and a random wait.
async fn told(service: &Service, method: &str, path: &str, run: &str) -> (u16, String) {
    let (code, mut body) = ask(service, CLIENT, method, &path.replace("RUN", run)).await;
    if let Some(fields) = body.as_object_mut() {
        fields.remove("request_id");
    }
    // A stream says first when to come again, which is random.
    let body = body.as_str().and_then(|text| text.strip_prefix("retry: ")).map_or_else(
        || body.to_string(),
        |stream| stream.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned(),
    );
    (code, body.replace(run, "RUN"))
}

async fn assert_unknown(service: &Service, run: &str) {
    for (method, path) in ROUTES {
        let unknown = told(service, method, path, "never-was").await;
        assert_eq!(told(service, method, path, run).await, unknown, "{method} {path}");
        assert_eq!(unknown.0, 404, "{method} {path}");
    }
}

async fn listed(service: &Service, key: &str, query: &str) -> Vec<String> {
    let (code, page) = ask(service, key, "GET", &format!("/api/pipeline?{query}")).await;
    assert_eq!(code, 200, "{page}");
    let runs = page["runs"].as_array().unwrap();
    runs.iter().map(|run| format!("{} of {}", run["run_id"], run["principal"]).replace('"', "")).collect()
}

/// Gives the run to another principal, as if a key of theirs had submitted it.
async fn give_away(env: &TestEnv, run: &str) {
    if env.postgres.is_some() {
        env.query(&format!(r#"UPDATE "PipelineRun" SET "principal" = 'team-a' WHERE "id" = '{run}'"#)).await;
    }
    let folder = env.run_folder(run);
    if folder.exists() {
        let mut manifest: Value = read_manifest(&folder);
        manifest["request"]["principal"] = "team-a".into();
        std::fs::write(folder.join("run.json"), manifest.to_string()).unwrap();
    }
}

#[tokio::test]
async fn a_client_sees_only_its_principals_runs() {
    for mode in [DATABASE_ONLY, DUAL_WRITE, FILE_ONLY] {
        let env =
            if mode == FILE_ONLY { TestEnv::files_only().await } else { TestEnv::with_database().await };
        let service = env.serve(&with_keys(mode)).await;
        for run in ["mine", "theirs"] {
            assert_eq!(post(&service, CLIENT, &env.request(run)).await.0, 202);
            assert_eq!(ended(&service, run).await["status"], "complete");
        }
        if mode == DUAL_WRITE {
            env.wait_until_synced("theirs").await;
        }
        give_away(&env, "theirs").await;
        assert_unknown(&service, "theirs").await;
        let (code, problem) = post(&service, CLIENT, &env.request("theirs")).await;
        assert_eq!((code, &problem["code"]), (409, &"run_conflict".into()), "{problem}");
        assert!(!problem.to_string().contains("team-a") && problem.get("status_url").is_none(), "{problem}");
        assert_eq!(listed(&service, CLIENT, "").await, ["mine of environment"]);
        assert_eq!(ask(&service, CLIENT, "GET", "/api/pipeline?principal=team-a").await.0, 422);
        let all = ["theirs of team-a", "mine of environment"];
        assert_eq!(listed(&service, ADMIN, "").await, all);
        assert_eq!(listed(&service, ADMIN, "principal=team-a").await, all[..1]);
        assert_eq!(listed(&service, ADMIN, "principal=environment").await, all[1..]);
        assert_eq!(ask(&service, ADMIN, "GET", "/api/pipeline/theirs").await.1["principal"], "team-a");
        assert_eq!(ask(&service, ADMIN, "DELETE", "/api/pipeline/theirs").await.0, 204);
        assert_unknown(&service, "theirs").await;
        assert_eq!(post(&service, CLIENT, &env.request("theirs")).await.0, 409);
        assert_eq!(ask(&service, ADMIN, "GET", "/status/theirs").await.0, 410);
        assert_eq!(ask(&service, CLIENT, "DELETE", "/api/pipeline/mine").await.0, 204);
        assert_eq!(ask(&service, CLIENT, "GET", "/status/mine").await.0, 410, "its own");
    }
}

#[tokio::test]
async fn another_principals_row_is_not_adopted() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&with_keys(DUAL_WRITE)).await;
    env.query(r#"INSERT INTO "User" ("id","clerkId","email","updatedAt") VALUES ('u1','c1','a@b.c',now())"#)
        .await;
    env.query(&format!(
        r#"INSERT INTO "PipelineRun" ("id","userId","documentName","documentUrl","companyName","pipelineVersion","principal")
           VALUES ('waits','u1','report.pdf','{}','Decathlon','1.0','team-a')"#,
        env.request("waits")["blob_url"].as_str().unwrap()
    ))
    .await;
    let (code, problem) = post(&service, CLIENT, &env.request("waits")).await;
    assert_eq!((code, &problem["code"]), (409, &json!("run_conflict")));
    assert_unknown(&service, "waits").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn files_alone_show_a_client_its_own_runs() {
    for mode in [DUAL_WRITE, FILE_ONLY] {
        let mut env = TestEnv::with_database().await;
        let service = env.serve(&with_keys(mode)).await;
        for run in ["mine", "theirs"] {
            assert_eq!(post(&service, CLIENT, &env.request(run)).await.0, 202);
            assert_eq!(ended(&service, run).await["status"], "complete");
            if mode == DUAL_WRITE {
                env.wait_until_synced(run).await;
            }
        }
        give_away(&env, "theirs").await;
        if mode == DUAL_WRITE {
            env.postgres().stop(Stop::Fast);
        }
        assert_eq!(ask(&service, CLIENT, "GET", "/status/mine").await.0, 200);
        for (method, path) in ROUTES {
            let unknown = told(&service, method, path, "never-was").await;
            assert_eq!(told(&service, method, path, "theirs").await, unknown, "{method} {path}");
            let is_stream = path.ends_with("/events");
            assert!(is_stream || matches!(unknown.0, 503 | 404), "{method} {path}: {unknown:?}");
        }
        assert_eq!(listed(&service, CLIENT, "").await, ["mine of environment"]);
        assert_eq!(listed(&service, ADMIN, "").await, ["theirs of team-a", "mine of environment"]);
        assert_eq!(ask(&service, ADMIN, "GET", "/status/theirs").await.0, 200);
        let (code, problem) = post(&service, CLIENT, &env.request("theirs")).await;
        assert_eq!((code, &problem["code"]), (409, &"run_conflict".into()), "{problem}");
    }
}

#[tokio::test]
async fn the_row_decides_whose_run_it_is() {
    let env = TestEnv::with_database().await;
    let service = env.serve(&with_keys(DUAL_WRITE)).await;
    assert_eq!(post(&service, CLIENT, &env.request("run-1")).await.0, 202);
    assert_eq!(ended(&service, "run-1").await["status"], "complete");
    env.wait_until_synced("run-1").await;
    give_away(&env, "run-1").await;
    env.query(r#"UPDATE "PipelineRun" SET "principal" = 'team-b'"#).await;
    assert_unknown(&service, "run-1").await;
    let (code, run) = ask(&service, ADMIN, "GET", "/api/pipeline/run-1").await;
    assert_eq!((code, &run["principal"]), (200, &"team-b".into()), "{run}");
    env.query(r#"UPDATE "PipelineRun" SET "principal" = NULL"#).await;
    let (code, run) = ask(&service, CLIENT, "GET", "/api/pipeline/run-1").await;
    assert_eq!((code, &run["principal"]), (200, &"environment".into()), "{run}");
}
