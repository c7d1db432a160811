//! Fingerprints of the service's variables, so that two deployments can be compared. They never show a value.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::reader::Reader;
use crate::checks::variables;

/// Hex digits of a fingerprint: enough to tell two values apart, too few to be a digest worth attacking.
const FINGERPRINT_DIGITS: usize = 12;

/// Variables that differ between the replicas of one deployment, or say nothing about its behaviour.
const LEFT_OUT: [&str; 5] = ["PORT", "HOST", "APP_BASE_DIR", "DEPLOY_TRIGGERED_BY", "LOG_LEVEL"];

/// A fingerprint of each variable that is not at its default. Those of secrets need `ADMIN_SECRET` as their key: a stranger could
/// guess a weak value otherwise. Without it they say only that the secret is set.
pub(super) fn fingerprints(reader: &Reader) -> BTreeMap<String, String> {
    let key = reader.text("ADMIN_SECRET").map(str::to_owned);
    let mut all = BTreeMap::new();
    for variable in variables::all() {
        let name = variable.name;
        // The platform's own variables change with every deployment.
        if variables::is_of_platform(name) || LEFT_OUT.contains(&name) {
            continue;
        }
        let Some(value) = reader.text(name).filter(|value| Some(*value) != variable.default) else {
            continue;
        };
        let fingerprint = match &key {
            None if variables::is_secret(name) => "set".to_owned(),
            key => keyed(key.as_deref().unwrap_or_default(), name, value),
        };
        all.insert(name.to_owned(), fingerprint);
    }
    all
}

fn keyed(key: &str, name: &str, value: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return "set".to_owned() };
    mac.update(format!("{name}={value}").as_bytes());
    let hex = hex_of(&mac.finalize().into_bytes());
    hex.chars().take(FINGERPRINT_DIGITS).collect()
}

/// SHA-256 over the fingerprints.
pub(super) fn digest_of(variables: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    for (name, fingerprint) in variables {
        digest.update(format!("{name}={fingerprint}\n"));
    }
    hex_of(&digest.finalize())
}

fn hex_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
