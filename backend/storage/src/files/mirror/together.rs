//! Writes that runs wait for, together: in `FILE_ONLY`, and while the database is away. A write that arrives while a
//! group is being flushed goes into the next one, which begins at once afterwards. A run goes on when its group is flushed.

use super::{
    batch::{Batch, MirrorPart},
    group::GROUP_TIMEOUT,
    line::Part,
};
use crate::{
    error::{StorageError, StorageErrorKind},
    files::{db_sync::DbSync, limits::ATTEMPT_TIMEOUT, run_files::RunFiles, store::FileStore},
    ports::lifecycle::Fence,
};

impl FileStore {
    /// Whether a run that waits for such a write shares its group. The mirror writes all that the database has. In a bucket,
    /// each request is durable, and all are sent at once.
    pub(in crate::files) fn writes_together(&self, db_sync: DbSync) -> bool {
        self.is_on_disk() && !db_sync.is_synced()
    }

    /// Writes a part together with those of other runs. None if the run is to write it alone, because the group did not take
    /// it, or not in time: that write says why, or succeeds.
    pub(in crate::files) async fn write_together(
        &self,
        fence: &Fence,
        part: MirrorPart,
        db_sync: DbSync,
    ) -> Option<Result<(), StorageError>> {
        if self.settle(&fence.run).await.is_err() {
            return None;
        }
        let store = self.clone();
        let send = move |group: Vec<Part>| {
            let store = store.clone();
            async move {
                let work = move |files: &RunFiles| Ok(files.write_group(&group));
                store.guarded("write_group", "", GROUP_TIMEOUT, work).await
            }
        };
        let part = Part(Batch::of(fence.clone(), part, db_sync));
        let asked = self.together.ask(part, send);
        match tokio::time::timeout(ATTEMPT_TIMEOUT, asked).await.map(Result::flatten) {
            Ok(Ok(())) => Some(Ok(())),
            // The files do not answer, so another attempt would wait as long.
            Ok(Err(error)) if error.kind == StorageErrorKind::Indeterminate && self.is_breaker_open() => {
                Some(Err(error))
            }
            // The write alone waits for the run's lock, and finds what the group may have written.
            Ok(Err(_)) | Err(_) => None,
        }
    }
}
