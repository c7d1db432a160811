//! The watch: looks at every rule, agrees with the other replicas on the state of all alerts, and writes the `ALERT` lines.
//!
//! Each replica looks at its own figures and leaves a report. One replica leads: it makes the state of all reports, and its channels tell
//! people. The lease of the leader lies in the database; while that is away, in the file storage. If neither answers, each replica leads: the
//! keys of its messages are equal, so a receiver that knows keys shows one alert.

use std::{sync::Arc, time::Duration};

use pipeline::clock::{Clock, Timestamp};
use storage::{
    StorageError,
    control_plane::{AlertExchange, AlertReport, AlertStore, Silence},
    router::Router,
};
use tokio::time::timeout;

use super::{
    board::{Board, ChangeEvent, SharedBy},
    book::{Book, Transition},
    observer::Observer,
    report::Report,
    rules::{self, Severity},
    shared_files::SharedFiles,
    view,
};
use crate::{config::AlertsConfig, telemetry::metrics};

/// How long a store may take for one exchange.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long an ended alert is shown.
const KEEP_RESOLVED: Duration = Duration::from_secs(24 * 3_600);

/// The sources of the watch.
#[derive(Debug, Clone)]
pub struct WatchDeps {
    pub observer: Observer,
    /// None without a database.
    pub store: Option<Arc<dyn AlertStore>>,
    pub router: Arc<Router>,
    pub board: Board,
    pub settings: Arc<AlertsConfig>,
    pub clock: Arc<dyn Clock>,
    /// This process's name among the replicas.
    pub replica: String,
    /// The deployment of this process, for people.
    pub deployment: String,
}

/// The watch of one process.
#[derive(Debug)]
pub struct Watch {
    deps: WatchDeps,
    files: SharedFiles,
    /// The book as the files have it. None before they were read.
    filed: Option<Book>,
    /// When the database last named another replica as the leader, by the monotonic clock.
    followed_at: Option<Duration>,
}

/// The result of an exchange with the other replicas.
struct Agreed {
    leads: bool,
    by: SharedBy,
    /// The book of the leader, if there is one.
    book: Option<Book>,
    reports: Vec<(String, Report)>,
    silences: Vec<Silence>,
}

impl Watch {
    #[must_use]
    pub fn new(deps: WatchDeps) -> Self {
        let files = SharedFiles::new(deps.router.files().clone(), deps.replica.clone());
        Self { deps, files, filed: None, followed_at: None }
    }

    /// How long a lead and a report last without being renewed.
    fn lease(&self) -> Duration {
        (self.deps.settings.interval * 3).max(Duration::from_secs(3))
    }

    /// Returns when a channel was told, after what it knows is stored: a process that is killed then repeats no message.
    pub async fn woken(&mut self) {
        self.deps.board.was_told().await;
        self.save().await;
    }

    /// One look at everything. Returns how many alerts fire.
    pub async fn pass(&mut self) -> usize {
        self.read_files().await;
        let report = self.deps.observer.look().await;
        let agreed = self.agree(&report).await;
        let now = self.deps.clock.now();
        let Agreed { leads, by, book, reports, silences } = agreed;
        let own = (self.deps.replica.clone(), report);
        let reports: Vec<_> = std::iter::once(own).chain(reports).collect();
        let (board, settings) = (self.deps.board.clone(), self.deps.settings.clone());
        let transitions = board.with(|standing| {
            standing.silences = silences;
            // A leader that stays has written the shared book itself.
            let stays = leads && standing.leads && standing.shared_by == by;
            standing.leads = leads;
            standing.shared_by = by;
            standing.looked_at = Some(now);
            if let Some(book) = book {
                match (leads, stays) {
                    (true, true) => {}
                    (true, false) => standing.book.merge(book),
                    (false, _) => standing.book = book,
                }
            }
            let transitions =
                if leads { advance(&mut standing.book, &settings, &reports, now) } else { vec![] };
            standing.book.forget(KEEP_RESOLVED, now);
            transitions
        });
        for (rule, transition) in transitions {
            self.log(rule, transition);
        }
        if leads {
            self.note_changes(now);
        }
        self.save().await;
        let counts =
            [Severity::Critical, Severity::Warning].map(|severity| (severity, board.firing(severity)));
        for (severity, count) in counts {
            metrics::alerts_firing(severity.as_str(), count);
        }
        counts.iter().map(|(_, count)| count).sum()
    }

