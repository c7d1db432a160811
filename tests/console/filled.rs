//! A service with something on every page: ended runs and one under way, a conflict, webhooks, alerts, keys, an operation, and a
//! deployment that fails.

use serde_json::{Value, json};

use super::content::submit;
use crate::{
    alerts::{FAST, others::Others, wait_for},
    control_plane::{ADMIN_KEY, CLIENT_KEY, KEYS, ask},
    deployments::{SHORT_WATCH, past},
    support::{
        innovation,
        railway_api::RailwayApi,
        receiver::{Manner, Receiver},
        root,
        service::{Service, TestEnv, fail_after},
        wait::{eventually, wanted},
    },
};

/// The operation that another replica works on.
const OPERATION: &str = "0199c3a2-7d41-7c55-9a0e-5f2b8c61d3e7";
pub(super) const OPERATION_PAGE: &str = "/console/operations/0199c3a2-7d41-7c55-9a0e-5f2b8c61d3e7";

/// Runs of the last hour: the first run again and again, at other times, of other companies, with other results.
const EARLIER_RUNS: &str = r#"
INSERT INTO "PipelineRun"
SELECT (jsonb_populate_record(NULL::"PipelineRun", to_jsonb(run) || jsonb_build_object(
  'id', 'run-' || (200 - n), 'createdAt', at, 'acceptedAt', at AT TIME ZONE 'UTC', 'startedAt', at AT TIME ZONE 'UTC',
  'completedAt', at + (18 + n * 7 % 23) * interval '1 second',
  'brandId', (ARRAY['decathlon', 'lactalis-canada', 'columbia-sportswear'])[1 + n % 3],
  'documentName', (ARRAY['trend-report.pdf', 'spotted-innovation.md', 'packaging-2026.pptx'])[1 + n * 5 % 3],
  'grounding', 1 - (n * 3 % 7) / 40.0))).*
FROM "PipelineRun" AS run, generate_series(1, 64) AS n,
  LATERAL (SELECT now() AT TIME ZONE 'UTC' - (40 + n * 52 + n % 4 * 31) * interval '1 second' AS at) AS moment
WHERE run."id" = 'run-1'"#;

/// The row differs from the files in a stage and in the report, as if another replica had made both.
const OTHER_VERSION: &str = r#"
UPDATE "PipelineRun" SET "stage2Output" = jsonb_set("stage2Output", '{meta,model}', '"openai/gpt-5-mini"'), "stage2Digest" = NULL,
  "fullReportMarkdown" = regexp_replace("fullReportMarkdown", '^# .*$', '# Another report', 'n'), "reportDigest" = NULL
WHERE "id" = 'run-3'"#;

/// The same operation again, half done by a replica that still holds its lease.
const HALF_DONE: &str = r#"
INSERT INTO "innovation"."BulkOperation"
SELECT (jsonb_populate_record(operation, jsonb_build_object('id', 'OPERATION', 'action', 'delete', 'total', 40, 'status', 'running',
  'finishedAt', NULL, 'filter', '{"company_id": "lactalis-canada", "status": "COMPLETED"}'::jsonb, 'reason', 'A test of the new prompt',
  'replica', 'replica-b', 'leaseOwner', 'replica-b', 'leaseUntil', now() + interval '1 day', 'createdAt', now()))).*
FROM "innovation"."BulkOperation" AS operation;
INSERT INTO "innovation"."BulkItem" ("operation", "position", "runId", "generation", "attempts", "outcome", "code")
SELECT 'OPERATION', n, 'run-' || (300 + n), 1, (n <= 24)::int, CASE WHEN n <= 22 THEN 'done' WHEN n <= 24 THEN 'refused' END,
  CASE WHEN n IN (23, 24) THEN 'run_changed' END
FROM generate_series(1, 40) AS n"#;

pub(super) struct Filled {
    // It ends before its surroundings do.
    pub(super) service: Service,
    pub(super) env: TestEnv,
}

