use async_trait::async_trait;
use pipeline::testing::ManualClock;
use storage::{
    StorageErrorKind,
    control_plane::{ApiKey, AuditRecord, KeyChange, Permission, Principal, Successor},
};

use super::*;
use crate::access::key_table::KEYS_LAST;

fn access() -> AccessConfig {
    AccessConfig {
        api_keys: vec!["one".into(), "two".into()],
        admin_keys: vec!["three".into()],
        ..AccessConfig::default()
    }
}

/// A database that answers with these keys, or not at all.
#[derive(Debug, Default)]
struct Keys(Option<Vec<StoredKey>>);

#[async_trait]
impl ApiKeys for Keys {
    async fn list(&self, _: usize) -> Result<Vec<ApiKey>, StorageError> {
        Ok(Vec::new())
    }

    async fn ring(&self) -> Result<Vec<StoredKey>, StorageError> {
        self.0.clone().ok_or_else(|| StorageError::new(StorageErrorKind::Unavailable, "away"))
    }

    async fn create(&self, _: &StoredKey, _: &AuditRecord) -> Result<bool, StorageError> {
        Ok(false)
    }

    async fn revoke(&self, _: &str, _: Option<&str>, _: &AuditRecord) -> Result<KeyChange, StorageError> {
        Ok(KeyChange::Unknown)
    }

    async fn rotate(
        &self,
        _: &str,
        _: Option<&str>,
        _: &Successor,
        _: &AuditRecord,
    ) -> Result<(KeyChange, Option<ApiKey>), StorageError> {
        Ok((KeyChange::Unknown, None))
    }

    async fn touch(&self, _: &[(String, Timestamp)]) -> Result<(), StorageError> {
        Ok(())
    }
}

fn key(name: &str, role: Role, clock: &ManualClock) -> StoredKey {
    let key = ApiKey {
        id: name.to_owned(),
        name: name.to_owned(),
        role,
        principal: Principal::parse(name).unwrap(),
        scopes: Vec::new(),
        quotas: Quotas::default(),
        created_at: clock.now(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
        rotated_from: None,
    };
    StoredKey { key, sha256: digest(name) }
}

#[test]
fn keys_of_the_environment_have_their_roles() {
    let clock = Arc::new(ManualClock::new());
    let ring = KeyRing::new(&access(), clock.clone());
    let role = |key: &str| ring.recognise(&digest(key)).map(|caller| caller.role);
    assert_eq!(role("two"), Ok(Role::Client));
    assert_eq!(role("three"), Ok(Role::Admin));
    assert_eq!(role("four"), Err(Unrecognised::Wrong));
    assert!(!ring.is_open() && KeyRing::new(&AccessConfig::default(), clock).is_open());
}

#[tokio::test]
async fn without_the_database_keys_last_a_day() {
    let clock = Arc::new(ManualClock::new());
    let ring = KeyRing::new(&access(), clock.clone()).with_database();
    let role = |key: &str| ring.recognise(&digest(key)).map(|caller| caller.role);
    assert_eq!(role("boss"), Err(Unrecognised::Unknown), "nothing is known yet");
    let (boss, team) = (key("boss", Role::Admin, &clock), key("team", Role::Client, &clock));
    ring.refresh(&Keys(Some(vec![boss, team]))).await.unwrap();
    let caller = ring.recognise(&digest("boss")).unwrap();
    assert!(ring.may_administer(&caller) && caller.may(Permission::Operate));
    assert!(ring.refresh(&Keys(None)).await.is_err());
    assert!(!ring.may_administer(&caller), "it may have been revoked meanwhile");
    assert!(ring.may_administer(&ring.recognise(&digest("three")).unwrap()));
    clock.advance(KEYS_LAST - Duration::from_secs(1));
    assert_eq!((role("team"), role("nobody")), (Ok(Role::Client), Err(Unrecognised::Wrong)));
    clock.advance(Duration::from_secs(2));
    assert_eq!((role("team"), role("two")), (Err(Unrecognised::Unknown), Ok(Role::Client)));
}

#[tokio::test]
async fn revoked_and_expired_keys_open_nothing() {
    let clock = Arc::new(ManualClock::new());
    let ring = KeyRing::new(&access(), clock.clone()).with_database();
    let (mut gone, mut brief) = (key("gone", Role::Client, &clock), key("brief", Role::Client, &clock));
    gone.key.revoked_at = Some(clock.now());
    brief.key.expires_at = Some(clock.now() + Duration::from_secs(5));
    let known = vec![gone, brief, key("team", Role::Client, &clock)];
    ring.take_cached(known.clone(), clock.now());
    assert!(ring.recognise(&digest("gone")).is_err() && ring.recognise(&digest("brief")).is_ok());
    clock.advance(Duration::from_secs(5));
    assert_eq!(ring.recognise(&digest("brief")), Err(Unrecognised::Wrong));
    ring.refresh(&Keys(Some(Vec::new()))).await.unwrap();
    ring.take_cached(known, clock.now());
    assert_eq!(ring.recognise(&digest("team")), Err(Unrecognised::Wrong), "the database has answered");
}

#[tokio::test]
async fn a_use_is_written_once_a_minute() {
    let clock = Arc::new(ManualClock::new());
    let ring = KeyRing::new(&access(), clock.clone()).with_database();
    ring.refresh(&Keys(Some(vec![key("team", Role::Client, &clock)]))).await.unwrap();
    let mut written = 0;
    for _ in 0..130 {
        ring.recognise(&digest("team")).unwrap();
        written += ring.take_uses().len();
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(written, 3);
    assert!(ring.take_uses().is_empty(), "it was not used again");
}
