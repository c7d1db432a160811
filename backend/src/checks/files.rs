//! The file storage: writable, durable, shared safely, with room.

use std::path::Path;

use serde_json::json;
use storage::prelude::*;

use super::{
    check::{Check, Finding, Severity},
    deps::CheckDeps,
};
use crate::{config::StoragePlace, health::FileStorage};

const MIB: u64 = 1024 * 1024;

/// Below this, a few documents of 25 MiB fill the disk.
const FREE_BYTES_FAIL: u64 = 100 * MIB;

/// Below this, a day of runs may fill it.
const FREE_BYTES_WARN: u64 = 1024 * MIB;

const SET_BUCKET: &str = "STORAGE_URL=s3://bucket/prefix";

pub(super) fn writable(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("files", "The file storage takes writes", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            let place = deps.files.place();
            if let StoragePlace::Folder(folder) = &deps.config.storage.place
                && let Err(finding) = existing(folder)
            {
                return finding;
            }
            match deps.files.probe().await {
                Ok(()) => Finding::ok(format!("{place} takes writes")).with(json!({ "place": place })),
                Err(error) => {
                    let next = match &deps.config.storage.place {
                        StoragePlace::Folder(folder) => format!("chmod u+rwx {}", word(folder)),
                        StoragePlace::Bucket(_) => SET_BUCKET.to_owned(),
                    };
                    Finding::fail(format!("{place} takes no writes: {error}")).next(next)
                }
            }
        }
    })
}

/// A missing folder is made by the service at its first run. A file in its place is a mistake.
fn existing(folder: &Path) -> Result<(), Finding> {
    if folder.is_dir() {
        return Ok(());
    }
    if folder.exists() {
        let (old, make) = (word(folder), make(folder));
        return Err(Finding::fail(format!("{} is no folder", folder.display()))
            .next(format!("mv {old} {old}.moved"))
            .next(make));
    }
    Err(Finding::warn(format!("{} does not exist yet: the service makes it at its start", folder.display()))
        .next(make(folder)))
}

fn make(folder: &Path) -> String {
    format!("mkdir -p {}", word(folder))
}

/// A path as one word of a shell.
pub(super) fn word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

pub(super) fn durable(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("files-durable", "Files survive the container", Severity::Major, move || {
        let modes = &deps.config.modes;
        let data = json!({ "file_storage": deps.file_storage });
        let finding = match deps.file_storage {
            FileStorage::Bucket => Finding::ok("files are in a bucket"),
            FileStorage::Volume => Finding::ok("files are on a volume"),
            FileStorage::Local => Finding::ok("files are on this machine's own disk"),
            FileStorage::Ephemeral if !modes.file_fallback => {
                Finding::ok("the container's disk is ephemeral, and the mode keeps no outputs on it")
            }
            FileStorage::Ephemeral if modes.database_writes => {
                Finding::warn("the next deploy deletes this disk; outputs survive in the database alone")
                    .next(SET_BUCKET)
            }
            FileStorage::Ephemeral => {
                Finding::fail("the next deploy deletes this disk, and outputs are nowhere else")
                    .next(SET_BUCKET)
            }
        };
        async move { finding.with(data) }
    })
}

pub(super) fn bucket_guard(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("bucket-guard", "The bucket refuses to create twice", Severity::Critical, move || {
        let deps = deps.clone();
        async move {
            if deps.files.is_on_disk() {
                return Finding::ok("does not apply: the files are on a disk");
            }
            match deps.files.check_create_if_absent().await {
                Ok(true) => Finding::ok("the bucket refuses an object that is there already"),
                Ok(false) if deps.config.work.single_replica == Some(true) => Finding::ok(
                    "the bucket takes conditional puts without their conditions; SINGLE_REPLICA=true says that nobody else writes there",
                ),
                Ok(false) => Finding::fail(
                    "the bucket takes conditional puts without their conditions, so its files do not guard among replicas",
                )
                .next("SINGLE_REPLICA=true"),
                Err(error) => Finding::could_not_check(format!("the bucket does not answer: {error}")).next(SET_BUCKET),
            }
        }
    })
}

pub(super) fn space(deps: &CheckDeps) -> Check {
    let deps = deps.clone();
    Check::new("disk-space", "The local disk has room", Severity::Major, move || {
        let folder = deps.config.storage.local.clone();
        async move {
            let place = folder.display().to_string();
            let asked = tokio::task::spawn_blocking(move || free_bytes(&folder)).await;
            let Ok(Some((free, total))) = asked else {
                return Finding::could_not_check(format!(
                    "the disk of {place} does not say how much of it is free"
                ))
                .next("df -h");
            };
            let told = format!("{} MiB of {} MiB are free on the disk of {place}", free / MIB, total / MIB);
            let clean = "innovation reconcile --verify";
            match free {
                0..FREE_BYTES_FAIL => Finding::fail(told).next("RETENTION_DAYS=7").next(clean),
                FREE_BYTES_FAIL..FREE_BYTES_WARN => Finding::warn(told).next("RETENTION_DAYS=7"),
                _ => Finding::ok(told),
            }
            .with(json!({ "free_bytes": free, "total_bytes": total }))
        }
    })
}

/// The free and all bytes of the disk below a folder, or below its nearest parent that exists.
fn free_bytes(folder: &Path) -> Option<(u64, u64)> {
    let folder = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), disk.f_blocks.saturating_mul(disk.f_frsize)))
}
