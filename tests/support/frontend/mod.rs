//! The existing frontend as far as its routes touch our data, over the same database: it makes rows, and takes webhooks.
//!
//! It speaks for the other side: its rules are those that were measured on the frontend's own routes (docs/FRONTEND.md,
//! "Webhooks"), and it knows none of our types. [`pages`] reads the rows as its pages do.

// Each binary uses its own part of it.
#![allow(dead_code)]

pub(crate) mod pages;

use serde_json::{Value, json};

use super::postgres::try_query;

/// The two states of the frontend that are served at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// October: knows nothing of the columns for records.
    First,
    /// November: stores a completed stage's output over the record, and the report.
    Newest,
}

/// A frontend over a database.
#[derive(Debug, Clone)]
pub(crate) struct Frontend {
    pub(crate) database_url: String,
    pub(crate) version: Version,
    /// Asked for in `X-Webhook-Secret`.
    pub(crate) secret: String,
}

/// A text as SQL writes it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

impl Frontend {
    /// Its database is away where there is no answer.
    async fn sql(&self, sql: &str) -> Option<Vec<Vec<Option<String>>>> {
        try_query(&self.database_url, sql).await.ok()
    }

    /// The page that launches a run: the user, and the row.
    pub(crate) async fn launch(&self, run: &str, clerk_id: &str, url: &str, company: &str) {
        let user = format!(
            r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
               VALUES (gen_random_uuid()::text, {0}, 'user-' || {0} || '@temp.com', now()) ON CONFLICT DO NOTHING"#,
            quoted(clerk_id)
        );
        self.sql(&user).await.unwrap();
        let row = format!(
            r#"INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "pipelineVersion")
               SELECT {}, "id", 'report.md', {}, {}, '1.0' FROM "User" WHERE "clerkId" = {}"#,
            quoted(run),
            quoted(url),
            quoted(company),
            quoted(clerk_id)
        );
        self.sql(&row).await.unwrap();
    }

    /// A webhook; returns the status of its answer.
    pub(crate) async fn take(&self, path: &str, secret: &str, body: &Value) -> u16 {
        if secret != self.secret {
            return 401;
        }
        if path.ends_with("/api/pipeline/init") {
            return self.init(body).await.unwrap_or(500);
        }
        let mut parts = path.rsplit('/');
        let (Some(route), Some(run)) = (parts.next(), parts.next()) else { return 404 };
        match route {
            "stage-update" => self.stage_update(run, body).await.unwrap_or(500),
            "complete" => self.complete(run, body).await.unwrap_or(500),
            _ => 404,
        }
    }

