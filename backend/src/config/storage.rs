//! The location of run files (a folder, or a bucket that all replicas share), and their retention.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use url::Url;

use storage::files::config::{BucketConfig, StorageConfig, StoragePlace, bucket_and_prefix};

use super::{process::Environment, reader::Reader};

/// The folder for runs in the base directory, unless `STORAGE_URL` names another place.
const DEFAULT_FOLDER: &str = "data/test-outputs";

/// A region that servers without regions accept.
const DEFAULT_REGION: &str = "us-east-1";

const STORAGE_URL: &str = "STORAGE_URL";
const EXAMPLE: &str = "s3://my-bucket/innovation";

/// The variables of each bucket setting: Amazon's names first, then Railway's.
const ACCESS_KEY_ID: [&str; 2] = ["AWS_ACCESS_KEY_ID", "ACCESS_KEY_ID"];
const SECRET_ACCESS_KEY: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "SECRET_ACCESS_KEY"];
const ENDPOINT: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "ENDPOINT"];
const REGION: [&str; 3] = ["AWS_REGION", "AWS_DEFAULT_REGION", "REGION"];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads the file storage settings.
pub(super) fn read(
    reader: &mut Reader,
    environment: Environment,
    base_dir: &std::path::Path,
    extra_ca_file: Option<PathBuf>,
) -> StorageConfig {
    let local = base_dir.join(DEFAULT_FOLDER);
    let retention = read_retention(reader);
    let tombstone_retention = read_tombstone_retention(reader).max(retention.unwrap_or_default());
    let document_retention = read_document_retention(reader);
    let at = |place: StoragePlace, local: PathBuf| StorageConfig {
        place,
        retention,
        tombstone_retention,
        document_retention,
        local,
    };
    let folder = |local: PathBuf| at(StoragePlace::Folder(local.clone()), local);
    let Some(text) = reader.text(STORAGE_URL).map(str::to_owned) else { return folder(local) };
    let what = "must be file:///… (a folder) or s3://bucket/prefix";
    let Ok(url) = Url::parse(&text) else {
        reader.problem(STORAGE_URL, what, EXAMPLE);
        return folder(local);
    };
    match url.scheme() {
        "file" => match url.to_file_path() {
            Ok(path) if path.parent().is_some() => folder(path),
            _ => {
                reader.problem(STORAGE_URL, what, "file:///data/outputs");
                folder(local)
            }
        },
        "s3" => match read_bucket(reader, &url, environment, extra_ca_file) {
            Some(bucket) => at(StoragePlace::Bucket(Box::new(bucket)), local),
            None => folder(local),
        },
        _ => {
            reader.problem(STORAGE_URL, what, EXAMPLE);
            folder(local)
        }
    }
}

/// Tombstones outlive backups, which are seldom kept for longer than a year.
fn read_tombstone_retention(reader: &mut Reader) -> Duration {
    let what = "must be a whole number of days, 1 to 36500, and more than the age of the oldest backup";
    let days: u32 = reader.number("TOMBSTONE_RETENTION_DAYS", 400, 1..=36_500, what, "400");
    DAY * days
}

fn read_retention(reader: &mut Reader) -> Option<Duration> {
    let is_said = reader.text("RETENTION_DAYS").is_some();
    let what = "must be a whole number of days, 1 to 36500; unset keeps everything";
    let days: u32 = reader.number("RETENTION_DAYS", 365, 1..=36_500, what, "90");
    is_said.then(|| DAY * days)
}

/// A document may hold more than its report says, so the default keeps none, and nobody keeps one for longer than a year.
fn read_document_retention(reader: &mut Reader) -> Option<Duration> {
    let what = "must be a whole number of days, 0 to 365; 0 keeps no document after its run";
    let days: u32 = reader.number("DOCUMENT_RETENTION_DAYS", 0, 0..=365, what, "30");
    (days > 0).then(|| DAY * days)
}

/// Reads the bucket settings and reports all problems. None if there is any.
fn read_bucket(
    reader: &mut Reader,
    url: &Url,
    environment: Environment,
    extra_ca_file: Option<PathBuf>,
) -> Option<BucketConfig> {
    let problems = reader.problem_count();
    let (bucket, prefix) = bucket_and_prefix(url).unwrap_or_else(|| {
        reader.problem(
            STORAGE_URL,
            "must be s3://bucket/prefix and no more: letters, digits, - . _ and / (keys have variables of their own)",
            EXAMPLE,
        );
        Default::default()
    });
    let access_key_id = required(reader, ACCESS_KEY_ID, "AKIA…");
    let secret_access_key = required(reader, SECRET_ACCESS_KEY, "…");
    let region = first_of(reader, &REGION).map_or(DEFAULT_REGION.to_owned(), |(_, region)| region);
    let endpoint = first_of(reader, &ENDPOINT);
    // Railway's buckets use this variable, and are addressed by host.
    let is_railway = endpoint.as_ref().is_some_and(|(variable, _)| *variable == "ENDPOINT");
    let is_virtual_hosted = reader.switch("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", is_railway);
    let allow_http = reader.switch("AWS_ALLOW_HTTP", false);
    if allow_http && environment == Environment::Production {
        reader.problem(
            "AWS_ALLOW_HTTP",
            "is refused in production: documents' contents would be readable",
            "false",
        );
    }
    let endpoint = endpoint.and_then(|(variable, text)| match Url::parse(&text) {
        Ok(url) if url.scheme() == "https" && url.has_host() => Some(url),
        Ok(url) if url.scheme() == "http" && url.has_host() => {
            if !allow_http {
                reader.problem(
                    variable,
                    "must be https, or AWS_ALLOW_HTTP=true be set",
                    "https://s3.example.com",
                );
            }
            Some(url)
        }
        _ => {
            reader.problem(variable, "must be an https address", "https://s3.example.com");
            None
        }
    });
    (reader.problem_count() == problems).then_some(BucketConfig {
        bucket,
        prefix,
        access_key_id,
        secret_access_key: SecretString::from(secret_access_key),
        region,
        endpoint,
        is_virtual_hosted,
        allow_http,
        extra_ca_file,
    })
}

