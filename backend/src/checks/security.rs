//! Openings for a stranger: rights on the control plane, old keys, weak secrets, plain connections, open routes.

use serde_json::json;
use storage::{control_plane::DatabaseInspection as _, postgres::address::Address};

use super::{
    check::{Check, Finding, Severity},
    database::{Place, asking, psql, unanswered},
    deps::CheckDeps,
};
use crate::config::{is_private_host, weak_secrets};

/// An older key is rotated.
const KEY_DAYS_MAX: u32 = 90;

/// Routes that everybody may ask, by design. Another one is a finding.
const PUBLIC_ROUTES: [&str; 14] = [
    "/brands",
    "/brands/{brand_id}",
    "/health",
    "/api/health",
    "/health/live",
    "/health/ready",
    "/health/deep",
    "/health/metrics",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/console/login",
    "/console/logout",
    "/console/assets/{name}",
];

pub(super) fn grants(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "grants",
        "Only its owner may read the control plane",
        Severity::Critical,
        |deps, database| async move {
            let facts = match database.grants().await {
                Ok(facts) => facts,
                Err(error) => return unanswered(&error),
            };
            if !facts.is_usable {
                return Finding::fail("the schema innovation is missing, or this role may not use it")
                    .with(&facts)
                    .next("innovation migrate deploy");
            }
            if facts.foreign.is_empty() {
                return Finding::ok("nobody but its owner has rights on the schema innovation").with(&facts);
            }
            let told: Vec<String> = facts
                .foreign
                .iter()
                .map(|grant| format!("{} has {} on {}", grant.grantee, grant.privilege, grant.object))
                .collect();
            let mut grantees: Vec<String> = facts
                .foreign
                .iter()
                .map(|grant| {
                    if grant.grantee == "PUBLIC" {
                        "PUBLIC".to_owned()
                    } else {
                        format!("\"{}\"", grant.grantee)
                    }
                })
                .collect();
            grantees.dedup();
            let who = grantees.join(", ");
            Finding::fail(told.join("; ")).with(&facts).next(format!(
            "{} -c 'REVOKE ALL ON SCHEMA innovation FROM {who}; REVOKE ALL ON ALL TABLES IN SCHEMA innovation FROM {who}'",
            psql(&deps)
        ))
        },
    )
}

pub(super) fn role(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "database-role",
        "The database's role has no more than it needs",
        Severity::Minor,
        |deps, database| async move {
            match database.server().await {
                Ok(server) if server.is_superuser => Finding::warn(format!(
                    "role {} is a superuser, which reads and changes everything",
                    server.role
                ))
                .next_all(own_role(&deps)),
                Ok(server) => Finding::ok(format!("role {} is no superuser", server.role)),
                Err(error) => unanswered(&error),
            }
        },
    )
}

/// The commands that make a role for the service, with the rights that it needs, and the line that uses it. The other role goes
/// on migrating, so its address is kept, and the new role gets the same rights on its later tables.
fn own_role(deps: &CheckDeps) -> Vec<String> {
    let Place { server, database } = Place::of(deps.config.database.url.as_ref());
    let rights = "SELECT, INSERT, UPDATE, DELETE";
    let psql = psql(deps);
    let keeps_migrating = match deps.config.database.direct_url {
        Some(_) => None,
        None => Some("DATABASE_URL_NON_POOLING=\"$DATABASE_URL\"".to_owned()),
    };
    let makes_role = [
        "PASSWORD=$(openssl rand -hex 32)".to_owned(),
        format!("{psql} -c \"CREATE ROLE innovation LOGIN PASSWORD '$PASSWORD'\""),
        format!(
            "{psql} -c 'GRANT USAGE ON SCHEMA public, innovation TO innovation; GRANT {rights} ON ALL TABLES IN SCHEMA public, \
             innovation TO innovation; ALTER DEFAULT PRIVILEGES IN SCHEMA public, innovation GRANT {rights} ON TABLES TO innovation'"
        ),
        format!("DATABASE_URL=\"postgresql://innovation:$PASSWORD@{server}/{database}\""),
    ];
    keeps_migrating.into_iter().chain(makes_role).collect()
}

pub(super) fn keys(deps: &CheckDeps) -> Check {
    asking(deps, "key-age", "No key is older than 90 days", Severity::Major, |_, database| async move {
        let old = match database.keys_older_than(KEY_DAYS_MAX).await {
            Ok(old) => old,
            Err(error) => return unanswered(&error),
        };
        if old.is_empty() {
            return Finding::ok(format!("no key of the table is older than {KEY_DAYS_MAX} days"));
        }
        let names: Vec<&str> = old.iter().map(|key| key.name.as_str()).collect();
        let next: Vec<String> =
            old.iter().take(5).map(|key| format!("innovation keys rotate {}", key.id)).collect();
        Finding::warn(format!("{} keys are older than {KEY_DAYS_MAX} days: {}", old.len(), names.join(", ")))
            .with(json!({ "keys": old }))
            .next_all(next)
    })
}

