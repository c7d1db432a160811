//! Types every command of the runbook, in its order, at a real service.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    process::{Command, Output},
};

use super::{blocks, runbook};
use crate::support::{
    innovation,
    ports::free_port,
    postgres::server_program,
    receiver::Receiver,
    script,
    service::{Service, TestEnv},
};

/// A command with the exit codes that its comment allows.
struct Typed {
    line: usize,
    command: String,
    codes: BTreeSet<i32>,
}

fn typed(page: &str) -> Vec<Typed> {
    let mut all = Vec::new();
    for block in blocks(page).into_iter().filter(|block| block.kind == "sh") {
        for (index, text) in block.text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            let (command, comment) = text.split_once(" # ").unwrap_or((text, ""));
            let said = comment.trim().strip_prefix("exit code ").unwrap_or("0");
            let codes =
                said.split(|c: char| !c.is_ascii_digit()).filter_map(|code| code.parse().ok()).collect();
            all.push(Typed { line: block.line + index, command: command.trim().to_owned(), codes });
        }
    }
    all
}

fn help_of(words: &[&str]) -> Output {
    innovation(&[words, &["--help"]].concat()).output().unwrap()
}

/// The service, with everything that a command may ask for.
struct Incident {
    env: TestEnv,
    variables: Vec<(OsString, OsString)>,
    _receiver: Receiver,
}

impl Incident {
    async fn new() -> Self {
        let (env, receiver) = (TestEnv::with_database().await, Receiver::start().await);
        let flags = env.folder.path().join("flags");
        std::fs::write(&flags, "").unwrap();
        let port = free_port().to_string();
        let url = receiver.url();
        let settings = [
            ("PORT", port.as_str()),
            ("FLAGS_FILE", flags.to_str().unwrap()),
            ("FRONTEND_WEBHOOK_URL", url.as_str()),
            ("WEBHOOK_SECRET", "0123456789abcdef-secret"),
            ("SERVICE_URL", &format!("http://127.0.0.1:{port}")),
            ("KEY", "0123456789abcdef"),
            ("DATABASE", "postgres"),
            ("RUN_ID", "incident-1"),
        ];
        let command = env.command(&settings);
        let variables =
            command.get_envs().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect();
        Self { env, variables, _receiver: receiver }
    }

    fn setting(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.to_str()).unwrap()
    }

    fn run(&self, command: &str) -> Output {
        let mut shell: Command = script("bash".as_ref());
        // pg_dump refuses a server that is newer than itself.
        let programs = server_program("pg_dump");
        let path = format!("PATH=\"{}:$PATH\"; {command}", programs.parent().unwrap().display());
        shell.args(["-euo", "pipefail", "-c", &path]).current_dir(self.env.folder.path());
        shell.envs(self.variables.iter().map(|(name, value)| (name, value))).env("LOG_LEVEL", "warn");
        shell.output().unwrap()
    }
}

/// The receiver answers while a command blocks the test.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_runbook_works() {
    let incident = Incident::new().await;
    let mut command = incident.env.command(&[]);
    command.envs(incident.variables.iter().map(|(name, value)| (name, value)));
    let port = incident.setting("PORT").parse().unwrap();
    let service = Service::start(command, port, incident.env.folder.path()).await;
    let run = incident.setting("RUN_ID").to_owned();
    service.submit(&incident.env.request(&run)).await;
    service.ended(&run).await;
    incident.env.wait_until_synced(&run).await;

    let page = runbook();
    let all = typed(&page);
    assert!(all.len() > 40, "the search for commands has become blind");
    for Typed { line, command, codes } in all {
        let output = incident.run(&command);
        let code = output.status.code().unwrap_or(-1);
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            codes.contains(&code),
            "line {line}: {command}: exit code {code}, not one of {codes:?}:\n{said}"
        );
    }
    // The runbook has undone what it did.
    incident.env.assert_both_agree(&run).await;
    assert_eq!(service.ended(&run).await["status"], "complete");
}

#[test]
fn commands_in_the_prose_exist() {
    let page = runbook();
    let prose: String = page.split("```").step_by(2).collect();
    let mut found = 0;
    for quoted in prose.split('`').skip(1).step_by(2) {
        let Some(rest) = quoted.strip_prefix("innovation ") else { continue };
        let is_word =
            |word: &&str| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') && !word.starts_with('-');
        let words: Vec<_> = rest.split_whitespace().take_while(is_word).collect();
        found += 1;
        let help = help_of(&words);
        assert!(help.status.success(), "{quoted}");
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        for option in rest.split_whitespace().filter(|word| word.starts_with("--")) {
            assert!(help.contains(option), "{quoted}: no {option}");
        }
    }
    assert!(found > 8, "the search for commands has become blind");
}

#[test]
fn commands_of_the_platform_are_no_commands_of_ours() {
    for block in blocks(&runbook()) {
        let is_ours = |line: &str| line.starts_with("innovation ") || line.starts_with("curl ");
        let is_typed = matches!(block.kind.as_str(), "sh" | "sql");
        assert!(is_typed || !block.text.lines().any(is_ours), "line {}: nobody types it", block.line);
    }
}