/// The first of several variables that is set.
fn first_of(reader: &Reader, variables: &[&'static str]) -> Option<(&'static str, String)> {
    variables.iter().find_map(|variable| Some((*variable, reader.text(variable)?.to_owned())))
}

fn required(reader: &mut Reader, variables: [&'static str; 2], example: &'static str) -> String {
    match first_of(reader, &variables) {
        Some((_, value)) => value,
        None => {
            let what = format!("is required for a bucket ({} works too)", variables[1]);
            reader.problem(variables[0], what, example);
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Purpose, StoragePlace};

    const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "very-secret")];

    fn read(pairs: &[(&str, &str)]) -> Result<Config, super::super::Problems> {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Config::from_variables(variables, Purpose::Command)
    }

    fn bucket(pairs: &[(&str, &str)]) -> super::BucketConfig {
        match read(pairs).unwrap().storage.place {
            StoragePlace::Bucket(bucket) => *bucket,
            StoragePlace::Folder(path) => panic!("a folder: {path:?}"),
        }
    }

    fn problems(pairs: &[(&str, &str)]) -> Vec<&'static str> {
        read(pairs).unwrap_err().0.iter().map(|problem| problem.variable).collect()
    }

    #[test]
    fn files_default_to_the_base_directory() {
        let config = read(&[("APP_BASE_DIR", "/srv/app")]).unwrap();
        let StoragePlace::Folder(path) = config.storage.place else { panic!("a bucket") };
        assert_eq!(path.to_str(), Some("/srv/app/data/test-outputs"));
        let config = read(&[("STORAGE_URL", "file:///mnt/runs")]).unwrap();
        let StoragePlace::Folder(path) = config.storage.place else { panic!("a bucket") };
        assert_eq!(path.to_str(), Some("/mnt/runs"));
    }

    #[test]
    fn a_bucket_accepts_amazon_or_railway_names() {
        let plain = bucket(&[&KEYS[..], &[("STORAGE_URL", "s3://runs/a/b/")]].concat());
        assert_eq!((plain.bucket.as_str(), plain.prefix.as_str()), ("runs", "a/b"));
        assert_eq!(plain.place(), "s3://runs/a/b/");
        assert_eq!(plain.region, "us-east-1");
        assert!(plain.endpoint_for_requests().is_none() && !plain.is_virtual_hosted);

        let own = [("STORAGE_URL", "s3://runs"), ("AWS_ENDPOINT_URL", "https://minio.example.com:9000")];
        let own = bucket(&[&KEYS[..], &own].concat());
        assert_eq!(own.endpoint_for_requests().unwrap(), "https://minio.example.com:9000");
        assert_eq!(own.place(), "s3://runs/");

        let railway = bucket(&[
            ("STORAGE_URL", "s3://runs-x1"),
            ("ACCESS_KEY_ID", "id"),
            ("SECRET_ACCESS_KEY", "secret"),
            ("REGION", "auto"),
            ("ENDPOINT", "https://storage.example.com"),
        ]);
        assert_eq!(railway.endpoint_for_requests().unwrap(), "https://runs-x1.storage.example.com");
        assert_eq!(railway.region, "auto");
    }

    #[test]
    fn all_bucket_problems_are_listed_together() {
        assert_eq!(
            problems(&[("STORAGE_URL", "s3://x"), ("AWS_ENDPOINT_URL", "http://minio:9000")]),
            ["STORAGE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"]
        );
        for wrong in
            ["ftp://runs", "runs", "file://host/x", "s3://id:key@runs/a", "s3://runs/a?b", "s3://runs/a b"]
        {
            assert_eq!(
                problems(&[&KEYS[..], &[("STORAGE_URL", wrong)]].concat()),
                ["STORAGE_URL"],
                "{wrong}"
            );
        }
    }

    #[test]
    fn production_wants_encrypted_transport() {
        let http = [
            ("STORAGE_URL", "s3://runs"),
            ("AWS_ENDPOINT_URL", "http://minio:9000"),
            ("AWS_ALLOW_HTTP", "yes"),
        ];
        assert!(read(&[&KEYS[..], &http].concat()).is_ok());
        assert_eq!(problems(&[&KEYS[..], &http, &[("ENVIRONMENT", "prod")]].concat()), ["AWS_ALLOW_HTTP"]);
    }

    #[test]
    fn documents_are_kept_only_on_request() {
        let days = |pairs: &[(&str, &str)]| {
            read(pairs).map(|config| config.storage.document_retention.map(|keep| keep.as_secs() / 86_400))
        };
        assert_eq!(days(&[]).unwrap(), None);
        assert_eq!(days(&[("DOCUMENT_RETENTION_DAYS", "0")]).unwrap(), None);
        assert_eq!(days(&[("DOCUMENT_RETENTION_DAYS", "365")]).unwrap(), Some(365));
        assert_eq!(problems(&[("DOCUMENT_RETENTION_DAYS", "366")]), ["DOCUMENT_RETENTION_DAYS"]);
    }

    #[test]
    fn the_secret_is_not_shown_by_debug() {
        let config = read(&[&KEYS[..], &[("STORAGE_URL", "s3://runs")]].concat()).unwrap();
        assert!(!format!("{config:?}").contains("very-secret"));
    }
}
