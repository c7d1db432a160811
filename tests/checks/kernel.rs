//! The machine below the service: a clock that is wrong, and a kernel that confines nobody.
#![cfg(target_os = "linux")]

use std::process::Command;

use super::{Report, next, read, report, shell};
use crate::{
    control_plane::{ADMIN_KEY, KEYS, ask},
    support::{
        service::TestEnv,
        wait::{eventually, wanted},
    },
};

/// The number of `landlock_create_ruleset`, the same on all platforms of Linux.
const LANDLOCK: i64 = 444;
const ENOSYS: u32 = 38;

/// A library that shows its process a clock that is an hour ahead.
const AHEAD: &str = r#"
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME) time->tv_sec += 3600;
    return result;
}
"#;

/// A library that shows its process other files in the place of the kernel's: those below `KERNEL_FILES`.
const FILES: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
static const char *files[] = {"/proc/self/stat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"};
int open64(const char *path, int flags, ...) {
    char other[4096];
    int mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, int);
        va_end(more);
    }
    for (int n = 0; n < 3; n++)
        if (strcmp(path, files[n]) == 0 && getenv("KERNEL_FILES")) {
            snprintf(other, sizeof other, "%s%s", getenv("KERNEL_FILES"), strrchr(path, '/'));
            path = other;
        }
    return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
int open(const char *path, int flags, ...) __attribute__((alias("open64")));
"#;

/// Compiles a library for `LD_PRELOAD`.
fn library(env: &TestEnv, code: &str) -> String {
    let (source, library) = (env.folder.path().join("kernel.c"), env.folder.path().join("kernel.so"));
    std::fs::write(&source, code).unwrap();
    // Rust links with the same compiler.
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success());
    library.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn clocks_that_disagree_are_seen() {
    let env = TestEnv::with_database().await;
    let library = library(&env, AHEAD);
    let wrong = report(&env, &[("LD_PRELOAD", &library)], "doctor");
    assert_eq!(wrong.verdict("clock"), "warn", "{}", wrong.check("clock"));
    let ahead = wrong.check("clock")["data"]["ahead_ms"].as_i64().unwrap();
    assert!((-3_610_000..-3_590_000).contains(&ahead), "{ahead} ms");
    assert_eq!(next(wrong.check("clock")), "timedatectl set-ntp true");
    assert_eq!(report(&env, &[], "doctor").verdict("clock"), "ok");
}

#[tokio::test]
async fn a_machine_at_its_limits_deviates() {
    let env = TestEnv::with_database().await;
    let (library, folder) = (library(&env, FILES), env.folder.path().to_str().unwrap());
    // The fourteenth field is the time of the processor, in hundredths of a second.
    let shows = |ticks: u64, memory: u64| {
        let stat = format!("1 (innovation) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0");
        for (name, text) in
            [("stat", stat), ("memory.max", "100".to_owned()), ("memory.current", memory.to_string())]
        {
            // A reader sees the old file or the new one.
            let new = env.folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, env.folder.path().join(name)).unwrap();
        }
    };
    shows(0, 84);
    let service =
        env.serve(&[&KEYS[..], &[("LD_PRELOAD", &library), ("KERNEL_FILES", folder)]].concat()).await;
    let deviations = async |count: usize| {
        eventually("the deviations", async || {
            let deep = ask(&service, ADMIN_KEY, "GET", "/health/deep", None).await.body;
            wanted(deep["baseline"]["deviations"].clone(), |all| {
                all.as_array().is_some_and(|all| all.len() == count)
            })
        })
        .await
    };
    deviations(0).await;
    // A year of the processor.
    shows(3_153_600_000, 86);
    let told = deviations(2).await.to_string();
    assert!(told.contains("CPU") && told.contains("memory"), "{told}");
}

/// `innovation doctor` as on a kernel without Landlock. A filter of the thread is inherited by its children.
fn without_landlock(mut doctor: Command) -> Report {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
    let rules = [(LANDLOCK, Vec::new())].into_iter().collect();
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(ENOSYS), architecture);
    let filter: BpfProgram = filter.unwrap().try_into().unwrap();
    let thread = std::thread::spawn(move || {
        apply_filter(&filter).unwrap();
        read(&mut doctor)
    });
    thread.join().unwrap()
}

#[tokio::test]
async fn an_unconfined_reader_is_seen() {
    let env = TestEnv::files_only().await;
    let open = without_landlock(shell(&env, &[], "innovation doctor --json"));
    let reader = open.check("document-reader");
    assert_eq!(
        (&reader["verdict"], &reader["data"]["landlock_abi"]),
        (&"warn".into(), &0.into()),
        "{reader}"
    );
    assert!(shell(&env, &[], next(reader)).output().unwrap().status.success());
    assert_eq!(report(&env, &[], "doctor").verdict("document-reader"), "ok");
}
