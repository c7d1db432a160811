//! The frame of every page: who looks, where they are, and what is wrong with the service.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use pipeline::{clock::Timestamp, visible_text::visible};
use storage::{
    breaker::BreakerState,
    control_plane::{Permission, Role},
};

use super::{
    assets::{ADDRESSES, Addresses},
    form::Form,
};
use crate::{
    access::{Caller, Scope},
    audit::Actor,
    health::environment_name,
    http::{HttpState, error::Problem},
    runs::By,
};

/// Pages load the console's own style and scripts, and run nothing else. `data:` is for the pictures of evidence.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The results of forms, as the address of the next page names them. An address chooses among these sentences, so that a
/// link cannot put words into the console's mouth.
const NOTES: &[(&str, &str)] = &[
    ("run-retried", "The run is retried. It goes on after its last stored stage."),
    ("run-cancelled", "The run is cancelled."),
    ("run-deleted", "The run is deleted: its rows, its files and its document."),
    ("operation-started", "The operation has started. A replica works on it."),
    ("operation-cancelled", "The operation is stopped. Runs that are changed already stay so."),
    ("flag-set", "The flag is changed. Each replica applies it within two seconds."),
    ("flag-reverted", "The change is taken back. Each replica applies it within two seconds."),
    ("pass-asked", "A pass over all marked runs begins."),
    ("conflict-settled", "The conflict is settled, and both sides are proved equal."),
    ("conflict-open", "Both sides are not proved equal yet. The page shows what still differs."),
    ("webhooks-sent", "All pending webhooks are due now."),
    ("webhooks-replayed", "All webhooks of the run are queued again."),
    ("key-revoked", "The key is revoked. Every replica refuses it within 2.5 seconds."),
    ("alert-silenced", "The rule is silenced. Channels are not told until the silence ends."),
    ("silence-ended", "The silence has ended."),
    ("channel-tested", "The channel has taken the test message."),
    (
        "rollback-started",
        "The rollback has started. The platform may stop this replica before the deployment is back.",
    ),
];

/// The pages of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Runs,
    Operations,
    Flags,
    Alerts,
    Deployments,
    Reconciliation,
    Conflicts,
    Webhooks,
    Keys,
    Audit,
}

impl Section {
    const ALL: [Self; 11] = [
        Self::Overview,
        Self::Runs,
        Self::Operations,
        Self::Flags,
        Self::Alerts,
        Self::Deployments,
        Self::Reconciliation,
        Self::Conflicts,
        Self::Webhooks,
        Self::Keys,
        Self::Audit,
    ];

    /// The address and the word of its link.
    const fn link(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("/console", "Overview"),
            Self::Runs => ("/console/runs", "Runs"),
            Self::Operations => ("/console/operations", "Operations"),
            Self::Flags => ("/console/flags", "Flags"),
            Self::Alerts => ("/console/alerts", "Alerts"),
            Self::Deployments => ("/console/deployments", "Deployments"),
            Self::Reconciliation => ("/console/reconciliation", "Reconciliation"),
            Self::Conflicts => ("/console/conflicts", "Conflicts"),
            Self::Webhooks => ("/console/webhooks", "Webhooks"),
            Self::Keys => ("/console/keys", "Keys"),
            Self::Audit => ("/console/audit", "Audit"),
        }
    }
}

/// A link of the navigation.
#[derive(Debug, Clone)]
pub(super) struct NavLink {
    pub(super) address: &'static str,
    pub(super) word: &'static str,
    pub(super) is_here: bool,
}

/// The faults of the service, above every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Banner {
    pub(super) title: &'static str,
    pub(super) detail: String,
}

/// The contents of a page's frame. Templates that extend `console/layout.html` have it as their field `page`.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) assets: &'static Addresses,
    pub(super) nav: Vec<NavLink>,
    pub(super) banners: Vec<Banner>,
    /// The result of the last form.
    pub(super) note: Option<&'static str>,
    pub(super) who: String,
    pub(super) role: &'static str,
    /// Whether nobody needs a key, so that there is no session to end.
    pub(super) is_open: bool,
    /// Whether the person may change flags, alerts and deployments.
    pub(super) may_operate: bool,
    /// Whether the person may change runs: a key may be narrowed to either.
    pub(super) may_control: bool,
    pub(super) may_administer: bool,
    pub(super) environment: &'static str,
    pub(super) version: &'static str,
    pub(super) revision: String,
    /// The text of the search field.
    pub(super) searched: String,
}

