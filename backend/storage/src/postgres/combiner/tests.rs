use std::{future::pending, pin::pin, sync::Mutex};

use pipeline::run::RunId;
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, yield_now},
};

use super::*;

/// Lets all tasks get as far as they can.
async fn idle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

#[derive(Debug)]
struct Number(RunId, usize);

impl Row for Number {
    fn run(&self) -> &RunId {
        &self.0
    }

    fn bytes(&self) -> usize {
        self.1
    }
}

/// A server that answers when it is told to.
#[derive(Clone)]
struct Server {
    combiner: Combiner<Number>,
    /// The runs of each statement.
    statements: Arc<Mutex<Vec<Vec<String>>>>,
    answers: Arc<Semaphore>,
    outage: Arc<Mutex<Option<StorageError>>>,
}

impl Server {
    fn new(statements_max: usize) -> Self {
        Self {
            combiner: Combiner::new(statements_max, Duration::from_secs(2)),
            statements: Arc::default(),
            answers: Arc::new(Semaphore::new(0)),
            outage: Arc::default(),
        }
    }

    /// Begins a write, and lets it get as far as it can.
    async fn begin(&self, run: &str, bytes: usize) -> JoinHandle<Combined> {
        let (server, row) = (self.clone(), Number(RunId::parse(run).unwrap(), bytes));
        let written = tokio::spawn(async move { server.write(row, pin!(pending())).await });
        idle().await;
        written
    }

    async fn write(&self, row: Number, leave: Leave<'_>) -> Combined {
        let send = |rows: Vec<Number>| async move {
            let runs: Vec<_> = rows.iter().map(|row| row.0.to_string()).collect();
            self.statements.lock().unwrap().push(runs.clone());
            self.answers.acquire().await.unwrap().forget();
            let outage = self.outage.lock().unwrap().clone();
            outage.map_or_else(|| Ok(runs.into_iter().collect()), Err)
        };
        self.combiner.write(row, leave, send).await
    }

    fn statements(&self) -> Vec<usize> {
        self.statements.lock().unwrap().iter().map(Vec::len).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn what_arrives_meanwhile_shares_one_statement() {
    let server = Server::new(1);
    let first = server.begin("first", 1).await;
    assert_eq!(server.statements(), [1], "nothing delays it");
    let mut others = Vec::new();
    for number in 0..100 {
        others.push(server.begin(&format!("r{number}"), 1).await);
    }
    server.answers.add_permits(9);
    for write in std::iter::once(first).chain(others) {
        assert!(matches!(write.await.unwrap(), Combined::Stored));
    }
    assert_eq!(server.statements(), [1, 64, 36]);
    let later = server.begin("later", 1).await;
    assert!(matches!(later.await.unwrap(), Combined::Stored), "the line is free again");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_once_in_a_statement() {
    let server = Server::new(1);
    let mut writes = vec![server.begin("first", 1).await];
    for run in ["a", "b", "a", "c"] {
        writes.push(server.begin(run, 1).await);
    }
    server.answers.add_permits(9);
    for write in writes {
        assert!(matches!(write.await.unwrap(), Combined::Stored));
    }
    assert_eq!(*server.statements.lock().unwrap(), [vec!["first"], vec!["a", "b", "c"], vec!["a"]]);
}

#[tokio::test(start_paused = true)]
async fn large_rows_fill_a_statement_early() {
    let server = Server::new(1);
    let mut writes = vec![server.begin("first", 1).await];
    for number in 0..4 {
        writes.push(server.begin(&format!("r{number}"), 3_000_000 - number).await);
    }
    server.answers.add_permits(9);
    for write in writes {
        assert!(matches!(write.await.unwrap(), Combined::Stored));
    }
    assert_eq!(server.statements(), [1, 1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_task_leaves_nobody_waiting() {
    let server = Server::new(1);
    let mut writes = vec![server.begin("first", 1).await];
    for number in 0..3 {
        writes.push(server.begin(&format!("r{number}"), 1).await);
    }
    writes.remove(0).abort();
    idle().await;
    assert_eq!(server.statements(), [1, 3], "the next in line sends what waits");
    let late = server.begin("late", 1).await;
    writes.remove(0).abort();
    for write in writes {
        let Combined::Alone(alone) = write.await.unwrap() else { panic!("nobody knows") };
        assert!(alone.may_be_stored, "its statement may have been executed");
    }
    server.answers.add_permits(9);
    assert!(matches!(late.await.unwrap(), Combined::Stored));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_line_is_not_sent() {
    let server = Server::new(1);
    let first = server.begin("first", 1).await;
    let row = Number(RunId::parse("gone").unwrap(), 1);
    assert!(matches!(server.write(row, pin!(async {})).await, Combined::Left));
    server.answers.add_permits(9);
    assert!(matches!(first.await.unwrap(), Combined::Stored));
    assert_eq!(server.statements(), [1]);
    let next = server.begin("next", 1).await;
    assert!(matches!(next.await.unwrap(), Combined::Stored));
}

#[tokio::test(start_paused = true)]
async fn a_failed_statement_is_reported_once() {
    let server = Server::new(1);
    let first = server.begin("first", 1).await;
    let mut writes = Vec::new();
    for number in 0..10 {
        writes.push(server.begin(&format!("r{number}"), 1).await);
    }
    server.answers.add_permits(1);
    assert!(matches!(first.await.unwrap(), Combined::Stored));
    idle().await;
    *server.outage.lock().unwrap() = Some(StorageError::new(StorageErrorKind::Unavailable, "down"));
    tokio::time::advance(Duration::from_millis(500)).await;
    server.answers.add_permits(99);
    let mut reported = 0;
    for write in writes {
        let Combined::Alone(alone) = write.await.unwrap() else { panic!("nothing is stored") };
        reported += usize::from(alone.outage.is_some());
        assert_eq!(alone.within, Some(Duration::from_millis(1_500)));
    }
    assert_eq!((reported, server.statements()), (1, vec![1, 10]));
    let lone = server.begin("lone", 1).await;
    assert!(matches!(lone.await.unwrap(), Combined::Failed(_)), "it was alone already");
}