    /// Takes over the book of an earlier process, so that nobody is told twice.
    async fn read_files(&mut self) {
        if self.filed.is_some() {
            return;
        }
        if let Ok(Ok(book)) = timeout(TIMEOUT, self.files.book()).await {
            let book = book.unwrap_or_default();
            self.deps.board.with(|standing| standing.book.merge(book.clone()));
            self.filed = Some(book);
        }
    }

    async fn agree(&mut self, report: &Report) -> Agreed {
        let (now, monotonic) = (self.deps.clock.now(), self.deps.clock.monotonic());
        let lease = self.lease();
        if let Some(agreed) = self.agree_by_database(report).await {
            self.followed_at = (!agreed.leads).then_some(monotonic);
            return agreed;
        }
        // One slow answer of the database makes no second leader: the other one's lease still holds.
        if self.followed_at.is_some_and(|at| monotonic < at + lease) {
            return Agreed {
                leads: false,
                by: SharedBy::Database,
                book: None,
                reports: Vec::new(),
                silences: self.known_silences(Vec::new()),
            };
        }
        match timeout(TIMEOUT, self.files.exchange(report, lease, now, monotonic)).await {
            Ok(Ok(exchanged)) => Agreed {
                leads: exchanged.leads,
                by: SharedBy::Files,
                book: exchanged.book,
                reports: exchanged.reports,
                silences: self.known_silences(exchanged.silences),
            },
            Ok(Err(_)) | Err(_) => Agreed {
                leads: true,
                by: SharedBy::Memory,
                book: None,
                reports: Vec::new(),
                silences: self.known_silences(Vec::new()),
            },
        }
    }

    /// The silences of the files, and those that this process knows from the database.
    fn known_silences(&self, mut silences: Vec<Silence>) -> Vec<Silence> {
        let now = self.deps.clock.now();
        let known = self.deps.board.with(|standing| standing.silences.clone());
        for silence in known {
            if silence.ends_at > now && !silences.iter().any(|other| other.id == silence.id) {
                silences.push(silence);
            }
        }
        silences
    }

    /// None without a database, or while it does not answer.
    async fn agree_by_database(&mut self, report: &Report) -> Option<Agreed> {
        let store = self.deps.store.clone().filter(|_| self.deps.router.is_database_open())?;
        self.import_silences(&*store).await;
        let report = serde_json::to_value(report.known()).ok()?;
        let mine = AlertReport { replica: self.deps.replica.clone(), report };
        let exchange = AlertExchange { mine, lease: self.lease() };
        let shared = timeout(TIMEOUT, store.exchange(&exchange)).await.ok()?.ok()?;
        // A report or a book of another release is read as far as this one knows it.
        let reports = shared.reports.into_iter().filter_map(|report| {
            Some((report.replica, serde_json::from_value::<Report>(report.report).ok()?))
        });
        Some(Agreed {
            leads: shared.leads,
            by: SharedBy::Database,
            book: shared.book.and_then(|book| serde_json::from_value(book).ok()),
            reports: reports.collect(),
            silences: shared.silences,
        })
    }

    /// Brings silences of the files to the database. A failure is repeated with the next pass.
    async fn import_silences(&self, store: &dyn AlertStore) {
        let import = async {
            let silences = self.files.silences().await?;
            if silences.is_empty() {
                return Ok::<_, StorageError>(0);
            }
            store.import_silences(&silences).await?;
            self.files.remove(&silences).await?;
            Ok(silences.len())
        };
        if let Ok(Ok(imported)) = timeout(TIMEOUT, import).await
            && imported > 0
        {
            tracing::info!(
                event = "alert_silences_imported",
                silences = imported,
                "silences of the files are in the database"
            );
        }
    }

