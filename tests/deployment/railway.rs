//! Railway's settings: `railway.json` and its successor `.railway/railway.ts`, checked by Railway's own package.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use backend::config::{Config, Purpose};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{assert_ok, root};

/// The Node package, installed by `scripts/setup.sh`, that has Railway's and the compiler.
fn package() -> PathBuf {
    root().join("tests/support/railway")
}

fn ours() -> String {
    std::fs::read_to_string(root().join(".railway/railway.ts")).unwrap()
}

/// A copy from where `railway/iac` is found.
fn copy(text: &str) -> (TempDir, PathBuf) {
    let work = package().join(".work");
    std::fs::create_dir_all(&work).unwrap();
    let folder = tempfile::tempdir_in(work).unwrap();
    let file = folder.path().join("railway.ts");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn node(arguments: &[&str], file: &Path) -> Output {
    assert!(
        package().join("node_modules/railway").exists(),
        "Railway's package is missing: run `make setup`"
    );
    Command::new("node").current_dir(package()).args(arguments).arg(file).output().unwrap()
}

fn compile(text: &str) -> Output {
    let (_folder, file) = copy(text);
    let compiler = "node_modules/typescript/bin/tsc";
    let settings = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2023"];
    node(&[&[compiler], &settings[..]].concat(), &file)
}

/// The definitions of `railway.ts`.
fn project() -> Value {
    let (_folder, file) = copy(&ours());
    let output = node(&["--import", "tsx", "show.mts"], &file);
    assert_ok(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

fn railway_json() -> Value {
    serde_json::from_slice(&std::fs::read(root().join("railway.json")).unwrap()).unwrap()
}

fn backend(project: &Value) -> &Value {
    project["resources"].as_array().unwrap().iter().find(|resource| resource["name"] == "backend").unwrap()
}

#[test]
fn railway_ts_has_the_types_that_railway_wants() {
    let output = compile(&ours());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let wrong = ours().replace("healthcheckTimeout: 120", "healthcheckTimeout: \"120\"");
    assert_ne!(wrong, ours());
    let output = compile(&wrong);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("Type 'string' is not assignable to type 'number'"), "{said}");
}

#[test]
fn both_files_say_the_same_of_the_service() {
    let (project, json) = (project(), railway_json());
    assert_eq!(backend(&project)["deploy"], json["deploy"]);
    assert_eq!(backend(&project)["build"], json["build"]);
    for seconds in ["healthcheckTimeout", "drainingSeconds", "overlapSeconds", "numReplicas"] {
        assert!(json["deploy"][seconds].is_u64(), "{seconds} is a number");
    }
}

#[test]
fn one_replica_says_that_it_is_alone() {
    let (project, json) = (project(), railway_json());
    let said = &backend(&project)["variables"]["SINGLE_REPLICA"]["value"];
    let has_one = json["deploy"]["numReplicas"] == 1;
    assert_eq!(said, if has_one { "true" } else { "false" });
    let overlap = json["deploy"]["overlapSeconds"].as_u64().unwrap();
    let waited = &backend(&project)["variables"]["RAILWAY_DEPLOYMENT_OVERLAP_SECONDS"]["value"];
    assert_eq!(waited, &overlap.to_string(), "the newcomer waits as long as the predecessor stays");
}

#[test]
fn railway_variables_start_a_service_that_drains() {
    let project = project();
    let variables = backend(&project)["variables"].as_object().unwrap();
    let values = variables.iter().map(|(name, variable)| {
        let value = match variable["type"].as_str().unwrap() {
            "literal" => variable["value"].as_str().unwrap(),
            "reference" => "postgresql://user:password@postgres.railway.internal:5432/railway",
            // A secret, which must not stand in the file.
            "preserve" => "0123456789abcdef",
            other => panic!("{name}: {other}"),
        };
        (name.clone(), value.to_owned())
    });
    let mut values: std::collections::BTreeMap<_, _> = values.collect();
    values.insert("RAILWAY_ENVIRONMENT".to_owned(), "production".to_owned());
    let config = Config::from_variables(values, Purpose::Service).unwrap();
    assert_eq!(config.process.base_dir, Path::new("/app"));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);

    let draining = railway_json()["deploy"]["drainingSeconds"].as_u64().unwrap();
    assert_eq!(variables["RAILWAY_DEPLOYMENT_DRAINING_SECONDS"]["value"], draining.to_string());
    assert!(config.process.drain.as_secs() < draining);
    assert!(
        variables["BACKEND_API_KEYS"]["type"] == "preserve"
            && variables["OPENROUTER_API_KEY"]["type"] == "preserve"
    );
}
