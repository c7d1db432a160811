//! The service's side of the fork server.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, recv, sendmsg, socketpair,
        sockopt::{Timeout, set_socket_timeout},
    },
    process::{Pid, Signal, kill_process},
};

use crate::{
    Request,
    server::{DESCRIPTORS, READ, READY},
};

/// How long a server may take to start. It takes some milliseconds on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// A running fork server. Dropped, it ends together with its children.
#[derive(Debug)]
pub struct ForkServer {
    socket: OwnedFd,
    process: Child,
}

impl ForkServer {
    /// Starts the command, whose `main` calls [`crate::serve`], and waits until it takes requests.
    ///
    /// # Errors
    ///
    /// The system's, or that the server does not answer in time.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        // It keeps the borders of messages, and tells each side of the other's end.
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        set_socket_timeout(&ours, Timeout::Recv, Some(START_TIMEOUT))?;
        let process =
            command.stdin(Stdio::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // The command would keep the server's end of the socket open.
        command.stdin(Stdio::null());
        let server = Self { socket: ours, process };
        let mut answer = [0];
        match recv(&server.socket, &mut answer, RecvFlags::empty())? {
            (1, _) if answer == [READY] => Ok(server),
            _ => Err(io::Error::other("the fork server ended at its start")),
        }
    }

    /// Asks for a child that reads the document of these descriptors. It never blocks.
    ///
    /// # Errors
    ///
    /// The system's. The server has ended, or does not take requests.
    pub fn read(&self, request: &Request) -> io::Result<()> {
        let Request { input, output, complaints, status } = request;
        let descriptors = [input.as_fd(), output.as_fd(), complaints.as_fd(), status.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::Error::other("the request does not fit"));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.socket, &[IoSlice::new(&[READ])], &mut ancillary, flags)?;
        Ok(())
    }

    /// Ends the server and its children now. It stays a zombie until this value is dropped.
    pub fn kill(&self) {
        if let Some(process) = i32::try_from(self.id()).ok().and_then(Pid::from_raw) {
            // The id is the server's: only `drop` waits for it.
            let _ = kill_process(process, Signal::KILL);
        }
    }

    /// The server's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        // Both fail only if it has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
