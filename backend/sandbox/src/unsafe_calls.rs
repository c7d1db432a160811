//! The system calls that Rust cannot prove safe. This is the only file with `unsafe` code in the workspace.
//!
//! Both functions ask for [`FirstAndOnly`], which proves what their safety rests on.
#![allow(unsafe_code)]

use std::{
    io,
    marker::PhantomData,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::process::Pid;

/// The proof that this process has one thread, which holds the proof, and that nothing opened a descriptor
/// besides stdin, stdout and stderr.
///
/// The pointer keeps it from other threads: it is neither `Send` nor `Sync`.
#[derive(Debug)]
pub(crate) struct FirstAndOnly(PhantomData<*const ()>);

impl FirstAndOnly {
    /// Claims the process. `main` of a process for documents calls it before it does anything else.
    ///
    /// # Errors
    ///
    /// If the process has more threads, has been claimed, or hides its threads.
    pub(crate) fn claim() -> io::Result<Self> {
        static IS_CLAIMED: AtomicBool = AtomicBool::new(false);
        if IS_CLAIMED.swap(true, Ordering::Relaxed) {
            return Err(io::Error::other("the process has been claimed"));
        }
        if std::fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("the process has several threads"));
        }
        Ok(Self(PhantomData))
    }
}

/// The side of a fork on which the caller finds itself.
#[derive(Debug)]
pub(crate) enum Side {
    Parent(Pid),
    Child,
}

/// Forks this process.
///
/// # Errors
///
/// The system's, for lack of memory or processes.
pub(crate) fn fork(_: &FirstAndOnly) -> io::Result<Side> {
    // SAFETY: `fork` is unsafe because the child has only the calling thread. Locks that another thread held
    // stay locked, and data that it was changing stay torn. The proof rules that out: this process has a
    // single thread. The server starts no thread after the claim, and a child never calls this function.
    let result = unsafe { libc::fork() };
    match result {
        0 => Ok(Side::Child),
        child => match Pid::from_raw(child) {
            Some(child) if child.as_raw_nonzero().get() > 0 => Ok(Side::Parent(child)),
            _ => Err(io::Error::last_os_error()),
        },
    }
}

/// Closes all descriptors from 3 on: those that the service's own parent left open for its children. Without
/// this, a reader could write to a lock or a socket that has nothing to do with documents.
pub(crate) fn close_inherited(_: &FirstAndOnly) {
    const FIRST: libc::c_uint = 3;
    const NO_FLAGS: libc::c_uint = 0;
    // SAFETY: `close_range` takes three numbers and reads no memory. Closing a descriptor that some value owns
    // would break Rust's I/O safety. The proof rules that out: no code of this process has opened one yet.
    // Without the call (before Linux 5.9), it fails, and the descriptors stay open.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, NO_FLAGS) };
}
