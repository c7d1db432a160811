//! The parent's side of reading: sends the document, takes the answer, and maps the child's end to a verdict.

use std::{io, process::ExitStatus};

use pipeline::document::{DocumentError, recognition::Scanned};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
};

use super::{
    limits::{CPU_SECONDS_MAX, Limits},
    wire::{Confinement, Header, Reply},
};

/// The outcome of one document.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<Scanned, DocumentError>,
    /// None if the child did not answer.
    pub(super) confinement: Option<Confinement>,
    /// Whether the document ended or exhausted its reader.
    pub(super) is_offence: bool,
}

impl Outcome {
    /// The document ended or exhausted its reader.
    pub(super) fn offence(error: DocumentError) -> Self {
        Self { result: Err(error), confinement: None, is_offence: true }
    }

    /// The document's reader ran out of time.
    pub(super) fn timeout(limits: &Limits) -> Self {
        Self::offence(DocumentError::Timeout(format!("more than {:?}", limits.wall_timeout)))
    }

    /// The machine's fault and not the document's, so a retry may succeed.
    pub(super) fn not_started(error: &io::Error) -> Self {
        tracing::error!(event = "document_child_failed", %error, "the process that reads documents failed to run");
        let error = DocumentError::Unavailable("the reader could not be started".to_owned());
        Self { result: Err(error), confinement: None, is_offence: false }
    }
}

/// A child's output.
#[derive(Debug)]
pub(super) struct Ended {
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// The pipes of a child.
#[derive(Debug)]
pub(super) struct Pipes<I, O, C> {
    pub(super) input: I,
    pub(super) output: O,
    pub(super) complaints: C,
}

impl Pipes<ChildStdin, ChildStdout, ChildStderr> {
    /// # Errors
    ///
    /// The child was started without pipes, or they were taken before.
    pub(super) fn of(child: &mut Child) -> io::Result<Self> {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(complaints)) = pipes else {
            return Err(io::Error::other("the child has no pipes"));
        };
        Ok(Self { input, output, complaints })
    }
}

impl<I, O, C> Pipes<I, O, C>
where
    I: AsyncWrite + Unpin,
    O: AsyncRead + Unpin,
    C: AsyncRead + Unpin,
{
    /// Sends the document and reads the answer at the same time, so that neither process blocks on a full
    /// pipe.
    pub(super) async fn exchange(
        self,
        source_name: &str,
        bytes: &[u8],
        output_bytes_max: usize,
    ) -> io::Result<Ended> {
        let header = Header { source_name: source_name.to_owned(), bytes: bytes.len() };
        self.send(serde_json::to_vec(&header)?, bytes, output_bytes_max).await
    }

    /// Sends a header of one line and the document, as [`Pipes::exchange`] does.
    pub(super) async fn send(
        self,
        mut header: Vec<u8>,
        bytes: &[u8],
        output_bytes_max: usize,
    ) -> io::Result<Ended> {
        /// The runtime's message before an abort is short.
        const COMPLAINT_BYTES_MAX: usize = 4_096;
        let Self { mut input, output, complaints } = self;
        header.push(b'\n');
        let send = async {
            // A child that ends early closes the pipe, and its exit status says why.
            if input.write_all(&header).await.is_ok() {
                let _ = input.write_all(bytes).await;
            }
            let _ = input.shutdown().await;
            drop(input);
        };
        let ((), output, complaint) = tokio::join!(
            send,
            read_bounded(output, output_bytes_max + 1),
            read_tail(complaints, COMPLAINT_BYTES_MAX)
        );
        Ok(Ended { output: output?, complaint: complaint? })
    }
}

