//! The first page: the state of the service.

mod figures;
mod tables;

use askama::Template;
use axum::{http::StatusCode, response::Response};

use self::{
    figures::figures,
    tables::{Dependency, ReplicaLine, dependencies, replicas},
};
use super::{
    page::{Page, Section, Visit, html},
    parts::{Figure, Markup, clock_time},
};
use crate::flags::FlagListing;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Whole {
    page: Page,
    live: Live,
}

/// The part that is refreshed.
#[derive(Template)]
#[template(path = "console/overview_live.html")]
struct Live {
    figures: Vec<Markup>,
    replicas: Vec<ReplicaLine>,
    /// Why the list of replicas may not be whole.
    replicas_note: Option<&'static str>,
    dependencies: Vec<Dependency>,
    at: String,
}

/// `GET /console`
pub(super) async fn show(visit: Visit) -> Response {
    let live = look(&visit).await;
    html(StatusCode::OK, &Whole { page: visit.page(Section::Overview, "Overview"), live })
}

/// `GET /console/live`: the part of the page that is refreshed.
pub(super) async fn live(visit: Visit) -> Response {
    html(StatusCode::OK, &look(&visit).await)
}

async fn look(visit: &Visit) -> Live {
    let (overview, activity, deployments) = tokio::join!(
        visit.state.health.overview(),
        visit.state.finder.activity(),
        visit.state.deployments.dashboard()
    );
    let flags = FlagListing::of(&visit.state.flags.source);
    let replicas_note = overview.replicas.is_none().then_some(
        "The database is not asked, so only the replicas that this one knows by their flags are shown.",
    );
    Live {
        figures: figures(visit, &overview, activity.as_ref(), deployments.current.as_ref())
            .iter()
            .map(Figure::html)
            .collect(),
        replicas: replicas(&overview, &flags),
        replicas_note,
        dependencies: dependencies(&overview, &flags),
        at: clock_time(visit.now()),
    }
}
