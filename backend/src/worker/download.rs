//! Keeps a downloaded document until its reader has room: a small one in memory, any other in a temporary file.

use std::{io, sync::Arc};

use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use crate::documents::fetch::Sink;

/// The largest document that stays in memory: most reports have less. A file costs several hand-overs to other threads.
const IN_MEMORY_BYTES_MAX: usize = 1024 * 1024;

/// The memory of all documents that are being downloaded, or wait for a reader, in KiB. Beyond it, they go to files.
const IN_MEMORY_KIB_MAX: usize = 16 * 1024;

/// The downloads of this process. Clones share the memory.
#[derive(Debug, Clone)]
pub struct Downloads {
    free_kib: Arc<Semaphore>,
}

impl Default for Downloads {
    fn default() -> Self {
        Self { free_kib: Arc::new(Semaphore::new(IN_MEMORY_KIB_MAX)) }
    }
}

/// A downloaded document.
#[derive(Debug)]
pub(super) enum Kept {
    InMemory(Vec<u8>, #[expect(dead_code, reason = "held for its end")] Option<OwnedSemaphorePermit>),
    /// In a temporary file without a name, which the system removes when the handle closes.
    InFile(File),
}

/// A document that is being downloaded.
#[derive(Debug)]
pub(super) struct Keeping {
    free_kib: Arc<Semaphore>,
    /// The memory that the bytes may take.
    taken_kib: Option<OwnedSemaphorePermit>,
    bytes: Vec<u8>,
    file: Option<File>,
    /// Why the disk failed. That is not the document's fault.
    error: Option<String>,
}

impl Downloads {
    pub(super) fn keep(&self) -> Keeping {
        let free_kib = self.free_kib.clone();
        Keeping { free_kib, taken_kib: None, bytes: Vec::new(), file: None, error: None }
    }
}

impl Keeping {
    /// The document, or why the disk failed.
    pub(super) fn into_kept(self) -> Result<Kept, String> {
        match (self.error, self.file) {
            (Some(error), _) => Err(error),
            (None, Some(file)) => Ok(Kept::InFile(file)),
            (None, None) => Ok(Kept::InMemory(self.bytes, self.taken_kib)),
        }
    }

    /// Whether memory takes so many more bytes.
    fn has_room(&mut self, more: usize) -> bool {
        let length = self.bytes.len().saturating_add(more);
        let taken = self.taken_kib.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(lacking) = u32::try_from(length.div_ceil(1024).saturating_sub(taken)) else { return false };
        if length > IN_MEMORY_BYTES_MAX {
            return false;
        }
        if lacking == 0 {
            return true;
        }
        let Ok(permit) = self.free_kib.clone().try_acquire_many_owned(lacking) else { return false };
        match &mut self.taken_kib {
            Some(taken) => taken.merge(permit),
            None => self.taken_kib = Some(permit),
        }
        true
    }

    /// Moves what is in memory to a file.
    async fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
            let mut file = File::from_std(file.map_err(io::Error::other).flatten()?);
            file.write_all(&std::mem::take(&mut self.bytes)).await?;
            self.taken_kib = None;
            self.file = Some(file);
        }
        self.file.as_mut().ok_or_else(|| io::Error::other("no temporary file"))
    }

    fn note<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            self.error = Some(error.to_string());
        }
        done
    }
}

impl Sink for Keeping {
    async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.file.is_none() && self.has_room(piece.len()) {
            self.bytes.extend_from_slice(piece);
            return Ok(());
        }
        let written = async { self.file().await?.write_all(piece).await }.await;
        self.note(written)
    }

    async fn finish(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let flushed = file.flush().await;
        self.note(flushed)
    }

    async fn restart(&mut self) -> io::Result<()> {
        self.bytes.clear();
        let Some(file) = &mut self.file else { return Ok(()) };
        let emptied = async {
            file.set_len(0).await?;
            file.rewind().await.map(drop)
        };
        let emptied = emptied.await;
        self.note(emptied)
    }
}

impl Kept {
    /// Its bytes. From here on, they are counted among the documents that are read.
    pub(super) async fn into_bytes(self) -> io::Result<Vec<u8>> {
        match self {
            Self::InMemory(bytes, _) => Ok(bytes),
            Self::InFile(mut file) => {
                let mut bytes = Vec::new();
                file.rewind().await?;
                file.read_to_end(&mut bytes).await?;
                Ok(bytes)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static PIECE: [u8; 64 * 1024] = [7; 64 * 1024];

    async fn keep(keeping: &mut Keeping, pieces: usize) {
        for _ in 0..pieces {
            keeping.write(&PIECE).await.unwrap();
        }
        keeping.finish().await.unwrap();
    }

    #[tokio::test]
    async fn small_documents_stay_in_memory_within_bounds() {
        let downloads = Downloads::default();
        let mut all: Vec<Keeping> = (0..20).map(|_| downloads.keep()).collect();
        for (number, keeping) in all.iter_mut().enumerate() {
            keep(keeping, 16).await;
            let is_in_memory = keeping.file.is_none();
            assert_eq!(is_in_memory, number < 16, "{number}");
        }
        assert_eq!(downloads.free_kib.available_permits(), 0);
        for keeping in all {
            let bytes = keeping.into_kept().unwrap().into_bytes().await.unwrap();
            assert_eq!(bytes.len(), 16 * PIECE.len());
        }
        assert_eq!(downloads.free_kib.available_permits(), IN_MEMORY_KIB_MAX, "all memory is free again");
    }

    #[tokio::test]
    async fn a_large_or_repeated_download_is_whole() {
        let downloads = Downloads::default();
        for pieces in [1, 16, 17, 40] {
            let mut keeping = downloads.keep();
            keep(&mut keeping, pieces).await;
            keeping.restart().await.unwrap();
            keeping.write(b"again, ").await.unwrap();
            keep(&mut keeping, pieces).await;
            assert_eq!(keeping.file.is_some(), pieces > 15, "{pieces}");
            let bytes = keeping.into_kept().unwrap().into_bytes().await.unwrap();
            assert_eq!((&bytes[..7], bytes.len()), (&b"again, "[..], 7 + pieces * PIECE.len()));
        }
    }
}