pub(super) fn secrets(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("weak-secrets", "No secret can be guessed", Severity::Critical, move || {
        let weak = weak_secrets(&deps.config);
        let finding = match weak.is_empty() {
            true => Finding::ok("every secret is long and random enough"),
            false => {
                let told: Vec<String> = weak.iter().map(|(name, what)| format!("{name} {what}")).collect();
                let names: Vec<_> = weak.iter().map(|(name, _)| *name).collect();
                Finding::fail(told.join("; "))
                    .with(json!({ "variables": names }))
                    .next_all(names.iter().map(|name| format!("{name}=$(openssl rand -hex 32)")))
            }
        };
        async move { finding }
    })
}

pub(super) fn tls(deps: &CheckDeps) -> Check {
    asking(
        deps,
        "database-tls",
        "The connection to the database is private",
        Severity::Critical,
        |deps, database| async move {
            let server = match database.server().await {
                Ok(server) => server,
                Err(error) => return unanswered(&error),
            };
            let is_local =
                deps.config.database.url.as_ref().and_then(|url| Address::parse(url).ok()).is_some_and(
                    |address| {
                        address.options.get_socket().is_some() || is_private_host(address.options.get_host())
                    },
                );
            match (server.is_encrypted, is_local) {
                (true, _) => Finding::ok("the connection is encrypted"),
                (false, true) => Finding::ok("the connection is plain, within a private network"),
                (false, false) => Finding::fail("the connection crosses a public network in plain text")
                    .next("DATABASE_URL=postgresql://user:password@host:5432/database?sslmode=verify-full"),
            }
            .with(json!({ "is_encrypted": server.is_encrypted, "is_private_network": is_local }))
        },
    )
}

pub(super) fn model_tls(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("model-tls", "Documents travel to the model encrypted", Severity::Critical, move || {
        let finding = match &deps.model {
            None => Finding::ok("does not apply: nothing is sent to a model"),
            Some(probe) if probe.is_encrypted() => Finding::ok("the endpoint is https"),
            Some(probe) => Finding::fail(format!("{} is not https", probe.place()))
                .next("OPENROUTER_BASE_URL=https://openrouter.ai/api/v1"),
        };
        async move { finding }
    })
}

pub(super) fn open_access(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("keys-required", "Runs need a key", Severity::Critical, move || {
        let access = &deps.config.access;
        let has_keys = !access.api_keys.is_empty() || !access.admin_keys.is_empty();
        let finding = match (has_keys, access.metrics_key.is_some()) {
            (false, _) => Finding::fail("no key is set, so everybody may do everything")
                .next("BACKEND_API_KEYS=$(openssl rand -hex 32)")
                .next("ADMIN_API_KEYS=$(openssl rand -hex 32)"),
            (true, false) if access.metrics_need_key => Finding::ok(
                "runs need a key; metrics need one that may read operations, for METRICS_KEY is not set",
            ),
            (true, false) => Finding::warn("METRICS_KEY is not set, so everybody may read the metrics")
                .next("METRICS_KEY=$(openssl rand -hex 32)"),
            (true, true) => Finding::ok("runs and metrics need a key"),
        };
        async move { finding }
    })
}

pub(super) fn public_routes(deps: &CheckDeps) -> Check {
    let public = deps.public_routes.clone();
    Check::new("public-routes", "Only the intended routes are public", Severity::Critical, move || {
        let finding = of_public(&public);
        async move { finding }
    })
}

fn of_public(public: &[&str]) -> Finding {
    let unknown: Vec<&str> = public.iter().copied().filter(|path| !PUBLIC_ROUTES.contains(path)).collect();
    match unknown.is_empty() {
        true => Finding::ok(format!("{} routes are public, as intended", public.len())),
        false => Finding::fail(format!("public without intention: {}", unknown.join(", ")))
            .next("innovation openapi"),
    }
    .with(json!({ "public": public }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::check::Verdict;

    #[test]
    fn an_unintended_public_route_fails() {
        let open = of_public(&["/health", "/api/admin/keys"]);
        assert_eq!(open.verdict, Verdict::Fail);
        assert!(open.evidence.contains("/api/admin/keys") && !open.evidence.contains("/health"), "{open:?}");
        assert_eq!(of_public(&PUBLIC_ROUTES).verdict, Verdict::Ok);
    }
}
