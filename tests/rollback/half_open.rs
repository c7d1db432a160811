//! A database that answers and does not take writes: it counts as down, without flapping, until writes work again.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::support::{
    pgbouncer::PgBouncer,
    service::{Service, TestEnv},
    wait::eventually,
};

/// How long each fault lasts, and how long health is watched: several probes and cached answers.
const WATCHED: Duration = Duration::from_secs(8);

/// A service whose database user is not the owner of the tables.
struct Drill {
    env: TestEnv,
    service: Service,
}

impl Drill {
    async fn new() -> Self {
        let env = TestEnv::with_database().await;
        env.query("CREATE ROLE app LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app").await;
        let url = env.database_url().replace("postgres@", "app@");
        let service = env.serve(&[("DATABASE_URL", &url)]).await;
        service.submit(&env.request("before")).await;
        assert_eq!(service.ended("before").await["status"], "complete");
        Self { env, service }
    }

    /// Ends the sessions of the service, so that new ones meet the changed server.
    async fn cut(&self) {
        self.env.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'").await;
    }

    async fn health(&self) -> Value {
        self.service.get("/health").await.unwrap().1
    }

    fn openings(&self) -> usize {
        self.service.events("database_breaker_opened").len()
    }

    /// A run ends by files while the fault lasts. From the first failed write on, no health is good.
    async fn watch_the_fault(&self) {
        let began = Instant::now();
        self.service.submit(&self.env.request("during")).await;
        assert_eq!(self.service.ended("during").await["status"], "complete");
        self.service.wait_for_event("database_breaker_opened").await;
        println!("noticed after {:?}", began.elapsed());
        while began.elapsed() < WATCHED {
            let health = self.health().await;
            assert_eq!(health["database_connection"], "failed", "{health}");
            assert_ne!(health["status"], "healthy", "{health}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Writes work again: health says so soon, and the breaker stays closed.
    async fn assert_recovered(&self, stands: &str) {
        let began = Instant::now();
        self.service
            .wait_for_path("/health", |_, health| {
                health["effective_mode"] == "DUAL_WRITE" && health["database_connection"] == "healthy"
            })
            .await;
        println!("recovered after {:?}", began.elapsed());
        self.service.submit(&self.env.request("after")).await;
        assert_eq!(self.service.ended("after").await["status"], "complete");
        self.env.assert_both_agree("after").await;
        self.env.wait_until_synced("during").await;
        self.env.assert_both_agree("during").await;
        let opened = self.openings();
        assert!((1..=2).contains(&opened), "the breaker opened {opened} times");
        let reason = &self.service.events("database_breaker_opened")[0]["reason"];
        assert!(reason.as_str().unwrap().contains(stands), "{reason}");
    }
}

async fn drill(broken: &[&str], repaired: &[&str], stands: &str) {
    let drill = Drill::new().await;
    for sql in broken {
        drill.env.query(sql).await;
    }
    drill.cut().await;
    drill.watch_the_fault().await;
    for sql in repaired {
        drill.env.query(sql).await;
    }
    drill.assert_recovered(stands).await;
}

#[tokio::test]
async fn a_dropped_column_does_not_flap() {
    let (drop, add) = (
        r#"ALTER TABLE "PipelineRun" DROP COLUMN "stage3Output""#,
        r#"ALTER TABLE "PipelineRun" ADD COLUMN "stage3Output" JSONB"#,
    );
    drill(&[drop], &[add], "stage3Output").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn row_level_security_does_not_flap() {
    let (on, off) = (
        r#"ALTER TABLE "StageOutput" ENABLE ROW LEVEL SECURITY"#,
        r#"ALTER TABLE "StageOutput" DISABLE ROW LEVEL SECURITY"#,
    );
    drill(&[on], &[off], "42501").await;
}

#[tokio::test]
async fn a_read_only_server_does_not_flap() {
    let (on, off) = (
        "ALTER DATABASE postgres SET default_transaction_read_only = on",
        "SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only",
    );
    drill(&[on], &[off], "25006").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_full_server_does_not_flap() {
    drill(&["ALTER ROLE app CONNECTION LIMIT 0"], &["ALTER ROLE app CONNECTION LIMIT -1"], "53300").await;
}

/// The trigger speaks for a server whose disk is almost full: small rows find room, a stage does not. The words are
/// those of PostgreSQL's `mdextend`.
#[tokio::test]
async fn a_full_disk_does_not_flap() {
    let full = r#"CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF length(NEW."stage1Output"::text) > 1000 THEN
            RAISE EXCEPTION 'could not extend file "base/5/2619": No space left on device' USING ERRCODE = '53100';
          END IF;
          RETURN NEW; END $$;
        CREATE TRIGGER full_disk BEFORE UPDATE ON "PipelineRun" FOR EACH ROW EXECUTE FUNCTION full_disk()"#;
    drill(&[full], &["DROP FUNCTION full_disk CASCADE"], "53100").await;
}

#[tokio::test]
#[ignore = "slow: make test-long"]
async fn a_locked_table_does_not_flap() {
    let drill = Drill::new().await;
    let mut holder = PgConnection::connect(&drill.env.database_url()).await.unwrap();
    sqlx::raw_sql(r#"BEGIN; LOCK TABLE "PipelineRun" IN EXCLUSIVE MODE"#).execute(&mut holder).await.unwrap();
    drill.watch_the_fault().await;
    sqlx::raw_sql("COMMIT").execute(&mut holder).await.unwrap();
    drill.assert_recovered("SQLSTATE").await;
}

#[tokio::test]
async fn a_service_behind_an_unnamed_pooler_works() {
    let env = TestEnv::with_database().await;
    let pooler = PgBouncer::start(&env.database_url()).await;
    let service = env.serve(&[("DATABASE_URL", &pooler.url(&env.database_url()))]).await;
    for number in 0..8 {
        service.submit(&env.request(&format!("run-{number}"))).await;
    }
    for number in 0..8 {
        let run = format!("run-{number}");
        assert_eq!(service.ended(&run).await["status"], "complete");
        env.assert_both_agree(&run).await;
    }
    let recognised = service.events("database_pooler_recognised");
    assert_eq!((recognised.len(), &recognised[0]["parameter"]), (1, &"pgbouncer=true".into()));
    assert_eq!(service.events("database_breaker_opened").len(), 0);
}

/// Sessions that began on the old, read-only server do not stay in the pool.
#[tokio::test]
async fn a_failover_leaves_no_session_behind() {
    let drill = Drill::new().await;
    drill.env.query("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    drill.cut().await;
    drill.service.wait_for_event("database_breaker_opened").await;
    let reset =
        "SET transaction_read_only = off; ALTER DATABASE postgres RESET default_transaction_read_only";
    drill.env.query(reset).await;
    let opened = drill.openings();
    eventually("health is good", async || drill.health().await["database_connection"] == "healthy").await;
    for number in 0..20 {
        drill.service.submit(&drill.env.request(&format!("run-{number}"))).await;
        assert_eq!(drill.health().await["database_connection"], "healthy");
    }
    assert_eq!(drill.openings(), opened);
}
