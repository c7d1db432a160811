//! The process that becomes `tesseract`: it confines itself first, and says on stdout what the kernel enforces.

use std::{
    ffi::OsString,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use sandbox::Program;

use crate::documents::wire::Confinement;

/// The hidden subcommand: the folder of the languages, the program, and its arguments follow.
pub const RECOGNISER_ARGUMENT: &str = "recognise-child";

/// The most CPU time for a page. A dense page takes about 7 s.
pub(super) const CPU_SECONDS_MAX: u64 = 60;

/// The most memory. A dense page at 200 dpi takes 250 MB with two languages.
const MEMORY_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The number of processors and the kernel's name, which its libraries ask for. Neither is a secret.
const MACHINE: [&str; 2] = ["/dev/null", "/sys/devices/system/cpu/possible"];

/// Becomes the program. The binary's `main` calls it before any runtime starts.
#[must_use]
pub fn recogniser_main(arguments: &[OsString]) -> ExitCode {
    let [data, program, arguments @ ..] = arguments else { return ExitCode::FAILURE };
    let mut readable = vec![PathBuf::from(data)];
    readable.extend(MACHINE.map(PathBuf::from));
    let program = PathBuf::from(program);
    let program = Program {
        path: &program,
        arguments,
        readable: &readable,
        memory_bytes: MEMORY_BYTES_MAX,
        cpu_seconds: CPU_SECONDS_MAX,
    };
    let error = sandbox::become_program(&program, |enforced| {
        let mut line = serde_json::to_vec(&Confinement::from(enforced))?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    });
    // The parent logs it. Without a stderr, it logs the exit code.
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::FAILURE
}
