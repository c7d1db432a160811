//! Files in an S3-compatible bucket that all replicas share. Conditional puts create and change them.

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foundation::failpoints;
use futures_util::future::join_all;
use pipeline::clock::{Clock, Timestamp};
use tokio::runtime::Handle;

use crate::{
    files::{
        backend::{
            client::{Client, LISTING_TIMEOUT, SharedClient},
            file_backend::{ETag, FileBackend, Newest, OwnerLease, Stored, Swap, cas_conflict},
            heartbeat::Heartbeat,
        },
        config::BucketConfig,
        layout::{GUARD_FOLDER, RUNS_FOLDER},
    },
    private_tree::GroupFile,
};

/// The content of a marker file. It is not empty, because an emptied file counts as absent.
const MARK: &[u8] = b"\n";

/// The most runs that are listed: two pages.
const NEWEST_MAX: usize = 2_000;

/// A bucket, or a prefix of one.
#[derive(Debug)]
pub(in crate::files) struct S3 {
    client: SharedClient,
    heartbeat: Heartbeat,
    /// Whether conditional puts are proven to work.
    is_guard: AtomicBool,
}

impl S3 {
    /// Connects to nothing yet. An owner counts as dead once it has sent no heartbeat for one `lease`.
    pub(in crate::files) fn new(
        config: &BucketConfig,
        clock: Arc<dyn Clock>,
        lease: Duration,
    ) -> io::Result<Self> {
        let client = Arc::new(Client::new(config)?);
        let heartbeat = Heartbeat::new(client.clone(), clock, lease);
        Ok(Self { client, heartbeat, is_guard: AtomicBool::new(false) })
    }

    /// Waits for an answer, on a thread of the blocking pool.
    fn wait<T>(&self, answer: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        runtime()?.block_on(answer)
    }
}

/// The runtime of this thread. Threads of the blocking pool belong to one.
fn runtime() -> io::Result<Handle> {
    Handle::try_current().map_err(io::Error::other)
}

/// Builds an index name that sorts the newest run first.
fn note(run: &str, accepted_ms: i64) -> String {
    format!("{RUNS_FOLDER}/{:016x}.{run}", i64::MAX.wrapping_sub(accepted_ms.max(0)))
}

fn noted(name: &str) -> Option<(i64, String)> {
    let (time, run) = name.split_once('.')?;
    let inverted = i64::from_str_radix(time, 16).ok()?;
    Some((i64::MAX - inverted, run.to_owned()))
}

impl FileBackend for S3 {
    fn place(&self, name: &str) -> String {
        self.client.place(name)
    }

    fn has_shared_create_if_absent(&self) -> bool {
        self.is_guard.load(Ordering::Relaxed)
    }

    /// Sends two puts that the server must refuse. A server without conditional puts accepts them.
    fn check_create_if_absent(&self) -> io::Result<bool> {
        let name = format!("{GUARD_FOLDER}/{}", uuid::Uuid::new_v4());
        let checking = async {
            let first = self.client.create(&name, b"first\n").await?;
            let refuses_creation = match self.client.create(&name, b"second\n").await {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => true,
                Err(error) => return Err(error),
                Ok(_) => false,
            };
            let second = self.client.replace_matching(&name, b"third\n", &first).await;
            let refuses_stale = match self.client.replace_matching(&name, b"fourth\n", &first).await {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => true,
                Err(error) => return Err(error),
                Ok(_) => false,
            };
            self.client.remove(&name).await?;
            Ok(refuses_creation && refuses_stale && second.is_ok())
        };
        let is_guard = self.wait(checking)?;
        self.is_guard.store(is_guard, Ordering::Relaxed);
        Ok(is_guard)
    }

    fn read(&self, name: &str) -> io::Result<Option<Stored>> {
        self.wait(self.client.read(name))
    }

    fn read_all(&self, names: &[String]) -> Vec<io::Result<Option<Stored>>> {
        match runtime() {
            Ok(runtime) => runtime.block_on(self.client.read_all(names)),
            Err(error) => names.iter().map(|_| Err(io::Error::other(error.to_string()))).collect(),
        }
    }

    fn exists(&self, name: &str) -> io::Result<bool> {
        self.wait(self.client.exists(name))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.wait(self.client.create(name, bytes)).map(drop)
    }

    /// Sends them at once.
    fn write_all(&self, files: &[GroupFile<'_>]) -> Vec<io::Result<()>> {
        let write = async |file: &GroupFile<'_>| match file.is_new {
            true => self.client.create(file.name, file.bytes).await.map(drop),
            false => self.client.replace(file.name, file.bytes).await,
        };
        match runtime() {
            Ok(runtime) => runtime.block_on(join_all(files.iter().map(write))),
            Err(error) => files.iter().map(|_| Err(io::Error::other(error.to_string()))).collect(),
        }
    }

