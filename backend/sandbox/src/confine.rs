//! The steps that confine a process, in their order.

use std::{io, thread};

use rustix::{
    fs::Mode,
    process::{DumpableBehavior, set_dumpable_behavior, umask},
    thread::set_no_new_privs,
};

use crate::{
    Enforced, Profile,
    filter::Filters,
    limits, ruleset,
    unsafe_calls::{FirstAndOnly, close_inherited},
};

/// A process that is confined as far as one is that still starts others.
#[derive(Debug)]
pub(crate) struct Confined {
    pub(crate) landlock_abi: u32,
    pub(crate) filters: Option<Filters>,
}

/// Confines this process in all that its children inherit.
pub(crate) fn confine(claim: &FirstAndOnly) -> Confined {
    harden(claim);
    Confined { landlock_abi: ruleset::deny_everything(), filters: Filters::compile() }
}

/// The rules that need no list: for a reader and for a program alike.
pub(crate) fn harden(claim: &FirstAndOnly) {
    close_inherited(claim);
    // Neither a debugger nor `/proc/PID` of the same user reaches its memory. It dumps no core.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = set_no_new_privs(true);
    let _ = umask(Mode::RWXG | Mode::RWXO);
}

/// Runs the work on a thread with a stack of its own, under all rules. Nothing escapes them: they apply to
/// the whole process, and only its end undoes them.
///
/// # Errors
///
/// The system's, if the thread cannot start.
pub(crate) fn read_confined<T: Send>(
    profile: &Profile,
    confined: &Confined,
    work: impl FnOnce(Enforced) -> T + Send,
) -> io::Result<thread::Result<T>> {
    limits::limit_this_process(profile);
    let Confined { landlock_abi, filters } = confined;
    let work = || {
        limits::forbid_growth();
        let seccomp = filters.as_ref().is_some_and(Filters::apply_to_reader);
        work(Enforced { landlock_abi: *landlock_abi, seccomp })
    };
    thread::scope(|scope| {
        let reading = thread::Builder::new().stack_size(profile.stack_bytes).spawn_scoped(scope, work)?;
        Ok(reading.join())
    })
}

/// Confines this process and runs the work in it. `main` calls it before it does anything else.
///
/// # Errors
///
/// If the process has other threads, or a thread cannot start. The inner error is a panic of the work.
pub fn run_confined<T: Send>(
    profile: &Profile,
    work: impl FnOnce(Enforced) -> T + Send,
) -> io::Result<thread::Result<T>> {
    let confined = confine(&FirstAndOnly::claim()?);
    read_confined(profile, &confined, work)
}
