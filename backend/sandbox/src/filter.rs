//! Seccomp: lists of system calls, one for the fork server, a shorter one for a reader, and one for a program that is
//! not ours.
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

/// A program that is not ours also starts: its loader maps libraries, and its C library looks at the machine. It opens
/// files to read, and it starts no thread, no process, and no connection.
const PROGRAM: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_set_tid_address,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_sched_getaffinity,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_dup3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
];

/// The calls that open a file, with the argument that says for what.
const OPEN: &[(libc::c_long, u8)] = &[
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

/// The flags by which a file is written or made.
const WRITING: libc::c_int = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;

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

/// Filters this thread, and the program that it becomes. Returns whether the kernel does.
pub(crate) fn apply_to_program() -> bool {
    program().is_ok_and(|program| seccompiler::apply_filter(&program).is_ok())
}

fn program() -> Result<BpfProgram, BackendError> {
    let mut rules = rules(&[READER, PROGRAM])?;
    for (call, argument) in OPEN {
        rules.insert(*call, vec![SeccompRule::new(vec![lacks(*argument, WRITING)?])?]);
    }
    // Its own limits, and not those of the service, which has the same user.
    let own = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![own])?]);
    // The loader maps code from files. Memory that was written never becomes code.
    let from_file = vec![lacks(2, libc::PROT_WRITE)?, lacks(3, libc::MAP_ANONYMOUS)?];
    rules.entry(libc::SYS_mmap).or_default().push(SeccompRule::new(from_file)?);
    finish(rules)
}

fn compile(lists: &[&[libc::c_long]]) -> Result<BpfProgram, BackendError> {
    finish(rules(lists)?)
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn rules(lists: &[&[libc::c_long]]) -> Result<Rules, BackendError> {
    let mut rules = BTreeMap::new();
    for call in lists.iter().copied().flatten() {
        rules.insert(*call, Vec::new());
    }
    for (call, argument) in MEMORY {
        rules.insert(*call, vec![SeccompRule::new(vec![lacks(*argument, libc::PROT_EXEC)?])?]);
    }
    Ok(rules)
}

/// Whether an argument has none of these flags.
fn lacks(argument: u8, flags: libc::c_int) -> Result<SeccompCondition, BackendError> {
    let mask = SeccompCmpOp::MaskedEq(u64::from(flags.unsigned_abs()));
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, mask, 0)
}

fn finish(rules: Rules) -> Result<BpfProgram, BackendError> {
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
        assert!(!program().unwrap().is_empty());
    }
}
