//! The checks of an operator: each fails for real, and the command that it names repairs it.

mod baseline;
mod connections;
mod database;
mod dependencies;
mod described;
mod environment;
mod gate;
mod health;
mod kernel;
mod runs;
mod settings;
mod smoke;
mod surroundings;
mod webhooks;

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{ports::free_port, script, service::TestEnv, wait::eventually};

/// A report: the exit code, and the JSON of stdout.
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) body: Value,
}

impl Report {
    pub(crate) fn check(&self, id: &str) -> &Value {
        let checks = self.body["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("{id}: {}", self.body))
    }

    pub(crate) fn verdict(&self, id: &str) -> &str {
        self.check(id)["verdict"].as_str().unwrap()
    }

    /// The ids with this verdict, without those that are waived.
    pub(crate) fn ids(&self, verdict: &str) -> Vec<&str> {
        let checks = self.body["checks"].as_array().unwrap();
        let counted = checks.iter().filter(|check| check["verdict"] == verdict && check["waiver"].is_null());
        counted.map(|check| check["id"].as_str().unwrap()).collect()
    }
}

/// A shell with the environment of the service, and with its programs.
pub(crate) fn shell(env: &TestEnv, more: &[(&str, &str)], line: &str) -> Command {
    let service = env.command(more);
    let mut command = script("/bin/sh".as_ref());
    for (name, value) in service.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let names_it = more.iter().any(|(name, _)| *name == "DATABASE_URL_NON_POOLING");
    if env.postgres.is_some() && !names_it {
        command.env("DATABASE_URL_NON_POOLING", env.database_url());
    }
    command.current_dir(env.folder.path()).args(["-c", line]);
    command
}

/// `innovation … --json` with the environment of the service.
pub(crate) fn report(env: &TestEnv, more: &[(&str, &str)], line: &str) -> Report {
    read(&mut shell(env, more, &format!("innovation {line} --json")))
}

/// As [`report`], after all next lines of these checks were typed into the same shell, as they stand.
fn report_with_lines(
    seen: &Report,
    ids: &[&str],
    env: &TestEnv,
    more: &[(&str, &str)],
    line: &str,
) -> Report {
    let lines = ids.iter().flat_map(|id| seen.check(id)["next"].as_array().unwrap());
    let typed: String = lines
        .map(|line| match line.as_str().unwrap() {
            line if is_variable(line) => format!("export {line} && "),
            command => format!("{command} >/dev/null && "),
        })
        .collect();
    read(&mut shell(env, more, &format!("{typed}innovation {line} --json")))
}

/// Whether a line sets a variable, and is no command.
fn is_variable(line: &str) -> bool {
    line.starts_with(|c: char| c.is_ascii_uppercase())
}

/// A command that is stopped with the test.
struct Running(Child);

impl Running {
    /// Types a line that goes on until it is stopped, such as `innovation serve`.
    fn start(env: &TestEnv, more: &[(&str, &str)], line: &str) -> Self {
        let port = free_port().to_string();
        let mut typed = shell(env, &[more, &[("PORT", &port)]].concat(), &format!("exec {line}"));
        Self(typed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a check of `doctor` has this verdict.
async fn until(env: &TestEnv, id: &str, verdict: &str) {
    eventually(&format!("{id} is {verdict}"), async || report(env, &[], "doctor").verdict(id) == verdict)
        .await;
}

fn read(command: &mut Command) -> Report {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let body = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text:?} {}", String::from_utf8_lossy(&output.stderr)));
    Report { code: output.status.code(), body }
}

/// The first next command of a check, or its first line to paste.
fn next(check: &Value) -> &str {
    check["next"][0].as_str().unwrap_or_else(|| panic!("{check}"))
}

/// Types the next command of a check.
pub(crate) fn type_next(env: &TestEnv, more: &[(&str, &str)], check: &Value) {
    let next = next(check);
    let output = shell(env, more, next).output().unwrap();
    assert!(output.status.success(), "{next}: {}", String::from_utf8_lossy(&output.stderr));
}
