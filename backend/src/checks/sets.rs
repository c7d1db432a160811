//! Which command asks what.

use super::{
    brands, configuration, database, documents, evidence, files, model, release, replicas, runs, schema,
    security, webhooks,
};
use super::{check::Check, deps::CheckDeps};

/// `innovation doctor`: what is wrong here?
#[must_use]
pub fn doctor(deps: &CheckDeps) -> Vec<Check> {
    vec![
        configuration::here(deps),
        database::reachable(deps),
        database::writable(deps),
        database::pooler(deps),
        schema::migrations(deps),
        schema::drift(deps),
        database::indexes(deps),
        database::clock(deps),
        files::writable(deps),
        files::durable(deps),
        files::bucket_guard(deps),
        files::space(deps),
        replicas::alive(deps),
        replicas::alone(deps),
        runs::unsynced(deps),
        runs::forecast(deps),
        runs::conflicts(deps),
        runs::stalled(deps),
        runs::queue(deps),
        webhooks::receiver(deps),
        webhooks::backlog(deps),
        model::endpoint(deps),
        brands::valid(deps),
        documents::reader(deps),
        documents::ocr(deps),
    ]
}

/// `innovation gate`: may this go to production?
#[must_use]
pub fn gate(deps: &CheckDeps) -> Vec<Check> {
    let mut checks = vec![
        configuration::in_production(deps),
        release::clean_tree(deps),
        release::tag(deps),
        database::reachable(deps),
        database::writable(deps),
        schema::migrations(deps),
        schema::drift(deps),
        files::durable(deps),
        evidence::backup(deps),
        evidence::staging(deps),
        evidence::rehearsal(deps),
        replicas::alive(deps),
        replicas::alone(deps),
        runs::unsynced(deps),
        runs::forecast(deps),
        runs::conflicts(deps),
    ];
    checks.extend(closed_to_strangers(deps));
    checks
}

/// `innovation preflight`: may this be deployed here, now?
#[must_use]
pub fn preflight(deps: &CheckDeps) -> Vec<Check> {
    vec![
        configuration::here(deps),
        database::reachable(deps),
        database::writable(deps),
        database::pooler(deps),
        schema::migrations(deps),
        schema::drift(deps),
        database::indexes(deps),
        files::writable(deps),
        files::durable(deps),
        replicas::alive(deps),
        runs::unsynced(deps),
        runs::forecast(deps),
    ]
}

/// `innovation audit security`: what could a stranger use?
#[must_use]
pub fn security(deps: &CheckDeps) -> Vec<Check> {
    let mut checks = closed_to_strangers(deps);
    checks.push(release::dependencies(deps));
    checks
}

/// The openings of an installation. The gate asks for them too; the dependencies belong to each commit's own tests.
fn closed_to_strangers(deps: &CheckDeps) -> Vec<Check> {
    vec![
        security::open_access(deps),
        security::secrets(deps),
        security::grants(deps),
        security::role(deps),
        security::keys(deps),
        security::tls(deps),
        security::model_tls(deps),
        security::public_routes(deps),
    ]
}
