//! A real PostgreSQL of a test's own: in a temporary folder, on a free port, gone when the test ends.
//!
//! Each test is a process of its own, so each starts its own server. `initdb` takes a second, so it runs once a
//! machine, into a template below `target/tmp`, of which a server gets a copy.

use std::{
    fs::File,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use super::{
    ports::free_port,
    wait::{eventually, eventually_blocking},
};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{
    Connection as _, Row as _, ValueRef as _,
    postgres::{PgConnectOptions, PgConnection},
};
use tempfile::TempDir;

/// The database's only user, who may do everything and has no password.
const SUPERUSER: &str = "postgres";

/// No flush to the disk: these servers outlive no machine. A stopped one loses nothing by it.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=16MB",
    "max_connections=100",
    "timezone=UTC",
    "log_timezone=UTC",
];

/// A server that flushes, as one of production does. The last setting of a name counts.
const DURABLE: &[&str] = &["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];

/// A query's rows, each value as text.
pub(crate) type Rows = Vec<Vec<Option<String>>>;

/// How a server is stopped.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stop {
    /// Open transactions are rolled back, clients are told.
    Fast,
    /// As if the plug were pulled: clients lose their connection in mid-query, the next start recovers.
    Immediate,
    /// SIGKILL, to the server and all its processes: nobody is told anything, and nothing is put away.
    Kill,
}

/// A PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Postgres {
    port: u16,
    server: Option<Child>,
    databases: AtomicU32,
    /// Settings besides [`SETTINGS`].
    more: &'static [&'static str],
    // Dropped in this order: who guards the folder, then the folder.
    _watchdog: Watchdog,
    folder: TempDir,
}

impl Postgres {
    /// Starts a server with an empty cluster.
    pub(crate) fn start() -> Self {
        Self::start_in(new_folder, &[])
    }

    /// Starts a server on the disk that flushes each commit, as one of production does.
    pub(crate) fn start_durable() -> Self {
        Self::start_in(|| owned(tempfile::Builder::new().prefix("postgres-").tempdir().unwrap()), DURABLE)
    }

    fn start_in(new_folder: impl Fn() -> TempDir, more: &'static [&'static str]) -> Self {
        let template = template();
        loop {
            let folder = new_folder();
            let watchdog = Watchdog::new(folder.path());
            copy(&template, &folder.path().join("data"));
            let port = free_port();
            // Another test may have taken the port in the meantime.
            if let Some(server) = start_server(folder.path(), port, more) {
                let (server, databases) = (Some(server), AtomicU32::new(0));
                return Self { port, server, databases, more, _watchdog: watchdog, folder };
            }
        }
    }

    /// The address of the database `postgres`.
    pub(crate) fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of a new, empty database.
    pub(crate) async fn fresh_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        query(&self.url(), &format!("CREATE DATABASE {name}")).await;
        self.url_of(&name)
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgresql://{SUPERUSER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Stops the server and waits until it is gone; what it holds stays.
    pub(crate) fn stop(&mut self, how: Stop) {
        let mut server = self.server.take().expect("the server is running");
        let signal = match how {
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
            Stop::Kill => Signal::KILL,
        };
        let children = if matches!(how, Stop::Kill) { children(server.id()) } else { Vec::new() };
        kill_process(Pid::from_child(&server), signal).unwrap();
        for child in &children {
            // It may have ended already.
            let _ = kill_process(*child, Signal::KILL);
        }
        server.wait().unwrap();
        // As long as one of them has the shared memory, no other server starts on it.
        eventually_blocking("the server's processes end", || {
            !children.iter().any(|child| is_running(*child))
        });
    }

    /// From now on the server takes clients over TLS only, as `access` (a line of `pg_hba.conf` from the address on) says,
    /// and shows this certificate (PEM). A client's certificate must come from the authority `client_ca`.
    pub(crate) async fn take_tls_only(&self, certificate: &str, key: &str, client_ca: &str, access: &str) {
        let data = self.folder.path().join("data");
        let rules = format!("hostssl all all 127.0.0.1/32 {access}\n");
        let files = [
            ("tls.crt", certificate),
            ("tls.key", key),
            ("clients.crt", client_ca),
            ("pg_hba.conf", rules.as_str()),
        ];
        for (name, content) in files {
            let path = data.join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = unprivileged_user() {
                std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
            }
        }
        for setting in [
            "ssl_cert_file = 'tls.crt'",
            "ssl_key_file = 'tls.key'",
            "ssl_ca_file = 'clients.crt'",
            "ssl = on",
        ] {
            query(&self.url(), &format!("ALTER SYSTEM SET {setting}")).await;
        }
        query(&self.url(), "SELECT pg_reload_conf()").await;
        // Until the reload has reached the server, clients without TLS are taken.
        let plain = format!("{}?sslmode=disable", self.url());
        eventually("the server reloads", async || try_query(&plain, "SELECT 1").await.is_err()).await;
    }

    /// Keeps a copy of a stopped server's files: a backup.
    pub(crate) fn keep_backup(&self) {
        assert!(self.server.is_none(), "a running server's files are not at rest");
        copy(&self.folder.path().join("data"), &self.folder.path().join("backup"));
    }

    /// Puts the backup in the place of a stopped server's files.
    pub(crate) fn restore_backup(&self) {
        assert!(self.server.is_none(), "a running server's files are not at rest");
        let data = self.folder.path().join("data");
        std::fs::remove_dir_all(&data).unwrap();
        copy(&self.folder.path().join("backup"), &data);
    }

    /// Starts a stopped server again, on the same port.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.is_none(), "the server is running");
        let server = start_server(self.folder.path(), self.port, self.more);
        self.server = Some(server.expect("the server's port is still free"));
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.stop(Stop::Immediate);
        }
    }
}

