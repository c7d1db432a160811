//! Which process of a disk or a bucket notifies of alerts, while the database cannot say it.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    error::StorageError,
    files::{layout::ALERTS_FOLDER, run_files::RunFiles, store::FileStore},
};

/// The file of the leader, in a bucket. On a disk, a lock says it.
const LEADER_FILE: &str = "leader";

/// The process that notifies. In a bucket, its beat grows while it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertLeader {
    pub owner: String,
    pub beat: u64,
}

impl FileStore {
    /// Takes or keeps the lead. Returns the leader, which may be another process. In a bucket, the caller names the leader that it takes for
    /// dead, because its beat has not grown for a lease; on a disk, the lock of a dead process is free.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the files cannot be written. `Indeterminate` if the store does not answer in time.
    pub async fn lead_alerts(
        &self,
        owner: &str,
        dead: Option<AlertLeader>,
    ) -> Result<AlertLeader, StorageError> {
        let (owner, is_on_disk) = (owner.to_owned(), self.is_on_disk());
        self.whole(move |files| match is_on_disk {
            true => lead_disk(files, owner),
            false => lead_bucket(files, owner, dead.as_ref()),
        })
        .await
    }
}

/// The leader that this process does not know by name.
fn another() -> AlertLeader {
    AlertLeader { owner: String::new(), beat: 0 }
}

fn lead_disk(files: &RunFiles, owner: String) -> Result<AlertLeader, StorageError> {
    let leads = files.io.backend.try_become_leader(ALERTS_FOLDER);
    let leads = leads.map_err(|error| files.io.fault(ALERTS_FOLDER, &error))?;
    Ok(if leads { AlertLeader { owner, beat: 0 } } else { another() })
}

fn lead_bucket(
    files: &RunFiles,
    owner: String,
    dead: Option<&AlertLeader>,
) -> Result<AlertLeader, StorageError> {
    let path = format!("{ALERTS_FOLDER}/{LEADER_FILE}");
    let stored = files.io.read(&path)?;
    // A damaged file belongs to nobody.
    let known: Option<AlertLeader> =
        stored.as_ref().and_then(|stored| serde_json::from_slice(&stored.bytes).ok());
    let beat = match known {
        Some(known) if known.owner != owner && Some(&known) != dead => return Ok(known),
        Some(known) => known.beat.wrapping_add(1),
        None => 1,
    };
    let leader = AlertLeader { owner, beat };
    let bytes = files.io.json_bytes(&leader, &path)?;
    let etag = stored.as_ref().map(|stored| &stored.version);
    match files.io.backend.compare_and_swap(&path, &bytes, etag, &[]) {
        Ok(_) => Ok(leader),
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(another()),
        Err(error) => Err(files.io.fault(&path, &error)),
    }
}
