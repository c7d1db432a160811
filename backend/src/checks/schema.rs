//! The schema: all migrations are applied, and nothing changed it since.

use serde_json::json;

use super::{
    check::{Check, Finding, Severity},
    database::without_database,
    deps::CheckDeps,
};
use crate::migrate::{MigrateError, SchemaState, State, Status};

/// How many pending migrations the evidence names.
const NAMED_MAX: usize = 3;

async fn status(deps: &CheckDeps) -> Result<Status, Finding> {
    let refused = |error: &MigrateError| {
        let next = error.next();
        match error {
            MigrateError::Pooled => Finding::fail(error.to_string()).next_all(next),
            _ => Finding::could_not_check(error.to_string()).next_all(next),
        }
    };
    match &deps.migrator {
        None => Err(without_database(deps)),
        Some(Err(reason)) => Err(Finding::could_not_check(reason.clone()).next("innovation migrate status")),
        Some(Ok(migrator)) => migrator.status().await.map_err(|error| refused(&error)),
    }
}

/// A dry run of `migrate deploy`: what it would do.
pub(super) fn migrations(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("migrations", "All migrations of this version are applied", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            let status = match status(&deps).await {
                Ok(status) => status,
                Err(finding) => return finding,
            };
            let names = |state| {
                let all = status.migrations.iter().filter(|migration| migration.state == state);
                all.map(|migration| migration.name).collect::<Vec<_>>()
            };
            let (pending, failed) = (names(State::Pending), names(State::Failed));
            let data = json!({ "pending": pending, "failed": failed, "unknown": status.unknown });
            let finding = match status.schema {
                SchemaState::Failed => Finding::fail(format!(
                    "migrations failed and must be resolved: {}",
                    [failed.join(", "), status.unknown_failed.join(", ")].join(" ").trim()
                )),
                SchemaState::Behind => Finding::fail(format!(
                    "{} of {} migrations are pending; the next deploy applies {}{}",
                    pending.len(),
                    status.migrations.len(),
                    pending.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", "),
                    if pending.len() > NAMED_MAX { ", …" } else { "" }
                )),
                SchemaState::Current | SchemaState::Differs => {
                    return Finding::ok(format!("all {} migrations are applied", status.migrations.len()))
                        .with(data);
                }
            };
            finding.with(data).next_all(status.next())
        }
    })
}

pub(super) fn drift(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("schema-drift", "The schema is what its migrations made", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            let status = match status(&deps).await {
                Ok(status) => status,
                Err(finding) => return finding,
            };
            if status.differences.is_empty() {
                return Finding::ok("every table and column is as prisma/schema.prisma says");
            }
            let told: Vec<String> = status.differences.iter().map(ToString::to_string).collect();
            Finding::fail(told.join("; "))
                .with(json!({ "differences": status.differences }))
                .next_all(status.next())
        }
    })
}