/// As `psql` would show them: the rows of a script's statements, as text.
pub(crate) async fn query(url: &str, sql: &str) -> Rows {
    try_query(url, sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"))
}

/// [`query`], where it may fail.
pub(crate) async fn try_query(url: &str, sql: &str) -> sqlx::Result<Rows> {
    // A pooler refuses this parameter.
    let options = url.parse::<PgConnectOptions>()?.extra_float_digits(None);
    let mut connection = PgConnection::connect_with(&options).await?;
    let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await;
    // Without a good-bye the server would note a lost client.
    connection.close().await?;
    let text = |row: &sqlx::postgres::PgRow, index| {
        let value = row.try_get_raw(index).unwrap();
        // All answers to a simple query are text.
        (!value.is_null()).then(|| value.as_str().unwrap().to_owned())
    };
    Ok(rows?.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect()).collect())
}

/// Starts the server; `None` where the port is taken.
fn start_server(folder: &Path, port: u16, more: &[&str]) -> Option<Child> {
    let log = folder.join("log");
    let mut command = unprivileged(&server_program("postgres"));
    command.arg("-D").arg(folder.join("data")).args(["-p", &port.to_string()]);
    command.args(SETTINGS.iter().chain(more).flat_map(|setting| ["-c", setting]));
    let log_file = File::options().create(true).append(true).open(&log).unwrap();
    let mut server = command.stderr(log_file).spawn().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    let is_up = eventually_blocking("PostgreSQL is ready", || {
        if is_ready(&server, folder) {
            return Ok(true);
        }
        let Some(status) = server.try_wait().unwrap() else { return Err(said()) };
        assert!(said().contains("could not bind"), "postgres ended with {status}:\n{}", said());
        Ok(false)
    });
    is_up.then_some(server)
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?)).collect()
}

/// Whether it is there and has not ended.
fn is_running(process: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid()));
    // The state stands behind the name, which is in brackets.
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with(['Z', 'X']))
}

/// Whether it accepts connections, as `pg_ctl` finds out: by the first and the eighth line of a file.
fn is_ready(server: &Child, folder: &Path) -> bool {
    let state = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let mut lines = state.lines();
    let is_ours = lines.next() == Some(&server.id().to_string());
    is_ours && lines.nth(6).is_some_and(|line| line.trim_end() == "ready")
}

/// Stops the server and clears its folder, should this process be killed.
#[derive(Debug)]
struct Watchdog(Child);

