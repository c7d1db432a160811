//! `innovation eval`.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use crate::support::{assert_ok, innovation, root};

fn baseline() -> Value {
    serde_json::from_slice(&fs::read(root().join("data/eval/baseline.json")).unwrap()).unwrap()
}

fn compare(before: &Path, after: &Path) -> Output {
    innovation(&["eval", "--json", "--compare"]).arg(before).arg(after).output().unwrap()
}

#[test]
fn a_regression_is_exit_code_one() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (folder.path().join("before.json"), folder.path().join("after.json"));
    let mut worse = baseline();
    worse["means"]["claims_supported"] = Value::from(0.1);
    fs::write(&before, baseline().to_string()).unwrap();
    fs::write(&after, worse.to_string()).unwrap();

    let output = compare(&before, &after);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["differences"][0]["measure"], "claims supported");
    assert!(String::from_utf8_lossy(&output.stderr).contains("worse"), "{output:?}");
    assert_ok(&compare(&after, &before));
    assert_ok(&compare(&before, &before));
}

#[test]
fn recorded_answers_give_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (set, answers) = (folder.path().join("set.json"), folder.path().join("answers"));
    let file = root().join("data/samples/spotted-innovation.md");
    let plants = serde_json::json!({"file": file, "fakes": [{"quote": "Nobody wrote this sentence.", "page": 1}], "truths": []});
    let small = serde_json::json!({"brands": ["decathlon"], "documents": [plants]});
    fs::write(&set, small.to_string()).unwrap();
    let evaluate = |option: &str| {
        let mut command = innovation(&["eval", "--json", "--set"]);
        let output = command.arg(&set).arg(option).arg(&answers).output().unwrap();
        assert_ok(&output);
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let recorded = evaluate("--record");
    let replayed = evaluate("--answers");
    assert_eq!(recorded["cases"], replayed["cases"]);
    assert_eq!(recorded["plants"][0]["fakes_caught"], 1);
}

#[test]
fn without_its_material_nothing_is_evaluated() {
    for arguments in
        [&["eval", "--set", "/nowhere/set.json"][..], &["eval", "--live"], &["eval", "--answers", "/nowhere"]]
    {
        let output = innovation(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {output:?}");
    }
}
