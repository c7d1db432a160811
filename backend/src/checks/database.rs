//! The database: reachable, writable, migrated, with whole indexes and the right time.

use std::sync::Arc;

use foundation::clock::timer_now;
use secrecy::SecretString;
use serde_json::json;
use storage::{
    StorageError, StorageErrorKind,
    control_plane::{DatabaseInspection as _, IndexFact},
    postgres::{PostgresStore, address::Address, shares_server_processes},
    prelude::*,
};

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};

/// A query that only asks the server for its name takes a few milliseconds in one data centre. The contract's limit.
const QUERY_MS_MAX: u128 = 100;

/// Above this share of the server's connections, the next replica may get none.
const CONNECTIONS_SHARE_MAX: f64 = 0.8;

const SET_URL: &str = "DATABASE_URL=postgresql://user:password@host:5432/database";

/// `psql` as the role that migrates.
pub(super) fn psql(deps: &CheckDeps) -> &'static str {
    match deps.config.database.direct_url {
        Some(_) => "psql \"$DATABASE_URL_NON_POOLING\"",
        None => "psql \"$DATABASE_URL\"",
    }
}

/// The place of a database, for lines that name one there. It holds no secret.
pub(super) struct Place {
    /// Host and port.
    pub(super) server: String,
    pub(super) database: String,
}

impl Place {
    /// A socket has no host, so nobody can name it in an address: the line has placeholders then.
    pub(super) fn of(url: Option<&SecretString>) -> Self {
        let address = url.and_then(|url| Address::parse(url).ok());
        match address.map(|address| address.options).filter(|options| options.get_socket().is_none()) {
            Some(options) => Self {
                server: format!("{}:{}", options.get_host(), options.get_port()),
                database: options.get_database().unwrap_or("postgres").to_owned(),
            },
            None => Self { server: "host:5432".to_owned(), database: "database".to_owned() },
        }
    }
}

/// The finding where there is no database.
pub(super) fn without_database(deps: &CheckDeps) -> Finding {
    if deps.wants_database() {
        Finding::fail("DATABASE_URL is not set, and ENABLE_DATABASE_WRITES is true").next(SET_URL)
    } else {
        Finding::ok("does not apply: no database is configured, and the mode uses none")
    }
}

/// The finding when the database does not answer a check.
pub(super) fn unanswered(error: &StorageError) -> Finding {
    Finding::could_not_check(format!("the database does not answer this question: {error}"))
        .next("innovation doctor")
}

/// A check that asks the database.
pub(super) fn asking<F>(
    deps: &CheckDeps,
    id: &'static str,
    title: &'static str,
    severity: Severity,
    ask: impl Fn(CheckDeps, Arc<PostgresStore>) -> F + Send + Sync + 'static,
) -> Check
where
    F: Future<Output = Finding> + Send + 'static,
{
    let (deps, ask) = (deps.clone(), Arc::new(ask));
    Check::new(id, title, severity, move || {
        let (deps, ask) = (deps.clone(), ask.clone());
        async move {
            match deps.database.clone() {
                Some(database) => ask(deps, database).await,
                None => without_database(&deps),
            }
        }
    })
}

pub(super) fn reachable(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "database",
        "The database answers, quickly",
        Severity::Critical,
        |deps, database| async move {
            let begun = timer_now();
            match database.server().await {
                Ok(server) => {
                    // The first question opened the connection.
                    let (opened, begun) = (begun.elapsed(), timer_now());
                    let again = database.server().await.map(|_| begun.elapsed().as_millis());
                    let took = again.unwrap_or(opened.as_millis());
                    let share = share(server.connections, server.connections_max);
                    let told = format!(
                        "PostgreSQL {} answers in {took} ms as role {}; {} of {} connections are in use",
                        server.version, server.role, server.connections, server.connections_max
                    );
                    let data =
                        json!({ "server": server, "query_ms": u64::try_from(took).unwrap_or(u64::MAX) });
                    match () {
                    () if took > QUERY_MS_MAX => Finding::warn(format!("{told}; the limit is {QUERY_MS_MAX} ms"))
                        .next("psql \"$DATABASE_URL\" -c 'SELECT pid, state, wait_event, query_start FROM pg_stat_activity'"),
                    () if share > CONNECTIONS_SHARE_MAX => {
                        Finding::warn(format!("{told}; more than four fifths")).next("DATABASE_POOL_SIZE=5")
                    }
                    () => Finding::ok(told),
                }
                .with(data)
                }
                Err(error) if is_read_only(&error) => read_only(&deps, &error),
                Err(error) => Finding::fail(format!("the database does not answer: {error}")).next(SET_URL),
            }
        },
    )
}

