//! The exit codes: 0 ok, 1 failed, 2 warnings under `--strict`, 3 could not check, 64 wrong usage.

pub(super) const EXIT_WARNINGS: u8 = 2;
pub(super) const EXIT_COULD_NOT_CHECK: u8 = 3;
/// `EX_USAGE` of sysexits, because clap's own 2 has another meaning here.
pub(super) const EXIT_USAGE: u8 = 64;
