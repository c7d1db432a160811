//! Database addresses as Prisma, libpq and node-postgres write them, against a real PostgreSQL that takes TLS only.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::support::{
    innovation,
    postgres::{Postgres, query},
    service::TestEnv,
    stderr,
    tls::{Authority, Issued},
};

/// Every kind of character that an address gives a meaning.
const PASSWORD: &str = "p@s/s%w:d#é ?&=+";

/// A server with a certificate, and every file that an address may name.
struct Site {
    postgres: Postgres,
    folder: tempfile::TempDir,
    ca: PathBuf,
    /// The CA of somebody else.
    other_ca: PathBuf,
}

impl Site {
    /// `names`: those of the server's certificate. `access`: how clients are let in.
    async fn new(names: &[&str], access: &str) -> Self {
        let authority = Authority::new();
        let server = authority.issue(names);
        Self::with(&authority, &server.certificate.pem(), &server.key.serialize_pem(), access).await
    }

    /// With a certificate of the server's that may come from anywhere.
    async fn with(authority: &Authority, certificate: &str, key: &str, access: &str) -> Self {
        let other = Authority::new();
        let client = authority.issue(&["postgres"]);
        let ca_pem = std::fs::read_to_string(authority.ca.path()).unwrap();
        let postgres = Postgres::start();
        query(&postgres.url(), &format!("ALTER ROLE postgres PASSWORD '{PASSWORD}'")).await;
        postgres.take_tls_only(certificate, key, &ca_pem, access).await;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let ca = write("ca.pem", &ca_pem);
        let other_ca = write("other.pem", &std::fs::read_to_string(other.ca.path()).unwrap());
        write("client.pem", &client.certificate.pem());
        write("client.key", &client.key.serialize_pem());
        write("other.key", &Issued { ..other.issue(&["x"]) }.key.serialize_pem());
        write("nonsense.pem", "-----BEGIN NOTHING-----\n");
        Self { postgres, folder, ca, other_ca }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// `innovation migrate status` by an address with this query: 3 where the database cannot be asked.
    fn ask(&self, query: &str) -> Output {
        self.ask_in(self.folder.path(), query)
    }

    fn ask_in(&self, folder: &Path, query: &str) -> Output {
        innovation(&["migrate", "status"])
            .current_dir(folder)
            .env("DATABASE_URL", format!("{}?{query}", self.postgres.url()))
            .output()
            .unwrap()
    }

    #[track_caller]
    fn assert_connects(&self, query: &str) {
        let output = self.ask(query);
        assert_eq!(output.status.code(), Some(1), "{query}: all is pending: {}", stderr(&output));
    }

    /// The database cannot be asked, and the sentence names what to change.
    #[track_caller]
    fn assert_refused(&self, query: &str, named: &str) {
        let output = self.ask(query);
        assert_eq!(output.status.code(), Some(3), "{query}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{query}: {}", stderr(&output));
    }
}

/// `openssl pkcs12 -export` of the client's certificate.
fn export(site: &Site, name: &str, options: &[&str]) {
    let output = Command::new("openssl")
        .args(["pkcs12", "-export", "-passout", "pass:se cret", "-inkey", &site.file("client.key")])
        .args(["-in", &site.file("client.pem"), "-certfile", &site.file("ca.pem"), "-out", &site.file(name)])
        .args(options)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

/// Case 42.
#[tokio::test]
async fn every_spelling_of_tls_connects() {
    let site = Site::new(&["localhost", "127.0.0.1"], "trust").await;
    let ca = site.ca.display();
    for query in [
        String::new(),
        "sslmode=prefer".into(),
        "sslmode=allow".into(),
        "sslmode=require".into(),
        "sslmode=no-verify".into(),
        "ssl=true".into(),
        "sslmode=require&channel_binding=require".into(),
        "sslmode=require&sslaccept=accept_invalid_certs".into(),
        format!("sslmode=require&sslcert={ca}"),
        format!("sslmode=require&sslcert={ca}&sslaccept=strict"),
        format!("sslcert={ca}&sslaccept=strict"),
        format!("sslmode=require&sslrootcert={ca}"),
        format!("sslmode=verify-ca&sslrootcert={ca}"),
        format!("sslmode=verify-full&sslrootcert={ca}"),
        format!("sslmode=require&sslcert={}&sslaccept=accept_invalid_certs", site.other_ca.display()),
    ] {
        site.assert_connects(&query);
    }
    site.assert_refused("sslmode=disable", "sslmode");
}

/// Neon's form: a password, TLS, and a binding of both that Prisma's engine offers and the driver does not.
#[tokio::test]
async fn a_password_is_percent_encoded() {
    let site = Site::new(&["localhost", "127.0.0.1"], "scram-sha-256").await;
    let status = |password: &str| {
        let address = site.postgres.url().replace("postgres@", &format!("postgres:{password}@"));
        let address = format!("{address}?sslmode=require&channel_binding=require");
        innovation(&["migrate", "status"]).env("DATABASE_URL", address).output().unwrap()
    };
    let encoded =
        url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect::<String>().replace('+', "%20");
    assert_eq!(status(&encoded).status.code(), Some(1), "all is pending: {}", stderr(&status(&encoded)));
    let refused = status("wrong%40");
    assert_eq!(refused.status.code(), Some(3));
    assert!(!stderr(&refused).contains("wrong"), "{}", stderr(&refused));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_refused() {
    let site = Site::new(&["db.internal"], "trust").await;
    let (ca, other) = (site.ca.display(), site.other_ca.display());
    for query in [
        "sslmode=verify-ca".to_owned(),
        "sslmode=require&sslaccept=strict".into(),
        "sslmode=require&sslrootcert=system".into(),
        format!("sslmode=verify-ca&sslrootcert={other}"),
        format!("sslmode=require&sslrootcert={other}"),
        format!("sslmode=require&sslcert={other}&sslaccept=strict"),
    ] {
        site.assert_refused(&query, "sslrootcert");
    }
    site.assert_connects(&format!("sslmode=verify-ca&sslrootcert={ca}"));
    site.assert_refused(&format!("sslmode=verify-full&sslrootcert={ca}"), "another host");
    site.assert_refused(&format!("sslmode=require&sslcert={ca}&sslaccept=strict"), "another host");
    // A service goes on with files, and says why.
    let env = TestEnv::files_only().await;
    let address = format!("{}?sslmode=verify-ca&sslrootcert={other}", site.postgres.url());
    let service = env.serve(&[("DATABASE_URL", &address)]).await;
    let is_refused = |health: &serde_json::Value| {
        let cause = health["database_error"].as_str().unwrap_or_default();
        health["effective_mode"] == "FILE_ONLY" && cause.contains("sslrootcert")
    };
    service.wait_for_path("/health", |_, health| is_refused(health)).await;
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let site = Site::new(&["localhost", "127.0.0.1"], "cert").await;
    export(&site, "new.p12", &[]);
    export(&site, "old.p12", &["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1"]);
    let (ca, certificate, key) = (site.ca.display(), site.file("client.pem"), site.file("client.key"));
    let (new, old) = (site.file("new.p12"), site.file("old.p12"));
    for query in [
        format!("sslmode=require&sslcert={certificate}&sslkey={key}"),
        format!("sslmode=verify-full&sslrootcert={ca}&sslcert={certificate}&sslkey={key}"),
        format!("sslmode=require&sslidentity={new}&sslpassword=se%20cret"),
        format!("sslmode=require&sslcert={ca}&sslidentity={new}&sslpassword=se%20cret&sslaccept=strict"),
        format!("sslidentity={old}&sslpassword=se+cret"),
    ] {
        site.assert_connects(&query);
    }
    site.assert_refused("sslmode=require", "sslidentity");
}

/// A server that signed its own certificate, as many in a private network have, and a client that pins it.
#[tokio::test]
async fn a_certificate_that_signed_itself_is_pinned() {
    let own =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let site = Site::with(&Authority::new(), &certificate, &key, "trust").await;
    let pinned = site.folder.path().join("own.pem");
    std::fs::write(&pinned, certificate).unwrap();
    site.assert_connects(&format!("sslmode=require&sslcert={}&sslaccept=strict", pinned.display()));
    site.assert_refused(
        &format!("sslmode=require&sslcert={}&sslaccept=strict", site.ca.display()),
        "sslrootcert",
    );
}

#[tokio::test]
async fn relative_paths_lie_beside_prismas_schema() {
    let site = Site::new(&["localhost", "127.0.0.1"], "trust").await;
    let folder = site.folder.path();
    let query = "sslmode=require&sslaccept=strict&sslcert=";
    let code = |path: &str| site.ask_in(folder, &format!("{query}{path}")).status.code();
    assert_eq!(code("../ca.pem"), Some(1), "the folder prisma need not be there");
    assert_eq!(code("ca.pem"), Some(1), "else where the process is");
    std::fs::create_dir(folder.join("prisma")).unwrap();
    std::fs::copy(&site.ca, folder.join("prisma/own.pem")).unwrap();
    assert_eq!(code("own.pem"), Some(1));
    assert_eq!(code("./own.pem"), Some(1));
}

#[tokio::test]
async fn a_wrong_file_is_named_before_anything_connects() {
    let site = Site::new(&["localhost"], "trust").await;
    let (certificate, key, nonsense) =
        (site.file("client.pem"), site.file("client.key"), site.file("nonsense.pem"));
    export(&site, "me.p12", &[]);
    let p12 = site.file("me.p12");
    for (query, named) in [
        (format!("sslcert={nonsense}"), "sslcert"),
        (format!("sslcert={key}"), "sslcert"),
        (format!("sslrootcert={nonsense}"), "sslrootcert"),
        (format!("sslcert={certificate}&sslkey={certificate}"), "sslkey"),
        (format!("sslcert={certificate}&sslkey={}", site.file("other.key")), "sslkey"),
        (format!("sslidentity={p12}&sslpassword=wrong"), "sslidentity"),
        (format!("sslidentity={certificate}"), "sslidentity"),
        ("sslcert=/no/such/file.pem".into(), "sslcert"),
        ("sslmode=perhaps".into(), "sslmode"),
    ] {
        // Refused by its address alone, also where the database is down.
        let output = innovation(&["serve"])
            .env("DATABASE_URL", format!("postgresql://u:hush@127.0.0.1:1/db?{query}"))
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{query}: {said}");
        assert!(said.contains("DATABASE_URL") && said.contains(named), "{query}: {said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[tokio::test]
async fn a_service_works_over_tls() {
    let mut env = TestEnv::files_only().await;
    let site = Site::new(&["localhost", "127.0.0.1"], "trust").await;
    let address = format!(
        "{}?sslmode=require&sslaccept=strict&sslcert={}&pgbouncer=false&connection_limit=1",
        site.postgres.url(),
        site.ca.display()
    );
    assert!(
        innovation(&["migrate", "deploy"]).env("DATABASE_URL", &address).output().unwrap().status.success()
    );
    let environment = [("DATABASE_URL", address.as_str()), ("ANALYST", "extractive")];
    let service = env.serve(&environment).await;
    service.submit(&env.request("run-1")).await;
    assert_eq!(service.ended("run-1").await["status"], "complete");
    service.wait_for_path("/health", |_, health| health["database_connection"] == "healthy").await;
    env.postgres = Some(site.postgres);
    let over_tls = "SELECT bool_and(ssl)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name LIKE 'innovation%'";
    assert_eq!(env.value(over_tls).await, "true");
}
