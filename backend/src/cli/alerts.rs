//! `innovation alerts`: shows alerts, silences rules, and tries channels. By the database, or by the files while it is away.

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use super::{
    duration::parse_duration,
    exit::{EXIT_COULD_NOT_CHECK, EXIT_USAGE},
    output::{fail, put, put_json, say},
};
use crate::{
    alerts::{
        admin::{AlertAdmin, AlertError, Silenced},
        board::SharedBy,
        book::AlertState,
        view::{AlertListing, AlertView, SilenceView},
    },
    app,
    audit::Actor,
    config::Config,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the alerts that fire, are pending or were resolved lately, and the silences
    List {
        /// Show every rule with its threshold, too
        #[arg(long)]
        rules: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Send a message to a channel, to see whether it arrives: slack, pagerduty, email, webhook or github
    Test {
        channel: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Silence a rule for a time: no channel is told
    Silence(Silence),
    /// End a silence now
    Unsilence {
        /// The id that `innovation alerts list` shows
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Silence {
    /// The rule, as `innovation alerts list --rules` shows it
    rule: String,
    /// How long, such as 2h: 30d at most
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    span: Duration,
    /// Why: it stands in the audit
    #[arg(long)]
    reason: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Shows or changes alerts.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let admin = match app::alert_admin(config) {
        Ok(admin) => admin,
        Err(error) => return fail(&error),
    };
    match args.command {
        Command::List { rules, json } => list(&admin, rules, json).await,
        Command::Test { channel, json } => test(&admin, &channel, json).await,
        Command::Silence(silence) => silenced(&admin, silence).await,
        Command::Unsilence { id, json } => unsilenced(&admin, &id, json).await,
    }
}

async fn list(admin: &AlertAdmin, rules: bool, as_json: bool) -> ExitCode {
    let listing = match admin.list_stored().await {
        Ok(Some(listing)) => listing,
        Ok(None) => {
            say(
                "innovation: no service has looked at its rules yet, or not with this storage; start one: innovation serve",
            );
            if rules || as_json {
                admin.list()
            } else {
                return ExitCode::from(EXIT_COULD_NOT_CHECK);
            }
        }
        Err(error) => {
            say(&format!(
                "innovation: neither the database nor the files can be read: {error}; ask innovation doctor, and try again"
            ));
            return ExitCode::from(EXIT_COULD_NOT_CHECK);
        }
    };
    if as_json {
        put_json(&json!(listing));
        return ExitCode::SUCCESS;
    }
    show(&listing, rules);
    ExitCode::SUCCESS
}

fn show(listing: &AlertListing, rules: bool) {
    if listing.shared_by == SharedBy::Files {
        say(
            "from the files: the database is away or not used, so this is what the replicas of this disk or bucket know",
        );
    }
    let firing = listing.alerts.iter().filter(|alert| alert.state == AlertState::Firing).count();
    put(&format!("{firing} alerts fire\n"));
    for alert in &listing.alerts {
        put(&format!("{}\n", line(alert)));
    }
    for silence in &listing.silences {
        let SilenceView { id, rule, actor, ends_at, reason, .. } = silence;
        put(&format!("silenced: {rule} until {} by {actor} ({reason}); {id}\n", ends_at.format("%F %T")));
    }
    if rules {
        put("rules:\n");
        for rule in &listing.rules {
            let state = if rule.is_on { "" } else { " (off)" };
            put(&format!(
                "  {}{state}: {}, above {} {} for {} s; {}\n",
                rule.rule,
                rule.severity.as_str(),
                rule.threshold,
                rule.unit,
                rule.hold_seconds,
                rule.title
            ));
        }
    }
}

/// One alert, for people.
fn line(alert: &AlertView) -> String {
    let AlertView { rule, severity, state, title, detail, hint, replicas, .. } = alert;
    let since = alert.resolved_at.or(alert.fired_at).or(alert.since);
    let since = since.map(|at| at.format("%F %T").to_string()).unwrap_or_default();
    let silenced = if alert.silenced_until.is_some() { " (silenced)" } else { "" };
    let told =
        if alert.told.is_empty() { String::new() } else { format!("; told: {}", alert.told.join(", ")) };
    let seen_by =
        if replicas.is_empty() { String::new() } else { format!("; seen by {}", replicas.join(", ")) };
    let next = if *state == AlertState::Resolved { String::new() } else { format!("; next: {hint}") };
    format!(
        "{}{silenced} since {since} {} {rule}: {title}: {detail}{seen_by}{told}{next}",
        state.as_str(),
        severity.as_str()
    )
}

async fn test(admin: &AlertAdmin, channel: &str, as_json: bool) -> ExitCode {
    match admin.test(channel, &Actor::command()).await {
        Ok(channel) if as_json => put_json(&json!({ "channel": channel, "is_sent": true })),
        Ok(channel) => put(&format!("the channel {channel} took the message\n")),
        Err(error) => return refused(&error, as_json),
    }
    ExitCode::SUCCESS
}

async fn silenced(admin: &AlertAdmin, args: Silence) -> ExitCode {
    let Silence { rule, span, reason, json: as_json } = args;
    match admin.silence(&rule, span, &reason, &Actor::command()).await {
        Ok(Silenced { silence, stored_in }) if as_json => {
            put_json(&json!({ "silence": SilenceView::of(&silence), "stored_in": stored_in }));
        }
        Ok(Silenced { silence, stored_in }) => {
            put(&format!(
                "{} is silenced until {}; {}\n",
                silence.rule,
                silence.ends_at.format("%F %T"),
                silence.id
            ));
            if stored_in == SharedBy::Files {
                say(
                    "the database is away: the silence lies in the files, and replicas elsewhere know it when the database is back",
                );
            }
        }
        Err(error) => return refused(&error, as_json),
    }
    ExitCode::SUCCESS
}

async fn unsilenced(admin: &AlertAdmin, id: &str, as_json: bool) -> ExitCode {
    match admin.end_silence(id, &Actor::command()).await {
        Ok(()) if as_json => put_json(&json!({ "ended": id })),
        Ok(()) => put(&format!("the silence {id} has ended\n")),
        Err(error) => return refused(&error, as_json),
    }
    ExitCode::SUCCESS
}

fn refused(error: &AlertError, as_json: bool) -> ExitCode {
    if as_json {
        put_json(&json!({ "error": error.to_string() }));
    }
    say(&format!("innovation: {error}"));
    match error {
        AlertError::UnknownRule(_)
        | AlertError::UnknownChannel(_)
        | AlertError::NoReason
        | AlertError::WrongSpan => ExitCode::from(EXIT_USAGE),
        AlertError::Unavailable(_) => ExitCode::from(EXIT_COULD_NOT_CHECK),
        AlertError::TooMany
        | AlertError::UnknownSilence
        | AlertError::NotConfigured { .. }
        | AlertError::NotSent { .. } => ExitCode::FAILURE,
    }
}
