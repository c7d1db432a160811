//! The tables of the first page: the replicas, and what the service stands on.

use pipeline::visible_text::visible;

use crate::{
    console::parts::{Markup, Tone, UNKNOWN, badge, count, span},
    flags::FlagListing,
    health::{Connection, FileStorage, overview::Overview},
};

/// A replica as a line of the table.
pub(super) struct ReplicaLine {
    pub(super) name: String,
    pub(super) is_this: bool,
    pub(super) role: String,
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) revision: String,
    pub(super) runs: String,
    pub(super) state: Markup,
}

/// A part that the service stands on.
pub(super) struct Dependency {
    pub(super) name: &'static str,
    pub(super) state: Markup,
    pub(super) detail: String,
}

/// The live replicas, with the revision of flags that each runs.
pub(super) fn replicas(overview: &Overview, flags: &FlagListing) -> Vec<ReplicaLine> {
    let revision = |name: &str| {
        let ack = flags.replicas.iter().find(|ack| ack.replica == name);
        ack.and_then(|ack| ack.revision).map_or_else(|| UNKNOWN.to_owned(), |revision| revision.to_string())
    };
    let unknown = || UNKNOWN.to_owned();
    let behind = flags.behind();
    let state = |name: &str, is_draining: bool, silent: u32| {
        if is_draining {
            badge(Tone::Warn, "stopping")
        } else if silent > 10 {
            badge(Tone::Bad, &format!("silent for {silent} s"))
        } else if behind.contains(&name) {
            badge(Tone::Warn, "behind with flags")
        } else {
            badge(Tone::Good, "alive")
        }
    };
    let Some(replicas) = &overview.replicas else {
        // This replica knows itself without the database.
        let own = flags.replicas.iter().find(|ack| ack.replica == overview.replica);
        let own_revision = own.and_then(|ack| ack.revision).or(flags.database_revision);
        let mut lines = vec![ReplicaLine {
            name: visible(&overview.replica).into_owned(),
            is_this: true,
            role: unknown(),
            version: overview.basic.version.to_owned(),
            commit: overview.basic.git_sha.chars().take(8).collect(),
            revision: own_revision.map_or_else(unknown, |revision| revision.to_string()),
            runs: count(overview.runs_in_flight),
            state: state(&overview.replica, false, 0),
        }];
        let others = flags.replicas.iter().filter(|ack| ack.replica != overview.replica);
        lines.extend(others.map(|ack| ReplicaLine {
            is_this: false,
            name: visible(&ack.replica).into_owned(),
            role: unknown(),
            version: unknown(),
            commit: unknown(),
            revision: revision(&ack.replica),
            runs: unknown(),
            state: state(&ack.replica, false, ack.silent_seconds),
        }));
        return lines;
    };
    replicas
        .iter()
        .map(|replica| ReplicaLine {
            is_this: replica.id == overview.replica,
            name: visible(&replica.id).into_owned(),
            role: visible(&replica.role).into_owned(),
            version: visible(&replica.version).into_owned(),
            commit: replica.git_sha.as_deref().map_or_else(unknown, |sha| sha.chars().take(8).collect()),
            revision: revision(&replica.id),
            runs: count(replica.runs_in_flight),
            state: state(&replica.id, replica.is_draining, replica.silent_seconds),
        })
        .collect()
}

/// The parts that the service depends on.
pub(super) fn dependencies(overview: &Overview, flags: &FlagListing) -> Vec<Dependency> {
    let basic = &overview.basic;
    let database = match basic.database_connection {
        Connection::Healthy => (badge(Tone::Good, "answers"), String::new()),
        Connection::Failed => (badge(Tone::Bad, "away"), basic.database_error.clone().unwrap_or_default()),
        Connection::Skipped => (
            badge(Tone::Quiet, "not used"),
            basic.database_error.clone().unwrap_or_else(|| "by the mode".to_owned()),
        ),
    };
    let files = match &overview.storage.file_alarm {
        Some(alarm) => (badge(Tone::Bad, "failing"), visible(alarm).into_owned()),
        None => (badge(Tone::Good, "writable"), storage_word(overview).to_owned()),
    };
    let model = match overview.model_pause {
        Some(pause) => {
            let (since, again) = (pause.since_seconds, pause.retry_in_seconds);
            (
                badge(Tone::Bad, "paused"),
                format!("{} for {since} s; asked again in {again} s", pause.reason.as_str()),
            )
        }
        None => (badge(Tone::Good, "asked"), String::new()),
    };
    let mirror = if overview.mirror.records == 0 {
        (badge(Tone::Good, "up to date"), String::new())
    } else {
        let oldest = i64::try_from(overview.mirror.age.as_millis()).unwrap_or(i64::MAX);
        let detail = format!("{} writes, the oldest since {}", count(overview.mirror.records), span(oldest));
        (badge(Tone::Busy, "writing"), detail)
    };
    let flag_state = match &flags.alarm {
        Some(alarm) => (badge(Tone::Bad, "alarm"), visible(alarm).into_owned()),
        None => {
            let revision = flags.database_revision.map(|revision| format!("revision {revision}"));
            (badge(Tone::Good, "applied"), revision.unwrap_or_default())
        }
    };
    let rows = [
        ("Database", database),
        ("Files", files),
        ("Mirror of the database in files", mirror),
        ("Model", model),
        ("Flags", flag_state),
    ];
    rows.into_iter()
        .map(|(name, (state, detail))| Dependency { name, state, detail: visible(&detail).into_owned() })
        .collect()
}

fn storage_word(overview: &Overview) -> &'static str {
    match overview.basic.file_storage {
        FileStorage::Local => "a developer's disk",
        FileStorage::Volume => "a mounted volume",
        FileStorage::Bucket => "a bucket that all replicas share",
        FileStorage::Ephemeral => "the container's own disk, which the next deploy deletes",
    }
}