/// Reads to the end or to the limit. Beyond it, the writer gets a broken pipe.
async fn read_bounded(pipe: impl AsyncRead + Unpin, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(bytes_max as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}

/// Reads to the end and keeps the last bytes.
async fn read_tail(mut pipe: impl AsyncRead + Unpin, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    while pipe.read_buf(&mut tail).await? > 0 {
        tail.drain(..tail.len().saturating_sub(bytes_max));
    }
    Ok(tail)
}

impl Ended {
    /// The answer and the complaint, as they are.
    pub(super) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.output, self.complaint)
    }

    /// The number of bytes of the answer.
    pub(super) fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// An outcome if the answer is longer than allowed. The caller stops the child.
    pub(super) fn too_long(&self, limits: &Limits) -> Option<Outcome> {
        let is_too_long = self.output.len() > limits.output_bytes_max;
        is_too_long
            .then(|| Outcome::offence(DocumentError::TooLarge("its text is longer than allowed".to_owned())))
    }

    /// Maps the child's end to a document or its error.
    pub(super) async fn outcome(self, status: ExitStatus) -> Outcome {
        /// Decoding a longer answer would block the other tasks of this thread.
        const DECODED_AT_ONCE_MAX: usize = 256 * 1024;
        if self.output.len() <= DECODED_AT_ONCE_MAX {
            return self.decide(status);
        }
        tokio::task::spawn_blocking(move || self.decide(status))
            .await
            .unwrap_or_else(|_| Outcome::offence(corrupt("the reader's answer could not be decoded")))
    }

    fn decide(self, status: ExitStatus) -> Outcome {
        match self.answer(status) {
            Ok(answer) => match Reply::decode(answer) {
                Some(Reply { confinement, result }) => {
                    Outcome { result, confinement: Some(confinement), is_offence: false }
                }
                None => Outcome::offence(corrupt("reading it ended without an answer")),
            },
            Err(error) => Outcome::offence(error),
        }
    }

    /// The answer of a child that has ended well. Otherwise the document has ended or exhausted it.
    pub(super) fn answer(&self, status: ExitStatus) -> Result<&[u8], DocumentError> {
        if status.success() {
            return Ok(&self.output);
        }
        let complaint = String::from_utf8_lossy(&self.complaint);
        Err(match signal(status) {
            Some(Signal::CpuTime) => {
                DocumentError::Timeout(format!("more than {CPU_SECONDS_MAX} s of computing"))
            }
            // The kernel killed the child, because the machine ran out of memory.
            Some(Signal::Kill) => too_much_memory(),
            _ if complaint.contains("memory allocation") => too_much_memory(),
            _ if complaint.contains("overflowed its stack") => corrupt("its parts are nested too deeply"),
            _ => corrupt("reading it ended in a crash"),
        })
    }
}

/// Whether the process was stopped at its CPU time.
pub(super) fn ran_out_of_time(status: ExitStatus) -> bool {
    signal(status) == Some(Signal::CpuTime)
}

/// The signals that say something about the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    CpuTime,
    Kill,
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<Signal> {
    use std::os::unix::process::ExitStatusExt;
    match status.signal()? {
        number if number == rustix::process::Signal::XCPU.as_raw() => Some(Signal::CpuTime),
        number if number == rustix::process::Signal::KILL.as_raw() => Some(Signal::Kill),
        _ => None,
    }
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<Signal> {
    None
}

fn too_much_memory() -> DocumentError {
    DocumentError::TooLarge("reading it takes more memory than allowed".to_owned())
}

fn corrupt(reason: &str) -> DocumentError {
    DocumentError::Corrupt(reason.to_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_child_have_their_words() {
        use std::os::unix::process::ExitStatusExt;
        let verdict = |raw: i32, complaint: &[u8]| {
            let ended = Ended { output: Vec::new(), complaint: complaint.to_vec() };
            let outcome = ended.decide(ExitStatus::from_raw(raw));
            assert!(outcome.is_offence);
            outcome.result.unwrap_err()
        };
        assert_eq!(verdict(24, b"").code(), "DOCUMENT_TIMEOUT");
        assert_eq!(verdict(9, b"").code(), "DOCUMENT_TOO_LARGE");
        assert_eq!(verdict(6, b"memory allocation of 64 bytes failed").code(), "DOCUMENT_TOO_LARGE");
        assert!(verdict(6, b"thread has overflowed its stack").to_string().contains("nested too deeply"));
        assert_eq!(verdict(11, b"").code(), "DOCUMENT_CORRUPT");
    }
}
