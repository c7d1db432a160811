//! Deployments: recorded, judged, taken back.
//!
//! * `recorder` records this process's deployment and reports its figures (`report`, `totals`). `log` reads and writes deployments,
//!   in the database or in notes of the file storage.
//! * `arbiter` watches a deployment by the `rules`, with a memory (`progress`) that outlives it; `watched` is what it sees, `verdict` what it stores; `golden_path` makes traffic where there is
//!   none; `action` acts after a failing verdict.
//! * `rollback` takes a deployment back by `railway`; `candidates` says which may come back. `dashboard` and `migration_health` have the figures for people; `service` the
//!   use cases.

mod action;
mod arbiter;
mod candidates;
mod dashboard;
mod golden_path;
mod grades;
mod log;
mod look;
mod migration_health;
mod progress;
mod railway;
mod recorder;
mod report;
mod rollback;
mod rules;
mod service;
mod totals;
mod verdict;
mod watched;

#[cfg(test)]
mod decision_tests;
#[cfg(test)]
mod rules_tests;

pub use self::{
    action::Actions,
    arbiter::{Arbiter, ArbiterDeps},
    dashboard::{Dashboard, DayCount, DeploymentMetrics, DeploymentView},
    golden_path::GoldenPath,
    log::{DeploymentLog, Listed},
    migration_health::{Canary, MigrationHealth, RunGroup},
    railway::{PlatformDeployment, RailwayClient, RailwayError},
    recorder::{Recorder, deployment_of, id_of, scope_of},
    rollback::{DeploymentRollback, DeploymentRollbackPlan, DeploymentRollbackReport, RollbackError},
    service::{DeploymentAdmin, DeploymentOrder},
    totals::SpanFigures,
};
