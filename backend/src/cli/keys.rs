//! `innovation keys`: makes, lists, rotates and revokes keys of the API, directly in the database.

use std::{process::ExitCode, time::Duration};

use chrono::Utc;
use pipeline::clock::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use storage::control_plane::{ApiKey, Permission, Principal, Quotas, Role};

use super::{
    duration::parse_duration,
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE},
    output::{fail, put, put_json, say},
};
use crate::{
    access::{KeyAdmin, KeyAdminError, KeyOrder, KeyView, Made, RotationOrder},
    app,
    audit::{Actor, Audit},
    config::Config,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key, and print it: it is shown once
    Create(Create),
    /// List all keys of the database, without the keys themselves
    List {
        /// Ended keys too
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key: every replica refuses it within 2.5 s
    Revoke {
        /// As `innovation keys list` shows it
        id: String,
        /// Why, for the audit
        #[arg(long)]
        reason: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace a key by a new one with the same name, role, principal and quotas, and print it
    Rotate {
        /// As `innovation keys list` shows it
        id: String,
        /// How long the old key stays valid, such as 30m, 24h or 7d [default: it ends at once]
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        grace: Option<Duration>,
        /// When the new key expires: after a time such as 90d, or at a time such as 2027-01-31T00:00:00Z
        /// [default: it lasts as long as the old one was made for]
        #[arg(long, value_name = "TIME", value_parser = parse_end)]
        expires: Option<End>,
        /// Why, for the audit
        #[arg(long)]
        reason: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// For people: logs and the audit show it
    #[arg(long)]
    name: String,
    /// client, viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// The owner of the runs that the key submits [default: the name in lower case]
    #[arg(long)]
    principal: Option<Principal>,
    /// Narrow the key to some permissions of its role, such as submit,read_runs
    #[arg(long, value_delimiter = ',')]
    scopes: Vec<Permission>,
    /// When the key expires: after a time such as 90d, or at a time such as 2027-01-31T00:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = parse_end)]
    expires: Option<End>,
    /// How many runs it may submit in a minute
    #[arg(long, value_name = "N")]
    runs_per_minute: Option<u32>,
    /// How many of its runs may be under way
    #[arg(long, value_name = "N")]
    runs_under_way: Option<u32>,
    /// How many dollars the runs of its principal may cost in a day (UTC)
    #[arg(long, value_name = "USD")]
    usd_per_day: Option<f64>,
    /// Why, for the audit
    #[arg(long)]
    reason: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// When a key expires.
#[derive(Debug, Clone, Copy)]
enum End {
    After(Duration),
    At(Timestamp),
}

impl End {
    fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::After(time) => now + time,
            Self::At(time) => time,
        }
    }
}

fn parse_end(text: &str) -> Result<End, String> {
    if let Ok(time) = text.parse::<chrono::DateTime<Utc>>() {
        return Ok(End::At(time));
    }
    parse_duration(text)
        .map(End::After)
        .map_err(|_| "give a time such as 90d or 24h, or a date such as 2027-01-31T00:00:00Z".to_owned())
}

/// Makes, lists, rotates or revokes keys.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let (admin, audit) = match (app::key_admin(config), app::audit(config)) {
        (Ok(Some(admin)), Ok(audit)) => (admin, audit),
        (Ok(None), _) => {
            say("innovation: keys are kept in the database: set DATABASE_URL and try again");
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
        (Err(error), _) | (_, Err(error)) => return fail(&error),
    };
    let done = match args.command {
        Command::Create(order) => create(&admin, &audit, order).await,
        Command::List { all, json } => list(&admin, all, json).await,
        Command::Revoke { id, reason, json } => revoke(&admin, &audit, &id, reason, json).await,
        Command::Rotate { id, grace, expires, reason, json } => {
            let order = RotationOrder {
                grace: grace.unwrap_or_default(),
                expires_at: expires.map(|end| end.at(admin.clock.now())),
            };
            rotate(&admin, &audit, &id, order, reason, json).await
        }
    };
    done.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &KeyAdminError) -> ExitCode {
    let code = fail(error);
    match error {
        KeyAdminError::Invalid(..) => ExitCode::from(EXIT_USAGE),
        KeyAdminError::Storage(_) => ExitCode::from(EXIT_COULD_NOT_CHECK),
        _ => code,
    }
}

async fn create(admin: &KeyAdmin, audit: &Audit, order: Create) -> Result<ExitCode, KeyAdminError> {
    let Create {
        name,
        role,
        principal,
        scopes,
        expires,
        runs_per_minute,
        runs_under_way,
        usd_per_day,
        reason,
        json,
    } = order;
    let quotas = Quotas { runs_per_minute, runs_under_way, usd_per_day };
    let expires_at = expires.map(|end| end.at(admin.clock.now()));
    let order = KeyOrder { name, role, principal, scopes, quotas, expires_at };
    let describe = |id: &str| {
        let mut record = audit.describe(&Actor::command(), "key.create", id);
        record.reason.clone_from(&reason);
        record
    };
    show(&admin.create(order, describe).await?, json);
    Ok(ExitCode::SUCCESS)
}

async fn list(admin: &KeyAdmin, all: bool, json: bool) -> Result<ExitCode, KeyAdminError> {
    let (keys, now) = (admin.list().await?, admin.clock.now());
    let shown: Vec<ApiKey> = keys.into_iter().filter(|key| all || key.is_valid_at(now)).collect();
    if json {
        let shown: Vec<KeyView> = shown.into_iter().map(KeyView::from).collect();
        put_json(&json!({ "keys": shown }));
        return Ok(ExitCode::SUCCESS);
    }
    if shown.is_empty() {
        say("the database has no valid key; to make one: innovation keys create --name NAME --role client");
    }
    for key in &shown {
        put(&line(key, now));
    }
    Ok(ExitCode::SUCCESS)
}

fn line(key: &ApiKey, now: Timestamp) -> String {
    let day = |time: Option<Timestamp>| {
        time.map_or_else(|| "never".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
    };
    let state = match (key.revoked_at, key.expires_at) {
        (Some(_), _) => format!("revoked {}", day(key.revoked_at)),
        (None, Some(end)) if end <= now => format!("expired {}", day(key.expires_at)),
        (None, end) => format!("expires {}", day(end)),
    };
    format!(
        "{}  {:8}  {}  principal {}  {state}  last used {}\n",
        key.id,
        key.role.as_str(),
        key.name,
        key.principal,
        day(key.last_used_at)
    )
}

async fn revoke(
    admin: &KeyAdmin,
    audit: &Audit,
    id: &str,
    reason: Option<String>,
    json: bool,
) -> Result<ExitCode, KeyAdminError> {
    let mut record = audit.describe(&Actor::command(), "key.revoke", id);
    record.reason = reason;
    admin.revoke(id, None, &record).await?;
    if json {
        put_json(&json!({ "id": id, "revoked": true }));
    }
    say(&format!("key {id} is revoked; every replica refuses it within 2.5 s"));
    Ok(ExitCode::SUCCESS)
}

async fn rotate(
    admin: &KeyAdmin,
    audit: &Audit,
    id: &str,
    order: RotationOrder,
    reason: Option<String>,
    json: bool,
) -> Result<ExitCode, KeyAdminError> {
    let mut record = audit.describe(&Actor::command(), "key.rotate", id);
    record.reason = reason;
    let made = admin.rotate(id, None, order, &record).await?;
    show(&made, json);
    match order.grace.as_secs() {
        0 => say(&format!("the old key {id} is revoked; every replica refuses it within 2.5 s")),
        seconds => say(&format!("the old key {id} stays valid for {seconds} s")),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the key itself to stdout: for a program to take, and nowhere else.
fn show(Made { key, text }: &Made, json: bool) {
    let text = text.expose_secret();
    if json {
        let mut value = json!(KeyView::from(key.clone()));
        if let Some(fields) = value.as_object_mut() {
            fields.insert("key".to_owned(), text.into());
        }
        put_json(&value);
    } else {
        put(&format!("{text}\n"));
    }
    let role = key.role.as_str();
    say(&format!("key {} ({}, {role}) is made; it is shown this once, so keep it now", key.id, key.name));
}
