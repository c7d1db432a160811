//! Seccomp: two lists of system calls, one for the fork server and a shorter one for a reader.
//!
//! A call that no list names fails with `ENOSYS`, as on a kernel without that call: C libraries then take an
//! older call or go on without.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// A reader needs its pipes, memory without code, time, and its own end.
const READER: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The calls by which memory becomes code, with the argument that says so.
const MEMORY: &[(libc::c_long, u8)] = &[(libc::SYS_mmap, 2), (libc::SYS_mprotect, 2)];

/// The server also needs requests and children. It needs the calls of a child until the child's filter applies.
const SERVER: &[libc::c_long] = &[
    libc::SYS_ppoll,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_wait4,
    libc::SYS_pidfd_open,
    libc::SYS_kill,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_seccomp,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_setrlimit,
];

/// The compiled lists.
#[derive(Debug)]
pub(crate) struct Filters {
    server: BpfProgram,
    reader: BpfProgram,
}

impl Filters {
    /// None on an architecture that the lists do not cover.
    pub(crate) fn compile() -> Option<Self> {
        Some(Self { server: compile(&[READER, SERVER]).ok()?, reader: compile(&[READER]).ok()? })
    }

    /// Filters this thread and all that it starts. Returns whether the kernel does.
    pub(crate) fn apply_to_server(&self) -> bool {
        seccompiler::apply_filter(&self.server).is_ok()
    }

    /// Filters all threads of this process.
    pub(crate) fn apply_to_reader(&self) -> bool {
        seccompiler::apply_filter_all_threads(&self.reader).is_ok()
    }
}

fn compile(lists: &[&[libc::c_long]]) -> Result<BpfProgram, BackendError> {
    let mut rules = BTreeMap::new();
    for call in lists.iter().copied().flatten() {
        rules.insert(*call, Vec::new());
    }
    for (call, argument) in MEMORY {
        let mask = SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs()));
        let not_code = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, mask, 0)?;
        rules.insert(*call, vec![SeccompRule::new(vec![not_code])?]);
    }
    let refused = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, refused, SeccompAction::Allow, arch)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_compile_for_this_machine() {
        let filters = Filters::compile().unwrap();
        assert!(filters.reader.len() < filters.server.len());
    }
}
