//! The channels of alerts: where messages go, and what proves that they are ours.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use secrecy::{SecretBox, SecretString};
use url::Url;

use super::{
    deployment::{RailwayConfig, RailwayToken},
    network::is_private_host,
    process::Environment,
    reader::Reader,
    webhooks::SigningKey,
};

/// A longer address is a mistake.
const URL_BYTES_MAX: usize = 1024;

/// Old and new secrets of one receiver.
const KEYS_MAX: usize = 5;

/// The key length that Standard Webhooks requires.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// People who get a mail.
const RECIPIENTS_MAX: usize = 20;

/// PagerDuty.
#[derive(Debug, Clone)]
pub struct PagerDutyConfig {
    /// Without a path.
    pub url: String,
    pub routing_key: SecretString,
    /// The source of change events.
    pub source: String,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// From its start.
    Wrapped,
    /// After `STARTTLS`, which the server must offer.
    StartTls,
    /// Not at all: on a private network in development.
    None,
}

/// Mail.
#[derive(Debug, Clone)]
pub struct EmailConfig {
    pub host: String,
    pub port: u16,
    pub security: SmtpSecurity,
    pub credentials: Option<(String, SecretString)>,
    pub from: String,
    pub to: Vec<String>,
}

/// A receiver of webhooks.
#[derive(Debug, Clone)]
pub struct AlertWebhookConfig {
    pub url: SecretString,
    /// Each key signs every message.
    pub keys: Vec<SigningKey>,
}

/// Issues on GitHub.
#[derive(Debug, Clone)]
pub struct GitHubConfig {
    /// Without a slash at its end.
    pub url: String,
    /// `owner/name`
    pub repository: String,
    pub token: SecretString,
}

/// The platform's API.
#[derive(Debug, Clone)]
pub struct PlatformConfig {
    pub url: String,
    pub token: RailwayToken,
    /// `ALERT_PLATFORM_SECONDS`: between two questions.
    pub every: Duration,
}

/// Reads an address that messages go to. It may be a secret, so no problem shows it.
pub(super) fn address(
    reader: &mut Reader,
    variable: &'static str,
    environment: Environment,
) -> Option<String> {
    let text = reader.text(variable)?.to_owned();
    let what = match Url::parse(&text) {
        _ if text.len() > URL_BYTES_MAX => "must not be longer than 1024 bytes",
        Ok(url) if url.scheme() == "https" && url.has_host() => return Some(text),
        Ok(url) if url.scheme() == "http" && url.has_host() => {
            if !environment.is_strict() {
                return Some(text);
            }
            "must be an https address in staging and production"
        }
        Ok(_) | Err(_) => "must be an https address",
    };
    reader.problem(variable, what, "https://alerts.example.com/…");
    None
}

/// Reads the base of an API, which has a default.
fn base(reader: &mut Reader, variable: &'static str, default: &str, environment: Environment) -> String {
    let url = if reader.text(variable).is_some() { address(reader, variable, environment) } else { None };
    url.unwrap_or_else(|| default.to_owned()).trim_end_matches('/').to_owned()
}

pub(super) fn pagerduty(
    reader: &mut Reader,
    environment: Environment,
    service: &str,
) -> Option<PagerDutyConfig> {
    const VARIABLE: &str = "ALERT_PAGERDUTY_ROUTING_KEY";
    let url = base(reader, "ALERT_PAGERDUTY_URL", "https://events.pagerduty.com", environment);
    let key = reader.text(VARIABLE)?.to_owned();
    if key.len() != 32 || !key.bytes().all(|b| b.is_ascii_alphanumeric()) {
        reader.problem(
            VARIABLE,
            "must be an integration key of 32 letters and digits",
            "the key of an Events API v2 integration",
        );
        return None;
    }
    let source = format!("{service}/{}", environment.as_str());
    Some(PagerDutyConfig { url, routing_key: SecretString::from(key), source })
}

