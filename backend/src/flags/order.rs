//! An order to change the storage mode that was given while the database was away. It lies in the file storage, signed, until
//! it has become a change in the database.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use pipeline::clock::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use storage::{
    control_plane::AuditRecord,
    mode::{Flags, Mode},
};

use super::{
    definitions::{DATABASE_WRITES, FILE_FALLBACK, find},
    layers::Values,
    value::Value,
};

/// An older order is refused, because its giver did not know the present. An outage of a day fits.
const VALID: TimeDelta = TimeDelta::hours(24);

/// How far the clocks of two replicas may differ.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(5);

/// The signed text begins with it, so that no other signature by the same secret fits.
const DOMAIN: &[u8] = b"innovation flag order 1\n";

/// An order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// A UUIDv7: a later order has a greater id.
    pub id: String,
    pub at: Timestamp,
    pub flags: BTreeMap<String, bool>,
    /// The revision of the database's flags that the person knew. None if they knew none.
    pub base_revision: Option<u64>,
    pub actor: String,
    pub role: String,
    pub address: Option<String>,
    pub reason: String,
    pub request_id: Option<String>,
    pub deployment: Option<String>,
}

/// Why an order is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    #[error("it is not an order")]
    Malformed,
    #[error("ADMIN_SECRET is not set here, so its signature cannot be checked")]
    NoSecret,
    #[error("its signature does not match ADMIN_SECRET")]
    Signature,
    #[error("it is older than a day, or from the future")]
    Time,
}

/// The file of an order. The text is signed as it stands.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    order: String,
    /// HMAC-SHA-256 in hexadecimal digits.
    signature: String,
}

/// The storage flags of a mode. None for the mode that stores nothing.
#[must_use]
pub(super) fn flags_of(mode: Mode) -> Option<[(&'static str, bool); 2]> {
    let flags = Flags::of_mode(mode, 0);
    (!flags.accepts_nothing())
        .then_some([(DATABASE_WRITES.key, flags.database_writes), (FILE_FALLBACK.key, flags.file_fallback)])
}

impl Order {
    /// An audit record of its giver, without an action and a target.
    pub(super) fn record(&self) -> AuditRecord {
        AuditRecord {
            id: uuid::Uuid::now_v7().to_string(),
            at: self.at,
            actor: self.actor.clone(),
            role: self.role.clone(),
            address: self.address.clone(),
            action: String::new(),
            target: String::new(),
            old: None,
            new: None,
            reason: Some(self.reason.clone()),
            request_id: self.request_id.clone(),
            deployment: self.deployment.clone(),
            imported_at: None,
        }
    }

    /// The values of its flags that this version knows.
    #[must_use]
    pub fn values(&self) -> Values {
        let known = self.flags.iter().filter_map(|(key, is_on)| Some((find(key)?.key, *is_on)));
        known.map(|(key, is_on)| (key, Value::Boolean(is_on))).collect()
    }

    /// The signed form.
    #[must_use]
    pub fn sign(&self, secret: &SecretString) -> Option<Vec<u8>> {
        let order = serde_json::to_string(self).ok()?;
        let signature = hex(&mac(secret, &order)?.finalize().into_bytes());
        serde_json::to_vec(&Signed { order, signature }).ok()
    }

    /// Reads a signed order.
    ///
    /// # Errors
    ///
    /// [`OrderRefusal`] says why it counts for nothing.
    pub fn verify(bytes: &[u8], secret: Option<&SecretString>, now: Timestamp) -> Result<Self, OrderRefusal> {
        let order = Self::verify_at_any_age(bytes, secret)?;
        if order.is_in_time(now) { Ok(order) } else { Err(OrderRefusal::Time) }
    }

    /// Whether nobody may obey this order any more, whatever their secret is: it is no order, or its time is over. This trusts
    /// the time that the order itself gives, so it decides nothing but how long a refused order is kept where it lies.
    #[must_use]
    pub fn is_over(bytes: &[u8], now: Timestamp) -> bool {
        let signed = serde_json::from_slice::<Signed>(bytes);
        let order = signed.and_then(|signed| serde_json::from_str::<Self>(&signed.order));
        !order.is_ok_and(|order| order.is_in_time(now))
    }

    fn is_in_time(&self, now: Timestamp) -> bool {
        let age = now - self.at;
        (-SKEW_MAX..=VALID).contains(&age)
    }

    /// Reads a signed order of any age.
    ///
    /// # Errors
    ///
    /// [`OrderRefusal`] says why it counts for nothing.
    pub fn verify_at_any_age(bytes: &[u8], secret: Option<&SecretString>) -> Result<Self, OrderRefusal> {
        let signed: Signed = serde_json::from_slice(bytes).map_err(|_| OrderRefusal::Malformed)?;
        let secret = secret.ok_or(OrderRefusal::NoSecret)?;
        let given = unhex(&signed.signature).ok_or(OrderRefusal::Signature)?;
        let mac = mac(secret, &signed.order).ok_or(OrderRefusal::Signature)?;
        // It compares in constant time.
        mac.verify_slice(&given).map_err(|_| OrderRefusal::Signature)?;
        serde_json::from_str(&signed.order).map_err(|_| OrderRefusal::Malformed)
    }
}

fn mac(secret: &SecretString, text: &str) -> Option<Hmac<Sha256>> {
    // This algorithm accepts keys of any length, so this never fails.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
    mac.update(DOMAIN);
    mac.update(text.as_bytes());
    Some(mac)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    (digits.len() == 64).then_some(())?;
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fresh_orders_of_the_secret_count() {
        let now: Timestamp = "2026-12-01T10:00:00Z".parse().unwrap();
        let order = Order {
            id: "01940000-0000-7000-8000-000000000000".to_owned(),
            at: now,
            flags: flags_of(Mode::of_name("FILE_ONLY").unwrap())
                .unwrap()
                .map(|(key, is_on)| (key.to_owned(), is_on))
                .into(),
            base_revision: Some(7),
            actor: "ops".to_owned(),
            role: "operator".to_owned(),
            address: None,
            reason: "the database is down".to_owned(),
            request_id: None,
            deployment: None,
        };
        let (secret, other) = (SecretString::from("one secret"), SecretString::from("another"));
        let signed = order.sign(&secret).unwrap();
        let verify = |bytes: &[u8], secret, now| Order::verify(bytes, secret, now);
        assert_eq!(verify(&signed, Some(&secret), now), Ok(order.clone()));
        assert_eq!(verify(&signed, Some(&other), now), Err(OrderRefusal::Signature));
        assert_eq!(verify(&signed, None, now), Err(OrderRefusal::NoSecret));
        assert_eq!(verify(b"{}", Some(&secret), now), Err(OrderRefusal::Malformed));
        let changed = String::from_utf8(signed.clone()).unwrap().replace("false", "true");
        assert_eq!(verify(changed.as_bytes(), Some(&secret), now), Err(OrderRefusal::Signature));
        for late in [TimeDelta::hours(25), -TimeDelta::minutes(6)] {
            assert_eq!(verify(&signed, Some(&secret), now + late), Err(OrderRefusal::Time));
            assert!(Order::is_over(&signed, now + late));
        }
        assert!(!Order::is_over(&signed, now), "a replica with the right secret may obey it");
        assert!(Order::is_over(b"{}", now));
        assert_eq!(order.values().len(), 2);
    }
}
