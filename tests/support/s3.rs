//! A real S3 server on loopback (see `s3/serve.py`), with one empty bucket. Dropping it ends it, and forgets everything.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use backend::config::BucketConfig;

use super::root;

pub(crate) const BUCKET: &str = "runs";

pub(crate) struct S3 {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl S3 {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server that does not know conditional requests: it takes them for plain ones.
    pub(crate) fn without_conditions() -> Self {
        Self::start_with(&["--without-conditions"])
    }

    fn start_with(arguments: &[&str]) -> Self {
        let python = root().join("target/s3/bin/python");
        assert!(python.exists(), "no S3 server: run scripts/setup.sh");
        let mut child = Command::new(python)
            .arg(root().join("tests/support/s3/serve.py"))
            .args(arguments)
            // Its own settings are the only ones it reads.
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("the S3 server said {line:?}"));
        let server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        let answer = server.ask(&format!("PUT /{BUCKET} HTTP/1.1\r\nContent-Length: 0"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        server
    }

    /// A request. This server wants a signature, and does not check it.
    pub(crate) fn ask(&self, head: &str) -> String {
        self.send(head, b"")
    }

    /// A request that is answered by 200, with a body.
    pub(crate) fn put(&self, head: &str, body: &[u8]) {
        let answer = self.send(head, body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn send(&self, head: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head =
            format!("{head}\r\nHost: {}\r\nConnection: close\r\nAuthorization: AWS test:any", self.address);
        write!(stream, "{head}\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// An object's content; none where there is none.
    pub(crate) fn object(&self, name: &str) -> Option<String> {
        let answer = self.ask(&format!("GET /{BUCKET}/{name} HTTP/1.1"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
    }

    /// The names of the objects with a prefix; the first thousand.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let answer = self.ask(&format!("GET /{BUCKET}?list-type=2&prefix={prefix} HTTP/1.1"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let keys = answer.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        keys.map(|(name, _)| name.to_owned()).collect()
    }

    /// A run's manifest.
    pub(crate) fn manifest(&self, run_id: &str) -> serde_json::Value {
        serde_json::from_str(&self.object(&format!("outputs/{run_id}/run.json")).unwrap()).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The settings of a service whose files are here, or behind another address.
    pub(crate) fn environment(endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("STORAGE_URL", format!("s3://{BUCKET}/outputs")),
            ("AWS_ENDPOINT_URL", endpoint.trim_end_matches('/').to_owned()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test-secret".to_owned()),
        ]
    }

    /// The same, for a store of one's own.
    pub(crate) fn config(endpoint: &str) -> BucketConfig {
        BucketConfig {
            bucket: BUCKET.to_owned(),
            prefix: "outputs".to_owned(),
            access_key_id: "test".to_owned(),
            secret_access_key: "test-secret".to_owned().into(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint.parse().unwrap()),
            is_virtual_hosted: false,
            allow_http: true,
            extra_ca_file: None::<PathBuf>,
        }
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