pub(super) fn email(reader: &mut Reader, environment: Environment) -> Option<EmailConfig> {
    const VARIABLE: &str = "ALERT_SMTP_URL";
    const EXAMPLE: &str = "smtps://user:password@smtp.example.com:465";
    let text = reader.text(VARIABLE)?.to_owned();
    let parsed = Url::parse(&text).ok().filter(|url| text.len() <= URL_BYTES_MAX && url.has_host());
    let server = parsed.as_ref().and_then(|url| {
        let security = match (url.scheme(), url.query()) {
            ("smtps", None) => SmtpSecurity::Wrapped,
            ("smtp", None) => SmtpSecurity::StartTls,
            ("smtp", Some("tls=none")) => SmtpSecurity::None,
            _ => return None,
        };
        let port = if security == SmtpSecurity::Wrapped { 465 } else { 587 };
        Some((url.host_str()?.to_owned(), url.port().unwrap_or(port), security))
    });
    let Some((host, port, security)) = server else {
        reader.problem(VARIABLE, "must be smtps://… (TLS), or smtp://… (STARTTLS)", EXAMPLE);
        return None;
    };
    if security == SmtpSecurity::None && (environment.is_strict() || !is_private_host(&host)) {
        reader.problem(
            VARIABLE,
            "must be encrypted: tls=none is for a private network in development",
            EXAMPLE,
        );
        return None;
    }
    let credentials = parsed.as_ref().filter(|url| !url.username().is_empty()).map(|url| {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        (decoded(url.username()), SecretString::from(decoded(url.password().unwrap_or_default())))
    });
    let from = reader.text("ALERT_EMAIL_FROM").map(str::to_owned);
    let to = reader.list("ALERT_EMAIL_TO");
    let is_address = |text: &String| text.parse::<lettre::message::Mailbox>().is_ok();
    let Some(from) = from.filter(is_address) else {
        reader.problem(
            "ALERT_EMAIL_FROM",
            "is required with ALERT_SMTP_URL, and must be an address",
            "alerts@example.com",
        );
        return None;
    };
    if to.is_empty() || to.len() > RECIPIENTS_MAX || !to.iter().all(is_address) {
        let what = "is required with ALERT_SMTP_URL: 1 to 20 addresses separated by commas";
        reader.problem("ALERT_EMAIL_TO", what, "oncall@example.com");
        return None;
    }
    Some(EmailConfig { host, port, security, credentials, from, to })
}

pub(super) fn webhook(reader: &mut Reader, environment: Environment) -> Option<AlertWebhookConfig> {
    const SECRETS: &str = "ALERT_WEBHOOK_SECRETS";
    let url = address(reader, "ALERT_WEBHOOK_URL", environment)?;
    let listed = reader.list(SECRETS);
    let decode = |text: &String| {
        let key = BASE64_STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
        KEY_BYTES.contains(&key.len()).then(|| SigningKey::new(SecretBox::new(Box::new(key))))
    };
    let keys: Option<Vec<_>> = listed.iter().map(decode).collect();
    let keys = keys.filter(|keys| keys.len() <= KEYS_MAX).unwrap_or_else(|| {
        reader.problem(
            SECRETS,
            "must be at most 5 secrets separated by commas, each whsec_ and 24 to 64 bytes in base64",
            "whsec_ followed by the output of `openssl rand -base64 32`",
        );
        Vec::new()
    });
    Some(AlertWebhookConfig { url: SecretString::from(url), keys })
}

pub(super) fn github(reader: &mut Reader, environment: Environment) -> Option<GitHubConfig> {
    const REPOSITORY: &str = "ALERT_GITHUB_REPOSITORY";
    let url = base(reader, "ALERT_GITHUB_API_URL", "https://api.github.com", environment);
    let repository = reader.text(REPOSITORY)?.to_owned();
    let token = reader.text("ALERT_GITHUB_TOKEN").map(SecretString::from);
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && !matches!(part, "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    if !repository.split_once('/').is_some_and(|(owner, name)| is_plain(owner) && is_plain(name)) {
        reader.problem(REPOSITORY, "must be owner/name", "example/operations");
        return None;
    }
    let Some(token) = token else {
        let what = "is required with ALERT_GITHUB_REPOSITORY: a token that may write issues";
        reader.problem("ALERT_GITHUB_TOKEN", what, "a fine-grained token with the permission Issues: write");
        return None;
    };
    Some(GitHubConfig { url, repository, token })
}

pub(super) fn platform(reader: &mut Reader, railway: &RailwayConfig) -> Option<PlatformConfig> {
    let what = "must be a whole number of seconds, 1 to 86400";
    // Twelve questions an hour: a free plan allows a hundred.
    let every = reader.number("ALERT_PLATFORM_SECONDS", 300, 1..=86_400, what, "300");
    let token = railway.token.clone()?;
    Some(PlatformConfig { url: railway.api_url.clone(), token, every: Duration::from_secs(every) })
}
