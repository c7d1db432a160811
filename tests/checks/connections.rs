//! The ways to the database: a pooler, plain text, and clocks that disagree.

use super::{next, report};
use crate::support::{pgbouncer::PgBouncer, service::TestEnv, tls::Authority};

/// Linux takes it for this machine. By its form it is no address of a private network.
const PUBLIC: &str = "0.0.0.0";

#[tokio::test]
async fn a_pooler_in_front_of_migrations_fails() {
    let env = TestEnv::with_database().await;
    let direct = env.database_url();
    let pooler = PgBouncer::start(&direct).await;
    let pooled = pooler.url(&direct);
    let settings = [("DATABASE_URL", pooled.as_str()), ("DATABASE_URL_NON_POOLING", pooled.as_str())];
    let broken = report(&env, &settings, "preflight");
    assert_eq!(broken.verdict("database-pooler"), "fail", "{}", broken.check("database-pooler"));
    let (name, _) = next(broken.check("database-pooler")).split_once('=').unwrap();
    let set = report(&env, &[settings[0], (name, direct.as_str())], "preflight");
    assert_eq!(set.ids("fail"), ["replicas"], "{}", set.body);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn plain_text_in_public_fails_until_verified() {
    let env = TestEnv::with_database().await;
    let public = env.database_url().replace("127.0.0.1", PUBLIC);
    let plain = report(&env, &[("DATABASE_URL", &public)], "audit security");
    assert_eq!(plain.verdict("database-tls"), "fail", "{}", plain.check("database-tls"));
    let (name, example) = next(plain.check("database-tls")).split_once('=').unwrap();
    let (_, options) = example.split_once('?').unwrap();
    let authority = Authority::new();
    let issued = authority.issue(&[PUBLIC]);
    let ca = std::fs::read_to_string(authority.path()).unwrap();
    let postgres = env.postgres.as_ref().unwrap();
    postgres.take_tls_only(&issued.certificate.pem(), &issued.key.serialize_pem(), &ca, "trust").await;
    let verified = format!("{public}?{options}&sslrootcert={}", authority.path().display());
    let closed = report(&env, &[(name, &verified)], "audit security");
    assert_eq!(closed.verdict("database-tls"), "ok", "{}", closed.check("database-tls"));
    assert_eq!(closed.check("database-tls")["data"]["is_encrypted"], true);
}
