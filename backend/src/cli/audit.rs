//! `innovation audit log`: who changed what, the newest first.

use std::process::ExitCode;

use serde_json::json;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put, put_json, say},
};
use crate::{
    app,
    audit::{AuditEntry, AuditPage, parse_cursor},
    config::Config,
};

#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// How many records to show
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Only records before this one: the value that an earlier output named
    #[arg(long, value_name = "CURSOR", value_parser = cursor)]
    before: Option<String>,
    /// Print JSON, one record a line
    #[arg(long)]
    json: bool,
}

fn cursor(text: &str) -> Result<String, String> {
    let what = "is no cursor; take the one that the end of an earlier output names";
    parse_cursor(text).map(|_| text.to_owned()).ok_or_else(|| what.to_owned())
}

/// Shows the audit.
pub async fn run(args: LogArgs, config: &Config) -> ExitCode {
    let audit = match app::audit(config) {
        Ok(audit) => audit,
        Err(error) => return fail(&error),
    };
    match audit.list(args.before.as_deref(), usize::from(args.limit)).await {
        Ok(page) => show(page, &args),
        Err(error) => {
            say(&format!("innovation: the audit cannot be read: {error}"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}

fn show(page: AuditPage, args: &LogArgs) -> ExitCode {
    let AuditPage { records, next, database_error, files_error } = page;
    for record in records {
        let entry = AuditEntry::from(record);
        if args.json {
            put_json(&json!(entry));
        } else {
            put(&format!("{}\n", line(&entry)));
        }
    }
    if let Some(next) = next {
        let limit = args.limit;
        say(&format!("there is more: innovation audit log --limit {limit} --before {next}"));
    }
    if let Some(error) = &database_error {
        say(&format!(
            "the database cannot be read ({error}): only records that wait in these files are shown; repeat the command when it is back"
        ));
    }
    if let Some(error) = &files_error {
        say(&format!("the files cannot be read ({error}): records that wait there are not shown"));
    }
    let is_whole = database_error.is_none() && files_error.is_none();
    if is_whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_COULD_NOT_CHECK) }
}

/// One record, for people.
fn line(entry: &AuditEntry) -> String {
    let AuditEntry { at, actor, role, address, action, target, old, new, reason, .. } = entry;
    let at = at.format("%Y-%m-%d %H:%M:%S");
    let from = address.as_deref().map(|address| format!(" from {address}")).unwrap_or_default();
    let values = match (old, new) {
        (Some(old), Some(new)) => format!(": {old} → {new}"),
        (Some(value), None) | (None, Some(value)) => format!(": {value}"),
        (None, None) => String::new(),
    };
    let reason = reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("{at} {actor} ({role}){from} {action} {target}{values}{reason}")
}
