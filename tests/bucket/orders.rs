//! Orders to change the storage mode, given while the database is away, among replicas that share nothing but a bucket.

use backend::flags::Order;
use foundation::clock::SystemClock;
use pipeline::clock::{Clock as _, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::replica;
use crate::{
    flags::{flags, send, set, wait_for_flag},
    support::{
        proxy::Proxy,
        s3::S3,
        service::{Service, TestEnv},
        stderr,
        wait::{eventually, wanted},
    },
};

const WRITES: &str = "ENABLE_DATABASE_WRITES";
const SECRET: &str = "0123456789abcdef-of-the-test";
const ORDERS: &str = "outputs/.flags/orders/";

/// Three replicas with one bucket, and with one way to the database, which the test closes.
struct Fleet {
    env: TestEnv,
    bucket: S3,
    database: Proxy,
    replicas: [Service; 3],
}

impl Fleet {
    async fn start() -> Self {
        let env = TestEnv::with_database().await;
        let bucket = S3::start();
        let (database, through) = Proxy::before(&env.database_url()).await;
        let url = bucket.url();
        let one = |name| {
            let more =
                [("ADMIN_SECRET", SECRET), ("DATABASE_URL", through.as_str()), ("RAILWAY_REPLICA_ID", name)];
            let (env, url) = (&env, &url);
            async move { replica(env, url, name, &more).await }
        };
        let (first, second, third) = tokio::join!(one("one"), one("two"), one("three"));
        env.wait_for_value(r#"SELECT count(*)::text FROM "innovation"."FlagAck""#, "3").await;
        // After a change, each look of a replica tells it who the others are.
        set(&env, "OPERATIONS_PAUSE_CLAIMS", "false").await;
        eventually("the first knows all", async || {
            let listing = first.call("GET", "/api/admin/flags").await.body;
            wanted(listing, |listing| listing["replicas"].as_array().is_some_and(|all| all.len() == 3))
        })
        .await;
        Self { replicas: [first, second, third], env, bucket, database }
    }

    /// Gives an order to a replica; everybody follows.
    async fn order(&self, to: &str) -> String {
        let body = json!({"to": to, "reason": "a test"});
        let answer = send(&self.replicas[0], "POST", "/api/admin/emergency-rollback", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut followed: Vec<_> = answer.body["replicas"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["replica"].as_str().unwrap(), one["acknowledged"] == true))
            .collect();
        followed.sort_unstable();
        assert_eq!(followed, [("one", true), ("three", true), ("two", true)], "{}", answer.body);
        answer.body["order_id"].as_str().unwrap().to_owned()
    }

    fn put(&self, name: &str, content: &[u8]) {
        let length = content.len();
        self.bucket.put(&format!("PUT /runs/{ORDERS}{name} HTTP/1.1\r\nContent-Length: {length}"), content);
    }

    async fn wait_for(&self, is_on: bool, source: &str) {
        for replica in &self.replicas {
            wait_for_flag(replica, WRITES, json!(is_on), source).await;
        }
    }

    async fn wait_until_settled(&self) {
        let forged = [format!("{ORDERS}0-forged")];
        eventually("the order has gone", async || {
            wanted(self.bucket.names(ORDERS), |names| names == &forged)
        })
        .await;
        eventually("nobody acknowledges any more", async || {
            wanted(self.bucket.names("outputs/.flags/acks/"), Vec::is_empty)
        })
        .await;
    }
}

fn order(id: &str, at: Timestamp, secret: &str) -> Vec<u8> {
    let order = Order {
        id: id.to_owned(),
        at,
        flags: [(WRITES.to_owned(), true), ("ENABLE_FILE_FALLBACK".to_owned(), false)].into(),
        base_revision: None,
        actor: "a stranger".to_owned(),
        role: "operator".to_owned(),
        address: None,
        reason: "a test".to_owned(),
        request_id: None,
        deployment: None,
    };
    order.sign(&SecretString::from(secret)).unwrap()
}

#[tokio::test]
async fn three_replicas_obey_orders_through_a_bucket() {
    let mut fleet = Fleet::start().await;
    fleet.database.refuse().await;
    put_refused_orders(&fleet);
    let id = fleet.order("FILE_ONLY").await;
    fleet.wait_for(false, "order").await;
    let [one, two, _] = &fleet.replicas;
    one.submit(&fleet.env.request("run-1")).await;
    assert_eq!(two.ended("run-1").await["status"], "complete", "the bucket is enough");
    assert_refused_orders_are_aside(&fleet, &id).await;
    fleet.database.mend().await;
    fleet.wait_for(false, "database").await;
    let imported = format!(
        r#"SELECT count(*) || ' ' || count(DISTINCT "revision") FROM "innovation"."FlagChange" WHERE "orderId" = '{id}'"#
    );
    assert_eq!(fleet.env.value(&imported).await, "2 2", "each flag once");
    fleet.wait_until_settled().await;
    contradict_an_order(&mut fleet).await;
}

/// Orders that nobody obeys. The forged one may be the fault of a secret, so it stays until its day is over.
fn put_refused_orders(fleet: &Fleet) {
    let now = SystemClock::default().now();
    let old = now - chrono::TimeDelta::hours(25);
    fleet.put("torn", b"{");
    fleet.put("0-old", &order("0-old", old, SECRET));
    fleet.put("0-forged", &order("0-forged", now, "another secret"));
    fleet.put("0-forged-old", &order("0-forged-old", old, "another secret"));
}

async fn assert_refused_orders_are_aside(fleet: &Fleet, id: &str) {
    let left = ["0-forged", id].map(|name| format!("{ORDERS}{name}"));
    eventually("refused orders are set aside", async || {
        wanted(fleet.bucket.names(ORDERS), |names| names == &left)
    })
    .await;
    let aside = ["0-forged-old", "0-old", "torn"].map(|name| format!("outputs/.flags/refused/{name}"));
    assert_eq!(fleet.bucket.names("outputs/.flags/refused/"), aside);
    for replica in &fleet.replicas {
        let is_forged = |line: &&Value| line["order"] == "0-forged";
        let lines = eventually("each replica logs the forged order", async || {
            wanted(replica.events("flag_order_refused"), |lines| lines.iter().any(|line| is_forged(&line)))
        })
        .await;
        assert_eq!(lines.iter().filter(is_forged).count(), 1);
    }
}

/// Somebody with another way to the database does not know of the order, and decides otherwise. A person settles it.
async fn contradict_an_order(fleet: &mut Fleet) {
    fleet.database.refuse().await;
    let id = fleet.order("DUAL_WRITE").await;
    let change = ["set", "ENABLE_FILE_FALLBACK", "unset", "--reason", "another mind"];
    let changed = flags(&fleet.env, &change, &[]).await;
    assert_eq!(changed.status.code(), Some(0), "{}", stderr(&changed));
    fleet.database.mend().await;
    for replica in &fleet.replicas {
        let line: Value = replica.wait_for_event("flag_order_conflict").await;
        assert_eq!((&line["order"], &line["level"]), (&json!(id), &json!("error")), "{line}");
    }
    fleet.wait_for(true, "order").await;
    let bucket = S3::environment(&fleet.bucket.url());
    let mut settings: Vec<_> = bucket.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("ADMIN_SECRET", SECRET));
    let settle = ["settle", id.as_str(), "--keep", "order", "--reason", "a test"];
    let settled = flags(&fleet.env, &settle, &settings).await;
    assert_eq!(settled.status.code(), Some(0), "{}", stderr(&settled));
    fleet.wait_for(true, "database").await;
    fleet.wait_until_settled().await;
}
