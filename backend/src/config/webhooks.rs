//! The webhook settings: the receiver, and how it can authenticate the requests.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use url::Url;

use super::{process::Environment, reader::Reader, secret_strength::weakness};

/// A longer address is a mistake.
const URL_BYTES_MAX: usize = 1024;

/// The key length that Standard Webhooks requires.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One current key, one future key, and a few old ones.
const KEYS_MAX: usize = 5;

/// A gateway requires one or two.
const HEADERS_MAX: usize = 8;

/// The header or query parameter that Vercel's Deployment Protection reads.
const VERCEL_BYPASS: &str = "x-vercel-protection-bypass";

/// Headers that have another meaning or that the client sets itself.
const RESERVED_HEADERS: [&str; 11] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-webhook-secret",
];

/// The webhook settings.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// None turns webhooks off, and no event is queued.
    pub target: Option<Target>,
    /// How long one request may take, its answer included.
    pub timeout: Duration,
}

/// The receiver: the frontend.
#[derive(Debug, Clone)]
pub struct Target {
    /// Without a query, and without a slash at its end.
    pub base_url: String,
    /// The address's query, sent with every request. It may grant access to a protected deployment.
    pub query: Option<SecretString>,
    /// Sent with every request. Their values are marked as secrets.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Sent as `X-Webhook-Secret`.
    pub secret: Option<SecretString>,
    /// Each key signs every request.
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
        let weak = signing_keys.iter().find_map(|key| weakness(key.expose_secret()));
        if let Some(what) = weak.filter(|_| environment.is_strict()) {
            let example = "whsec_ followed by the output of `openssl rand -base64 32`";
            reader.problem("WEBHOOK_SIGNING_SECRETS", what, example);
        }
        let headers = headers(reader);
        let address = address(reader, environment);
        if let Some(secret) = &secret {
            let text = secret.expose_secret();
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                reader.problem(
                    "WEBHOOK_SECRET",
                    "must be of visible ASCII characters",
                    "the output of `openssl rand -hex 32`",
                );
            } else if let Some(what) = weakness(text.as_bytes()).filter(|_| environment.is_strict()) {
                reader.problem("WEBHOOK_SECRET", what, "the output of `openssl rand -hex 32`");
            }
        }
        if address.is_some() && secret.is_none() && environment.is_strict() {
            reader.problem(
                "WEBHOOK_SECRET",
                "is required in staging and production if FRONTEND_WEBHOOK_URL is set",
                "the output of `openssl rand -hex 32`",
            );
        }
        Self {
            target: address.map(|(base_url, query)| Target {
                base_url,
                query,
                headers,
                secret,
                signing_keys,
            }),
            timeout: Duration::from_secs(seconds),
        }
    }
}

/// The address without its query, and the query.
fn address(reader: &mut Reader, environment: Environment) -> Option<(String, Option<SecretString>)> {
    const VARIABLE: &str = "FRONTEND_WEBHOOK_URL";
    const EXAMPLE: &str = "https://app.example.com";
    let text = reader.text(VARIABLE)?.to_owned();
    let what = match Url::parse(&text) {
        _ if text.len() > URL_BYTES_MAX => "must not be longer than 1024 bytes",
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "must be an http or https address"
        }
        Ok(url) if url.scheme() == "http" && environment.is_strict() => {
            "must be an https address in staging and production"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold a user or a password; WEBHOOK_HEADERS can send them"
        }
        Ok(url) if url.fragment().is_some() => "must not have a fragment: paths are appended to it",
        Ok(url) => {
            let base = text.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
            let query = url.query().filter(|query| !query.is_empty());
            return Some((base, query.map(SecretString::from)));
        }
        Err(_) => "must be an http or https address",
    };
    reader.problem(VARIABLE, what, EXAMPLE);
    None
}

/// Reads `WEBHOOK_HEADERS`, and Vercel's own variable for one of them.
fn headers(reader: &mut Reader) -> Vec<(HeaderName, HeaderValue)> {
    let mut all = Vec::new();
    for text in reader.list("WEBHOOK_HEADERS") {
        match header(&text) {
            Some(header) if all.len() < HEADERS_MAX => all.push(header),
            _ => {
                reader.problem(
                    "WEBHOOK_HEADERS",
                    "must be at most 8 headers as name=value, separated by commas, values percent-encoded; \
                     none of those that are sent anyway (Content-Type, Host, webhook-…, X-Webhook-Secret)",
                    "CF-Access-Client-Id=abc,CF-Access-Client-Secret=def",
                );
                break;
            }
        }
    }
    const BYPASS_VARIABLE: &str = "VERCEL_AUTOMATION_BYPASS_SECRET";
    if let Some(secret) = reader.text(BYPASS_VARIABLE) {
        match value(secret.as_bytes()) {
            Some(value) => all.push((HeaderName::from_static(VERCEL_BYPASS), value)),
            None => reader.problem(
                BYPASS_VARIABLE,
                "must be of visible ASCII characters",
                "the secret of Protection Bypass for Automation, as the project's settings show it",
            ),
        }
    }
    all
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, encoded) = text.split_once('=')?;
    let name: HeaderName = name.trim().parse().ok()?;
    if RESERVED_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
        return None;
    }
    let decoded: Vec<u8> = percent_decode_str(encoded.trim()).collect();
    Some((name, value(&decoded)?))
}

/// A header's value, marked as a secret. It may contain spaces, as in `Basic …`.
fn value(bytes: &[u8]) -> Option<HeaderValue> {
    let is_plain = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    let mut value = HeaderValue::from_bytes(bytes).ok().filter(|_| is_plain)?;
    value.set_sensitive(true);
    Some(value)
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
