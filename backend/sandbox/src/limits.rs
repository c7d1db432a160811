//! The resource limits of a reading process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Profile;

/// Limits this process. If a limit is missing, as on macOS, the parent's time limit remains.
pub(crate) fn limit_this_process(profile: &Profile) {
    limit(Resource::Cpu, profile.cpu_seconds, profile.cpu_seconds + 1);
    limit(Resource::As, profile.memory_bytes, profile.memory_bytes);
    limit(Resource::Core, 0, 0);
    // Pipes have no size: this forbids files alone.
    limit(Resource::Fsize, 0, 0);
}

/// Forbids new descriptors and processes. It stands apart, because it also forbids the reading thread.
#[cfg(target_os = "linux")]
pub(crate) fn forbid_growth() {
    limit(Resource::Nofile, 0, 0);
    // Root is exempt from it. The filter of system calls is not.
    limit(Resource::Nproc, 0, 0);
}

/// Limits this process before it becomes another program. That program opens its libraries and data, and no more.
#[cfg(target_os = "linux")]
pub(crate) fn limit_the_program(program: &crate::Program<'_>) {
    const DESCRIPTORS_MAX: u64 = 32;
    limit(Resource::Cpu, program.cpu_seconds, program.cpu_seconds + 1);
    limit(Resource::As, program.memory_bytes, program.memory_bytes);
    limit(Resource::Core, 0, 0);
    limit(Resource::Fsize, 0, 0);
    limit(Resource::Nofile, DESCRIPTORS_MAX, DESCRIPTORS_MAX);
    limit(Resource::Nproc, 0, 0);
}

/// Limits the fork server, whose memory and CPU time nothing else limits.
#[cfg(target_os = "linux")]
pub(crate) fn limit_the_server(descriptors_max: u64) {
    limit(Resource::Core, 0, 0);
    limit(Resource::Fsize, 0, 0);
    limit(Resource::Nofile, descriptors_max, descriptors_max);
}

fn limit(resource: Resource, current: u64, maximum: u64) {
    // A lower limit that this process inherited stays.
    let hard = getrlimit(resource).maximum.unwrap_or(u64::MAX).min(maximum);
    let _ = setrlimit(resource, Rlimit { current: Some(current.min(hard)), maximum: Some(hard) });
}
