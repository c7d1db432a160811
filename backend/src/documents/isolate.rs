//! Reads a document in a limited child process. No file can crash, hang or exhaust the server.
//!
//! The parent runs its own binary again with the argument [`CHILD_ARGUMENT`] and an empty environment. It
//! sends the document to stdin. The child answers on stdout in JSON: the pages, or a typed error. Before it
//! reads a byte, the child limits its own memory, CPU time and core dumps ([`child_main`]). The parent kills
//! the child at its time limit, after too much output, or when the caller stops.
//!
//! Architecture invariant: the server's process parses no document of any format.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use pipeline::document::{Document, DocumentError};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

/// The hidden subcommand that runs [`child_main`].
pub const CHILD_ARGUMENT: &str = "extract-child";

/// The most bytes of a document, as for its download.
pub const INPUT_BYTES_MAX: usize = 25 * 1024 * 1024;

/// The most bytes of a child's answer: twice the most text of a document, for escaped quotes.
const OUTPUT_BYTES_MAX: usize = 2 * pipeline::document::TEXT_BYTES_MAX;

/// The most memory of a child. Real documents needed at most 33 MiB, while hostile ones take all they get.
const MEMORY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The most CPU time of a child. The slowest real document took 0.65 s.
const CPU_SECONDS_MAX: u64 = 10;

/// The child's stack. Deeply nested documents need some, and an overflow ends only the child.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// How many children run at once. More would only compete for memory and CPU.
const CHILDREN_MAX: usize = 2;

static CHILDREN: Semaphore = Semaphore::const_new(CHILDREN_MAX);

/// The settings for reading a document in isolation.
#[derive(Debug, Clone, Default)]
pub struct Isolation {
    /// The binary to run with [`CHILD_ARGUMENT`]. By default, the running one.
    pub program: Option<PathBuf>,
    pub limits: Limits,
}

/// The parent's limits for a child.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From start to answer. It equals the CPU limit, which applies first on an idle machine. Every command
    /// gets its answer within 11 s.
    pub wall_timeout: Duration,
    pub output_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { wall_timeout: Duration::from_secs(10), output_bytes_max: OUTPUT_BYTES_MAX }
    }
}

/// Reads a document in a limited child of the running binary.
///
/// # Errors
///
/// As [`Isolation::extract`].
pub async fn extract(source_name: &str, bytes: Vec<u8>) -> Result<Document, DocumentError> {
    Isolation::default().extract(source_name, bytes).await
}

/// One line of JSON that precedes the document's bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    source_name: String,
    bytes: usize,
}

/// The child's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Document(Document),
    Error(DocumentError),
}

impl Isolation {
    /// Reads a document in a limited child process, and waits while `CHILDREN_MAX` others run.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Timeout`] or [`DocumentError::TooLarge`] at a limit. [`DocumentError::Corrupt`] if
    /// the child crashes. [`DocumentError::Unavailable`] if the child cannot run. Otherwise the child's own
    /// error.
    pub async fn extract(&self, source_name: &str, bytes: Vec<u8>) -> Result<Document, DocumentError> {
        if bytes.len() > INPUT_BYTES_MAX {
            return Err(input_too_large());
        }
        // The semaphore is never closed. Even without a permit, the child would be limited.
        let _permit = CHILDREN.acquire().await;
        let mut child = self.spawn().map_err(|error| not_started(&error))?;
        let exchange = exchange(&mut child, source_name, bytes, self.limits.output_bytes_max);
        let ended = match tokio::time::timeout(self.limits.wall_timeout, exchange).await {
            Ok(ended) => ended.map_err(|error| not_started(&error))?,
            Err(_) => {
                // An error here means that the child has just ended.
                let _ = child.kill().await;
                return Err(DocumentError::Timeout(format!("more than {:?}", self.limits.wall_timeout)));
            }
        };
        if ended.output.len() > self.limits.output_bytes_max {
            let _ = child.kill().await;
            return Err(DocumentError::TooLarge("its text is longer than allowed".to_owned()));
        }
        let status = child.wait().await.map_err(|error| not_started(&error))?;
        // Parsing megabytes of JSON would block the other tasks of this thread.
        let verdict = tokio::task::spawn_blocking(move || ended.verdict(status)).await;
        verdict.unwrap_or_else(|_| Err(corrupt("the reader's answer could not be parsed")))
    }