#[expect(clippy::cast_precision_loss, reason = "a share of some hundred connections")]
fn share(used: i64, max: i64) -> f64 {
    used as f64 / (max.max(1) as f64)
}

pub(super) fn writable(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "database-writable",
        "The database takes writes",
        Severity::Critical,
        |deps, database| async move {
            match database.probe().await {
                Ok(()) => Finding::ok("rows of the check's own were inserted, changed and removed again"),
                Err(error) if is_read_only(&error) => read_only(&deps, &error),
                Err(error) if error.kind == StorageErrorKind::Schema => {
                    Finding::fail(error.to_string()).next("innovation migrate status")
                }
                Err(error) => unanswered(&error),
            }
        },
    )
}

/// SQLSTATE `read_only_sql_transaction`.
fn is_read_only(error: &StorageError) -> bool {
    error.sqlstate() == Some("25006")
}

/// A standby is another server's copy. Else somebody has switched the database to read-only.
fn read_only(deps: &CheckDeps, error: &StorageError) -> Finding {
    let url = deps.config.database.session_url().and_then(|url| Address::parse(url).ok());
    let name = url.as_ref().and_then(|address| address.options.get_database()).unwrap_or("postgres");
    Finding::fail(error.to_string())
        .next(format!(
            "{} -c 'SET default_transaction_read_only = off' -c 'ALTER DATABASE \"{name}\" SET default_transaction_read_only = off'",
            psql(deps)
        ))
        .next(SET_URL)
}

pub(super) fn pooler(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "database-pooler",
        "Migrations reach the server itself",
        Severity::Major,
        |deps, _| async move {
            let (url, direct) = (&deps.config.database.url, &deps.config.database.direct_url);
            let Some(address) = direct.as_ref().or(url.as_ref()) else { return without_database(&deps) };
            let name = if direct.is_some() { "DATABASE_URL_NON_POOLING" } else { "DATABASE_URL" };
            let Ok(address) = Address::parse(address) else {
                return Finding::fail(format!("{name} is malformed")).next(SET_URL);
            };
            let fix = "DATABASE_URL_NON_POOLING=postgresql://user:password@server:5432/database";
            let pooled = || {
                Finding::fail(format!(
                    "{name} leads through a pooler, which cannot hold the lock of migrations"
                ))
                .next(fix)
            };
            if address.is_pooled {
                return pooled();
            }
            match shares_server_processes(&address.options).await {
                Ok(true) => pooled(),
                Ok(false) => Finding::ok(format!("{name} leads to the server itself")),
                Err(error) => unanswered(&error),
            }
        },
    )
}

pub(super) fn indexes(deps: &CheckDeps) -> Check {
    asking(deps, "indexes", "All indexes are whole", Severity::Major, |deps, database| async move {
        let facts = match database.indexes().await {
            Ok(facts) => facts,
            Err(error) => return unanswered(&error),
        };
        let names =
            |facts: &[IndexFact]| facts.iter().map(|fact| fact.name.clone()).collect::<Vec<_>>().join(", ");
        let repair =
            |fact: &IndexFact| format!("{} -c 'REINDEX INDEX CONCURRENTLY \"{}\"'", psql(&deps), fact.name);
        let repairs: Vec<String> = facts.invalid.iter().map(repair).collect();
        let told = if facts.unused.is_empty() {
            format!("all {} indexes are whole", facts.total)
        } else {
            format!(
                "all {} indexes are whole; never read on a large table: {}",
                facts.total,
                names(&facts.unused)
            )
        };
        match repairs.is_empty() {
            true => Finding::ok(told),
            false => Finding::fail(format!("invalid, so no query uses them: {}", names(&facts.invalid))),
        }
        .with(&facts)
        .next_all(repairs)
    })
}

pub(super) fn clock(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "clock",
        "The clocks of service and database agree",
        Severity::Major,
        |_, database| async move {
            if let Err(error) = database.probe().await
                && database.clock_skew().is_none()
            {
                return unanswered(&error);
            }
            let Some(skew) = database.clock_skew() else {
                return Finding::could_not_check("the database's clock was not read");
            };
            let told = format!(
                "the database's clock is {} ms ahead of this one, within {} ms",
                skew.ahead_ms, skew.uncertainty_ms
            );
            let data = json!({ "ahead_ms": skew.ahead_ms, "uncertainty_ms": skew.uncertainty_ms });
            match skew.is_too_large() {
                true => Finding::warn(told).next("timedatectl set-ntp true"),
                false => Finding::ok(told),
            }
            .with(data)
        },
    )
}
