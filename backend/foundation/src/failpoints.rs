//! Failpoints: named places at which a test makes the process crash. An optimised build has none, whatever its
//! features are, because a person may take it for the release.

/// As [`hit`], at each pass of one run: `CRASH_AT` is `name@run`.
#[cfg(all(feature = "testing", debug_assertions))]
pub fn hit_by(name: &str, run: &str) {
    hit(&format!("{name}@{run}"));
}

/// Does nothing in a build without failpoints.
#[cfg(not(all(feature = "testing", debug_assertions)))]
#[inline]
pub const fn hit_by(_: &str, _: &str) {}

/// Kills the process, as SIGKILL does, if `CRASH_AT` names this point. `name:3` kills at the third pass.
#[cfg(all(feature = "testing", debug_assertions))]
pub fn hit(name: &str) {
    use std::sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    };

    /// The point, and how often it may still be passed.
    static AT: LazyLock<Option<(String, AtomicUsize)>> = LazyLock::new(|| {
        // This is no setting of the product, so it is not read with the settings.
        #[allow(clippy::disallowed_methods)]
        let said = std::env::var("CRASH_AT").ok()?;
        let (name, count) = said.split_once(':').unwrap_or((&said, "1"));
        Some((name.to_owned(), AtomicUsize::new(count.parse().ok()?)))
    });
    if let Some((at, left)) = &*AT
        && at == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Does nothing in a build without failpoints.
#[cfg(not(all(feature = "testing", debug_assertions)))]
#[inline]
pub const fn hit(_: &str) {}
