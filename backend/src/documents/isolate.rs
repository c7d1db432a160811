//! Reads a document in a process of its own. No file can crash, hang or exhaust this process.
//!
//! The parent runs its own binary again with an empty environment. It kills the child at its time limit,
//! after too much output, or when the caller stops. A command reads its one document so. The service does it
//! where it has no fork server.

use std::{io, path::PathBuf, process::Stdio};

use pipeline::document::{
    Document, DocumentError,
    recognition::{self, Scanned},
};
use tokio::process::{Child, Command};

use super::{
    child::CHILD_ARGUMENT,
    exchange::{Outcome, Pipes},
    limits::{INPUT_BYTES_MAX, Limits, input_too_large},
};

/// The settings for reading a document in isolation.
#[derive(Debug, Clone, Default)]
pub struct Isolation {
    /// The binary to run. By default, the running one.
    pub program: Option<PathBuf>,
    pub limits: Limits,
}

/// Reads a document in a confined child of the running binary.
///
/// # Errors
///
/// As [`Isolation::extract`].
pub async fn extract(source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
    Isolation::default().extract(source_name, bytes).await
}

impl Isolation {
    /// Reads a document in a confined child process.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Timeout`] or [`DocumentError::TooLarge`] at a limit. [`DocumentError::Corrupt`] if
    /// the child crashes. [`DocumentError::Unavailable`] if the child cannot run. Otherwise the child's own
    /// error.
    pub async fn extract(&self, source_name: &str, bytes: &[u8]) -> Result<Document, DocumentError> {
        recognition::without(self.extract_scanned(source_name, bytes).await?, recognition::OFF)
    }

    /// Reads a document, and leaves its scans to OCR.
    pub(super) async fn extract_scanned(
        &self,
        source_name: &str,
        bytes: &[u8],
    ) -> Result<Scanned, DocumentError> {
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(input_too_large());
        }
        self.read(source_name, bytes).await.result
    }

    pub(super) async fn read(&self, source_name: &str, bytes: &[u8]) -> Outcome {
        self.try_read(source_name, bytes).await.unwrap_or_else(|error| Outcome::not_started(&error))
    }

    async fn try_read(&self, source_name: &str, bytes: &[u8]) -> io::Result<Outcome> {
        let mut child = self.spawn(CHILD_ARGUMENT)?;
        let pipes = Pipes::of(&mut child)?;
        let exchange = pipes.exchange(source_name, bytes, self.limits.output_bytes_max);
        let Ok(ended) = tokio::time::timeout(self.limits.wall_timeout, exchange).await else {
            // An error here means that the child has just ended.
            let _ = child.kill().await;
            return Ok(Outcome::timeout(&self.limits));
        };
        let ended = ended?;
        if let Some(outcome) = ended.too_long(&self.limits) {
            let _ = child.kill().await;
            return Ok(outcome);
        }
        Ok(ended.outcome(child.wait().await?).await)
    }

    /// Starts the binary as a process that takes a document. Dropped, it ends.
    pub(super) fn spawn(&self, argument: &str) -> io::Result<Child> {
        let mut command = Command::new(self.program()?);
        // A terminal's Ctrl-C reaches only the parent, which stops the child and knows why.
        #[cfg(unix)]
        command.process_group(0);
        command
            .arg(argument)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// The binary to run.
    ///
    /// # Errors
    ///
    /// If the system does not know the running binary's path.
    pub(super) fn program(&self) -> io::Result<PathBuf> {
        match &self.program {
            Some(program) => Ok(program.clone()),
            None => std::env::current_exe(),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use super::*;

    fn child(program: &str, wall_timeout: Duration, output_bytes_max: usize) -> Isolation {
        Isolation { program: Some(program.into()), limits: Limits { wall_timeout, output_bytes_max } }
    }

    #[tokio::test]
    async fn a_child_that_says_too_much_is_stopped() {
        let result = child("yes", Duration::from_secs(10), 100_000).extract("a", &[b'a'; 1 << 20]).await;
        assert!(matches!(result, Err(DocumentError::TooLarge(reason)) if reason.contains("text")));
    }

    #[tokio::test]
    async fn a_child_that_does_not_end_is_stopped() {
        let result = child("yes", Duration::from_millis(50), usize::MAX / 2).extract("a", &[]).await;
        assert!(matches!(result, Err(DocumentError::Timeout(_))));
    }

    #[tokio::test]
    async fn a_silent_child_differs_from_a_failed_start() {
        let wall = Duration::from_secs(10);
        let result = child("false", wall, 1_000).extract("a", &[b'a'; 1 << 20]).await;
        assert!(matches!(result, Err(DocumentError::Corrupt(_))));
        let result = child("true", wall, 1_000).extract("a", &[]).await;
        assert!(
            matches!(result, Err(DocumentError::Corrupt(reason)) if reason.contains("without an answer"))
        );
        let result = child("/no/such/program", wall, 1_000).extract("a", &[]).await;
        assert!(matches!(result, Err(DocumentError::Unavailable(_))));
    }

    #[tokio::test]
    async fn input_over_the_limit_starts_no_child() {
        let bytes = vec![b'a'; INPUT_BYTES_MAX + 1];
        let result = child("/no/such/program", Duration::from_secs(1), 1).extract("a", &bytes).await;
        assert_eq!(result, Err(input_too_large()));
    }
}