    async fn status(&self, run: &str) -> Option<Option<String>> {
        let sql = format!(r#"SELECT "status"::text FROM "PipelineRun" WHERE "id" = {}"#, quoted(run));
        Some(self.sql(&sql).await?.into_iter().next().and_then(|row| row.into_iter().next()?))
    }

    async fn init(&self, body: &Value) -> Option<u16> {
        let (Some(run), Some(url), Some(brand)) =
            (body["runId"].as_str(), body["blobUrl"].as_str(), body["brandName"].as_str())
        else {
            return Some(400);
        };
        if self.status(run).await?.is_some() {
            return Some(200);
        }
        self.sql(
            r#"INSERT INTO "User" ("id", "clerkId", "email", "updatedAt")
               VALUES ('system-backend', 'system-backend', 'backend@system.local', now()) ON CONFLICT DO NOTHING"#,
        )
        .await?;
        let document = body["documentName"].as_str().unwrap_or("document.pdf");
        let row = format!(
            r#"INSERT INTO "PipelineRun" ("id", "userId", "documentName", "documentUrl", "companyName", "pipelineVersion")
               VALUES ({}, 'system-backend', {}, {}, {}, '1.0')"#,
            quoted(run),
            quoted(document),
            quoted(url),
            quoted(brand)
        );
        self.sql(&row).await.map(|_| 200)
    }

    async fn stage_update(&self, run: &str, body: &Value) -> Option<u16> {
        let number = body["stageNumber"].as_i64().filter(|number| (1..=5).contains(number));
        let (Some(number), Some(name), Some(status), Some(output)) =
            (number, body["stageName"].as_str(), body["status"].as_str(), body["output"].as_str())
        else {
            return Some(400);
        };
        if !["PROCESSING", "COMPLETED", "FAILED", "CANCELLED"].contains(&status) {
            return Some(400);
        }
        if self.status(run).await?.is_none() {
            return Some(404);
        }
        let at = body["completedAt"]
            .as_str()
            .map_or("NULL".to_owned(), |at| format!("{}::timestamptz AT TIME ZONE 'UTC'", quoted(at)));
        let upsert = format!(
            r#"INSERT INTO "StageOutput" ("id", "runId", "stageNumber", "stageName", "status", "output", "completedAt")
               VALUES (gen_random_uuid()::text, {}, {number}, {}, '{status}', {}, {at})
               ON CONFLICT ("runId", "stageNumber") DO UPDATE SET "status" = EXCLUDED."status",
                 "output" = EXCLUDED."output", "completedAt" = EXCLUDED."completedAt""#,
            quoted(run),
            quoted(name),
            quoted(output)
        );
        self.sql(&upsert).await?;
        if status == "FAILED" {
            let sql = format!(
                r#"UPDATE "PipelineRun" SET "status" = 'FAILED', "completedAt" = now() AT TIME ZONE 'UTC' WHERE "id" = {}"#,
                quoted(run)
            );
            self.sql(&sql).await?;
        }
        let is_json = serde_json::from_str::<Value>(output).is_ok();
        if self.version == Version::Newest && status == "COMPLETED" && number < 5 && is_json {
            let sql = format!(
                r#"UPDATE "PipelineRun" SET "stage{number}Output" = {}::jsonb WHERE "id" = {}"#,
                quoted(output),
                quoted(run)
            );
            self.sql(&sql).await?;
        }
        Some(200)
    }

    async fn complete(&self, run: &str, body: &Value) -> Option<u16> {
        let Some(status) = self.status(run).await? else { return Some(404) };
        if status == "COMPLETED" {
            return Some(200);
        }
        let (Some(at), Some(duration)) = (body["completedAt"].as_str(), body["duration"].as_i64()) else {
            return Some(400);
        };
        let report = match self.version {
            Version::First => String::new(),
            Version::Newest => {
                let report = body["fullReportMarkdown"].as_str().map_or("NULL".to_owned(), quoted);
                format!(r#", "fullReportMarkdown" = {report}"#)
            }
        };
        let sql = format!(
            r#"UPDATE "PipelineRun" SET "status" = 'COMPLETED', "duration" = {duration},
                 "completedAt" = {}::timestamptz AT TIME ZONE 'UTC'{report} WHERE "id" = {}"#,
            quoted(at),
            quoted(run)
        );
        self.sql(&sql).await?;
        for card in body["opportunities"].as_array().into_iter().flatten() {
            let (Some(number), Some(title), Some(markdown)) =
                (card["number"].as_i64(), card["title"].as_str(), card["markdown"].as_str())
            else {
                return Some(400);
            };
            let sql = format!(
                r#"INSERT INTO "OpportunityCard" ("id", "runId", "number", "title", "content", "updatedAt")
                   VALUES (gen_random_uuid()::text, {}, {number}, {}, {}, now()) ON CONFLICT DO NOTHING"#,
                quoted(run),
                quoted(title),
                quoted(markdown)
            );
            self.sql(&sql).await?;
        }
        self.report_row(run, body).await.map(|()| 200)
    }

    async fn report_row(&self, run: &str, body: &Value) -> Option<()> {
        let stages = &body["stageOutputs"];
        let track = |at: usize| stages["stage1"]["inspirations"][at]["title"].as_str().unwrap_or_default();
        let mut texts = Vec::new();
        for number in 1..=5 {
            let stage = &stages[format!("stage{number}")];
            let text = match (self.version, &stage[format!("stage{number}_output")]) {
                (Version::First, Value::String(text)) => text.clone(),
                (Version::First, _) if stage.is_null() => json!({}).to_string(),
                (Version::First, _) => stage.to_string(),
                (Version::Newest, _) => {
                    let sql = format!(
                        r#"SELECT "output" FROM "StageOutput" WHERE "runId" = {} AND "stageNumber" = {number}"#,
                        quoted(run)
                    );
                    let row = self.sql(&sql).await?.into_iter().next();
                    row.and_then(|row| row.into_iter().next()?).unwrap_or_default()
                }
            };
            texts.push(quoted(&text));
        }
        let sql = format!(
            r#"INSERT INTO "InspirationReport" ("id", "runId", "selectedTrack", "nonSelectedTrack", "stage1Output",
                 "stage2Output", "stage3Output", "stage4Output", "stage5Output", "updatedAt")
               VALUES (gen_random_uuid()::text, {}, {}, {}, {}, now()) ON CONFLICT DO NOTHING"#,
            quoted(run),
            quoted(track(0)),
            quoted(track(1)),
            texts.join(", ")
        );
        self.sql(&sql).await.map(drop)
    }
}