impl Watchdog {
    fn new(folder: &Path) -> Self {
        // Its input ends when this process does, however that ends. The server removes the file when it is gone;
        // looked at for some seconds, for a killed test may leave a copy or a start under way.
        let script = r#"
            read -r _
            for _ in $(seq 20); do
                { read -r server < "$0/data/postmaster.pid" && kill -QUIT "$server"; } || rm -rf "$0"
                sleep 0.2
            done"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: a signal that stops the test reaches the test's group.
        Self(command.process_group(0).spawn().unwrap())
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killing what has ended is no error, and what was killed can be waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where files lie in memory, if there is room for the servers of all tests that run at once. A cluster has a thousand files:
/// a copy takes a fifth of a second there, and ten times as long on a disk.
fn folder_in_memory() -> Option<&'static str> {
    const PLACE: &str = "/dev/shm";
    const FREE_BYTES_MIN: u64 = 2 * 1024 * 1024 * 1024;
    let room = rustix::fs::statvfs(PLACE).ok()?;
    (room.f_bavail.saturating_mul(room.f_frsize) >= FREE_BYTES_MIN).then_some(PLACE)
}

/// A folder that the server's user owns.
pub(super) fn new_folder() -> TempDir {
    let mut folder = tempfile::Builder::new();
    folder.prefix("postgres-");
    owned(folder_in_memory().map_or_else(|| folder.tempdir(), |place| folder.tempdir_in(place)).unwrap())
}

fn owned(folder: TempDir) -> TempDir {
    if let Some((uid, gid)) = unprivileged_user() {
        std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}

/// The folder of an empty cluster, made by the first test of a machine.
fn template() -> PathBuf {
    let version = Command::new(server_program("postgres")).arg("--version").output().unwrap().stdout;
    let version: String = String::from_utf8(version).unwrap().split_whitespace().skip(2).take(1).collect();
    let owner = unprivileged_user().map_or_else(|| "own".to_owned(), |(uid, _)| uid.to_string());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(cache).unwrap();
    let template = cache.join(format!("postgres-{version}-{owner}"));
    let lock = File::create(cache.join("postgres.lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        // The server's user may have no way into `target`: made outside, copied in, and then there at once.
        let folder = new_folder();
        let made = folder.path().join("data");
        let mut command = unprivileged(&server_program("initdb"));
        command.arg("-D").arg(&made).args([
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--no-sync",
            "--no-instructions",
        ]);
        command.args(["--encoding=UTF8", "--locale=C", "--wal-segsize=1"]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let partial = template.with_extension("partial");
        if partial.exists() {
            std::fs::remove_dir_all(&partial).unwrap();
        }
        copy(&made, &partial);
        std::fs::rename(&partial, &template).unwrap();
    }
    template
}

/// Copies a folder with its owners.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cp -a {} {}: {status}", from.display(), to.display());
}

/// A command that PostgreSQL does not refuse to run as: never root, and none of this process's environment.
pub(super) fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir("/").stdin(Stdio::null()).process_group(0);
    if let Some((uid, gid)) = unprivileged_user() {
        command.uid(uid).gid(gid);
    }
    command
}

/// The user and group that replace root.
pub(super) fn unprivileged_user() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<_> = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).collect();
        let user = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
        Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))
    };
    Some(["postgres", "nobody"].into_iter().find_map(find).expect("a user `postgres` or `nobody`"))
}

/// A program of PostgreSQL: of Debian's newest version, or on the PATH.
pub(crate) fn server_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin").join(name);
            program.exists().then_some((version, program))
        })
        .max();
    // `Command` looks a bare name up in the PATH.
    newest.map_or_else(|| PathBuf::from(name), |(_, program)| program)
}

/// How many processes' command lines name a folder.
#[cfg(target_os = "linux")]
fn processes_in(folder: &Path) -> usize {
    let commands = std::fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
        let command = std::fs::read(process.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&command).into_owned())
    });
    commands.filter(|command| command.contains(folder.to_str().unwrap())).count()
}

#[tokio::test]
async fn a_server_survives_power_loss_on_its_port() {
    let mut server = Postgres::start();
    let url = server.fresh_database().await;
    query(&url, "CREATE TABLE kept (n INT, t TEXT); INSERT INTO kept VALUES (7, NULL)").await;
    for how in [Stop::Immediate, Stop::Fast, Stop::Kill] {
        server.stop(how);
        assert!(try_query(&url, "SELECT 1").await.is_err());
        server.start_again();
        assert_eq!(query(&url, "SELECT n, t FROM kept").await, [[Some("7".to_owned()), None]]);
    }
    assert_ne!(server.fresh_database().await, url);
}

#[test]
#[cfg(target_os = "linux")]
fn a_panicking_test_leaves_no_process_or_folder() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let test = std::thread::spawn(move || {
        let server = Postgres::start();
        let folder = server.folder.path().to_owned();
        sender.send((folder.clone(), processes_in(&folder))).unwrap();
        panic!("as a failing test does");
    });
    assert!(test.join().is_err());
    let (folder, running) = receiver.recv().unwrap();
    assert!(running > 0);
    assert_eq!(processes_in(&folder), 0);
    assert!(!folder.exists());
}
