//! Keys of the API. A key is 256 random bits; the database has its SHA-256 and nothing else of it.

use std::time::Duration;

use async_trait::async_trait;
use pipeline::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    audit::AuditRecord,
    principal::Principal,
    role::{Permission, Role},
};
use crate::error::StorageError;

/// SHA-256 of a key.
pub type KeyDigest = [u8; 32];

/// The most keys that are valid at one time. Each replica keeps them in memory and asks for them every two seconds.
pub const KEYS_MAX: usize = 10_000;

/// A remaining admin key counts only if it lasts at least this long: a key that ends in an hour leaves nobody.
pub const ADMIN_LASTS_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// A key, without anything that opens the service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// The owner of the runs that it submits. A rotated key keeps it.
    pub principal: Principal,
    /// The permissions to which the key is narrowed. Empty: all of its role.
    pub scopes: Vec<Permission>,
    #[serde(flatten)]
    pub quotas: Quotas,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Written once a minute at most.
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// The id of the key that this one replaces.
    pub rotated_from: Option<String>,
}

/// The limits of a key. None sets no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quotas {
    pub runs_per_minute: Option<u32>,
    pub runs_under_way: Option<u32>,
    pub usd_per_day: Option<f64>,
}

/// A key with its digest, as the database has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredKey {
    #[serde(flatten)]
    pub key: ApiKey,
    #[serde(with = "bytea")]
    pub sha256: KeyDigest,
}

impl ApiKey {
    /// Whether the key opens the service at this time.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The replacement of a key.
#[derive(Debug, Clone)]
pub struct Successor {
    pub id: String,
    pub sha256: KeyDigest,
    /// How long the old key stays valid. Zero revokes it at once.
    pub grace: Duration,
    /// None: the successor lives as long as the old key was made for.
    pub expires_at: Option<Timestamp>,
}

/// How a change of a key ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyChange {
    Done,
    /// There is no such key.
    Unknown,
    /// It was revoked before, or has expired.
    Ended,
    /// Nobody revokes the key they act with.
    Own,
    /// No other admin key would last another day.
    LastAdmin,
}

/// The keys in the database. Each change and its audit record are one statement, and all changes are made one after the
/// other, from all replicas and commands.
#[async_trait]
pub trait ApiKeys: Send + Sync + std::fmt::Debug {
    /// Lists up to `limit` keys, the newest first, ended ones included.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn list(&self, limit: usize) -> Result<Vec<ApiKey>, StorageError>;

    /// Reads the keys that are valid, and those revoked within the last two days, [`KEYS_MAX`] at most.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn ring(&self) -> Result<Vec<StoredKey>, StorageError>;

    /// Adds a key. False if there are [`KEYS_MAX`] already.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn create(&self, key: &StoredKey, audit: &AuditRecord) -> Result<bool, StorageError>;

    /// Revokes a key. `acting` is the id of the caller's own key.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn revoke(
        &self,
        id: &str,
        acting: Option<&str>,
        audit: &AuditRecord,
    ) -> Result<KeyChange, StorageError>;

    /// Replaces a key by one with the same name, role, principal, scopes and quotas. Returns the new key if it was done.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn rotate(
        &self,
        id: &str,
        acting: Option<&str>,
        successor: &Successor,
        audit: &AuditRecord,
    ) -> Result<(KeyChange, Option<ApiKey>), StorageError>;

    /// Notes when keys were used last.
    ///
    /// # Errors
    ///
    /// `Unavailable` or `Schema` if the store fails. `Indeterminate` if it does not answer in time.
    async fn touch(&self, used: &[(String, Timestamp)]) -> Result<(), StorageError>;
}

/// A digest in PostgreSQL's own notation of bytes, which is how JSON carries it there and back: `\x` and hexadecimal digits.
mod bytea {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::KeyDigest;

    pub(super) fn serialize<S: Serializer>(bytes: &KeyDigest, serializer: S) -> Result<S::Ok, S::Error> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        serializer.serialize_str(&format!("\\x{digits}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeyDigest, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| D::Error::custom("32 bytes were expected"))
    }

    fn parse(text: &str) -> Option<KeyDigest> {
        let digits = text.strip_prefix("\\x")?;
        let byte = |index: usize| u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok();
        let bytes: Option<Vec<u8>> = (0..digits.len() / 2).map(byte).collect();
        KeyDigest::try_from(bytes?).ok().filter(|_| digits.len() == 64)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_32_bytes_are_a_digest() {
            let digest: KeyDigest = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
            let text = serde_json::to_value(Wrapped { digest }).unwrap();
            assert_eq!(parse(text["digest"].as_str().unwrap()), Some(digest));
            for bad in ["", "\\x", "00", &format!("\\x{}", "0".repeat(63)), &format!("\\x{}", "é".repeat(32))]
            {
                assert_eq!(parse(bad), None, "{bad}");
            }
        }

        #[derive(serde::Serialize)]
        struct Wrapped {
            #[serde(with = "super")]
            digest: KeyDigest,
        }
    }
}
