//! Traces and the amount of log lines. The names of OpenTelemetry's own settings stand as they are.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{network::is_private_host, process::Environment, reader::Reader};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// The path of traces below the collector's address.
const TRACES_PATH: &str = "/v1/traces";

/// More than any collector asks for.
const HEADERS_MAX: usize = 16;

/// The settings of telemetry.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// None without a collector.
    pub traces: Option<TracesConfig>,
    /// `LOG_SAMPLE_PERCENT`: the share of routine lines that the log has.
    pub log_sample_percent: u8,
    /// `LOG_FIGURES_SECONDS`. None: the log has no lines of figures.
    pub figures_period: Option<Duration>,
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct TracesConfig {
    /// The whole address.
    pub endpoint: String,
    /// Marked as secret.
    pub headers: HeaderMap,
    /// How long the collector may take to answer.
    pub timeout: Duration,
    /// How long a finished span may wait for its batch.
    pub delay: Duration,
    pub service_name: String,
}

impl TelemetryConfig {
    pub(super) fn read(reader: &mut Reader, environment: Environment) -> Self {
        let percent = "must be a whole number of percent, 0 to 100";
        let seconds = "must be a whole number of seconds, 0 to 3600";
        let figures: u64 = reader.number("LOG_FIGURES_SECONDS", 60, 0..=3_600, seconds, "60");
        Self {
            traces: traces(reader, environment),
            log_sample_percent: reader.number("LOG_SAMPLE_PERCENT", 100, 0..=100, percent, "10"),
            figures_period: (figures > 0).then(|| Duration::from_secs(figures)),
        }
    }
}

fn traces(reader: &mut Reader, environment: Environment) -> Option<TracesConfig> {
    let millis = "must be a whole number of milliseconds, 100 to 60000";
    let timeout: u64 = reader.number("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, 100..=60_000, millis, "10000");
    let delay: u64 = reader.number("OTEL_BSP_SCHEDULE_DELAY", 5_000, 100..=60_000, millis, "5000");
    let service_name = reader.text("OTEL_SERVICE_NAME").unwrap_or("innovation-pipeline").to_owned();
    let headers = headers(reader);
    let endpoint = endpoint(reader, environment, !headers.is_empty())?;
    Some(TracesConfig {
        endpoint,
        headers,
        timeout: Duration::from_millis(timeout),
        delay: Duration::from_millis(delay),
        service_name,
    })
}

/// The collector's address with the path of traces.
fn endpoint(reader: &mut Reader, environment: Environment, has_headers: bool) -> Option<String> {
    const EXAMPLE: &str = "https://collector.example.com:4318";
    let text = reader.text(ENDPOINT)?.trim_end_matches('/').to_owned();
    let what = match Url::parse(&text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") || !url.has_host() => {
            "must be an http or https address"
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not hold a user or a password; OTEL_EXPORTER_OTLP_HEADERS can send them"
        }
        Ok(url) if url.query().is_some() || url.fragment().is_some() => {
            "must have neither a query nor a fragment: a path is appended to it"
        }
        Ok(url)
            if url.scheme() == "http"
                && !url.host_str().is_some_and(is_private_host)
                && (environment.is_strict() || has_headers) =>
        {
            "must be https for a host outside a private network"
        }
        Ok(_) => return Some(format!("{text}{TRACES_PATH}")),
        Err(_) => "must be an http or https address",
    };
    reader.problem(ENDPOINT, what, EXAMPLE);
    None
}

/// `name=value` pairs with percent-encoded values, as OpenTelemetry defines them.
fn headers(reader: &mut Reader) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for text in reader.list(HEADERS) {
        match header(&text) {
            Some((name, value)) if headers.len() < HEADERS_MAX => headers.insert(name, value),
            _ => {
                let what =
                    "must be at most 16 headers as name=value, separated by commas, values percent-encoded";
                reader.problem(HEADERS, what, "x-api-key=abc");
                break;
            }
        };
    }
    headers
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, encoded) = text.split_once('=')?;
    let decoded: Vec<u8> = percent_decode_str(encoded.trim()).collect();
    let mut value = HeaderValue::from_bytes(&decoded).ok()?;
    value.set_sensitive(true);
    Some((name.trim().parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn read(environment: Environment, pairs: &[(&str, &str)]) -> Result<TelemetryConfig, String> {
        let variables: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut reader = Reader::new(variables);
        let config = TelemetryConfig::read(&mut reader, environment);
        reader.finish().map(|_| config).map_err(|problems| problems.to_string())
    }

    #[test]
    fn the_figures_are_logged_every_minute() {
        let period = |pairs: &[(&str, &str)]| read(Environment::Production, pairs).unwrap().figures_period;
        assert_eq!(period(&[]), Some(Duration::from_secs(60)));
        assert_eq!(period(&[("LOG_FIGURES_SECONDS", "0")]), None);
    }

    #[test]
    fn the_path_of_traces_is_appended() {
        let pairs =
            [(ENDPOINT, "https://collector.example.com:4318/"), (HEADERS, "x-api-key=hush%20hush,a=b")];
        let config = read(Environment::Production, &pairs).unwrap();
        let traces = config.traces.as_ref().unwrap();
        assert_eq!(traces.endpoint, "https://collector.example.com:4318/v1/traces");
        assert_eq!(traces.headers["x-api-key"], "hush hush");
        assert!(!format!("{config:?}").contains("hush"), "{config:?}");
        assert!(read(Environment::Production, &[]).unwrap().traces.is_none());
    }

    #[test]
    fn a_public_collector_must_be_encrypted() {
        let plain = [(ENDPOINT, "http://collector.example.com")];
        assert!(read(Environment::Staging, &plain).is_err());
        assert!(read(Environment::Development, &[plain[0], (HEADERS, "a=s3cret")]).is_err());
        assert!(read(Environment::Production, &[(ENDPOINT, "http://otel.railway.internal:4318")]).is_ok());
        for bad in ["nonsense", "ftp://a", "https://u:p@a.example", "https://a.example?x=1"] {
            assert!(read(Environment::Development, &[(ENDPOINT, bad)]).is_err(), "{bad}");
        }
        assert!(!read(Environment::Development, &[(HEADERS, "s3cret")]).unwrap_err().contains("s3cret"));
    }
}