impl Filled {
    pub(super) async fn start() -> Self {
        let env = TestEnv::with_database().await;
        break_a_brand(&env);
        let (railway, frontend, channels) =
            (RailwayApi::start("project-token").await, Receiver::start().await, Others::start().await);
        deploy_earlier(&env, &railway).await;
        let mut settings = railway.settings();
        settings.extend([
            ("FRONTEND_WEBHOOK_URL".to_owned(), frontend.url()),
            ("WEBHOOK_SECRET".to_owned(), "0123456789abcdef-secret".to_owned()),
        ]);
        let wanted_channels = ["ALERT_SLACK_WEBHOOK_URL", "ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_SECRETS"];
        let channels = channels.settings().into_iter().filter(|(name, _)| wanted_channels.contains(name));
        settings.extend(channels.map(|(name, value)| (name.to_owned(), value)));
        let deployed = [
            ("RAILWAY_DEPLOYMENT_ID", "deploy-43"),
            ("RAILWAY_GIT_COMMIT_SHA", "4be91d07c2a8f3651e0d9b7a8c4f2e6d1b3a5c70"),
            ("KEY_CACHE_SECRET", "a-secret-of-the-console-tests-123"),
        ];
        let all: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let service = env.serve(&[&all[..], &KEYS, &SHORT_WATCH, &FAST, &deployed].concat()).await;
        let filled = Self { service, env };
        tokio::join!(filled.fail_the_deployment(), filled.fill(&frontend));
        filled
    }

    async fn fill(&self, frontend: &Receiver) {
        self.submit("run-1", "COMPLETED").await;
        frontend.wait_for_ends("run-1", &["complete"]).await;
        frontend.usually(Manner::Status(500));
        self.env.query(EARLIER_RUNS).await;
        self.submit("run-3", "COMPLETED").await;
        fail_after(&self.env, 1);
        self.submit("run-2", "FAILED").await;
        self.env.wait_until_synced("run-2").await;
        self.give_up_a_webhook("run-3").await;
        self.make_a_conflict("run-3").await;
        self.make_keys().await;
        self.pause_claims_for_a_moment().await;
        self.start_operations().await;
        self.silence_an_alert().await;
        // The last one: it waits for its third stage.
        self.env.model.hold();
        self.env.model.let_through(2);
        self.submit("run-4", "PROCESSING").await;
        self.env
            .wait_for_value(
                r#"SELECT count("stage2Output")::text FROM "PipelineRun" WHERE "id" = 'run-4'"#,
                "1",
            )
            .await;
    }