    fn spawn(&self) -> io::Result<Child> {
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let mut command = Command::new(program);
        // A terminal's Ctrl-C reaches only the parent, which stops the child and knows why.
        #[cfg(unix)]
        command.process_group(0);
        command
            .arg(CHILD_ARGUMENT)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// A child's output.
#[derive(Debug)]
struct Ended {
    output: Vec<u8>,
    complaint: Vec<u8>,
}

/// Sends the document and reads the answer at the same time, so that neither process blocks on a full pipe.
async fn exchange(
    child: &mut Child,
    source_name: &str,
    bytes: Vec<u8>,
    output_bytes_max: usize,
) -> io::Result<Ended> {
    /// The runtime's message before an abort is short.
    const COMPLAINT_BYTES_MAX: usize = 4_096;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let header = Header { source_name: source_name.to_owned(), bytes: bytes.len() };
    let mut header = serde_json::to_vec(&header)?;
    header.push(b'\n');
    let send = async {
        if let Some(mut stdin) = stdin {
            // A child that ends early closes the pipe, and its exit status says why.
            if stdin.write_all(&header).await.is_ok() {
                let _ = stdin.write_all(&bytes).await;
            }
        }
        drop(bytes);
    };
    let ((), output, complaint) = tokio::join!(
        send,
        read_bounded(stdout, output_bytes_max + 1),
        read_tail(stderr, COMPLAINT_BYTES_MAX)
    );
    Ok(Ended { output: output?, complaint: complaint? })
}

/// Reads to the end or to the limit. Beyond it, the writer gets a broken pipe.
async fn read_bounded(pipe: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(bytes_max as u64).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Reads to the end and keeps the last bytes.
async fn read_tail(pipe: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut tail = Vec::new();
    let Some(mut pipe) = pipe else { return Ok(tail) };
    while pipe.read_buf(&mut tail).await? > 0 {
        tail.drain(..tail.len().saturating_sub(bytes_max));
    }
    Ok(tail)
}

impl Ended {
    /// Maps the child's end to a document or its error.
    fn verdict(self, status: ExitStatus) -> Result<Document, DocumentError> {
        if status.success() {
            // Some parsers print their own messages, so the answer is the last line.
            let answer = self.output.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
            return match serde_json::from_slice(answer) {
                Ok(Answer::Document(document)) => Ok(document),
                Ok(Answer::Error(error)) => Err(error),
                Err(_) => Err(corrupt("reading it ended without an answer")),
            };
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

/// The error of a document over [`INPUT_BYTES_MAX`].
#[must_use]
pub fn input_too_large() -> DocumentError {
    DocumentError::TooLarge(format!("more than {} MiB", INPUT_BYTES_MAX / (1024 * 1024)))
}

fn too_much_memory() -> DocumentError {
    DocumentError::TooLarge("reading it takes more memory than allowed".to_owned())
}

fn corrupt(reason: &str) -> DocumentError {
    DocumentError::Corrupt(reason.to_owned())
}

/// The machine's fault and not the document's, so a retry may succeed.
fn not_started(error: &io::Error) -> DocumentError {
    tracing::error!(event = "document_child_failed", %error, "the child process that reads documents failed to run");
    DocumentError::Unavailable("the reader could not be started".to_owned())
}

/// Runs the child: it limits itself, reads a document from stdin, and answers on stdout.
///
/// The binary's `main` calls it before any runtime starts, if the first argument is [`CHILD_ARGUMENT`].
#[must_use]
pub fn child_main() -> ExitCode {
    limit_this_process();
    let answer =
        std::thread::Builder::new().stack_size(STACK_BYTES).spawn(answer).map(std::thread::JoinHandle::join);
    let answer = match answer {
        Ok(Ok(Ok(answer))) => answer,
        Ok(Err(_panic)) => Answer::Error(corrupt("its parts contradict each other")),
        Ok(Ok(Err(_))) | Err(_) => return ExitCode::FAILURE,
    };
    match write_answer(&answer) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn write_answer(answer: &Answer) -> io::Result<()> {
    let json = serde_json::to_vec(answer)?;
    let mut out = io::stdout().lock();
    out.write_all(b"\n")?;
    out.write_all(&json)?;
    out.flush()
}

fn answer() -> io::Result<Answer> {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    for byte in input.by_ref().bytes() {
        match byte? {
            b'\n' => break,
            byte => line.push(byte),
        }
    }
    let header: Header = serde_json::from_slice(&line)?;
    let mut bytes = Vec::with_capacity(header.bytes.min(INPUT_BYTES_MAX));
    input.take(INPUT_BYTES_MAX as u64).read_to_end(&mut bytes)?;
    Ok(match pipeline::document::extract(&header.source_name, &bytes) {
        Ok(document) => Answer::Document(document),
        Err(error) => Answer::Error(error),
    })
}

/// Sets the limits that this system supports. If one is missing, as on macOS, the parent's time limit
/// remains.
#[cfg(unix)]
fn limit_this_process() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = |resource: Resource, current: u64, maximum: u64| {
        // A lower limit that this process inherited stays.
        let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(maximum);
        let _ = setrlimit(resource, Rlimit { current: Some(current.min(hard)), maximum: Some(hard) });
    };
    // The soft limit ends the child with SIGXCPU, which shows the reason. The hard limit sends SIGKILL one
    // second later.
    limit(Resource::Cpu, CPU_SECONDS_MAX, CPU_SECONDS_MAX + 1);
    limit(Resource::As, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX);
    limit(Resource::Core, 0, 0);
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::set_no_new_privs(true);
}

#[cfg(not(unix))]
fn limit_this_process() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn child(program: &str, wall_timeout: Duration, output_bytes_max: usize) -> Isolation {
        Isolation { program: Some(program.into()), limits: Limits { wall_timeout, output_bytes_max } }
    }

    #[tokio::test]
    async fn a_child_that_says_too_much_is_stopped() {
        let result = child("yes", Duration::from_secs(10), 100_000).extract("a", vec![b'a'; 1 << 20]).await;
        assert!(matches!(result, Err(DocumentError::TooLarge(reason)) if reason.contains("text")));
    }

    #[tokio::test]
    async fn a_child_that_does_not_end_is_stopped() {
        let result = child("yes", Duration::from_millis(50), usize::MAX / 2).extract("a", Vec::new()).await;
        assert!(matches!(result, Err(DocumentError::Timeout(_))));
    }

    #[tokio::test]
    async fn a_silent_child_differs_from_a_failed_start() {
        let wall = Duration::from_secs(10);
        let result = child("false", wall, 1_000).extract("a", vec![b'a'; 1 << 20]).await;
        assert!(matches!(result, Err(DocumentError::Corrupt(_))));
        let result = child("true", wall, 1_000).extract("a", Vec::new()).await;
        assert!(
            matches!(result, Err(DocumentError::Corrupt(reason)) if reason.contains("without an answer"))
        );
        let result = child("/no/such/program", wall, 1_000).extract("a", Vec::new()).await;
        assert!(matches!(result, Err(DocumentError::Unavailable(_))));
    }

    #[tokio::test]
    async fn input_over_the_limit_starts_no_child() {
        let bytes = vec![b'a'; INPUT_BYTES_MAX + 1];
        let result = child("/no/such/program", Duration::from_secs(1), 1).extract("a", bytes).await;
        assert_eq!(result, Err(input_too_large()));
    }

    #[test]
    fn the_ends_of_a_child_have_their_words() {
        use std::os::unix::process::ExitStatusExt;
        let verdict = |raw: i32, complaint: &[u8]| {
            let ended = Ended { output: Vec::new(), complaint: complaint.to_vec() };
            ended.verdict(ExitStatus::from_raw(raw)).unwrap_err()
        };
        assert_eq!(verdict(24, b"").code(), "DOCUMENT_TIMEOUT");
        assert_eq!(verdict(9, b"").code(), "DOCUMENT_TOO_LARGE");
        assert_eq!(verdict(6, b"memory allocation of 64 bytes failed").code(), "DOCUMENT_TOO_LARGE");
        assert!(verdict(6, b"thread has overflowed its stack").to_string().contains("nested too deeply"));
        assert_eq!(verdict(11, b"").code(), "DOCUMENT_CORRUPT");
    }
}
