//! The configuration: read only here from the environment, typed, and validated as a whole.
//!
//! Each section has a file. A section reports all of its problems, so that an operator corrects the
//! environment once, and not once per variable.

pub mod access;
pub mod alert_channels;
pub mod alerts;
pub mod analyst;
pub mod answers;
pub mod audit;
pub mod connections;
pub mod database;
pub mod deployment;
pub mod documents;
mod dotenv;
mod fingerprints;
pub mod modes;
mod network;
pub mod ocr;
mod origin_rule;
pub mod process;
mod reader;
mod secret_strength;
pub mod storage;
pub mod telemetry;
pub mod webhooks;
pub mod work;

use std::{collections::BTreeMap, path::Path};

use secrecy::{ExposeSecret as _, SecretString};

use self::reader::Reader;

pub use ::storage::files::config::{BucketConfig, StorageConfig, StoragePlace};
pub use ::storage::postgres::config::DatabaseConfig;
pub use access::AccessConfig;
pub use alerts::AlertsConfig;
pub use analyst::{AnalystChoice, AnalystConfig};
pub use answers::AnswersConfig;
pub use audit::AuditConfig;
pub use connections::ConnectionsConfig;
pub use deployment::{
    ArbiterAction, ArbiterConfig, DeploymentConfig, RailwayConfig, RailwayPlan, RailwayToken,
};
pub use documents::DocumentsConfig;
pub use modes::ModesConfig;
pub use network::is_private_host;
pub use ocr::{OcrConfig, OcrSetting};
pub use origin_rule::OriginRule;
pub use process::{Environment, LogFormat, ProcessConfig};
pub use reader::{Problem, Problems};
pub use telemetry::{TelemetryConfig, TracesConfig};
pub use webhooks::{SigningKey, Target as WebhookTarget, WebhooksConfig};
pub use work::{Role, WorkConfig};

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub process: ProcessConfig,
    pub analyst: AnalystConfig,
    pub documents: DocumentsConfig,
    pub ocr: OcrConfig,
    pub storage: StorageConfig,
    pub database: DatabaseConfig,
    /// `REHEARSAL_DATABASE_URL`: a database that a rehearsal fills and empties.
    pub rehearsal_database: Option<SecretString>,
    pub access: AccessConfig,
    pub alerts: AlertsConfig,
    pub answers: AnswersConfig,
    pub audit: AuditConfig,
    pub connections: ConnectionsConfig,
    pub deployment: DeploymentConfig,
    pub modes: ModesConfig,
    pub telemetry: TelemetryConfig,
    pub work: WorkConfig,
    pub webhooks: WebhooksConfig,
    /// Warnings that do not prevent a start. The process logs them at the start.
    pub warnings: Vec<String>,
}

