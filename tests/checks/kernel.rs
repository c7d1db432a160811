//! The machine below the service: a clock that is wrong, and a kernel that confines nobody.
#![cfg(target_os = "linux")]

use std::process::Command;

use super::{Report, next, read, report, shell};
use crate::support::service::TestEnv;

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

#[tokio::test]
async fn clocks_that_disagree_are_seen() {
    let env = TestEnv::with_database().await;
    let (source, library) = (env.folder.path().join("ahead.c"), env.folder.path().join("ahead.so"));
    std::fs::write(&source, AHEAD).unwrap();
    // Rust links with the same compiler.
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(compiled.unwrap().success());
    let wrong = report(&env, &[("LD_PRELOAD", library.to_str().unwrap())], "doctor");
    assert_eq!(wrong.verdict("clock"), "warn", "{}", wrong.check("clock"));
    let ahead = wrong.check("clock")["data"]["ahead_ms"].as_i64().unwrap();
    assert!((-3_610_000..-3_590_000).contains(&ahead), "{ahead} ms");
    assert_eq!(next(wrong.check("clock")), "timedatectl set-ntp true");
    assert_eq!(report(&env, &[], "doctor").verdict("clock"), "ok");
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
