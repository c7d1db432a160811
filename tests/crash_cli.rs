//! Pulling the plug on `innovation run`: nothing that was stored is lost or paid for twice.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    Run, STAGE_FILES, assert_ok,
    openrouter::{FakeModel, Options, Reply},
    sample, stderr,
    wait::eventually_blocking,
};

const SCHEMAS: [&str; 4] =
    ["input_processing", "signal_amplification", "general_translation", "brand_contextualization"];

fn command(run: &Run, fake_model: &FakeModel, more: &[&str]) -> Command {
    let mut command = run.command(&sample("spotted-innovation.md"), "decathlon", more);
    command.env("OPENROUTER_API_KEY", "sk-or-v1-test").env("OPENROUTER_BASE_URL", fake_model.base_url());
    command
}

fn spawn(run: &Run, fake_model: &FakeModel) -> Child {
    command(run, fake_model, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A fake model that answers the stages before `stage` and leaves the call of `stage` without an answer.
fn hanging_at(stage: usize) -> FakeModel {
    let fake_model = FakeModel::start(Options::default());
    let answers = std::iter::repeat_n(Reply::Answer(crate::support::openrouter::Wrapping::None), stage - 1);
    fake_model.script(answers.chain([Reply::HangBeforeHeaders]));
    fake_model
}

fn calls(fake_model: &FakeModel) -> [usize; 4] {
    SCHEMAS.map(|schema| fake_model.calls_of(schema))
}

#[test]
fn a_kill_loses_at_most_the_current_call() {
    for stage in 1..=4 {
        let fake_model = hanging_at(stage);
        let run = Run::new();
        let mut child = spawn(&run, &fake_model);
        eventually_blocking("the call", || fake_model.calls_of(SCHEMAS[stage - 1]) == 1);
        let stored: Vec<Value> = STAGE_FILES[..stage - 1].iter().map(|file| run.json(file)).collect();
        child.kill().unwrap();
        child.wait().unwrap();

        assert_ok(&command(&run, &fake_model, &[]).output().unwrap());
        let mut expected = [1; 4];
        expected[stage - 1] = 2;
        assert_eq!(calls(&fake_model), expected, "killed in stage {stage}");
        let kept: Vec<Value> = STAGE_FILES[..stage - 1].iter().map(|file| run.json(file)).collect();
        assert!(kept == stored, "what was stored before the kill is untouched");
        assert_eq!(run.manifest()["status"], "COMPLETED");
    }
}

#[test]
#[ignore = "slow: make test-long"]
fn a_run_killed_at_any_moment_can_resume() {
    // Without waiting for anything: the kill falls wherever it falls, also into writes.
    for delay_ms in (0..120).step_by(6) {
        let fake_model = FakeModel::start(Options::default());
        let run = Run::new();
        let mut child = spawn(&run, &fake_model);
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let before = calls(&fake_model);
        assert_ok(&command(&run, &fake_model, &[]).output().unwrap());
        let after = calls(&fake_model);
        let paid_twice: usize = after.iter().map(|calls| calls - 1).sum();
        assert!(paid_twice <= 1, "killed after {delay_ms} ms: {before:?} then {after:?}");
        assert_eq!(run.manifest()["stages"].as_object().unwrap().len(), 4);
        assert!(run.report().starts_with("# "));
    }
}

#[test]
fn the_first_signal_stops_cleanly_with_a_hint() {
    for name in ["INT", "TERM"] {
        let fake_model = hanging_at(3);
        let run = Run::new();
        let child = spawn(&run, &fake_model);
        eventually_blocking("the call", || fake_model.calls_of(SCHEMAS[2]) == 1);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("CANCELLED") && said.contains("--run-id r1"), "{said}");
        let manifest = run.manifest();
        assert_eq!(manifest["status"], "CANCELLED");
        assert_eq!(manifest["error"]["code"], "CANCELLED");
        assert_eq!(manifest["stages"].as_object().unwrap().len(), 2);
        eventually_blocking("the hang-up, which stops the billing", || fake_model.hung_up() == 1);

        // The line it printed is the one to type.
        let typed = said.lines().find_map(|line| line.split_once("innovation run ")).unwrap().1;
        assert!(typed.contains("--brand decathlon --run-id r1 --out "), "{typed}");
        assert_ok(&command(&run, &fake_model, &[]).output().unwrap());
        assert_eq!(calls(&fake_model), [1, 1, 2, 1]);
    }
}

#[test]
fn two_processes_never_work_on_one_run() {
    let fake_model = hanging_at(1);
    let run = Run::new();
    let mut first = spawn(&run, &fake_model);
    eventually_blocking("the call", || fake_model.calls() == 1);
    let second = command(&run, &fake_model, &["--json"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert!(result["error"]["message"].as_str().unwrap().contains("another process"), "{result}");
    assert_eq!(fake_model.calls(), 1, "the second asked nothing");
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock went with the process.
    assert_ok(&command(&run, &fake_model, &[]).output().unwrap());
}

#[test]
fn the_fallback_analyst_needs_permission() {
    // A port that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = Run::new();
    let dead = |run: &Run, allowed: &str| {
        let mut command = run.command(&sample("spotted-innovation.md"), "decathlon", &["--json"]);
        command
            .env("OPENROUTER_API_KEY", "sk-or-v1-test")
            .env("OPENROUTER_BASE_URL", format!("http://{nobody}"));
        command.env("LLM_TIMEOUT_SECONDS", "1").env("LLM_OFFLINE_FALLBACK", allowed);
        command.output().unwrap()
    };
    let refused = dead(&run, "false");
    assert_eq!(refused.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert!(["LLM_ERROR", "LLM_TIMEOUT"].contains(&result["error"]["code"].as_str().unwrap()), "{result}");

    assert_ok(&dead(&run, "true"));
    for file in STAGE_FILES {
        let meta = &run.json(file)["meta"];
        assert_eq!(meta["provider"], "extractive");
        assert!(meta["warnings"][0].as_str().unwrap().contains("No model could be reached"), "{meta}");
    }
    assert!(run.report().contains("extractive analyst"));
}

#[test]
fn a_run_names_the_wait_for_its_model() {
    let fake_model = FakeModel::start(Options::default());
    let headers = vec![("Retry-After", "2".to_owned())];
    let body = serde_json::json!({"error": {"code": 429, "message": "slow down"}});
    fake_model.script([Reply::Status { status: 429, headers, body }]);
    let output = command(&Run::new(), &fake_model, &[]).output().unwrap();
    assert_ok(&output);
    assert_eq!(stderr(&output).matches("LLM_RATE_LIMIT").count(), 1, "{}", stderr(&output));
}

#[test]
fn a_run_stops_at_its_cost_limit() {
    let fake_model = FakeModel::start(Options { cost_usd: 0.30, ..Options::default() });
    let run = Run::new();
    let limited =
        command(&run, &fake_model, &["--json"]).env("LLM_MAX_COST_PER_RUN_USD", "0.50").output().unwrap();
    assert_eq!(limited.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&limited.stdout).unwrap();
    assert_eq!(result["error"]["code"], "LLM_COST_LIMIT", "{result}");
    assert!(result["error"]["message"].as_str().unwrap().contains("LLM_MAX_COST_PER_RUN_USD"), "{result}");
    // 0.30 is below the limit, so a second call is started; 0.60 is not.
    assert_eq!(calls(&fake_model), [1, 1, 0, 0]);
    // Resuming under the same limit asks nothing; a higher limit finishes the run.
    command(&run, &fake_model, &[]).env("LLM_MAX_COST_PER_RUN_USD", "0.50").output().unwrap();
    assert_eq!(calls(&fake_model), [1, 1, 0, 0]);
    assert_ok(&command(&run, &fake_model, &[]).env("LLM_MAX_COST_PER_RUN_USD", "5").output().unwrap());
    assert_eq!(calls(&fake_model), [1, 1, 1, 1]);
}
