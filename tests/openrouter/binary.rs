//! The binary with a model: whole runs against the fake model.

use serde_json::json;

use super::*;
use crate::support::{Run, STAGE_FILES, assert_ok, sample, stderr};

fn command(run: &Run, fake_model: &FakeModel) -> std::process::Command {
    let mut command = run.command(&sample("spotted-innovation.md"), "lactalis-canada", &["--json"]);
    command.env("OPENROUTER_API_KEY", KEY).env("OPENROUTER_BASE_URL", fake_model.base_url());
    command
}

#[test]
fn a_model_run_reports_true_quotes() {
    let fake_model = FakeModel::start(Options { api_key: Some(KEY.to_owned()), ..Options::default() });
    let run = Run::new();
    assert_ok(&command(&run, &fake_model).output().unwrap());
    assert_eq!(fake_model.calls(), 4);
    for file in STAGE_FILES {
        let meta = &run.json(file)["meta"];
        assert_eq!(
            (&meta["provider"], &meta["model"]),
            (&json!("Stand-In"), &json!("anthropic/claude-sonnet-4.5"))
        );
        assert_eq!(meta["warnings"], json!([]), "{file}");
    }
    assert_eq!(run.json(STAGE_FILES[0])["meta"]["grounding"]["share"], 1.0);
    assert!(run.report().contains("Stand-In"));
}

#[test]
fn a_failed_run_resumes_and_repays_no_stage() {
    let fake_model = FakeModel::start(Options::default());
    let no_credits = json!({"error": {"code": 402, "message": format!("key {KEY} has no credits")}});
    fake_model.script([
        Reply::Answer(Wrapping::None),
        Reply::Status { status: 402, headers: Vec::new(), body: no_credits },
    ]);
    let run = Run::new();
    let failed = command(&run, &fake_model).output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", stderr(&failed));
    let said = stderr(&failed) + &String::from_utf8_lossy(&failed.stdout);
    assert!(said.contains("LLM_CREDITS") && said.contains("add credits"), "{said}");
    assert!(!said.contains(KEY), "{said}");

    assert_ok(&command(&run, &fake_model).output().unwrap());
    assert_eq!(
        (fake_model.calls_of("input_processing"), fake_model.calls_of("signal_amplification")),
        (1, 2)
    );
    assert_eq!(fake_model.calls(), 5);
}
