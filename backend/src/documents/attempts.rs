//! Attempts to leave the sandbox, for tests. A confined child makes them instead of reading a document.

use std::{fs, io, net, os::unix::net::UnixStream, process::Command, thread};

use pipeline::document::{Document, Format, Page};
use rustix::process::{
    Pid, PidfdFlags, PidfdGetfdFlags, Resource, Rlimit, getppid, pidfd_getfd, pidfd_open, setrlimit,
    test_kill_process,
};

/// The name of a document that asks for the attempts.
pub const NAME: &str = "\u{1}attempts";

/// A document with one page an attempt: its title line, then `refused` or what was gained.
#[must_use]
pub fn document() -> Document {
    let parent = getppid();
    let pages = attempts(parent).into_iter().enumerate().map(|(index, (name, outcome))| Page {
        number: u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1),
        text: match outcome {
            Ok(gained) => format!("{name}\ngained {gained}"),
            Err(error) => format!("{name}\nrefused {error}"),
        },
        readable: 1.0,
        ..Page::default()
    });
    Document {
        source_name: NAME.to_owned(),
        format: Format::Text,
        title: parent.map(|parent| parent.as_raw_nonzero().to_string()),
        pages: pages.collect(),
        warnings: Vec::new(),
        ..Document::default()
    }
}

type Attempts = Vec<(&'static str, io::Result<String>)>;

fn attempts(parent: Option<Pid>) -> Attempts {
    let of_parent =
        |file: &str| format!("/proc/{}/{file}", parent.map_or(0, |pid| pid.as_raw_nonzero().get()));
    let mut attempts = files(of_parent);
    attempts.extend(network());
    attempts.extend(processes(parent));
    attempts
}

fn files(of_parent: impl Fn(&str) -> String) -> Attempts {
    let read = |path: &str| fs::read(path).map(|bytes| format!("{} bytes", bytes.len()));
    vec![
        ("read a file", read("/etc/passwd")),
        ("list a folder", fs::read_dir("/").map(|_| "a listing".to_owned())),
        ("write a file", fs::write("/tmp/attempt", b"x").map(|()| "a file".to_owned())),
        ("read the own environment", read("/proc/self/environ")),
        ("read the parent's environment", read(&of_parent("environ"))),
        ("open the parent's memory", fs::File::open(of_parent("mem")).map(|_| "a handle".to_owned())),
        ("open the parent's stdin", fs::File::open(of_parent("fd/0")).map(|_| "a handle".to_owned())),
        (
            "make a file in memory",
            rustix::fs::memfd_create("attempt", rustix::fs::MemfdFlags::CLOEXEC)
                .map(|_| "a file".to_owned())
                .map_err(Into::into),
        ),
    ]
}

fn network() -> Attempts {
    // A refusal by the other side is an answer from the network.
    let connected = match net::TcpStream::connect(("127.0.0.1", 9)) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
        _ => Ok("an answer".to_owned()),
    };
    vec![
        ("connect by TCP", connected),
        ("listen on TCP", net::TcpListener::bind(("127.0.0.1", 0)).map(|_| "a listener".to_owned())),
        ("open a UDP socket", net::UdpSocket::bind(("127.0.0.1", 0)).map(|_| "a socket".to_owned())),
        ("open a Unix socket", UnixStream::pair().map(|_| "a pair".to_owned())),
    ]
}

fn processes(parent: Option<Pid>) -> Attempts {
    let missing = || io::Error::other("no parent");
    let parent = || parent.ok_or_else(missing);
    let pidfd = || Ok::<_, io::Error>(pidfd_open(parent()?, PidfdFlags::empty())?);
    vec![
        ("start a program", Command::new("/bin/true").status().map(|status| status.to_string())),
        ("start a thread", thread::Builder::new().spawn(|| ()).map(|_| "a thread".to_owned())),
        (
            "signal the parent",
            parent().and_then(|pid| Ok(test_kill_process(pid)?)).map(|()| "a signal".to_owned()),
        ),
        ("get hold of the parent", pidfd().map(|_| "a handle".to_owned())),
        (
            "take the parent's socket",
            pidfd()
                .and_then(|parent| Ok(pidfd_getfd(parent, 0, PidfdGetfdFlags::empty())?))
                .map(|_| "a descriptor".to_owned()),
        ),
        (
            "raise the memory limit",
            setrlimit(Resource::As, Rlimit { current: None, maximum: None })
                .map(|()| "memory".to_owned())
                .map_err(Into::into),
        ),
    ]
}
