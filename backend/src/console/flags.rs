//! Flags: values, sources, acknowledgements, history, changes and reverts.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde_json::Value;
use storage::control_plane::{FlagChange, ReplicaAck};

use super::{
    form::Form,
    operations::reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Markup, Tone, badge},
};
use crate::{
    flags::{DatabaseWord, FlagListing, FlagView, Kind, Source, definitions},
    http::{
        codes,
        error::{FieldProblem, Problem},
    },
};

/// Changes that a page of history shows.
const HISTORY: usize = 30;

/// A replica, and whether it has applied the newest revision.
pub(super) struct Replica {
    name: String,
    revision: String,
    source: String,
    seen: String,
    state: Markup,
}

/// The replicas of a listing.
pub(super) fn replicas(listing: &FlagListing) -> Vec<Replica> {
    let behind = listing.behind();
    let of = |ack: &ReplicaAck| Replica {
        name: ack.replica.clone(),
        revision: ack.revision.map_or_else(|| parts::UNKNOWN.to_owned(), |revision| revision.to_string()),
        source: ack.source.clone().unwrap_or_else(|| parts::UNKNOWN.to_owned()),
        seen: format!("{} s ago", ack.silent_seconds),
        state: if behind.contains(&ack.replica.as_str()) {
            badge(Tone::Warn, "behind")
        } else {
            badge(Tone::Good, "acknowledged")
        },
    };
    listing.replicas.iter().map(of).collect()
}

#[derive(Template)]
#[template(path = "console/flags.html")]
struct Flags {
    page: Page,
    mode: &'static str,
    effective: &'static str,
    revision: u64,
    database_revision: String,
    database: Markup,
    /// The alarm of the sources, and the order that holds until the database is back.
    alarm: Option<String>,
    order_id: Option<String>,
    rows: Vec<Row>,
    replicas: Vec<Replica>,
    /// The newest changes of all flags.
    changes: Vec<Change>,
    history_problem: Option<String>,
}

#[derive(Template)]
#[template(path = "console/flags_replicas.html")]
struct Replicas {
    replicas: Vec<Replica>,
}

/// One flag of the list.
struct Row {
    key: &'static str,
    value: Markup,
    source: &'static str,
    owner: &'static str,
    description: &'static str,
}

impl Row {
    fn of(flag: &FlagView) -> Self {
        Self {
            key: flag.key,
            value: value(&flag.value),
            source: flag.source.as_str(),
            owner: flag.owner,
            description: flag.description,
        }
    }
}

/// A change of the history.
struct Change {
    revision: u64,
    key: String,
    old: String,
    new: String,
    actor: String,
    reason: String,
    at: Markup,
}

#[derive(Template)]
#[template(path = "console/flag.html")]
struct FlagPage {
    page: Page,
    flag: FlagView,
    value: Markup,
    source: &'static str,
    default: String,
    is_percentage: bool,
    is_storage: bool,
    /// None while the database has not been read.
    expected: Option<u64>,
    replicas: Vec<Replica>,
    changes: Vec<Change>,
    history_problem: Option<String>,
}

/// A flag's value, as a badge.
fn value(value: &Value) -> Markup {
    match value {
        Value::Bool(true) => badge(Tone::Good, "on"),
        Value::Bool(false) => badge(Tone::Quiet, "off"),
        Value::Number(share) => badge(Tone::Busy, &format!("{share} % of the runs")),
        other => badge(Tone::Warn, &other.to_string()),
    }
}

fn plain(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(Value::Bool(true)) => "on".to_owned(),
        Some(Value::Bool(false)) => "off".to_owned(),
        Some(other) => format!("{other} %"),
    }
}

