//! Operations on many runs: the filter, the preview, the start, and the progress.

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use pipeline::clock::Timestamp;
use storage::control_plane::{BulkAction, BulkOperation, BulkOutcome, BulkStatus, Permission};

use super::{
    form::Form,
    page::{Page, Section, Visit, go_to, html},
    parts::{self, Markup, Tone, badge, count},
};
use crate::{
    http::{
        codes,
        error::{FieldProblem, Problem},
        reason,
    },
    runs::bulk::{FILTER_FIELDS, FilterProblem, OperationOrder, Preview, parse_filter, parse_time},
};

/// The fields of the filter, as a person fills them in.
struct FilterForm {
    fields: Form,
    action: BulkAction,
    problems: Vec<FilterProblem>,
    brands: Vec<String>,
}

impl FilterForm {
    async fn of(visit: &Visit, problems: Vec<FilterProblem>) -> Self {
        let action = visit.query.text("action").and_then(|text| text.parse().ok());
        let folder = visit.state.brands.clone();
        // Without the folder, the field has no suggestions.
        let ids = tokio::task::spawn_blocking(move || folder.ids().unwrap_or_default()).await;
        Self {
            fields: visit.query.clone(),
            action: action.unwrap_or(BulkAction::Retry),
            problems,
            brands: ids.unwrap_or_default().iter().map(ToString::to_string).collect(),
        }
    }

    fn value(&self, name: &str) -> &str {
        field(&self.fields, name).unwrap_or_default()
    }

    /// A time in the form of a browser's field.
    fn time(&self, name: &str) -> String {
        let time = field(&self.fields, name).and_then(parse_time);
        time.map(|time| time.format("%Y-%m-%dT%H:%M").to_string()).unwrap_or_default()
    }

    fn has_status(&self, status: &str) -> bool {
        self.value("status") == status
    }

    fn is(&self, action: &str) -> bool {
        self.action.as_str() == action
    }
}

/// A field of the filter, also by the name that the page of runs gives it.
fn field<'f>(form: &'f Form, name: &str) -> Option<&'f str> {
    let of_runs = match name {
        "company_id" => "brand",
        "error_code" => "code",
        "created_from" => "from",
        "created_before" => "to",
        _ => name,
    };
    form.text(name).or_else(|| form.text(of_runs))
}

#[derive(Template)]
#[template(path = "console/operations.html")]
struct Operations {
    page: Page,
    form: FilterForm,
    rows: Vec<Row>,
    /// Why the list is missing.
    problem: Option<String>,
}

/// One line of the list.
struct Row {
    id: String,
    started: Markup,
    action: BulkAction,
    filter: String,
    state: Markup,
    progress: String,
    actor: String,
}

#[derive(Template)]
#[template(path = "console/operation_preview.html")]
struct PreviewPage {
    page: Page,
    preview: Preview,
    filter: Vec<(String, String)>,
    count: String,
    cost: Option<String>,
    as_of: String,
}

#[derive(Template)]
#[template(path = "console/operation.html")]
struct OperationPage {
    page: Page,
    live: Progress,
}

/// The part of an operation's page that is refreshed.
#[derive(Template)]
#[template(path = "console/operation_live.html")]
struct Progress {
    operation: BulkOperation,
    filter: Vec<(String, String)>,
    state: Markup,
    started: Markup,
    finished: Option<Markup>,
    done: usize,
    refused: usize,
    failed: usize,
    left: usize,
    codes: Vec<(String, usize)>,
    may_cancel: bool,
}

impl Progress {
    fn of(operation: BulkOperation, visit: &Visit) -> Self {
        let now = visit.now();
        Self {
            filter: words(&operation.filter),
            state: state(operation.status),
            started: parts::time(operation.created_at, now),
            finished: operation.finished_at.map(|at| parts::time(at, now)),
            done: operation.count(BulkOutcome::Done),
            refused: operation.count(BulkOutcome::Refused),
            failed: operation.count(BulkOutcome::Failed),
            left: operation.left(),
            codes: operation.by_code().into_iter().collect(),
            may_cancel: visit.caller.may(Permission::Operate) && operation.status == BulkStatus::Running,
            operation,
        }
    }

    fn ended(&self) -> usize {
        self.operation.total.saturating_sub(self.left)
    }
}

fn state(status: BulkStatus) -> Markup {
    match status {
        BulkStatus::Running => badge(Tone::Busy, "running"),
        BulkStatus::Completed => badge(Tone::Good, "complete"),
        BulkStatus::Cancelled => badge(Tone::Quiet, "cancelled"),
    }
}