/// The purpose of the configuration. A service requires more settings than a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Command,
    Service,
}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// [`Problems`] lists everything that is wrong with the environment.
    pub fn from_environment(purpose: Purpose) -> Result<Self, Problems> {
        Self::from_variables(environment_variables()?, purpose)
    }

    /// Reads a set of variables.
    ///
    /// # Errors
    ///
    /// [`Problems`] lists everything that is wrong with the variables.
    pub fn from_variables(variables: BTreeMap<String, String>, purpose: Purpose) -> Result<Self, Problems> {
        let mut reader = Reader::new(variables);
        let mut process = ProcessConfig::read(&mut reader);
        let analyst = AnalystConfig::read(&mut reader, process.environment);
        let documents = DocumentsConfig::read(&mut reader, process.environment);
        let storage = self::storage::read(
            &mut reader,
            process.environment,
            &process.base_dir,
            documents.extra_ca_file.clone(),
        );
        let database = self::database::read(&mut reader, process.environment);
        let rehearsal_database = self::database::read_rehearsal(&mut reader, process.environment);
        // A command serves no clients, so it needs no keys.
        let strictness =
            if purpose == Purpose::Service { process.environment } else { Environment::Development };
        let mut access = AccessConfig::read(&mut reader, strictness);
        if process.environment == Environment::Development && access.api_keys.is_empty() {
            process.bind_to_loopback(&reader);
            // A page that has its own name lead to this machine would be a stranger with every right.
            access.checks_host = access.admin_keys.is_empty() && process.host.is_loopback();
        }
        let deployment = DeploymentConfig::read(&mut reader, process.environment);
        let alerts = AlertsConfig::read(&mut reader, process.environment, &deployment.railway);
        let answers = AnswersConfig::read(&mut reader);
        let audit = AuditConfig::read(&mut reader);
        let connections = ConnectionsConfig::read(&mut reader);
        let modes = ModesConfig::read(&mut reader, strictness);
        let telemetry = TelemetryConfig::read(&mut reader, strictness);
        let work = WorkConfig::read(&mut reader);
        let ocr = OcrConfig::read(&mut reader, work.run_deadline);
        let webhooks = WebhooksConfig::read(&mut reader, strictness);
        if purpose == Purpose::Service {
            check_together(&mut reader, &process, &database, &modes, &work);
        }
        let asks_a_model = analyst.choice != AnalystChoice::Extractive && analyst.api_key.is_some();
        if asks_a_model && work.stage_deadline < analyst.timeout {
            reader.problem(
                "STAGE_DEADLINE_SECONDS",
                "must not be shorter than LLM_TIMEOUT_SECONDS, the time of one call",
                "600",
            );
        }
        let warnings = reader.finish()?;
        Ok(Self {
            process,
            analyst,
            documents,
            ocr,
            storage,
            database,
            rehearsal_database,
            access,
            alerts,
            answers,
            audit,
            connections,
            deployment,
            modes,
            telemetry,
            work,
            webhooks,
            warnings,
        })
    }
}

/// The variables of the process's environment. On a developer's machine, `.env` adds those that are missing.
///
/// # Errors
///
/// [`Problems`] if `.env` cannot be read.
pub fn environment_variables() -> Result<BTreeMap<String, String>, Problems> {
    // The only place that reads the environment. All other code receives a `Config`.
    #[allow(clippy::disallowed_methods)]
    let mut variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    if is_development(&variables) {
        dotenv::fill_in(Path::new(".env"), &mut variables)?;
    }
    Ok(variables)
}

/// The problems that a service would report for these variables. With `in_production`, by the rules of production, whatever environment they
/// name.
#[must_use]
pub fn problems_of_service(mut variables: BTreeMap<String, String>, in_production: bool) -> Option<Problems> {
    if in_production {
        let name = process::ENVIRONMENT_VARIABLES.first().copied().unwrap_or_default();
        variables.insert(name.to_owned(), Environment::Production.as_str().to_owned());
    }
    Config::from_variables(variables, Purpose::Service).err()
}

