//! A new key, and what a person says of it.

use std::time::Duration;

use pipeline::clock::Timestamp;
use secrecy::SecretString;
use storage::control_plane::{ApiKey, KeyDigest, Permission, Principal, Quotas, Role, StoredKey};

use super::key_ring::digest;

/// Every key of ours begins so, which lets people and scanners of secrets recognise one.
const PREFIX: &str = "ipk_";

/// The longest name of a key. It stands in log lines and in the audit.
const NAME_BYTES_MAX: usize = 64;

/// The longest grace of a rotated key. After that, two keys would be simpler.
pub(super) const GRACE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A key that nobody has seen yet.
#[derive(Debug)]
pub struct NewSecret {
    pub text: SecretString,
    pub sha256: KeyDigest,
}

impl NewSecret {
    /// 256 bits of the system's randomness, in letters and digits that no shell or header changes. None if the system has no
    /// randomness.
    #[must_use]
    pub fn random() -> Option<Self> {
        use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
        let mut bytes = [0_u8; 32];
        rustls::crypto::ring::default_provider().secure_random.fill(&mut bytes).ok()?;
        let text = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        Some(Self { sha256: digest(&text), text: text.into() })
    }
}

/// Whether a text may be a key of the database.
#[must_use]
pub fn may_be_ours(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The wish for a new key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyOrder {
    pub name: String,
    pub role: Role,
    /// None: the key's name in lower case.
    pub principal: Option<Principal>,
    pub scopes: Vec<Permission>,
    pub quotas: Quotas,
    pub expires_at: Option<Timestamp>,
}

/// The wish to replace a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RotationOrder {
    /// How long the old key stays valid.
    pub grace: Duration,
    /// None: the new key lasts as long as the old one was made for.
    pub expires_at: Option<Timestamp>,
}

impl KeyOrder {
    /// The key that the order asks for.
    ///
    /// # Errors
    ///
    /// The field and the sentence for the person who ordered it.
    pub(super) fn into_key(
        self,
        id: String,
        sha256: KeyDigest,
        now: Timestamp,
    ) -> Result<StoredKey, (&'static str, String)> {
        let Self { name, role, principal, scopes, quotas, expires_at } = self;
        let is_plain = name.chars().all(|c| !c.is_control()) && name.trim() == name;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !is_plain {
            let what = format!("must be one line of 1 to {NAME_BYTES_MAX} bytes without spaces around it");
            return Err(("name", what));
        }
        let principal = match principal {
            Some(principal) => principal,
            None => Principal::parse(&name.to_ascii_lowercase().replace(' ', "-"))
                .map_err(|error| ("principal", format!("the name is none, so give one: {error}")))?,
        };
        if principal == Principal::system() {
            return Err((
                "principal",
                format!("{principal} owns the service's own runs; choose another one"),
            ));
        }
        if let Some(scope) = scopes.iter().find(|scope| !role.may(**scope)) {
            return Err(("scopes", format!("a {role} may not {}", scope.as_str())));
        }
        check_end(expires_at, now)?;
        check_quotas(&quotas)?;
        let key = ApiKey {
            id,
            name,
            role,
            principal,
            scopes,
            quotas,
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
            rotated_from: None,
        };
        Ok(StoredKey { key, sha256 })
    }
}

impl RotationOrder {
    pub(super) fn check(&self, now: Timestamp) -> Result<(), (&'static str, String)> {
        if self.grace > GRACE_MAX {
            return Err(("grace", "must be 30 days at most".to_owned()));
        }
        check_end(self.expires_at, now)
    }
}

fn check_end(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), (&'static str, String)> {
    match expires_at {
        Some(end) if end <= now => Err(("expires_at", "must be in the future".to_owned())),
        _ => Ok(()),
    }
}

fn check_quotas(quotas: &Quotas) -> Result<(), (&'static str, String)> {
    // The database counts in signed numbers of 32 bits.
    let is_count = |count: Option<u32>| count.is_none_or(|count| count > 0 && i32::try_from(count).is_ok());
    let what = || format!("must be a whole number, 1 to {}", i32::MAX);
    if !is_count(quotas.runs_per_minute) {
        return Err(("runs_per_minute", what()));
    }
    if !is_count(quotas.runs_under_way) {
        return Err(("runs_under_way", what()));
    }
    match quotas.usd_per_day {
        Some(usd) if !(usd.is_finite() && usd > 0.0) => {
            Err(("usd_per_day", "must be a number of dollars above 0".to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use pipeline::{clock::Clock as _, testing::ManualClock};
    use secrecy::ExposeSecret as _;

    use super::*;

    fn order(name: &str) -> KeyOrder {
        KeyOrder {
            name: name.to_owned(),
            role: Role::Client,
            principal: None,
            scopes: Vec::new(),
            quotas: Quotas::default(),
            expires_at: None,
        }
    }

    #[test]
    fn keys_are_long_and_recognisable() {
        let (one, other) = (NewSecret::random().unwrap(), NewSecret::random().unwrap());
        let text = one.text.expose_secret();
        assert!(may_be_ours(text) && text.len() == 47 && text != other.text.expose_secret(), "{text}");
        assert_eq!(digest(text), one.sha256);
        assert!(!format!("{one:?}").contains(text));
    }

    #[test]
    fn wrong_orders_name_their_field() {
        let now = ManualClock::new().now();
        let field = |order: KeyOrder| order.into_key("id".to_owned(), [0; 32], now).unwrap_err().0;
        assert_eq!(field(order("")), "name");
        assert_eq!(field(order("a\nb")), "name");
        assert_eq!(field(order("Équipe")), "principal");
        let system = Some(Principal::system());
        assert_eq!(field(KeyOrder { principal: system, ..order("team") }), "principal");
        assert_eq!(field(KeyOrder { scopes: vec![Permission::Operate], ..order("team") }), "scopes");
        assert_eq!(field(KeyOrder { expires_at: Some(now), ..order("team") }), "expires_at");
        let quotas = |quotas| KeyOrder { quotas, ..order("team") };
        let none = Quotas::default();
        assert_eq!(field(quotas(Quotas { runs_per_minute: Some(0), ..none })), "runs_per_minute");
        assert_eq!(field(quotas(Quotas { usd_per_day: Some(f64::NAN), ..none })), "usd_per_day");
        let made = order("Team A").into_key("id".to_owned(), [0; 32], now).unwrap();
        assert_eq!(made.key.principal.as_str(), "team-a");
    }
}
