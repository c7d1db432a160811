//! Reads the corpus with the product's own readers: in confined children, and in this process.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use backend::documents::{
    isolate::Isolation,
    readers::{Readers, Requester},
};
use foundation::clock::SystemClock;
use futures_util::StreamExt as _;
use pipeline::document::{self, Document, DocumentError};

/// As many as the service reads at once (see `readers.rs`).
const READERS: usize = 2;

/// A document as the product reads it.
pub(crate) struct Own {
    pub(crate) file: PathBuf,
    pub(crate) result: Result<Document, DocumentError>,
    /// From the bytes in memory to the document in memory, a confined child in between.
    pub(crate) isolated: Duration,
    /// The same without a child, if the child had no difficulty.
    pub(crate) in_process: Option<Duration>,
}

impl Own {
    pub(crate) fn pages(&self) -> usize {
        self.result.as_ref().map_or(0, |document| document.pages.len())
    }

    pub(crate) fn text(&self) -> Option<String> {
        let pages = &self.result.as_ref().ok()?.pages;
        Some(pages.iter().map(|page| page.text.as_str()).collect::<Vec<_>>().join("\n\u{c}"))
    }
}

/// The cost of reading all files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) elapsed: Duration,
    /// Unlike the elapsed time, it does not grow much if others use the machine too.
    pub(crate) cpu: Duration,
}

/// Reads all files as the service does.
pub(crate) fn isolated(files: &[PathBuf]) -> (Vec<Own>, Cost) {
    let isolation =
        Isolation { program: Some(env!("CARGO_BIN_EXE_innovation").into()), ..Isolation::default() };
    let readers = Readers::new(isolation, Arc::new(SystemClock::default()));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // The start of the fork server is no part of reading.
    runtime.block_on(readers.self_test()).unwrap();
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut all: Vec<Own> = runtime.block_on(
        futures_util::stream::iter(files.to_vec())
            .map(|file| read(&readers, file))
            // In any order, so that no reader waits while another reads a long document.
            .buffer_unordered(READERS)
            .collect(),
    );
    let cost = Cost { elapsed: started.elapsed(), cpu: cpu_time().saturating_sub(cpu) };
    all.sort_by(|one, next| one.file.cmp(&next.file));
    (all, cost)
}

/// The CPU time of this process, and of the fork server with its finished children.
fn cpu_time() -> Duration {
    let own = std::fs::read_to_string("/proc/self/stat").map_or(0, |stat| ticks(&stat, 2));
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let children: String =
        tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok()).collect();
    let stats =
        children.split_whitespace().filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok());
    Duration::from_millis(10 * (own + stats.map(|stat| ticks(&stat, 4)).sum::<u64>()))
}

/// The first fields from 14 on: user and system time of a process, then of its finished children, in hundredths of a second.
fn ticks(stat: &str, fields: usize) -> u64 {
    let rest = stat.rsplit(") ").next().unwrap_or_default();
    rest.split(' ').skip(11).take(fields).filter_map(|field| field.parse::<u64>().ok()).sum()
}

async fn read(readers: &Readers, file: PathBuf) -> Own {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = tokio::fs::read(&file).await.unwrap();
    let started = Instant::now();
    let result = readers.extract(&Requester::Unnamed, &name, &bytes).await;
    Own { file, result, isolated: started.elapsed(), in_process: None }
}

/// Reads the same files again in this process, one after the other. A file that ended its child could end this process.
pub(crate) fn in_process(all: &mut [Own]) -> Cost {
    let cpu = cpu_time();
    let mut sum = Duration::ZERO;
    for own in all.iter_mut().filter(|own| own.result.is_ok()) {
        let name = own.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = std::fs::read(&own.file).unwrap();
        let started = Instant::now();
        let read = document::extract(&name, &bytes);
        let elapsed = started.elapsed();
        assert_eq!(read.is_ok(), own.result.is_ok(), "{}", own.file.display());
        own.in_process = Some(elapsed);
        sum += elapsed;
    }
    Cost { elapsed: sum, cpu: cpu_time().saturating_sub(cpu) }
}
