//! A real PgBouncer in transaction mode, in front of a test's own PostgreSQL.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use super::{
    ports::free_port,
    postgres::{new_folder, try_query, unprivileged},
    wait::eventually,
};

/// A pooler. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct PgBouncer {
    port: u16,
    server: u16,
    process: Child,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts a pooler with four server connections for all its clients.
    pub(crate) async fn start(postgres: &str) -> Self {
        let url = url::Url::parse(postgres).unwrap();
        let server = url.port().unwrap();
        let (folder, port) = (new_folder(), free_port());
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={server} user=postgres\n[pgbouncer]\nlisten_addr=127.0.0.1\n\
             listen_port={port}\nauth_type=any\npool_mode=transaction\ndefault_pool_size=4\nunix_socket_dir=\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = unprivileged(&program());
        // It must not hold the test's output open.
        command.arg("-q").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("PgBouncer is installed: run scripts/setup.sh");
        let pooler = Self { port, server, process, _folder: folder };
        let through = pooler.url(postgres);
        eventually("PgBouncer answers", async || try_query(&through, "SELECT 1").await.is_ok()).await;
        pooler
    }

    /// A server's address with this pooler's port. Nothing in it tells of a pooler.
    pub(crate) fn url(&self, postgres: &str) -> String {
        postgres.replace(&format!(":{}/", self.server), &format!(":{}/", self.port))
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Killing what has ended is no error, and what was killed can be waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Debian puts it beside the programs of the system's administrator.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/pgbouncer");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("pgbouncer") }
}
