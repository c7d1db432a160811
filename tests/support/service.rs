//! The surroundings of a service of the real binary, on loopback: a folder, a blob store, a model, a database.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use pipeline::{
    record::{StageRecord, sha256_hex},
    run::Stage,
};
use serde_json::{Value, json};

#[allow(unused_imports, reason = "each binary uses its own part of it")]
pub(crate) use super::process::{Answer, Service};
use super::{
    STAGE_FILES,
    blob::BlobStore,
    openrouter::{FakeModel, Options, Reply, Wrapping},
    ports::free_port,
    postgres::Postgres,
    read_json, read_manifest, root,
    wait::{eventually, wanted},
};

/// The key of the model's provider.
pub(crate) const MODEL_KEY: &str = "sk-or-v1-test";

/// The modes, as the environment says them.
pub(crate) const DATABASE_ONLY: &[(&str, &str)] = &[("ENABLE_FILE_FALLBACK", "false")];
pub(crate) const DUAL_WRITE: &[(&str, &str)] = &[];
pub(crate) const FILE_ONLY: &[(&str, &str)] = &[("ENABLE_DATABASE_WRITES", "false")];

/// A lease that a test can wait for.
pub(crate) const SHORT_LEASE: [(&str, &str); 5] = [
    ("LEASE_SECONDS", "1"),
    ("DATABASE_WRITE_TIMEOUT_MS", "900"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "800"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "700"),
    ("DATABASE_LOCK_TIMEOUT_MS", "700"),
];

/// The surroundings of a service: a blob store, a model, a folder, and (where wanted) a database.
pub(crate) struct TestEnv {
    pub(crate) blob: BlobStore,
    pub(crate) model: FakeModel,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) postgres: Option<Postgres>,
}

impl TestEnv {
    /// Without a database.
    pub(crate) async fn files_only() -> Self {
        Self::with_model(Options::default()).await
    }

    pub(crate) async fn with_model(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(root().join("data/brand-profiles"), data.join("brand-profiles")).unwrap();
        Self { blob: BlobStore::start().await, model: FakeModel::start(options), folder, postgres: None }
    }

    /// With a PostgreSQL that has our migrations.
    pub(crate) async fn with_database() -> Self {
        let env = Self { postgres: Some(Postgres::start()), ..Self::files_only().await };
        env.migrate_unaudited().await;
        env
    }

    pub(crate) fn postgres(&mut self) -> &mut Postgres {
        self.postgres.as_mut().unwrap()
    }

    pub(crate) fn database_url(&self) -> String {
        self.postgres.as_ref().unwrap().url()
    }

    /// `innovation migrate deploy`
    pub(crate) fn migrate(&self) {
        let output = super::innovation(&["migrate", "deploy"])
            .env("DATABASE_URL", self.database_url())
            .output()
            .unwrap();
        super::assert_ok(&output);
    }

    /// As [`TestEnv::migrate`], without the audit record of it: a test finds the records of its own changes alone.
    pub(crate) async fn migrate_unaudited(&self) {
        self.migrate();
        self.query(r#"DELETE FROM "innovation"."AuditRecord""#).await;
    }

    /// Asks the database, past the service.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        super::postgres::query(&self.database_url(), sql).await
    }