/// The secrets that could be guessed: each variable, and why. Development accepts them.
#[must_use]
pub fn weak_secrets(config: &Config) -> Vec<(&'static str, String)> {
    let access = &config.access;
    let webhook = config.webhooks.target.as_ref().and_then(|target| target.secret.as_ref());
    let all: [(&'static str, Vec<&SecretString>); 7] = [
        ("BACKEND_API_KEYS", access.api_keys.iter().collect()),
        ("ADMIN_API_KEYS", access.admin_keys.iter().collect()),
        ("METRICS_KEY", access.metrics_key.iter().collect()),
        ("WEBHOOK_SECRET", webhook.into_iter().collect()),
        ("FENCE_SECRET", config.analyst.fence_secret.iter().collect()),
        ("KEY_CACHE_SECRET", access.key_cache_secret.iter().collect()),
        ("ADMIN_SECRET", config.modes.admin_secret.iter().collect()),
    ];
    let weak = |secrets: Vec<&SecretString>| {
        secrets.into_iter().find_map(|secret| secret_strength::weakness(secret.expose_secret().as_bytes()))
    };
    all.into_iter().filter_map(|(name, secrets)| Some((name, weak(secrets)?))).collect()
}

/// Checks settings that depend on each other.
fn check_together(
    reader: &mut Reader,
    process: &ProcessConfig,
    database: &DatabaseConfig,
    modes: &ModesConfig,
    work: &WorkConfig,
) {
    if database.write_timeout >= work.lease {
        reader.problem(
            "LEASE_SECONDS",
            "must be longer than DATABASE_WRITE_TIMEOUT_MS: a lease must outlive the write that renews it",
            "15",
        );
    }
    if process.environment.is_strict() && modes.database_writes && database.url.is_none() {
        reader.problem(
            "DATABASE_URL",
            "is required in staging and production while ENABLE_DATABASE_WRITES is true",
            "postgresql://user:password@host:5432/database",
        );
    }
    let is_on_railway = process::RAILWAY_ENVIRONMENT_VARIABLES.iter().any(|name| reader.text(name).is_some());
    if is_on_railway && reader.text(process::DRAINING_VARIABLE).is_none() {
        reader.warning(format!(
            "{} is not set: unless the service's settings on Railway say otherwise, it kills at once instead of waiting \
             for runs; set it to more than DRAIN_SECONDS, for example 30",
            process::DRAINING_VARIABLE
        ));
    }
}

/// Whether the process runs on a developer's machine, by its own environment. A deployment never reads
/// `.env`.
fn is_development(variables: &BTreeMap<String, String>) -> bool {
    let said = process::ENVIRONMENT_VARIABLES
        .into_iter()
        .find_map(|name| variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()));
    said.is_none_or(|said| said.parse() == Ok(Environment::Development))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Problems> {
        Config::from_variables(variables(pairs), Purpose::Command)
    }

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_environment_is_a_working_development_machine() {
        let config = read(&[]).unwrap();
        assert_eq!(config.process.environment, Environment::Development);
        assert_eq!(config.analyst.choice, AnalystChoice::Auto);
        assert!(config.analyst.api_key.is_none());
        assert_eq!(config.documents.bytes_max, 25 * 1024 * 1024);
    }

    #[test]
    fn all_problems_are_listed_without_values() {
        let problems = read(&[
            ("ANALYST", "oracle"),
            ("LLM_TIMEOUT_SECONDS", "s3cret"),
            ("LOG_LEVEL", "nonsense"),
            ("MAX_DOCUMENT_BYTES", "-1"),
            ("ENVIRONMENT", "moon"),
        ])
        .unwrap_err();
        let named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        assert_eq!(
            named,
            ["ENVIRONMENT", "LOG_LEVEL", "ANALYST", "LLM_TIMEOUT_SECONDS", "MAX_DOCUMENT_BYTES"]
        );
        assert!(!problems.to_string().contains("s3cret"), "{problems}");
    }

    #[test]
    fn the_key_is_not_shown_by_debug() {
        let config = read(&[("OPENROUTER_API_KEY", "sk-or-v1-very-secret")]).unwrap();
        assert!(!format!("{config:?}").contains("very-secret"));
    }

    #[test]
    fn webhook_problems_are_listed_without_secrets() {
        let service = |pairs: &[(&str, &str)]| {
            let base = [
                ("ENVIRONMENT", "prod"),
                ("ENABLE_DATABASE_WRITES", "no"),
                ("ALLOW_UNAUTHENTICATED", "true"),
            ];
            Config::from_variables(variables(&[pairs, &base].concat()), Purpose::Service)
        };
        let wrong = [
            ("WEBHOOK_TIMEOUT_SECONDS", "0"),
            ("WEBHOOK_SIGNING_SECRETS", "whsec_c2hvcnQ="),
            ("FRONTEND_WEBHOOK_URL", "http://app.example.com"),
            ("WEBHOOK_SECRET", "s3cret"),
        ];
        let problems = service(&wrong).unwrap_err();
        let mut named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        named.sort_unstable();
        let mut expected = wrong.map(|(name, _)| name);
        expected.sort_unstable();
        assert_eq!(named, expected);
        assert!(!problems.to_string().contains("s3cret"));
        let url = [("FRONTEND_WEBHOOK_URL", "https://app.example.com/")];
        assert_eq!(service(&url).unwrap_err().0[0].variable, "WEBHOOK_SECRET", "required");
        let key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let right = [url[0], ("WEBHOOK_SECRET", "0123456789abcdef"), ("WEBHOOK_SIGNING_SECRETS", key)];
        let config = service(&right).unwrap();
        let target = config.webhooks.target.as_ref().unwrap();
        assert_eq!((target.base_url.as_str(), target.signing_keys.len()), ("https://app.example.com", 1));
        let shown = format!("{config:?}");
        assert!(!shown.contains("0123456789abcdef") && !shown.contains("MfKQ"), "{shown}");
        for odd in ["https://u:p@a.example", "https://a.example#x", "ftp://a.example", "nonsense"] {
            assert!(read(&[("FRONTEND_WEBHOOK_URL", odd)]).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_protected_preview_accepts_query_or_header() {
        let target = |pairs: &[(&str, &str)]| read(pairs).unwrap().webhooks.target.unwrap();
        let query = "https://a.example/base/?x-vercel-protection-bypass=hush-hush";
        let pairs = [
            ("FRONTEND_WEBHOOK_URL", query),
            ("WEBHOOK_HEADERS", "CF-Access-Client-Id=hush-id, Authorization=Basic%20aHVzaA%3D%3D"),
            ("VERCEL_AUTOMATION_BYPASS_SECRET", "hush-secret"),
        ];
        let target = target(&pairs);
        assert_eq!(target.base_url, "https://a.example/base");
        let sent: Vec<_> =
            target.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let wanted = [
            ("cf-access-client-id", "hush-id"),
            ("authorization", "Basic aHVzaA=="),
            ("x-vercel-protection-bypass", "hush-secret"),
        ];
        assert_eq!(sent, wanted);
        assert!(!format!("{target:?}").contains("hush"), "{target:?}");
        for wrong in [
            "novalue",
            "a b=c",
            "host=x",
            "webhook-id=1",
            "X-Webhook-Secret=1",
            "a=%0d%0ax",
            "a=",
            &"a=b,".repeat(9),
        ] {
            let problems = read(&[pairs[0], ("WEBHOOK_HEADERS", wrong)]).unwrap_err();
            assert_eq!(problems.0[0].variable, "WEBHOOK_HEADERS", "{wrong}");
        }
    }

    #[test]
    fn the_models_endpoint_is_encrypted_in_deployments() {
        let read = |environment, url, analyst| {
            read(&[("ENVIRONMENT", environment), ("OPENROUTER_BASE_URL", url), ("ANALYST", analyst)])
        };
        for (environment, url) in [
            ("staging", "http://127.0.0.1:8080/v1"),
            ("production", "http://model.railway.internal/v1"),
            ("production", "http://model.example.com/v1"),
            ("development", "http://model.example.com/v1"),
        ] {
            let problems = read(environment, url, "auto").unwrap_err();
            assert_eq!(problems.0[0].variable, "OPENROUTER_BASE_URL", "{environment} {url}");
            assert!(read(environment, url, "extractive").is_ok(), "nothing is sent");
        }
        assert!(read("development", "http://localhost:11434/v1", "auto").is_ok());
        assert!(read("production", "https://model.example.com/v1", "auto").is_ok());
    }

    #[test]
    fn public_suffixes_allow_no_documents() {
        fn read_hosts(environment: &str, hosts: &str) -> Result<Config, Problems> {
            read(&[("ENVIRONMENT", environment), ("BLOB_ALLOWED_HOSTS", hosts)])
        }
        for wild in ["*.com", "*.co.uk", "*.vercel.app", "*.github.io", "*.COM.", "*.s3.amazonaws.com"] {
            for environment in ["development", "production"] {
                let hosts = format!("blob.example.com,{wild}");
                let problems = read_hosts(environment, &hosts).unwrap_err();
                assert_eq!(problems.0[0].variable, "BLOB_ALLOWED_HOSTS", "{environment} {wild}");
            }
        }
        assert!(read_hosts("production", "*.unknown-name").is_err());
        assert!(read_hosts("development", "*.test").is_ok());
        for own in [
            "*.public.blob.vercel-storage.com,*.private.blob.vercel-storage.com,blob.vercel-storage.com",
            "*.x1y2z3.public.blob.vercel-storage.com",
            "*.example.co.uk,files.github.io,my-bucket.s3.amazonaws.com,*.my-app.vercel.app",
            "localhost,127.0.0.1,[::1]",
        ] {
            assert!(read_hosts("production", own).is_ok(), "{own}");
        }
    }

    #[test]
    fn development_without_keys_listens_on_loopback_alone() {
        let host = |pairs: &[(&str, &str)]| read(pairs).unwrap().process.host.to_string();
        assert_eq!(host(&[]), "127.0.0.1");
        assert_eq!(host(&[("HOST", "0.0.0.0")]), "0.0.0.0");
        assert_eq!(host(&[("BACKEND_API_KEYS", "k")]), "0.0.0.0");
        for environment in ["staging", "production"] {
            assert_eq!(host(&[("ENVIRONMENT", environment)]), "0.0.0.0");
        }
        let checks_host = |pairs: &[(&str, &str)]| read(pairs).unwrap().access.checks_host;
        assert!(checks_host(&[]) && checks_host(&[("HOST", "127.0.0.1")]));
        assert!(!checks_host(&[("HOST", "0.0.0.0")]) && !checks_host(&[("ADMIN_API_KEYS", "k")]));
    }

    #[test]
    fn production_refuses_private_networks() {
        let problems = read(&[("RAILWAY_ENVIRONMENT", "production"), ("BLOB_ALLOW_PRIVATE_NETWORK", "true")])
            .unwrap_err();
        assert_eq!(problems.0.first().unwrap().variable, "BLOB_ALLOW_PRIVATE_NETWORK");
    }

    #[test]
    fn production_requires_a_database_unless_disabled() {
        let service = |pairs: &[(&str, &str)]| {
            let mut variables = variables(pairs);
            variables.insert("ALLOW_UNAUTHENTICATED".to_owned(), "true".to_owned());
            Config::from_variables(variables, Purpose::Service)
        };
        let problems = service(&[("ENVIRONMENT", "prod"), ("LEASE_SECONDS", "2")]).unwrap_err();
        let named: Vec<_> = problems.0.iter().map(|problem| problem.variable).collect();
        assert_eq!(named, ["LEASE_SECONDS", "DATABASE_URL"]);
        assert!(service(&[("ENVIRONMENT", "prod"), ("ENABLE_DATABASE_WRITES", "no")]).is_ok());
        assert!(service(&[]).is_ok());
        assert!(read(&[("ENVIRONMENT", "prod")]).is_ok(), "a command needs none");
    }

    #[test]
    fn a_platform_without_drain_time_warns() {
        let warnings = |pairs: &[(&str, &str)]| {
            let variables = variables(&[pairs, &[("ALLOW_UNAUTHENTICATED", "true")]].concat());
            Config::from_variables(variables, Purpose::Service).unwrap().warnings
        };
        let told = warnings(&[("RAILWAY_ENVIRONMENT_NAME", "dev")]);
        assert!(told.len() == 1 && told[0].contains("RAILWAY_DEPLOYMENT_DRAINING_SECONDS"), "{told:?}");
        let set = [("RAILWAY_ENVIRONMENT_NAME", "dev"), ("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "30")];
        assert!(warnings(&set).is_empty());
        assert!(warnings(&[]).is_empty(), "a developer's machine waits");
    }

    #[test]
    fn a_drain_ends_before_the_platform_kills() {
        let problems =
            read(&[("DRAIN_SECONDS", "30"), ("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "30")]).unwrap_err();
        assert_eq!(problems.0.first().unwrap().variable, "DRAIN_SECONDS");
    }

    #[test]
    fn an_unknown_flag_value_is_false_and_reported() {
        let config = read(&[("ENABLE_DATABASE_WRITES", "enabled"), ("ENABLE_FILE_FALLBACK", "YES")]).unwrap();
        assert!(!config.modes.database_writes && config.modes.file_fallback);
        assert_eq!(config.warnings.len(), 1);
        assert!(config.warnings[0].contains("ENABLE_DATABASE_WRITES"));
    }
}
