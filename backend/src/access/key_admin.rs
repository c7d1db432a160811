//! Makes, shows and ends keys of the database.

use std::sync::Arc;

use pipeline::clock::Clock;
use secrecy::SecretString;
use storage::{
    StorageError,
    control_plane::{ApiKey, ApiKeys, AuditRecord, KEYS_MAX, KeyChange, Successor},
};

use super::{
    key_ring::KeyRing,
    new_key::{KeyOrder, NewSecret, RotationOrder},
};

/// How many keys a list has at most.
const LISTED_MAX: usize = KEYS_MAX;

/// The use case of people who manage keys.
#[derive(Debug, Clone)]
pub struct KeyAdmin {
    pub keys: Arc<dyn ApiKeys>,
    /// Learns of a change at once. None in a command: the running service learns of it by a notification.
    pub ring: Option<Arc<KeyRing>>,
    pub clock: Arc<dyn Clock>,
}

/// A new key. Its text is shown once.
#[derive(Debug)]
pub struct Made {
    pub key: ApiKey,
    pub text: SecretString,
}

/// Why a change of keys was not made.
#[derive(Debug, thiserror::Error)]
pub enum KeyAdminError {
    #[error("{0}: {1}")]
    Invalid(&'static str, String),
    #[error("there is no key {0}; `innovation keys list` shows all")]
    Unknown(String),
    #[error("key {0} has ended already")]
    Ended(String),
    #[error(
        "this request acts with key {0}, and nobody ends the key they act with: use another admin key, or rotate it with a \
         grace"
    )]
    Own(String),
    #[error(
        "key {0} is the last admin key that is valid for another day; make another one first: `innovation keys create --name \
         NAME --role admin`"
    )]
    LastAdmin(String),
    #[error("there are {KEYS_MAX} valid keys, and no more are kept; revoke some first")]
    TooMany,
    #[error("the system has no randomness for a key; try again")]
    NoRandomness,
    #[error("keys cannot be read or changed while the database is away: {0}")]
    Storage(#[from] StorageError),
}

impl KeyAdmin {
    /// All keys, the newest first, ended ones included.
    ///
    /// # Errors
    ///
    /// [`KeyAdminError::Storage`]
    pub async fn list(&self) -> Result<Vec<ApiKey>, KeyAdminError> {
        Ok(self.keys.list(LISTED_MAX).await?)
    }

    /// Makes a key. The function describes the change for the audit, by the key's id.
    ///
    /// # Errors
    ///
    /// Why it was not made.
    pub async fn create(
        &self,
        order: KeyOrder,
        describe: impl Fn(&str) -> AuditRecord,
    ) -> Result<Made, KeyAdminError> {
        let secret = NewSecret::random().ok_or(KeyAdminError::NoRandomness)?;
        let stored = order
            .into_key(new_id(), secret.sha256, self.clock.now())
            .map_err(|(field, what)| KeyAdminError::Invalid(field, what))?;
        if !self.keys.create(&stored, &describe(&stored.key.id)).await? {
            return Err(KeyAdminError::TooMany);
        }
        self.refresh().await;
        Ok(Made { key: stored.key, text: secret.text })
    }

    /// Revokes a key. `acting` is the id of the caller's own key.
    ///
    /// # Errors
    ///
    /// Why it was not revoked.
    pub async fn revoke(
        &self,
        id: &str,
        acting: Option<&str>,
        audit: &AuditRecord,
    ) -> Result<(), KeyAdminError> {
        let change = self.keys.revoke(id, acting, audit).await?;
        self.refresh().await;
        done(change, id)
    }

    /// Replaces a key.
    ///
    /// # Errors
    ///
    /// Why it was not replaced.
    pub async fn rotate(
        &self,
        id: &str,
        acting: Option<&str>,
        order: RotationOrder,
        audit: &AuditRecord,
    ) -> Result<Made, KeyAdminError> {
        order.check(self.clock.now()).map_err(|(field, what)| KeyAdminError::Invalid(field, what))?;
        let secret = NewSecret::random().ok_or(KeyAdminError::NoRandomness)?;
        let RotationOrder { grace, expires_at } = order;
        let successor = Successor { id: new_id(), sha256: secret.sha256, grace, expires_at };
        let (change, made) = self.keys.rotate(id, acting, &successor, audit).await?;
        self.refresh().await;
        done(change, id)?;
        let key = made.ok_or_else(|| KeyAdminError::Unknown(id.to_owned()))?;
        Ok(Made { key, text: secret.text })
    }

    /// The next poll finds what this one does not.
    async fn refresh(&self) {
        if let Some(ring) = &self.ring {
            let _ = ring.refresh(&*self.keys).await;
        }
    }
}

/// In the order of time, like the ids of audit records.
fn new_id() -> String {
    uuid::Uuid::now_v7().as_hyphenated().to_string()
}

fn done(change: KeyChange, id: &str) -> Result<(), KeyAdminError> {
    let id = id.to_owned();
    match change {
        KeyChange::Done => Ok(()),
        KeyChange::Unknown => Err(KeyAdminError::Unknown(id)),
        KeyChange::Ended => Err(KeyAdminError::Ended(id)),
        KeyChange::Own => Err(KeyAdminError::Own(id)),
        KeyChange::LastAdmin => Err(KeyAdminError::LastAdmin(id)),
    }
}