/// The fields of a filter that are given.
fn words(filter: &storage::control_plane::BulkFilter) -> Vec<(String, String)> {
    let fields = serde_json::to_value(filter).unwrap_or_default();
    let fields = fields.as_object().into_iter().flatten();
    fields.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn sentence(filter: &storage::control_plane::BulkFilter) -> String {
    words(filter).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// `GET /console/operations`
pub(super) async fn show(visit: Visit) -> Response {
    list(&visit, StatusCode::OK, Vec::new()).await
}

async fn list(visit: &Visit, status: StatusCode, problems: Vec<FilterProblem>) -> Response {
    let (operations, problem) = match visit.state.operations.operations().await {
        Ok(operations) => (operations, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let row = |operation: BulkOperation| Row {
        started: parts::time(operation.created_at, visit.now()),
        action: operation.action,
        filter: sentence(&operation.filter),
        state: state(operation.status),
        progress: format!(
            "{} of {}",
            count(operation.total.saturating_sub(operation.left())),
            count(operation.total)
        ),
        actor: operation.actor.name,
        id: operation.id,
    };
    let page = Operations {
        page: visit.page(Section::Operations, "Operations on many runs"),
        form: FilterForm::of(visit, problems).await,
        rows: operations.into_iter().map(row).collect(),
        problem,
    };
    html(status, &page)
}

/// `GET /console/operations/preview`
pub(super) async fn preview(visit: Visit) -> Result<Response, Problem> {
    let action = visit.query.text("action").and_then(|text| text.parse::<BulkAction>().ok());
    let filter = parse_filter(action, filter_fields(&visit.query));
    let (action, filter) = match (action, filter) {
        (Some(action), Ok(filter)) => (action, filter),
        (_, filter) => {
            let problems = filter
                .err()
                .unwrap_or_else(|| vec![FilterProblem { field: "action", detail: "choose one".to_owned() }]);
            return Ok(list(&visit, StatusCode::UNPROCESSABLE_ENTITY, problems).await);
        }
    };
    let preview = visit.state.operations.preview(action, filter).await?;
    let found = &preview.found;
    let page = PreviewPage {
        page: visit.page(Section::Operations, format!("Preview: {action} many runs")),
        filter: words(&preview.filter),
        count: if found.is_exact { count(found.matching) } else { "10,000+".to_owned() },
        cost: found.cost_usd.map(parts::dollars),
        as_of: preview.as_of.to_rfc3339(),
        preview,
    };
    Ok(html(StatusCode::OK, &page))
}

fn filter_fields(form: &Form) -> impl Iterator<Item = (&str, &str)> {
    form.pairs().filter(|(name, _)| FILTER_FIELDS.contains(name))
}

/// `POST /console/operations`
pub(super) async fn start(visit: Visit, form: Form) -> Result<Response, Problem> {
    // It changes runs, and a key may be narrowed to operations alone.
    if !visit.caller.may(Permission::ControlRuns) {
        let detail = "bulk operations change runs, and this key's scopes do not include control_runs";
        return Err(Problem::new(codes::INSUFFICIENT_ROLE, detail));
    }
    let wrong = |field: &'static str, detail: &str| {
        Problem::fields(vec![FieldProblem { field, detail: detail.to_owned() }])
    };
    let action: BulkAction = form
        .text("action")
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| wrong("action", "must be retry, cancel or delete"))?;
    let filter = parse_filter(Some(action), filter_fields(&form)).map_err(|problems| {
        let fields = problems.into_iter();
        Problem::fields(fields.map(|one| FieldProblem { field: one.field, detail: one.detail }).collect())
    })?;
    let stale = || wrong("preview", "is missing or damaged; make a new preview");
    let order = OperationOrder {
        action,
        filter,
        as_of: form.text("as_of").and_then(parse_time).ok_or_else(stale)?,
        expected: form.text("expected").and_then(|text| text.parse().ok()).ok_or_else(stale)?,
        reason: reason(&form)?,
        operation_id: form.text("operation_id").and_then(|id| uuid::Uuid::try_parse(id).ok()),
    };
    if action == BulkAction::Delete && !form.says("sure", "yes") {
        return Err(wrong("sure", "tick the box: deleted runs do not come back"));
    }
    let operation = visit.state.operations.start(order, &visit.actor).await?;
    Ok(go_to(&format!("/console/operations/{}", operation.id), "operation-started"))
}

/// The reason that a form has to give.
pub(super) fn reason(form: &Form) -> Result<String, Problem> {
    optional_reason(form)?.ok_or_else(reason::missing)
}

/// The reason that a form may give.
pub(super) fn optional_reason(form: &Form) -> Result<Option<String>, Problem> {
    form.text("reason").map_or(Ok(None), reason::checked)
}

/// `GET /console/operations/{operation_id}`
pub(super) async fn one(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let operation = visit.state.operations.operation(&id).await?;
    let title = format!("{} of many runs", capitalised(operation.action));
    let live = Progress::of(operation, &visit);
    Ok(html(StatusCode::OK, &OperationPage { page: visit.page(Section::Operations, title), live }))
}

/// `GET /console/operations/{operation_id}/live`
pub(super) async fn live(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    let operation = visit.state.operations.operation(&id).await?;
    Ok(html(StatusCode::OK, &Progress::of(operation, &visit)))
}

const fn capitalised(action: BulkAction) -> &'static str {
    match action {
        BulkAction::Retry => "Retry",
        BulkAction::Cancel => "Cancellation",
        BulkAction::Delete => "Deletion",
    }
}

/// `POST /console/operations/{operation_id}/cancel`
pub(super) async fn cancel(visit: Visit, Path(id): Path<String>, form: Form) -> Result<Response, Problem> {
    let why = optional_reason(&form)?;
    visit.state.operations.cancel(&id, why, &visit.actor).await?;
    Ok(go_to(&format!("/console/operations/{id}"), "operation-cancelled"))
}

/// The time of a preview, for its page.
fn shown(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl PreviewPage {
    fn shown_as_of(&self) -> String {
        shown(self.preview.as_of)
    }

    fn verb(&self) -> &'static str {
        match self.preview.action {
            BulkAction::Retry => "Retry",
            BulkAction::Cancel => "Cancel",
            BulkAction::Delete => "Delete",
        }
    }

    fn is_deletion(&self) -> bool {
        self.preview.action == BulkAction::Delete
    }
}
