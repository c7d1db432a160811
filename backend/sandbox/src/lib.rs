//! Confines a process that reads a stranger's document, and makes such processes cheaply.
//!
//! [`run_confined`] confines this process and then runs the reader. [`serve`] is a fork server: it confines
//! itself once and forks one child per document. [`ForkServer`] is the other side, in the service.
//! [`become_program`] confines this process and turns it into another program, which is not ours.
//!
//! # Invariants
//!
//! * The kernel's rules apply before the reader sees the first byte of a document.
//! * The fork server never reads a byte of a document. It hands the descriptors on to a child.
//! * A child reads one document and exits, so no document meets another one's memory.
//! * `unsafe` code stands in `unsafe_calls.rs` alone.
//!
//! A rule that a kernel does not know is left out, and [`Enforced`] says so.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod filter;
mod limits;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod ruleset;
#[cfg(target_os = "linux")]
mod server;
#[cfg(target_os = "linux")]
mod unsafe_calls;

#[cfg(not(target_os = "linux"))]
pub use self::other::{ForkServer, become_program, run_confined, serve};
#[cfg(target_os = "linux")]
pub use self::{client::ForkServer, confine::run_confined, program::become_program, server::serve};

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The limits of a reading process.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub memory_bytes: u64,
    /// At this CPU time, the process gets SIGXCPU. It gets SIGKILL one second later.
    pub cpu_seconds: u64,
    /// The stack of the reading thread.
    pub stack_bytes: usize,
}

/// A program that is not ours, and what it may do.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Absolute.
    pub path: &'a Path,
    pub arguments: &'a [OsString],
    /// The files and folders that it may read, besides the system's shared libraries.
    pub readable: &'a [PathBuf],
    pub memory_bytes: u64,
    /// At this CPU time, the program gets SIGXCPU. It gets SIGKILL one second later.
    pub cpu_seconds: u64,
}

/// The rules that the kernel of this machine enforces for the process that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enforced {
    /// The version of Landlock's rules for files, network and signals. 0 without Landlock.
    pub landlock_abi: u32,
    /// Whether a filter refuses all system calls that reading does not need.
    pub seccomp: bool,
}

/// The descriptors of one document.
#[derive(Debug)]
pub struct Request {
    /// The child's stdin: the end of a pipe from which it reads the document.
    pub input: std::os::fd::OwnedFd,
    /// The child's stdout: the end of a pipe to which it writes its answer.
    pub output: std::os::fd::OwnedFd,
    /// The child's stderr: the end of a pipe to which the runtime writes before an abort.
    pub complaints: std::os::fd::OwnedFd,
    /// A stream socket. The server writes the child's process id, then its wait status, each as four bytes
    /// of little endian. The server kills the child when the other end is closed.
    pub status: std::os::fd::OwnedFd,
}
