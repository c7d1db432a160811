//! The fork server: a process with one thread that forks a child for each document.
//!
//! The service sends requests over a socket, which is the server's stdin. It ends the server by closing it.

use std::{
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send},
    process::{
        Pid, PidfdFlags, Signal, WaitOptions, getpid, getppid, kill_process, pidfd_open,
        set_parent_process_death_signal, waitpid,
    },
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stdin},
};

use crate::{
    Enforced, Profile, Request,
    confine::{Confined, confine, read_confined},
    limits,
    unsafe_calls::{FirstAndOnly, Side, fork},
};

/// The byte that says: the server takes requests.
pub(crate) const READY: u8 = b'R';

/// The byte of a request. Its content is in the descriptors.
pub(crate) const READ: u8 = b'D';

/// The number of descriptors of a request.
pub(crate) const DESCRIPTORS: usize = 4;

/// The most descriptors of the server: two for each child, and four for the request that it takes.
const DESCRIPTORS_MAX: u64 = 256;

/// A child at work.
struct Child {
    pid: Pid,
    /// Readable when the child has ended.
    ended: OwnedFd,
    /// None after the service gave up on the child.
    status: Option<OwnedFd>,
}

/// Serves until the service closes the socket. `main` calls it before it does anything else.
///
/// `warm_up` runs in the server, under its rules and before the first child: all children have what it leaves in memory. It starts
/// no thread. `read` runs in a child: it reads the document from stdin, answers on stdout, and returns whether it could.
pub fn serve(profile: &Profile, warm_up: impl FnOnce(), read: impl Fn(Enforced) -> bool + Sync) -> ExitCode {
    let Ok(claim) = FirstAndOnly::claim() else { return ExitCode::FAILURE };
    let confined = confine(&claim);
    limits::limit_the_server(DESCRIPTORS_MAX);
    // Without a filter, the children report its absence.
    let _ = confined.filters.as_ref().map(|filters| filters.apply_to_server());
    warm_up();
    let mut server = Server { claim, confined, children: Vec::new() };
    match server.run(profile, &read) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Server {
    claim: FirstAndOnly,
    confined: Confined,
    children: Vec<Child>,
}

impl Server {
    fn run(&mut self, profile: &Profile, read: &(impl Fn(Enforced) -> bool + Sync)) -> io::Result<()> {
        send(stdin(), &[READY], SendFlags::NOSIGNAL)?;
        loop {
            let is_asked = self.wait()?;
            self.tend();
            if is_asked {
                match receive()? {
                    Received::Request(request) => self.start(profile, request, read),
                    Received::Nothing => {}
                    // The children die with their parent.
                    Received::End => return Ok(()),
                }
            }
        }
    }

    /// Waits for a request, the end of a child, or the end of the service's interest in one. Returns whether
    /// a request may have come.
    fn wait(&self) -> io::Result<bool> {
        let stdin = stdin();
        let mut watched = vec![PollFd::new(&stdin, PollFlags::IN)];
        for child in &self.children {
            watched.push(PollFd::new(&child.ended, PollFlags::IN));
            if let Some(status) = &child.status {
                watched.push(PollFd::new(status, PollFlags::IN));
            }
        }
        loop {
            match poll(&mut watched, None) {
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(watched.first().is_some_and(|socket| !socket.revents().is_empty())),
            }
        }
    }

    /// Reports the children that have ended, and kills those that nobody waits for.
    fn tend(&mut self) {
        self.children.retain_mut(|child| {
            if let Ok(Some((_, status))) = waitpid(Some(child.pid), WaitOptions::NOHANG) {
                if let Some(socket) = &child.status {
                    report(socket, status.as_raw());
                }
                return false;
            }
            // The service never writes to this socket, so it is readable only after its end.
            if child.status.as_ref().is_some_and(is_readable) {
                child.status = None;
                let _ = kill_process(child.pid, Signal::KILL);
            }
            true
        });
    }

    /// Forks a child for the document. If that fails, the closed status socket tells the service.
    fn start(&mut self, profile: &Profile, request: Request, read: &(impl Fn(Enforced) -> bool + Sync)) {
        let server = getpid();
        match fork(&self.claim) {
            Ok(Side::Child) => {
                self.children.clear();
                let is_reader = become_reader(server, &request).is_ok();
                drop(request);
                let could = is_reader && matches!(read_confined(profile, &self.confined, read), Ok(Ok(true)));
                std::process::exit(i32::from(!could));
            }
            Ok(Side::Parent(pid)) => match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(ended) => {
                    report(&request.status, pid.as_raw_nonzero().get());
                    self.children.push(Child { pid, ended, status: Some(request.status) });
                }
                Err(_) => {
                    let _ = kill_process(pid, Signal::KILL);
                    let _ = waitpid(Some(pid), WaitOptions::empty());
                }
            },
            Err(_) => {}
        }
    }
}

/// In the child: takes the document's pipes as its own, and dies with the server.
fn become_reader(server: Pid, request: &Request) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(server) {
        return Err(io::Error::other("the server has gone"));
    }
    // The first one replaces the server's socket.
    dup2_stdin(&request.input)?;
    dup2_stdout(&request.output)?;
    dup2_stderr(&request.complaints)?;
    Ok(())
}

enum Received {
    Request(Request),
    Nothing,
    End,
}

fn receive() -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut content = [IoSliceMut::new(&mut byte)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = match recvmsg(stdin(), &mut content, &mut ancillary, flags) {
        Ok(message) => message,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
        Err(error) => return Err(error.into()),
    };
    if message.bytes == 0 {
        return Ok(Received::End);
    }
    let mut descriptors = Vec::with_capacity(DESCRIPTORS);
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    // An incomplete request closes what came, and the service sees that.
    let Ok([input, output, complaints, status]) = <[OwnedFd; DESCRIPTORS]>::try_from(descriptors) else {
        return Ok(Received::Nothing);
    };
    Ok(Received::Request(Request { input, output, complaints, status }))
}

fn is_readable(socket: impl AsFd) -> bool {
    let mut watched = [PollFd::new(&socket, PollFlags::IN)];
    let now = rustix::event::Timespec::default();
    poll(&mut watched, Some(&now)).is_ok_and(|ready| ready > 0)
}

/// Four bytes always fit into the socket's buffer. If the service has gone, nobody needs them.
fn report(socket: impl AsFd, number: i32) {
    let _ = send(socket, &number.to_le_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
}