    fn compare_and_swap_all(&self, swaps: &[Swap<'_>]) -> Vec<io::Result<ETag>> {
        let swap = |swap: &Swap<'_>| self.compare_and_swap(swap.name, swap.bytes, swap.etag, swap.unflushed);
        let swapped = swaps.iter().map(swap).collect();
        failpoints::hit("mirror-manifests-written");
        swapped
    }

    fn touch(&self, name: &str) -> io::Result<()> {
        self.wait(self.client.replace(name, MARK))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.wait(self.client.replace(name, bytes))
    }

    fn replace_large(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.wait(self.client.replace_large(name, bytes))
    }

    fn read_large(&self, name: &str) -> io::Result<Option<Stored>> {
        self.wait(self.client.read_large(name))
    }

    fn compare_and_swap(
        &self,
        name: &str,
        bytes: &[u8],
        etag: Option<&ETag>,
        _: &[String],
    ) -> io::Result<ETag> {
        match etag {
            Some(etag) => self.wait(self.client.replace_matching(name, bytes, etag)),
            None => match self.wait(self.client.create(name, bytes)) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(cas_conflict()),
                created => created,
            },
        }
    }

    fn flush(&self, _: &[String]) -> io::Result<()> {
        Ok(())
    }

    fn quarantine(&self, name: &str, quarantined: &str, etag: Option<&ETag>) -> io::Result<()> {
        let moving = async {
            let Some(stored) = self.client.read(name).await? else { return Ok(()) };
            if etag.is_some_and(|etag| *etag != stored.version) {
                return Err(cas_conflict());
            }
            self.client.replace(quarantined, &stored.bytes).await?;
            self.client.conditional_delete(name, &stored.version).await
        };
        self.wait(moving)
    }

    fn conditional_delete(&self, name: &str, etag: &ETag) -> io::Result<()> {
        self.wait(self.client.conditional_delete(name, etag))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.wait(self.client.remove(name))
    }

    fn remove_below(&self, folder: &str, kept: &[&str]) -> io::Result<()> {
        self.wait(async {
            for name in self.client.first(folder, usize::MAX).await? {
                if !kept.contains(&name.as_str()) {
                    self.client.remove(&format!("{folder}/{name}")).await?;
                }
            }
            Ok(())
        })
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let (files, folders) = self.wait(self.client.list(folder, LISTING_TIMEOUT))?;
        Ok(files.into_iter().map(|file| file.name).chain(folders).collect())
    }

    fn newest_runs(&self, limit: usize) -> io::Result<Newest> {
        let limit = limit.min(NEWEST_MAX);
        let mut names = self.wait(self.client.first(RUNS_FOLDER, limit + 1))?;
        let has_more = names.len() > limit;
        names.truncate(limit);
        let runs = names.iter().filter_map(|name| noted(name)).map(|(ms, run)| (Some(ms), run)).collect();
        Ok(Newest { runs, has_more })
    }

    /// Runs that were accepted before then, because a run ends after its acceptance.
    fn runs_before(&self, before: Timestamp) -> io::Result<Vec<String>> {
        let names = self.wait(self.client.first(RUNS_FOLDER, usize::MAX))?;
        let before = before.timestamp_millis();
        let old = names.iter().rev().filter_map(|name| noted(name)).filter(|(ms, _)| *ms < before);
        Ok(old.map(|(_, run)| run).collect())
    }

    /// Always true: the callers name only runs from the index.
    fn has_run(&self, _: &str) -> io::Result<bool> {
        Ok(true)
    }

    /// A bucket has no folders. An index entry without a run may belong to an acceptance in progress.
    fn holds_nothing(&self, _: &str) -> io::Result<bool> {
        Ok(false)
    }

    fn remove_run(&self, run: &str) -> io::Result<()> {
        self.remove_below(run, &[])
    }

    fn try_become_leader(&self, _: &str) -> io::Result<bool> {
        Ok(true)
    }

    fn note_run(&self, run: &str, accepted_ms: i64) -> io::Result<()> {
        self.touch(&note(run, accepted_ms))
    }

    fn forget_run(&self, run: &str, accepted_ms: i64) -> io::Result<()> {
        self.remove(&note(run, accepted_ms))
    }

    fn lock(&self, _: &str, _: bool) -> io::Result<Option<File>> {
        Ok(None)
    }

    /// An object is written as a whole or not at all.
    fn has_leftovers(&self, _: &str) -> io::Result<bool> {
        Ok(false)
    }

    fn clear_leftovers(&self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn hold(&self, owner: &str) -> io::Result<()> {
        self.heartbeat.hold(owner, &runtime()?)
    }

    fn is_alive(&self, owner: &str, now: bool) -> io::Result<bool> {
        self.heartbeat.is_alive(owner, now, &runtime()?)
    }

    fn owner_lease(&self, owner: &str) -> OwnerLease {
        self.heartbeat.owner_lease(owner)
    }

    fn leave(&self) {
        if let Ok(runtime) = runtime() {
            self.heartbeat.leave(&runtime);
        }
    }

    fn detection_delay(&self) -> Duration {
        self.heartbeat.lease()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_run_has_the_first_name() {
        let (old, new) = (note("b", 1_700_000_000_000), note("a", 1_800_000_000_000));
        assert!(new < old);
        let name = new.strip_prefix(".runs/").unwrap();
        assert_eq!(noted(name), Some((1_800_000_000_000, "a".to_owned())));
        assert_eq!(noted("no note"), None);
    }
}
