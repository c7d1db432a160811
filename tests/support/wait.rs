//! One way to wait: look at a condition again and again, up to one time limit.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{
    fmt::Debug,
    panic::Location,
    time::{Duration, Instant},
};

/// No test waits longer than this for anything. It allows for a busy machine: idle, the slowest takes a third of it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The first pause between two looks, which doubles up to the second. A look may cost a connection or a process.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));

/// A condition's answer: the value that the test waits for, or what the test saw instead.
pub(crate) trait Look {
    type Value;

    fn seen(self) -> Result<Self::Value, String>;
}

impl Look for bool {
    type Value = ();

    fn seen(self) -> Result<(), String> {
        if self { Ok(()) } else { Err("it does not hold".to_owned()) }
    }
}

impl<T> Look for Option<T> {
    type Value = T;

    fn seen(self) -> Result<T, String> {
        self.ok_or_else(|| "there is none".to_owned())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Value = T;

    fn seen(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// `Ok` if the value is as wanted, else the value itself, so that a failure shows it.
pub(crate) fn wanted<T>(value: T, is_wanted: impl FnOnce(&T) -> bool) -> Result<T, T> {
    if is_wanted(&value) { Ok(value) } else { Err(value) }
}

/// Waits until a condition holds, and returns its value. A failure names the caller and the last look; each
/// [`Service`](super::service::Service) of the test then prints its log as it drops.
#[track_caller]
pub(crate) fn eventually<L: Look>(
    what: &str,
    mut condition: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Value> {
    let mut waiting = Waiting::new(Location::caller());
    async move {
        loop {
            match condition().await.seen() {
                Ok(value) => return value,
                Err(seen) => tokio::time::sleep(waiting.pause(what, &seen)).await,
            }
        }
    }
}

/// As [`eventually`], for a test without a runtime.
#[track_caller]
pub(crate) fn eventually_blocking<L: Look>(what: &str, mut condition: impl FnMut() -> L) -> L::Value {
    let mut waiting = Waiting::new(Location::caller());
    loop {
        match condition().seen() {
            Ok(value) => return value,
            Err(seen) => std::thread::sleep(waiting.pause(what, &seen)),
        }
    }
}

struct Waiting {
    caller: &'static Location<'static>,
    deadline: Instant,
    pause: Duration,
}

impl Waiting {
    fn new(caller: &'static Location<'static>) -> Self {
        Self { caller, deadline: Instant::now() + TIMEOUT, pause: PAUSES.0 }
    }

    /// The pause before the next look; panics when the time is over.
    fn pause(&mut self, what: &str, seen: &str) -> Duration {
        let Self { caller, deadline, pause } = *self;
        assert!(Instant::now() < deadline, "{caller}: waited {TIMEOUT:?} for: {what}\nlast look: {seen}");
        self.pause = (pause * 2).min(PAUSES.1);
        pause
    }
}
