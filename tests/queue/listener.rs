//! Hearing of runs, without ever looking for them.

use std::{sync::Arc, time::Duration};

use backend::background::{drive, tasks::notifications::Notifications};
use foundation::clock::SystemClock;
use storage::{
    ChangeNotifier as _, Notification,
    contract::{accepted, claim, lease, new_run},
    mode::{Flags, Mode},
    postgres::Listener,
    prelude::*,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use pipeline::{clock::Timestamp, failure::RunFailure, run::RunId};

use crate::support::wait::{TIMEOUT, eventually, wanted};
use crate::{
    storage::{config, migrated, store, value},
    support::postgres::{Postgres, Stop},
};

const URL: &str = "https://a/report.pdf";

const LISTENERS: &str =
    "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'innovation listener'";

/// Something that listens, and nothing that polls.
struct Listening {
    heard: Arc<Notify>,
    flags: watch::Sender<Flags>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Listening {
    fn start(url: &str) -> Self {
        let listener = Listener::new(&config(url, &[])).unwrap().unwrap();
        let (flags, subscribed) = watch::channel(Flags::of_mode(Mode::DualWrite, 1));
        let (heard, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let on_work = heard.clone();
        let on_notification = move |heard| {
            if matches!(heard, Notification::Connected | Notification::Waiting) {
                on_work.notify_one();
            }
        };
        let task = listen(listener, subscribed, stop.clone(), on_notification);
        Self { heard, flags, stop, task }
    }

    #[track_caller]
    fn hears(&self) -> impl Future<Output = ()> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let heard = tokio::time::timeout(TIMEOUT, self.heard.notified()).await;
            assert!(heard.is_ok(), "{caller}: nothing was heard");
        }
    }
}

/// Listens as the service does: again and again.
fn listen(
    listener: Listener,
    flags: watch::Receiver<Flags>,
    stop: CancellationToken,
    on_notification: impl Fn(Notification) + Send + Sync + 'static,
) -> tokio::task::JoinHandle<()> {
    let task = Notifications { listener, flags, on_notification: Box::new(on_notification) };
    tokio::spawn(drive(task, stop, Arc::new(SystemClock::default())))
}

async fn wait_for_listeners(url: &str, count: &str) {
    eventually("listeners", async || wanted(value(url, LISTENERS).await, |now| now == count)).await;
}

#[tokio::test]
async fn only_waiting_runs_are_notified() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let listening = Listening::start(&url);
    listening.hears().await; // Connected: something may have been missed.

    // Notifications come in the order of their transactions: the first that is heard is not that of `held`.
    let held = accepted(&store, &new_run("held", URL), "one").await;
    let quiet = tokio::time::timeout(Duration::from_millis(300), listening.heard.notified()).await;
    assert!(quiet.is_err(), "nobody else needs to look");
    store.accept(&new_run("waits", URL), None).await.unwrap();
    listening.hears().await;
    assert_eq!(claim(&store, &lease("two"), 9).await.len(), 1);
    store.release(&held).await.unwrap();
    listening.hears().await;
}

#[tokio::test]
async fn the_listener_reconnects_and_needs_the_database() {
    let mut server = Postgres::start();
    let url = migrated(&server).await;
    let listening = Listening::start(&url);
    listening.hears().await;
    for how in [Stop::Immediate, Stop::Fast] {
        server.stop(how);
        server.start_again();
        listening.hears().await; // Connected again.
        store(&url).accept(&new_run(&format!("after-{how:?}"), URL), None).await.unwrap();
        listening.hears().await;
    }
    wait_for_listeners(&url, "1").await;
    listening.flags.send(Flags::of_mode(Mode::FileOnly, 2)).unwrap();
    wait_for_listeners(&url, "0").await;
    listening.flags.send(Flags::of_mode(Mode::DualWrite, 3)).unwrap();
    listening.hears().await;
    listening.stop.cancel();
    listening.task.await.unwrap();
    wait_for_listeners(&url, "0").await;
}

#[tokio::test]
async fn behind_a_pooler_it_listens_directly_or_never() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let pooled = format!("{url}?pgbouncer=true");
    assert!(Listener::new(&config(&pooled, &[])).unwrap().is_none());
    let both = config(&pooled, &[("DATABASE_URL_NON_POOLING", &url)]);
    assert!(Listener::new(&both).unwrap().is_some());
}

#[tokio::test]
async fn cancellations_and_changes_are_heard_with_their_runs() {
    let server = Postgres::start();
    let url = migrated(&server).await;
    let store = store(&url);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let listener = Listener::new(&config(&url, &[])).unwrap().unwrap();
    let flags = Flags::of_mode(Mode::DualWrite, 1);
    let (_flags, flags) = watch::channel(flags);
    let stop = CancellationToken::new();
    listen(listener, flags, stop.clone(), move |heard| drop(tell.send(heard)));
    let mut hear = async || tokio::time::timeout(TIMEOUT, told.recv()).await.unwrap().unwrap();
    assert_eq!(hear().await, Notification::Connected);
    store.accept(&new_run("run-1", URL), None).await.unwrap();
    assert_eq!(hear().await, Notification::Waiting);
    let run = RunId::parse("run-1").unwrap();
    assert!(store.cancel(&run, &RunFailure::cancelled(None), Timestamp::default(), None).await.unwrap());
    assert_eq!(hear().await, Notification::Cancelled(run));
    let runs: Vec<RunId> = (0..120).map(|number| RunId::parse(&format!("run-{number}")).unwrap()).collect();
    store.notify("somebody", &runs).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < runs.len() {
        let Notification::Changed { by, runs } = hear().await else { panic!("something else") };
        assert_eq!(by, "somebody");
        heard.extend(runs);
    }
    assert_eq!(heard, runs);
    let marks = store.marks(&runs).await.unwrap();
    assert_eq!(marks.len(), 1, "of those that there are: {marks:?}");
    stop.cancel();
    assert_eq!(hear().await, Notification::Lost);
}
