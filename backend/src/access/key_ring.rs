//! The accepted keys.

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::caller::Caller;
use crate::config::AccessConfig;
use storage::control_plane::Role;

/// SHA-256 of a key. All digests have the same length, so a comparison reveals nothing about a key.
pub type KeyDigest = [u8; 32];

/// All keys that open this service.
pub struct KeyRing {
    environment: Vec<(KeyDigest, Role)>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", self.environment.len())
    }
}

impl KeyRing {
    /// With the keys of the environment.
    #[must_use]
    pub fn new(access: &AccessConfig) -> Self {
        let of = |keys: &[SecretString], role| -> Vec<(KeyDigest, Role)> {
            keys.iter().map(|key| (digest(key.expose_secret()), role)).collect()
        };
        let environment = [of(&access.api_keys, Role::Client), of(&access.admin_keys, Role::Admin)].concat();
        Self { environment }
    }

    /// Whether no key is required, as in development without keys. Then everybody may do everything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.environment.is_empty()
    }

    /// The caller with this key.
    #[must_use]
    pub fn recognise(&self, given: &KeyDigest) -> Option<Caller> {
        // Compare with every key, also after a match, to take constant time.
        let mut found = None;
        for (key, role) in &self.environment {
            let is_equal: Choice = key.ct_eq(given);
            if is_equal.into() {
                found = found.max(Some(*role));
            }
        }
        found.map(Caller::environment)
    }
}

/// The digest of a key.
#[must_use]
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_the_environment_have_their_roles() {
        let access = AccessConfig {
            api_keys: vec!["one".into(), "two".into()],
            admin_keys: vec!["three".into()],
            ..AccessConfig::default()
        };
        let ring = KeyRing::new(&access);
        let role = |key: &str| ring.recognise(&digest(key)).map(|caller| caller.role);
        assert_eq!(role("two"), Some(Role::Client));
        assert_eq!(role("three"), Some(Role::Admin));
        assert_eq!(role("four"), None);
        assert!(!ring.is_open() && KeyRing::new(&AccessConfig::default()).is_open());
    }
}
