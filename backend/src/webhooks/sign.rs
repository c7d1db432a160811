//! Signs webhooks and gives them ids, by Standard Webhooks, version 1.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use pipeline::{record::sha256_hex, run::RunId};
use secrecy::ExposeSecret as _;
use sha2::Sha256;

use crate::config::SigningKey;
use storage::WebhookEvent;

/// The length of an id: enough hex digits of a digest that no two events collide.
const ID_DIGITS: usize = 32;

/// The id of an event. It is the same for every attempt on every replica, so a receiver recognises a
/// repetition.
#[must_use]
pub fn id(run: &RunId, generation: i32, event: WebhookEvent) -> String {
    let digest = sha256_hex(format!("{run}\n{generation}\n{}", event.name()).as_bytes());
    format!("msg_{}", digest.get(..ID_DIGITS).unwrap_or(&digest))
}

/// One signature per key, separated by spaces. None without keys.
#[must_use]
pub fn signatures(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let signed: Vec<String> = keys
        .iter()
        .filter_map(|key| {
            // This algorithm accepts keys of any length, so this never fails.
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
        })
        .collect();
    (!signed.is_empty()).then(|| signed.join(" "))
}

#[cfg(test)]
mod tests {
    use pipeline::run::Stage;
    use secrecy::SecretBox;

    use super::*;

    fn key(base64: &str) -> SigningKey {
        SigningKey::new(SecretBox::new(Box::new(BASE64_STANDARD.decode(base64).unwrap())))
    }

    #[test]
    fn it_signs_as_the_standard_does() {
        // The example of the Standard Webhooks libraries.
        let one = key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let said = signatures(
            std::slice::from_ref(&one),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(said.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        let two = signatures(&[one, key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")], "a", 1, b"b").unwrap();
        assert_eq!(two.split(' ').filter(|part| part.starts_with("v1,")).count(), 2);
        assert_eq!(signatures(&[], "a", 1, b"b"), None);
    }

    #[test]
    fn an_id_is_the_events_own() {
        let run = RunId::parse("run-1").unwrap();
        let stage = WebhookEvent::Stage(Stage::InputProcessing);
        assert_eq!(id(&run, 1, stage), id(&run, 1, stage));
        let others = [
            id(&run, 2, stage),
            id(&run, 1, WebhookEvent::Report),
            id(&RunId::parse("run-11").unwrap(), 1, stage),
        ];
        assert!(!others.contains(&id(&run, 1, stage)));
        assert_eq!(id(&run, 1, stage).len(), 36);
    }
}
