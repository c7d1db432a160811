//! Ports for the servers that tests start. No two tests get the same port, also if they run at the same time.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{fs::File, net::TcpListener, path::Path, sync::Mutex};

/// Below the ports that the system gives to clients, or a client's connection could take a port before its server does.
const PORTS: std::ops::Range<u16> = 10_000..32_768;

/// The locks of this process's ports. They end with the process, however it ends.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A free port that this process keeps. A server that stops and starts again gets the same one.
pub(crate) fn free_port() -> u16 {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ports");
    std::fs::create_dir_all(&folder).unwrap();
    loop {
        let random = uuid::Uuid::new_v4().as_u128() % u128::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random).unwrap();
        let lock = File::create(folder.join(port.to_string())).unwrap();
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            TAKEN.lock().unwrap().push(lock);
            return port;
        }
    }
}
