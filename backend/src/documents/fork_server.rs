//! The service's fork server: started when it is needed, and again after it ended.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use foundation::resilience::backoff::Backoff;
use pipeline::clock::Clock;
use sandbox::ForkServer;
use tokio::{io::AsyncReadExt as _, net::UnixStream, sync::Mutex};

use super::{
    child::SERVER_ARGUMENT,
    exchange::{Outcome, Pipes},
    limits::Limits,
};

/// The waits before a server that failed is started again. Meanwhile each document has a process of its own.
const RESTART: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(60));

/// How long a server may take to fork. It takes a tenth of a millisecond on an idle machine.
const FORK_TIMEOUT: Duration = Duration::from_secs(3);

/// The size of a pipe, unless it is changed.
const PIPE_BYTES: usize = 64 * 1024;

/// The largest size of a pipe that the system permits to any process.
const PIPE_BYTES_MAX: usize = 1024 * 1024;

/// The room for the line before the document.
const HEADER_BYTES: usize = 1024;

/// Starts the fork server, and starts it again.
#[derive(Debug)]
pub(super) struct ForkServers {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Arc<ForkServer>>,
    /// Failures since a server last read a document.
    failures: u32,
    /// On the monotonic clock.
    not_before: Duration,
}

/// The server did not read the document. That says nothing about the document.
#[derive(Debug)]
pub(super) struct ServerLost(pub(super) io::Error);

impl ForkServers {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), clock }
    }

    /// The running server, started if necessary. None while there is none.
    pub(super) async fn get(&self, program: io::Result<PathBuf>) -> Option<Arc<ForkServer>> {
        let mut state = self.state.lock().await;
        if let Some(server) = &state.running {
            return Some(server.clone());
        }
        if self.clock.monotonic() < state.not_before {
            return None;
        }
        let started = match program {
            Ok(program) => tokio::task::spawn_blocking(|| start(program)).await.map_err(io::Error::other),
            Err(error) => Err(error),
        };
        match started.flatten() {
            Ok(server) => {
                let server = Arc::new(server);
                tracing::info!(
                    event = "document_server_started",
                    pid = server.id(),
                    "the fork server for documents runs"
                );
                state.running = Some(server.clone());
                Some(server)
            }
            Err(error) => {
                self.postpone(&mut state);
                tracing::warn!(event = "document_server_failed", %error, "the fork server for documents does not start; each document gets a process of its own");
                None
            }
        }
    }

    /// Notes that the server read a document.
    pub(super) async fn worked(&self) {
        self.state.lock().await.failures = 0;
    }

    /// Ends this server. The next document starts another one, after a wait.
    pub(super) async fn lost(&self, server: &Arc<ForkServer>, lost: &ServerLost) {
        let mut state = self.state.lock().await;
        // Only the first of its documents that notices ends it.
        if state.running.take_if(|running| Arc::ptr_eq(running, server)).is_some() {
            server.kill();
            self.postpone(&mut state);
            let error = &lost.0;
            tracing::warn!(event = "document_server_lost", %error, "the fork server for documents ended; its documents are read again");
        }
    }

    fn postpone(&self, state: &mut State) {
        state.failures = state.failures.saturating_add(1);
        state.not_before = self.clock.monotonic().saturating_add(RESTART.wait(state.failures));
    }
}

fn start(program: PathBuf) -> io::Result<ForkServer> {
    let mut command = Command::new(program);
    // A terminal's Ctrl-C reaches only the service, which still has documents to read.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    ForkServer::start(command.arg(SERVER_ARGUMENT).env_clear().current_dir("/"))
}

/// Reads a document in a child of the server. Dropped, it ends the child.
pub(super) async fn read(
    server: &ForkServer,
    limits: &Limits,
    source_name: &str,
    bytes: &[u8],
) -> Result<Outcome, ServerLost> {
    let reading = async {
        let (mut status, pipes) = ask(server, bytes.len())?;
        // The document waits in its pipe before the child begins.
        let forked = async { tokio::time::timeout(FORK_TIMEOUT, number(&mut status)).await? };
        let exchange = pipes.exchange(source_name, bytes, limits.output_bytes_max);
        let both = async { tokio::try_join!(forked, exchange) };
        let Ok(ended) = tokio::time::timeout(limits.wall_timeout, both).await else {
            return Ok(Outcome::timeout(limits));
        };
        let (_pid, ended) = ended?;
        if let Some(outcome) = ended.too_long(limits) {
            return Ok(outcome);
        }
        let status = tokio::time::timeout(limits.wall_timeout, number(&mut status)).await??;
        Ok(ended.outcome(exit_status(status)).await)
    };
    reading.await.map_err(ServerLost)
}

type ForkPipes =
    Pipes<tokio::net::unix::pipe::Sender, tokio::net::unix::pipe::Receiver, tokio::net::unix::pipe::Receiver>;

/// Asks for a child that reads so many bytes. The server kills the child when the returned socket is closed.
fn ask(server: &ForkServer, bytes: usize) -> io::Result<(UnixStream, ForkPipes)> {
    use tokio::net::unix::pipe::{Receiver, Sender};
    let (child_input, input) = io::pipe()?;
    let (output, child_output) = io::pipe()?;
    if bytes > PIPE_BYTES {
        let size = bytes.saturating_add(HEADER_BYTES).min(PIPE_BYTES_MAX);
        // Both only save changes between the processes, so a smaller pipe does as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&input, size);
        let _ = rustix::pipe::fcntl_setpipe_size(&output, size);
    }
    let (complaints, child_complaints) = io::pipe()?;
    let (status, server_status) = std::os::unix::net::UnixStream::pair()?;
    status.set_nonblocking(true)?;
    server.read(&sandbox::Request {
        input: child_input.into(),
        output: child_output.into(),
        complaints: child_complaints.into(),
        status: server_status.into(),
    })?;
    let pipes = Pipes {
        input: Sender::from_owned_fd(input.into())?,
        output: Receiver::from_owned_fd(output.into())?,
        complaints: Receiver::from_owned_fd(complaints.into())?,
    };
    Ok((UnixStream::from_std(status)?, pipes))
}

/// A number that the server sends: first the process id, then the wait status.
async fn number(status: &mut UnixStream) -> io::Result<i32> {
    status.read_i32_le().await
}

fn exit_status(wait_status: i32) -> ExitStatus {
    std::os::unix::process::ExitStatusExt::from_raw(wait_status)
}
