//! Keys: the list, a new one, rotation and revocation. A key's text is shown once.

use std::time::Duration;

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use pipeline::clock::Timestamp;
use secrecy::ExposeSecret as _;
use storage::control_plane::{ApiKey, Permission, Principal, Quotas, Role};

use super::{
    form::Form,
    operations::optional_reason,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Markup, Tone, badge},
};
use crate::{
    access::{KeyAdmin, KeyAdminError, KeyOrder, KeyView, Made, RotationOrder},
    http::{
        codes,
        error::{FieldProblem, Problem},
    },
    runs::bulk::parse_time,
};

#[derive(Template)]
#[template(path = "console/keys.html")]
struct Keys {
    page: Page,
    rows: Vec<Row>,
    /// Why the list is missing.
    problem: Option<String>,
    is_shortened: bool,
}

/// The most keys of the page. `innovation keys list` shows all.
const ROWS_MAX: usize = 200;

/// One key.
struct Row {
    key: KeyView,
    state: Markup,
    is_valid: bool,
    is_own: bool,
    created: Markup,
    used: Markup,
    limits: String,
}

#[derive(Template)]
#[template(path = "console/key_made.html")]
struct MadePage {
    page: Page,
    name: String,
    text: String,
}

fn row(key: ApiKey, visit: &Visit) -> Row {
    let now = visit.now();
    let is_over = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    let state = match (is_over(key.revoked_at), is_over(key.expires_at), key.revoked_at.or(key.expires_at)) {
        (true, ..) => badge(Tone::Quiet, "revoked"),
        (false, true, _) => badge(Tone::Quiet, "expired"),
        (false, false, Some(end)) => badge(Tone::Warn, &format!("until {}", end.format("%Y-%m-%d %H:%M"))),
        (false, false, None) => badge(Tone::Good, "valid"),
    };
    let never = || Markup::of("never".to_owned());
    let mut limits = Vec::new();
    let Quotas { runs_per_minute, runs_under_way, usd_per_day } = key.quotas;
    limits.extend(runs_per_minute.map(|runs| format!("{runs} runs a minute")));
    limits.extend(runs_under_way.map(|runs| format!("{runs} under way")));
    limits.extend(usd_per_day.map(|usd| format!("{} a day", parts::dollars(usd))));
    Row {
        state,
        is_valid: !is_over(key.revoked_at) && !is_over(key.expires_at),
        is_own: visit.caller.key_id.as_deref() == Some(&key.id),
        created: parts::time(key.created_at, now),
        used: key.last_used_at.map_or_else(never, |at| parts::time(at, now)),
        limits: limits.join(", "),
        key: key.into(),
    }
}

/// `GET /console/keys`
pub(super) async fn show(visit: Visit) -> Response {
    let listed = match &visit.state.key_admin {
        Some(admin) => admin.list().await.map_err(|error| error.to_string()),
        None => Err("DATABASE_URL is not set; only keys of the environment are accepted".to_owned()),
    };
    let (keys, problem) = match listed {
        Ok(keys) => (keys, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let page = Keys {
        page: visit.page(Section::Keys, "Keys"),
        is_shortened: keys.len() > ROWS_MAX,
        rows: keys.into_iter().take(ROWS_MAX).map(|key| row(key, &visit)).collect(),
        problem,
    };
    html(StatusCode::OK, &page)
}

fn admin(visit: &Visit) -> Result<&KeyAdmin, Problem> {
    let none = "keys are kept in the database, and DATABASE_URL is not set; only keys of the environment are accepted";
    visit.state.key_admin.as_deref().ok_or_else(|| Problem::storage_unavailable(none))
}

fn wrong(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem::fields(vec![FieldProblem { field, detail: detail.into() }])
}

/// A number of a form. None if the field is empty.
fn number<T: std::str::FromStr>(form: &Form, field: &'static str) -> Result<Option<T>, Problem> {
    let parsed = form.text(field).map(str::parse::<T>).transpose();
    parsed.map_err(|_| wrong(field, "must be a number, or empty"))
}

fn expires_at(form: &Form) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = form.text("expires_at") else { return Ok(None) };
    parse_time(text).map(Some).ok_or_else(|| wrong("expires_at", "must be a time in UTC"))
}

fn order(form: &Form) -> Result<KeyOrder, Problem> {
    let role: Role = form
        .text("role")
        .and_then(|role| role.parse().ok())
        .ok_or_else(|| wrong("role", "must be client, viewer, operator or admin"))?;
    let principal = form.text("principal").map(Principal::parse).transpose();
    let scopes = form.text("scopes").unwrap_or_default().split([' ', ',']).filter(|scope| !scope.is_empty());
    let scopes: Result<Vec<Permission>, _> = scopes.map(str::parse).collect();
    Ok(KeyOrder {
        name: form.text("name").unwrap_or_default().to_owned(),
        role,
        principal: principal.map_err(|error| wrong("principal", error.to_string()))?,
        scopes: scopes.map_err(|error| wrong("scopes", error.to_string()))?,
        quotas: Quotas {
            runs_per_minute: number(form, "runs_per_minute")?,
            runs_under_way: number(form, "runs_under_way")?,
            usd_per_day: number(form, "usd_per_day")?,
        },
        expires_at: expires_at(form)?,
    })
}

fn shown(visit: &Visit, Made { key, text }: Made) -> Response {
    let page = MadePage {
        page: visit.page(Section::Keys, format!("Key {}", key.name)),
        name: key.name,
        text: text.expose_secret().to_owned(),
    };
    html(StatusCode::CREATED, &page)
}

/// `POST /console/keys`
pub(super) async fn create(visit: Visit, form: Form) -> Result<Response, Problem> {
    let (order, why) = (order(&form)?, optional_reason(&form)?);
    let describe = |id: &str| {
        let mut record = visit.state.audit.describe(&visit.actor, "key.create", id);
        record.reason.clone_from(&why);
        record
    };
    let made = admin(&visit)?.create(order, describe).await?;
    Ok(shown(&visit, made))
}

/// Keys have ids of one form.
fn id_of(id: &str) -> Result<&str, Problem> {
    let unknown =
        || Problem::new(codes::KEY_NOT_FOUND, "there is no key with this id; the page of keys lists all");
    uuid::Uuid::try_parse(id).map(|_| id).map_err(|_| unknown())
}

/// `POST /console/keys/{key_id}/rotate`
pub(super) async fn rotate(visit: Visit, Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let hours: u64 = number(&form, "grace_hours")?.unwrap_or(0);
    let grace = Duration::from_secs(hours.saturating_mul(3_600));
    let order = RotationOrder { grace, expires_at: expires_at(&form)? };
    let mut record = visit.state.audit.describe(&visit.actor, "key.rotate", id);
    record.reason = optional_reason(&form)?;
    let made = admin(&visit)?.rotate(id, visit.caller.key_id.as_deref(), order, &record).await?;
    Ok(shown(&visit, made))
}

/// `POST /console/keys/{key_id}/revoke`
pub(super) async fn revoke(visit: Visit, Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let id = id_of(&id)?;
    let mut record = visit.state.audit.describe(&visit.actor, "key.revoke", id);
    record.reason = optional_reason(&form)?;
    match admin(&visit)?.revoke(id, visit.caller.key_id.as_deref(), &record).await {
        Ok(()) | Err(KeyAdminError::Ended(_)) => Ok(go_to("/console/keys", "key-revoked")),
        Err(error) => Err(error.into()),
    }
}
