//! `innovation healthcheck`: checks a running service, for a container's health check.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{put, put_json, say},
};
use crate::{config::Config, json_body};
use foundation::tls;

/// The time limit of the whole check. It is shorter than the limit in the `Dockerfile`, so that the reason is
/// printed.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The most bytes of an answer that are shown. `/health/deep`, the longest answer, has a few thousand.
const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The address to check [default: /health/live of this machine's service at PORT]
    #[arg(long, value_name = "URL", value_parser = address)]
    url: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Parses an address that can be checked.
fn address(text: &str) -> Result<String, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(String::from).ok_or("it must be an http or https address, as http://127.0.0.1:8000/health")
}

/// Runs the check. Exit code 0 for a 200, 1 for any other answer, 3 for no answer.
pub async fn run(args: Args, config: &Config) -> ExitCode {
    let process = &config.process;
    let url = args.url.unwrap_or_else(|| own_address(process.host, process.port));
    // A wrong CA file must not fail a check that needs none.
    let extra_ca_file = config.documents.extra_ca_file.as_deref().filter(|_| url.starts_with("https:"));
    match ask(&url, extra_ca_file).await {
        Ok((status, body)) => {
            let is_healthy = status == 200;
            if args.json {
                put_json(&json!({ "healthy": is_healthy, "url": url, "status": status, "body": body }));
            } else {
                put(&format!("{status} {url}\n"));
            }
            if is_healthy {
                return ExitCode::SUCCESS;
            }
            say(&format!("innovation: {url} answered {status}; see its /health/deep for each dependency"));
            ExitCode::FAILURE
        }
        Err(error) => {
            if args.json {
                put_json(&json!({ "healthy": false, "url": url, "error": error }));
            }
            say(&format!("innovation: {error} from {url}; is `innovation serve` running with this PORT?"));
            ExitCode::from(EXIT_COULD_NOT_CHECK)
        }
    }
}

/// The liveness address of this machine's service. It must not be readiness: a platform must not restart a
/// container that drains or whose storage is down.
fn own_address(host: IpAddr, port: u16) -> String {
    let host = match host {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    // `SocketAddr` writes an IPv6 address in brackets.
    format!("http://{}/health/live", SocketAddr::new(host, port))
}

/// The status and the body, parsed if it is JSON.
async fn ask(url: &str, extra_ca_file: Option<&Path>) -> Result<(u16, Value), String> {
    // No proxy, because it would answer in place of the service.
    let builder = tls::client_builder(extra_ca_file)?.redirect(Policy::none());
    let question = async {
        let response = builder.build()?.get(url).send().await?;
        let status = response.status().as_u16();
        Ok((status, json_body::read(response, BODY_BYTES_MAX).await?))
    };
    match tokio::time::timeout(TIMEOUT, question).await {
        Ok(answer) => answer.map_err(|error: reqwest::Error| {
            if error.is_connect() { "no connection" } else { "no usable answer" }.to_owned()
        }),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_host_is_checked_on_loopback() {
        let asked = |host: &str| own_address(host.parse().unwrap(), 8000);
        assert_eq!(asked("0.0.0.0"), "http://127.0.0.1:8000/health/live");
        assert_eq!(asked("::"), "http://[::1]:8000/health/live");
        assert_eq!(asked("10.0.0.7"), "http://10.0.0.7:8000/health/live");
    }
}