/// A person's request: who asks, and the service that they ask.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) state: HttpState,
    pub(super) caller: Caller,
    pub(super) actor: Actor,
    /// The query of the address.
    pub(super) query: Form,
}

impl FromRequestParts<HttpState> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned().ok_or_else(Problem::internal)?;
        let actor = parts.extensions.get::<Actor>().cloned().ok_or_else(Problem::internal)?;
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self { state: state.clone(), caller, actor, query })
    }
}

impl Visit {
    /// The frame of a page with this title.
    pub(super) fn page(&self, section: Section, title: impl Into<String>) -> Page {
        let nav = Section::ALL.into_iter().map(|one| {
            let (address, word) = one.link();
            NavLink { address, word, is_here: one == section }
        });
        let identity = self.state.health.identity();
        let note = self.query.text("note");
        Page {
            title: visible(&title.into()).into_owned(),
            assets: &ADDRESSES,
            nav: nav.collect(),
            banners: self.banners(),
            note: NOTES.iter().find(|(code, _)| Some(*code) == note).map(|(_, sentence)| *sentence),
            who: visible(&self.caller.name).into_owned(),
            role: self.caller.role.as_str(),
            is_open: self.state.keys.is_open(),
            may_operate: self.caller.may(Permission::Operate),
            may_control: self.caller.may(Permission::ControlRuns),
            may_administer: self.caller.may(Permission::Administer),
            environment: environment_name(identity.environment),
            version: identity.version,
            revision: identity.git_sha.chars().take(8).collect(),
            searched: String::new(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.state.health.now()
    }

    /// The runs that the person sees: all of them.
    pub(super) fn scope(&self) -> Scope {
        Scope::from(&self.caller)
    }

    /// For use cases that change a run.
    pub(super) fn by(&self) -> By {
        By { scope: self.scope(), actor: self.actor.clone() }
    }

    fn banners(&self) -> Vec<Banner> {
        let standing = self.state.health.standing();
        let mut banners = Vec::new();
        let is_expected = standing.flags.expects_database();
        if is_expected && matches!(standing.breaker, Some(BreakerState::Open { .. })) {
            let mut detail = "The pages show what this replica's memory and the files have. Missing are runs that only the \
                              database holds, the work of other replicas on their own disks, and everything that is only \
                              counted there."
                .to_owned();
            if self.caller.role == Role::Admin && self.caller.key_id.is_some() {
                detail.push_str(" Until it is back, only keys of ADMIN_API_KEYS manage keys.");
            }
            banners.push(Banner { title: "The database is away.", detail });
        }
        if let Some(alarm) = &standing.file_alarm {
            banners.push(Banner { title: "Files cannot be written.", detail: visible(alarm).into_owned() });
        }
        banners
    }
}

/// A page, with the headers that all pages have.
pub(super) fn html(status: StatusCode, page: &impl Template) -> Response {
    const HEADERS: [(HeaderName, HeaderValue); 4] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Under `no-referrer`, browsers send the forms of this very page with `Origin: null`, as those of a stranger.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    match page.render() {
        Ok(text) => (status, HEADERS, text).into_response(),
        Err(error) => {
            tracing::error!(event = "page_failed", %error, "a page of the console could not be made");
            Problem::internal().into_response()
        }
    }
}

/// Leads to a page after a form, which then shows the note (one of [`NOTES`]).
pub(super) fn go_to(address: &str, note: &str) -> Response {
    let joint = if address.contains('?') { '&' } else { '?' };
    let address = HeaderValue::try_from(format!("{address}{joint}note={note}"));
    let address = address.unwrap_or(HeaderValue::from_static("/console"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// The address of the same page with some fields of its query changed. An empty value removes a field.
pub(super) fn with_query(path: &str, query: &Form, changes: &[(&str, &str)]) -> String {
    let mut fields: BTreeMap<&str, &str> = query.pairs().filter(|(name, _)| *name != "note").collect();
    for (name, value) in changes {
        fields.insert(name, value);
    }
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        text.append_pair(name, value);
    }
    let text = text.finish();
    if text.is_empty() { path.to_owned() } else { format!("{path}?{text}") }
}
