//! The share of its container that this process uses: processors and memory, as the kernel counts them.

use std::{fs, time::Duration};

/// The kernel's unit of a process's times, on every platform that Linux supports today.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor time of this process so far. None where there is no `/proc`.
#[must_use]
pub fn cpu_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold spaces, so count from its end: utime and stime are fields 14 and 15 of all.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_secs_f64((user + system) / TICKS_PER_SECOND))
}

/// The processors that this process may use.
#[must_use]
pub fn processors() -> f64 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    f64::from(u32::try_from(count).unwrap_or(1))
}

/// The share of the container's memory that is in use. None without a limit.
#[must_use]
pub fn memory_share() -> Option<f64> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max").filter(|limit| *limit > 0.0)?;
    let used = number("/sys/fs/cgroup/memory.current")?;
    Some((used / limit).clamp(0.0, 1.0))
}