    async fn admin(&self, method: &str, path: &str, body: Value) -> Value {
        let answer = ask(&self.service, ADMIN_KEY, method, path, Some(body)).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.body);
        answer.body
    }

    async fn submit(&self, id: &str, status: &str) {
        submit(&self.env, &self.service, id, status).await;
    }

    /// Asks for a brand whose profile is invalid, until the arbiter has judged the deployment.
    async fn fail_the_deployment(&self) {
        eventually("the verdict", async || {
            let asked = (0..30).map(|_| ask(&self.service, CLIENT_KEY, "GET", "/brands/acme", None));
            futures_util::future::join_all(asked).await;
            let found =
                ask(&self.service, ADMIN_KEY, "GET", "/api/admin/deployments/deploy-43", None).await.body;
            wanted(found, |found| found["verdict"] == "failing")
        })
        .await;
    }

    async fn give_up_a_webhook(&self, run: &str) {
        let tried =
            format!(r#"SELECT ("attempts" > 0)::text FROM "WebhookDelivery" WHERE "runId" = '{run}'"#);
        self.env.wait_for_value(&tried, "true").await;
        let over =
            r#"UPDATE "WebhookDelivery" SET "attempts" = 20, "outcome" = 'gave_up', "settledAt" = now()"#;
        self.env.query(&format!(r#"{over} WHERE "runId" = '{run}'"#)).await;
    }

    async fn make_a_conflict(&self, run: &str) {
        self.env.wait_until_synced(run).await;
        self.env.query(OTHER_VERSION).await;
        let mut command = innovation(&["reconcile", "--run", run]);
        command.env("APP_BASE_DIR", self.env.folder.path()).env("DATABASE_URL", self.env.database_url());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    }

    async fn make_keys(&self) {
        let quotas =
            [("runs_per_minute", json!(30)), ("runs_under_way", json!(10)), ("usd_per_day", json!(25.0))];
        let mut frontend = json!({"name": "Frontend", "role": "client"});
        frontend.as_object_mut().unwrap().extend(quotas.map(|(name, limit)| (name.to_owned(), limit)));
        for body in [
            frontend,
            json!({"name": "Night shift", "role": "operator"}),
            json!({"name": "Auditors", "role": "viewer", "scopes": ["read_operations"]}),
        ] {
            self.admin("POST", "/api/admin/keys", body).await;
        }
        let listed = ask(&self.service, ADMIN_KEY, "GET", "/api/admin/keys", None).await.body;
        let last = listed["keys"].as_array().unwrap().iter().find(|key| key["name"] == "Auditors").unwrap();
        let path = format!("/api/admin/keys/{}", last["id"].as_str().unwrap());
        self.admin("DELETE", &path, Value::Null).await;
    }

    async fn pause_claims_for_a_moment(&self) {
        for (revision, value) in [(0, true), (1, false)] {
            let reason = if value { "The model's provider restarts" } else { "The model is back" };
            let change = json!({"value": value, "reason": reason, "expected_revision": revision});
            self.admin("PUT", "/api/admin/flags/OPERATIONS_PAUSE_CLAIMS", change).await;
        }
    }

    async fn start_operations(&self) {
        let filter = json!({"action": "delete", "filter": {"company_id": "columbia-sportswear", "status": "COMPLETED"}});
        let preview = self.admin("POST", "/api/admin/operations/preview", filter).await;
        let order = json!({
            "action": preview["action"], "filter": preview["filter"], "expected": preview["count"], "as_of": preview["as_of"],
            "operation_id": preview["operation_id"], "reason": "Their documents are withdrawn",
        });
        self.admin("POST", "/api/admin/operations", order).await;
        let over = r#"SELECT "status" FROM "innovation"."BulkOperation""#;
        self.env.wait_for_value(over, "completed").await;
        for statement in HALF_DONE.replace("OPERATION", OPERATION).split(';') {
            self.env.query(statement).await;
        }
    }

    async fn silence_an_alert(&self) {
        wait_for(&self.service, "conflicts", "firing").await;
        let silence =
            json!({"rule": "conflicts", "for_seconds": 3_600, "reason": "The night shift settles it"});
        self.admin("POST", "/api/admin/alerts/silences", silence).await;
        eventually("the silence holds", async || {
            let listed = ask(&self.service, ADMIN_KEY, "GET", "/api/admin/alerts", None).await.body;
            wanted(listed["silences"].clone(), |silences| {
                silences.as_array().is_some_and(|all| all.len() == 1)
            })
        })
        .await;
    }
}

/// The repository's brands, and one with an invalid profile.
fn break_a_brand(env: &TestEnv) {
    let profiles = env.folder.path().join("data/brand-profiles");
    std::fs::remove_file(&profiles).unwrap();
    std::fs::create_dir(&profiles).unwrap();
    for entry in std::fs::read_dir(root().join("data/brand-profiles")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), profiles.join(entry.file_name())).unwrap();
    }
    std::fs::write(profiles.join("acme.yaml"), "brand_name: 7").unwrap();
}

/// The deployments before this one: one that failed and was taken back, and one that was healthy.
async fn deploy_earlier(env: &TestEnv, railway: &RailwayApi) {
    let prints = |print: &str| json!({"variables": {"MODEL": "5d1c", "FENCE_SECRET": print}});
    let failed = json!({
        "verdict": "failing", "status": "rolled_back", "verdictReason": "5.2 % of the answers are errors", "errorCount": 61,
        "commitSha": "b80d6f13aa27c4905be81f6d2c7e9a0413f5d8e2", "version": "0.1.0", "rolledBackTo": "deploy-40",
        "rollbackReason": "Its errors", "deploymentMetadata": prints("11aa"),
    });
    let oldest = json!({"commitSha": "2f7a9c1d5e3b80647fa1c2d9e8b7065431f0a9cd", "deploymentMetadata": prints("11aa")});
    past(env, "deploy-40", 80, oldest).await;
    past(env, "deploy-41", 50, failed).await;
    let healthy = json!({
        "commitSha": "8c1f0b7e64d2a95310cbe7f4a6d8290e5b1c3f77", "version": "0.1.0", "deploymentMetadata": prints("42bb"),
        "verdictReason": "1000 requests with 0.00 % errors, 40 runs, a p95 of 5 ms", "healthScore": 1.0,
    });
    past(env, "deploy-42", 30, healthy).await;
    for (id, print) in [("deploy-40", "a"), ("deploy-41", "a"), ("deploy-42", "b"), ("deploy-43", "c")] {
        railway.deploy(id, &[("FENCE_SECRET", print)]);
    }
}