    /// The one value that a query gives.
    pub(crate) async fn value(&self, sql: &str) -> String {
        let rows = self.query(sql).await;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next());
        value.unwrap_or_else(|| panic!("{sql}: no row")).unwrap_or_default()
    }

    /// Waits until a query gives a value.
    pub(crate) async fn wait_for_value(&self, sql: &str, value: &str) {
        eventually(&format!("{value} of {sql}"), async || wanted(self.value(sql).await, |now| now == value))
            .await;
    }

    /// Starts one replica among several, on a disk of its own, with a lease that is short enough to wait for.
    pub(crate) async fn replica(&self, name: &str, environment: &[(&str, &str)]) -> Service {
        self.replica_with(name, environment, |_| {}).await
    }

    /// As [`TestEnv::replica`], with a last change to the command.
    pub(crate) async fn replica_with(
        &self,
        name: &str,
        environment: &[(&str, &str)],
        change: impl FnOnce(&mut Command),
    ) -> Service {
        let base = self.folder.path().join(name);
        let data = base.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let profiles = data.join("brand-profiles");
        if !profiles.exists() {
            std::os::unix::fs::symlink(root().join("data/brand-profiles"), profiles).unwrap();
        }
        let mut all = vec![("SINGLE_REPLICA", "false"), ("LEASE_SECONDS", "3")];
        all.extend(environment);
        self.serve_with(&all, |command| {
            command.env("APP_BASE_DIR", &base);
            change(command);
        })
        .await
    }

    /// Starts a service, and waits until it answers.
    pub(crate) async fn serve(&self, environment: &[(&str, &str)]) -> Service {
        self.serve_with(environment, |_| {}).await
    }

    /// As [`TestEnv::serve`], with a last change to the command.
    pub(crate) async fn serve_with(
        &self,
        environment: &[(&str, &str)],
        change: impl FnOnce(&mut Command),
    ) -> Service {
        let mut command = self.command(environment);
        let port = free_port();
        command.env("PORT", port.to_string());
        change(&mut command);
        Service::start(command, port, self.folder.path()).await
    }

    /// `innovation serve`, as [`TestEnv::serve`] starts it, without its port.
    pub(crate) fn command(&self, environment: &[(&str, &str)]) -> Command {
        let mut command = super::innovation(&["serve"]);
        command
            .env("APP_BASE_DIR", self.folder.path())
            .env("HOST", "127.0.0.1")
            .env("LOG_LEVEL", "info")
            // Tests read its events.
            .env("LOG_FORMAT", "json")
            .env("OPENROUTER_API_KEY", MODEL_KEY)
            .env("OPENROUTER_BASE_URL", self.model.base_url())
            .env("BLOB_ALLOWED_HOSTS", "localhost,127.0.0.1")
            .env("BLOB_ALLOW_PRIVATE_NETWORK", "true")
            .env("EXTRA_CA_FILE", self.blob.authority.path())
            // A test whose document is gone wants to know at once.
            .env("DOCUMENT_RETRY_SECONDS", "1")
            // Most tests count what each run pays for. Those of the cache switch it on.
            .env("ANSWER_CACHE", "off");
        if self.postgres.is_some() {
            command.env("DATABASE_URL", self.database_url());
        }
        command.envs(environment.iter().copied());
        command
    }

    /// A request for a sample document.
    pub(crate) fn request(&self, run_id: &str) -> Value {
        json!({
            "run_id": run_id,
            "blob_url": self.blob.url("sample/spotted-innovation.md"),
            "company_id": "decathlon",
            "user_id": "user_2abc",
        })
    }

    /// The run's folder.
    pub(crate) fn run_folder(&self, run_id: &str) -> PathBuf {
        self.folder.path().join("data/test-outputs").join(run_id)
    }

    /// The run's folder on a replica's disk.
    pub(crate) fn folder_of(&self, replica: &str, run_id: &str) -> PathBuf {
        self.folder.path().join(replica).join("data/test-outputs").join(run_id)
    }

    /// A JSON file below the run's folder.
    pub(crate) fn json(&self, run_id: &str, name: &str) -> Value {
        read_json(&self.run_folder(run_id).join(name))
    }

    /// The run's manifest. Null without one: in `DUAL_WRITE` the files follow the database.
    pub(crate) fn manifest(&self, run_id: &str) -> Value {
        manifest_in(&self.run_folder(run_id))
    }

    /// The run's manifest on a replica's disk. Null without one.
    pub(crate) fn manifest_of(&self, replica: &str, run_id: &str) -> Value {
        manifest_in(&self.folder_of(replica, run_id))
    }

    /// Waits until the manifest says that the database has everything of the run, its end included.
    pub(crate) async fn wait_until_synced(&self, run_id: &str) {
        self.manifest_when(run_id, |manifest| {
            manifest["database"]["has_end"] == true && !lacks_in_database(manifest)
        })
        .await;
    }

    /// The run's manifest when it is as wanted.
    pub(crate) async fn manifest_when(&self, run_id: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        eventually("the manifest", async || wanted(self.manifest(run_id), &is_wanted)).await
    }

    /// Asserts that database and files hold the same four stages and the same report: hashes what each of them stores,
    /// and compares with the digest that each of them notes.
    pub(crate) async fn assert_both_agree(&self, run_id: &str) {
        let row = self
            .query(&format!(
                r#"SELECT "status"::text, "stage1Output"::text, "stage2Output"::text, "stage3Output"::text,
                       "stage4Output"::text, "fullReportMarkdown", "stage1Digest", "stage2Digest", "stage3Digest",
                       "stage4Digest", "reportDigest"
                   FROM "PipelineRun" WHERE "id" = '{run_id}'"#
            ))
            .await;
        let row: Vec<String> = row[0].iter().map(|value| value.clone().unwrap_or_default()).collect();
        // In DUAL_WRITE the database is first, and a client may hear of it before the file is there.
        let manifest = self
            .manifest_when(run_id, |manifest| {
                manifest["status"].is_string() && manifest["status"] != "PROCESSING"
            })
            .await;
        assert_eq!(row[0], manifest["status"], "{manifest}");
        let folder = self.run_folder(run_id);
        for (index, stage) in Stage::ALL.into_iter().enumerate() {
            let (in_row, noted) = (record_sha256(stage, row[1 + index].as_bytes()), &row[6 + index]);
            let in_file = record_sha256(stage, &std::fs::read(folder.join(STAGE_FILES[index])).unwrap());
            assert_eq!((&in_row, &in_row), (&in_file, noted), "{stage:?}");
            assert_eq!(in_file, manifest["stages"][stage.number().to_string()]["record_sha256"], "{stage:?}");
        }
        let in_row = sha256_hex(row[5].as_bytes());
        let in_file = sha256_hex(&std::fs::read(folder.join("report.md")).unwrap());
        assert_eq!((&in_row, &in_row), (&in_file, &row[10]), "the report");
        assert_eq!(in_file, manifest["report"]["sha256"]);
        assert!(!lacks_in_database(&manifest), "{manifest}");
    }
}

