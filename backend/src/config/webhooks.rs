//! Whom to tell of runs, and how it can tell that it was us.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use url::Url;

use super::{Environment, Reader};

/// Longer addresses are a mistake.
const URL_BYTES_MAX: usize = 1024;

/// A shorter secret can be guessed.
const SECRET_BYTES_MIN: usize = 16;

/// What Standard Webhooks asks for.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One in use, one to come, and a few that were forgotten.
const KEYS_MAX: usize = 5;

/// How the frontend is told of runs.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// None: nobody is told, and nothing is written down to be told.
    pub target: Option<Target>,
    /// How long one request may take, its answer included.
    pub timeout: Duration,
}

/// The frontend.
#[derive(Debug, Clone)]
pub struct Target {
    /// Without a slash at its end.
    pub base_url: String,
    /// Sent as `X-Webhook-Secret`.
    pub secret: Option<SecretString>,
    /// Each signs every request.
    pub signing_keys: Vec<SigningKey>,
}

/// A decoded secret of `WEBHOOK_SIGNING_SECRETS`.
pub type SigningKey = std::sync::Arc<SecretBox<Vec<u8>>>;

impl WebhooksConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let seconds = reader.number(
            "WEBHOOK_TIMEOUT_SECONDS",
            10,
            1..=60,
            "must be a whole number of seconds, 1 to 60",
            "10",
        );
        let secret = reader.text("WEBHOOK_SECRET").map(SecretString::from);
        let signing_keys = signing_keys(reader);
        let base_url = base_url(reader, environment);
        if let Some(secret) = &secret {
            let text = secret.expose_secret();
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                reader.problem(
                    "WEBHOOK_SECRET",
                    "must be of visible ASCII characters",
                    "the output of `openssl rand -hex 32`",
                );
            } else if environment.is_strict() && text.len() < SECRET_BYTES_MIN {
                reader.problem(
                    "WEBHOOK_SECRET",
                    "must have at least 16 characters in staging and production",
                    "the output of `openssl rand -hex 32`",
                );
            }
        }
        if base_url.is_some() && secret.is_none() && environment.is_strict() {
            reader.problem(
                "WEBHOOK_SECRET",
                "is required in staging and production where FRONTEND_WEBHOOK_URL is set",
                "the output of `openssl rand -hex 32`",
            );
        }
        Self {
            target: base_url.map(|base_url| Target { base_url, secret, signing_keys }),
            timeout: Duration::from_secs(seconds),
        }
    }
}

fn base_url(reader: &mut Reader, environment: Environment) -> Option<String> {
    const VARIABLE: &str = "FRONTEND_WEBHOOK_URL";
    const EXAMPLE: &str = "https://app.example.com";
    let text = reader.text(VARIABLE)?.trim_end_matches('/').to_owned();
    let what = match Url::parse(&text) {
        _ if text.len() > URL_BYTES_MAX => "must not be longer than 1024 bytes",
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "must be an http or https address"
        }
        Ok(url) if url.scheme() == "http" && environment.is_strict() => {
            "must be an https address in staging and production"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold a user or a password"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "must not have a query or a fragment: paths are appended to it"
        }
        Ok(_) => return Some(text),
        Err(_) => "must be an http or https address",
    };
    reader.problem(VARIABLE, what, EXAMPLE);
    None
}

fn signing_keys(reader: &mut Reader) -> Vec<SigningKey> {
    let listed = reader.list("WEBHOOK_SIGNING_SECRETS");
    let decode = |text: &String| {
        let key = BASE64_STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        KEY_BYTES.contains(&key.len()).then(|| SigningKey::new(SecretBox::new(Box::new(key))))
    };
    let keys: Option<Vec<_>> = listed.iter().map(decode).collect();
    match keys {
        Some(keys) if keys.len() <= KEYS_MAX => keys,
        _ => {
            reader.problem(
                "WEBHOOK_SIGNING_SECRETS",
                "must be at most 5 secrets separated by commas, each whsec_ and 24 to 64 bytes in base64",
                "whsec_ followed by the output of `openssl rand -base64 32`",
            );
            Vec::new()
        }
    }
}
