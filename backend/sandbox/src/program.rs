//! Another program, confined: this process takes the rules on and then becomes the program.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read as _},
    os::unix::{ffi::OsStrExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Enforced, Program, confine, filter, limits, ruleset, unsafe_calls::FirstAndOnly};

/// The folders of shared libraries. They hold no secrets, and the loader looks for libraries only there.
const LIBRARIES: [&str; 7] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store"];

/// The loader's name stands in the first bytes of a program.
const HEAD_BYTES: u64 = 4096;

/// How often a program may name another one that runs it: a script its shell, and the shell its loader.
const LOADERS_MAX: usize = 3;

/// Confines this process and turns it into the program. `main` calls it before it does anything else. `announce`
/// runs under the rules, right before the program's first instruction.
///
/// Returns only if that fails, so every return is an error.
pub fn become_program(program: &Program<'_>, announce: impl FnOnce(Enforced) -> io::Result<()>) -> io::Error {
    match confined(program, announce) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn confined(
    program: &Program<'_>,
    announce: impl FnOnce(Enforced) -> io::Result<()>,
) -> io::Result<std::convert::Infallible> {
    let claim = FirstAndOnly::claim()?;
    let loaders = loaders(program.path);
    confine::harden(&claim);
    let readable = LIBRARIES.iter().map(Path::new).chain(program.readable.iter().map(PathBuf::as_path));
    let executable = std::iter::once(program.path).chain(loaders.iter().map(PathBuf::as_path));
    let landlock_abi = ruleset::allow_alone(readable, executable);
    if landlock_abi == 0 {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel has no Landlock, which keeps the program from the service's files",
        ));
    }
    limits::limit_the_program(program);
    let seccomp = filter::apply_to_program();
    announce(Enforced { landlock_abi, seccomp })?;
    Err(Command::new(program.path).args(program.arguments).exec())
}

/// The programs that the kernel runs for this one: the shell of a script, and the loader of a binary.
fn loaders(program: &Path) -> Vec<PathBuf> {
    let mut loaders = Vec::new();
    let mut next = Some(program.to_owned());
    while let Some(program) = next.take().filter(|_| loaders.len() < LOADERS_MAX) {
        next = head(&program).ok().and_then(|head| loader(&head));
        loaders.extend(next.clone());
    }
    loaders
}

fn head(program: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(program)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// The loader that the first bytes of a program name.
fn loader(head: &[u8]) -> Option<PathBuf> {
    let is_path = |name: &&[u8]| name.starts_with(b"/");
    let name = match head.strip_prefix(b"#!") {
        Some(line) => {
            let words = line.split(|byte| matches!(byte, b' ' | b'\t' | b'\n'));
            words.into_iter().find(|word| !word.is_empty()).filter(is_path)?
        }
        // In the segment PT_INTERP, as a string that ends with a zero byte.
        None => head.split(|byte| *byte == 0).filter(is_path).find(|name| is_loader(name))?,
    };
    Some(PathBuf::from(OsStr::from_bytes(name)))
}

/// Whether this is the name of a loader, such as `/lib64/ld-linux-x86-64.so.2`.
fn is_loader(name: &[u8]) -> bool {
    let file = name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    file.starts_with(b"ld") && file.windows(3).any(|three| three == b".so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_name_their_loaders() {
        assert_eq!(loader(b"#! /bin/sh -e\nexit"), Some("/bin/sh".into()));
        assert_eq!(loader(b"#!sh\n"), None);
        assert_eq!(
            loader(b"\x7fELF\0/x\0/lib64/ld-linux-x86-64.so.2\0/a"),
            Some("/lib64/ld-linux-x86-64.so.2".into())
        );
        assert_eq!(loader(b"\x7fELF\0static"), None);
        assert_eq!(loaders(Path::new("/bin/sh")).len(), 1);
    }
}