    /// Stores the book: the leader in the database, everybody in the files, if it has changed.
    pub async fn save(&mut self) {
        let (book, leads) = self.deps.board.with(|standing| (standing.book.clone(), standing.leads));
        let store = self.deps.store.as_ref().filter(|_| leads && self.deps.router.is_database_open());
        if let (Some(store), Ok(value)) = (store, serde_json::to_value(&book)) {
            // The next pass saves it again.
            let _ = timeout(TIMEOUT, store.save_book(&self.deps.replica, &value)).await;
        }
        if self.filed.as_ref() != Some(&book)
            && matches!(timeout(TIMEOUT, self.files.save(&book)).await, Ok(Ok(())))
        {
            self.filed = Some(book);
        }
    }

    /// Takes leave, so that another replica notifies at once.
    pub async fn leave(&mut self) {
        self.save().await;
        if let Some(store) = self.deps.store.as_ref().filter(|_| self.deps.router.is_database_open()) {
            let _ = timeout(TIMEOUT, store.leave(&self.deps.replica)).await;
        }
    }

    fn log(&self, rule: &'static rules::Rule, transition: Transition) {
        let entry = self.deps.board.with(|standing| standing.book.entries.get(rule.id).cloned());
        let Some(entry) = entry else { return };
        let (id, severity, title, hint) = (rule.id, rule.severity.as_str(), rule.title, rule.hint);
        let (value, detail, replicas) = (entry.value, entry.detail, entry.replicas.join(", "));
        match (transition, rule.severity) {
            (Transition::Fired, Severity::Critical) => {
                tracing::error!(
                    event = "alert_fired",
                    rule = id,
                    severity,
                    value,
                    detail,
                    replicas,
                    hint,
                    "ALERT {id}: {title}: {detail}; next: {hint}"
                );
            }
            (Transition::Fired, Severity::Warning) => {
                tracing::warn!(
                    event = "alert_fired",
                    rule = id,
                    severity,
                    value,
                    detail,
                    replicas,
                    hint,
                    "ALERT {id}: {title}: {detail}; next: {hint}"
                );
            }
            (Transition::Resolved, _) => {
                let lasted = entry.fired_at.zip(entry.resolved_at).map(|(from, to)| (to - from).to_std());
                let lasted = view::span(lasted.and_then(Result::ok).unwrap_or_default());
                tracing::info!(
                    event = "alert_resolved",
                    rule = id,
                    severity,
                    lasted,
                    "ALERT {id} is resolved after {lasted}"
                );
            }
        }
    }

    /// Tells channels of flips of the storage mode and of deployments.
    fn note_changes(&self, now: Timestamp) {
        let mode = self.deps.router.state().mode.as_str().to_owned();
        let deployment = self.deps.deployment.clone();
        let mut changes = Vec::new();
        self.deps.board.with(|standing| {
            let book = &mut standing.book;
            if let Some(before) = book.mode.replace(mode.clone()).filter(|before| *before != mode) {
                changes.push(format!("the storage mode is {mode}, after {before}"));
            }
            if let Some(before) =
                book.deployment.replace(deployment.clone()).filter(|before| *before != deployment)
            {
                changes.push(format!("deployment {deployment} runs, after {before}"));
            }
        });
        for summary in changes {
            self.deps.board.changed(ChangeEvent { summary, at: now });
        }
    }
}

/// Makes the state of all reports.
fn advance(
    book: &mut Book,
    settings: &AlertsConfig,
    reports: &[(String, Report)],
    now: Timestamp,
) -> Vec<(&'static rules::Rule, Transition)> {
    let look = |rule: &'static rules::Rule| {
        let setting = settings.rule(rule);
        let seen = Report::of_all(rule.id, setting.threshold, reports);
        let transition = book.advance(rule, &setting, &seen, settings.resolve_after, now)?;
        Some((rule, transition))
    };
    rules::RULES.iter().filter_map(look).collect()
}