async fn history(visit: &Visit, key: Option<&str>) -> (Vec<Change>, Option<String>) {
    let change = |change: FlagChange| Change {
        old: plain(change.old.as_ref()),
        new: plain(change.new.as_ref()),
        at: parts::time(change.at, visit.now()),
        revision: change.revision,
        key: change.key,
        actor: change.actor,
        reason: change.reason.unwrap_or_default(),
    };
    match visit.state.flags.history(key, None, HISTORY).await {
        Ok(changes) => (changes.into_iter().map(change).collect(), None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

/// `GET /console/flags`
pub(super) async fn show(visit: Visit) -> Response {
    let listing = FlagListing::of(&visit.state.flags.source);
    let standing = visit.state.health.standing();
    let (changes, history_problem) = history(&visit, None).await;
    let page = Flags {
        page: visit.page(Section::Flags, "Flags"),
        mode: standing.mode.as_str(),
        effective: standing.effective_mode.as_str(),
        revision: listing.revision,
        database_revision: listing
            .database_revision
            .map_or_else(|| parts::UNKNOWN.to_owned(), |revision| revision.to_string()),
        database: match listing.database {
            DatabaseWord::Reachable => badge(Tone::Good, "reachable"),
            DatabaseWord::Away => badge(Tone::Bad, "away: the last known values hold"),
            DatabaseWord::None => badge(Tone::Quiet, "not read"),
        },
        replicas: replicas(&listing),
        rows: listing.flags.iter().map(Row::of).collect(),
        alarm: listing.alarm,
        order_id: listing.order_id,
        changes,
        history_problem,
    };
    html(StatusCode::OK, &page)
}

/// `GET /console/flags/replicas`: the live part.
pub(super) async fn replicas_part(visit: Visit) -> Response {
    let listing = FlagListing::of(&visit.state.flags.source);
    html(StatusCode::OK, &Replicas { replicas: replicas(&listing) })
}

fn unknown() -> Problem {
    Problem::new(codes::FLAG_NOT_FOUND, "there is no flag with this key; the page of flags lists all")
}

/// `GET /console/flags/{key}`
pub(super) async fn one(visit: Visit, Path(key): Path<String>) -> Result<Response, Problem> {
    let definition = definitions::find(&key).ok_or_else(unknown)?;
    let flag = FlagView::of(&visit.state.flags.source.read(definition));
    let listing = FlagListing::of(&visit.state.flags.source);
    let (changes, history_problem) = history(&visit, Some(&key)).await;
    let page = FlagPage {
        page: visit.page(Section::Flags, key),
        value: value(&flag.value),
        source: source_words(flag.source),
        default: plain(Some(&flag.default)),
        is_percentage: matches!(flag.kind, Kind::Percentage),
        is_storage: definition.is_storage(),
        expected: listing.database_revision,
        replicas: replicas(&listing),
        flag,
        changes,
        history_problem,
    };
    Ok(html(StatusCode::OK, &page))
}

/// `POST /console/flags/{key}`
pub(super) async fn set(visit: Visit, Path(key): Path<String>, form: Form) -> Result<Response, Problem> {
    let definition = definitions::find(&key).ok_or_else(unknown)?;
    let wrong = |field: &'static str, detail: &str| {
        Problem::fields(vec![FieldProblem { field, detail: detail.to_owned() }])
    };
    let wanted = match (form.text("value"), definition.kind) {
        (Some("true"), Kind::Boolean) => Some(Value::Bool(true)),
        (Some("false"), Kind::Boolean) => Some(Value::Bool(false)),
        (Some("remove"), _) => None,
        (Some("share"), Kind::Percentage) => {
            let share = form.text("share").and_then(|text| text.parse::<u8>().ok());
            Some(Value::from(share.ok_or_else(|| wrong("share", "must be a whole number, 0 to 100"))?))
        }
        _ => return Err(wrong("value", "choose one of the values")),
    };
    let expected = form.text("expected_revision").and_then(|text| text.parse().ok());
    let expected = expected.ok_or_else(|| wrong("expected_revision", "is missing; load the page again"))?;
    let why = reason(&form)?;
    visit.state.flags.set(&key, wanted.as_ref(), &why, Some(expected), &visit.actor).await?;
    // Without an answer, the task of this replica applies the change a moment later.
    let _ = visit.state.flags.refresh().await;
    Ok(go_to(&format!("/console/flags/{key}"), "flag-set"))
}

/// `POST /console/flags/revert`
pub(super) async fn revert(visit: Visit, form: Form) -> Result<Response, Problem> {
    let revision = form.text("revision").and_then(|text| text.parse().ok()).ok_or_else(|| {
        let detail = "must be a revision of the history".to_owned();
        Problem::fields(vec![FieldProblem { field: "revision", detail }])
    })?;
    let change = visit.state.flags.revert(revision, &reason(&form)?, &visit.actor).await?;
    let _ = visit.state.flags.refresh().await;
    Ok(go_to(&format!("/console/flags/{}", change.key), "flag-reverted"))
}

/// A flag's source in words.
fn source_words(source: Source) -> &'static str {
    match source {
        Source::File => "FLAGS_FILE, above the database",
        Source::Order => "an order that was given while the database was away",
        Source::Database => "database",
        Source::Environment => "environment",
        Source::Default => "default",
    }
}
