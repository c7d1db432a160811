//! Systems other than Linux: resource limits alone, and a process of its own for each document.

use std::{
    io,
    process::{Command, ExitCode},
    thread,
};

use crate::{Enforced, Profile, Program, Request, limits};

/// No fork server: it needs Linux.
#[derive(Debug)]
pub enum ForkServer {}

impl ForkServer {
    /// # Errors
    ///
    /// Always: [`io::ErrorKind::Unsupported`].
    pub fn start(_: &mut Command) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// # Errors
    ///
    /// Never: no value of this type exists.
    pub fn read(&self, _: &Request) -> io::Result<()> {
        match *self {}
    }

    pub fn kill(&self) {
        match *self {}
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        match *self {}
    }
}

/// Always fails.
pub fn serve(_: &Profile, _: impl FnOnce(), _: impl Fn(Enforced) -> bool + Sync) -> ExitCode {
    ExitCode::FAILURE
}

/// Always fails: nothing keeps the program from the service's files.
pub fn become_program(_: &Program<'_>, _: impl FnOnce(Enforced) -> io::Result<()>) -> io::Error {
    io::ErrorKind::Unsupported.into()
}

/// Limits this process and runs the work in it.
///
/// # Errors
///
/// If the thread cannot start. The inner error is a panic of the work.
pub fn run_confined<T: Send>(
    profile: &Profile,
    work: impl FnOnce(Enforced) -> T + Send,
) -> io::Result<thread::Result<T>> {
    limits::limit_this_process(profile);
    thread::scope(|scope| {
        let work = || work(Enforced::default());
        let reading = thread::Builder::new().stack_size(profile.stack_bytes).spawn_scoped(scope, work)?;
        Ok(reading.join())
    })
}
