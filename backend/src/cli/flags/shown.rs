//! Flags in words for people.

use std::fmt::Write as _;

use serde_json::Value as Json;
use storage::control_plane::FlagChange;

use crate::flags::{DatabaseWord, FlagListing, RollbackReport};

/// A table of flags, and the replicas.
pub(super) fn listing_lines(listing: &FlagListing) -> String {
    let mut text = String::new();
    let width = listing.flags.iter().map(|flag| flag.key.len()).max().unwrap_or_default();
    for flag in &listing.flags {
        let value = flag.value.to_string();
        let _ = writeln!(
            text,
            "{:width$}  {value:5}  {:11}  {}",
            flag.key,
            flag.source.as_str(),
            flag.description
        );
    }
    let database = match listing.database {
        DatabaseWord::Reachable => "reachable",
        DatabaseWord::Away => "away; the last known flags apply",
        DatabaseWord::None => "none",
    };
    let revision = listing.database_revision.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
    let _ = writeln!(text, "database: {database}; revision: {revision}");
    for replica in &listing.replicas {
        let applied =
            replica.revision.map_or_else(|| "nothing yet".to_owned(), |it| format!("revision {it}"));
        let _ =
            writeln!(text, "replica {}: {applied}, seen {} s ago", replica.replica, replica.silent_seconds);
    }
    if let Some(order) = &listing.order_id {
        let _ = writeln!(text, "order {order} holds until the database is back");
    }
    if let Some(alarm) = &listing.alarm {
        let _ = writeln!(text, "ALARM: {alarm}");
    }
    text
}

/// One change.
pub(super) fn change_line(change: &FlagChange) -> String {
    let FlagChange { revision, key, old, new, actor, reason, at, order_id } = change;
    let word = |value: &Option<Json>| value.as_ref().map_or_else(|| "unset".to_owned(), Json::to_string);
    let order = order_id.as_ref().map(|order| format!(" (order {order})")).unwrap_or_default();
    format!(
        "revision {revision}: {key} {} → {}, by {actor} at {}{order}: {}",
        word(old),
        word(new),
        at.format("%Y-%m-%d %H:%M:%SZ"),
        reason.as_deref().unwrap_or("no reason")
    )
}

/// The result of a rollback.
pub(super) fn report_lines(report: &RollbackReport) -> String {
    let mut text = match (&report.revision, &report.order_id) {
        (Some(revision), _) => format!("{} is set in the database, revision {revision}\n", report.plan.to),
        (None, Some(order)) => format!(
            "the database is away: order {order} to go to {} stands in the file storage, and becomes a change when the \
             database is back\n",
            report.plan.to
        ),
        (None, None) => String::new(),
    };
    for replica in &report.replicas {
        let word = if replica.acknowledged { "acknowledged" } else { "NOT acknowledged" };
        let source = replica.source.as_ref().map(|source| format!(" (source: {source})")).unwrap_or_default();
        let _ = writeln!(text, "replica {}: {word}{source}", replica.replica);
    }
    if !report.acknowledged {
        text.push_str(
            "a replica on a disk of its own sees no order of another disk: run this command there too, or set its FLAGS_FILE\n",
        );
    }
    text
}