fn manifest_in(folder: &Path) -> Value {
    if folder.join("run.json").exists() { read_manifest(folder) } else { Value::Null }
}

/// Whether a manifest says of anything that the database lacks it.
fn lacks_in_database(manifest: &Value) -> bool {
    let text = manifest.to_string();
    // The second is the previous release's name. Neither field is written when it is false.
    text.contains("pending_database") || text.contains("unsynced")
}

/// The digest of a stored record, made anew from its bytes; a text that says why not, if they are no record.
pub(crate) fn record_sha256(stage: Stage, bytes: &[u8]) -> String {
    match StageRecord::from_bytes(stage, bytes).map(|record| record.sha256()) {
        Ok(Ok(sha256)) => sha256,
        error => format!("{error:?}"),
    }
}

/// An environment with a database and a slow model.
pub(crate) async fn env(latency: Duration) -> TestEnv {
    let mut env = TestEnv::with_model(Options { latency, ..Options::default() }).await;
    env.postgres = Some(Postgres::start());
    env.migrate_unaudited().await;
    env
}

/// Lets the model fail for good after so many answers.
pub(crate) fn fail_after(env: &TestEnv, answers: usize) {
    env.model.script(vec![Reply::Answer(Wrapping::None); answers]);
    env.model.script([refuses_for_good()]);
}

/// A refusal that no wait ends, in the words of OpenRouter: the run fails at once with `LLM_ERROR`.
pub(crate) fn refuses_for_good() -> Reply {
    let body = json!({"error": {"code": 404, "message": "No endpoints found for this model"}});
    Reply::Status { status: 404, headers: Vec::new(), body }
}
