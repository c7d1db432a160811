//! The binary against a real model: SmolLM2 with 135 million parameters, on this machine (`make test-model`).
//!
//! It proves the wire, not the content. With a decoder that holds the model to the schema, four stages are answered and
//! accepted; nearly all quotes are invented, and the quote check says so. Without a decoder a model of this size writes no
//! JSON of this depth: the run must end in a typed error (or, if the model surprises, in a report), and not hang.

use std::{
    io::BufRead as _,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

use super::*;
use crate::support::{Run, STAGE_FILES, assert_ok, root, stderr};

/// As short as a document can be: the model reads 8,192 tokens, and slowly.
const DOCUMENT: &str = "# Refill at the counter\n\n\
    Shoppers bring the empty bottle back to the counter and fill it again for half the price.\n\n\
    A cafe lends steel cups against a small deposit, and most people return them within a week.\n";
/// As short as a profile can be.
const BRAND: &str = "brand_name: Corner Shop\ncountry: France\nindustry: Groceries\n\
    positioning: A small shop that sells food in open boxes.\n\
    product_portfolio: [Tea in tins, Rice by weight, Fresh bread]\n\
    target_customers: [Families in the street, People on their way home]\n\
    recent_innovations: [A shelf for tins that come back, Bread to order by telephone]\n\
    strategic_priorities: [Less packaging, More regular customers, Local suppliers]\n\
    brand_values: [Close to home, Honest prices, No waste]\n";

/// The model behind its endpoint. Dropping it ends it.
struct Model {
    server: Child,
    base_url: String,
    /// A brand, a document, and what was asked.
    folder: tempfile::TempDir,
}

impl Model {
    /// `decoder`: whether the endpoint knows `response_format`.
    fn start(decoder: bool) -> Self {
        let installed = root().join("target/smollm");
        let folder = tempfile::tempdir().unwrap();
        let profiles = folder.path().join("data/brand-profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        std::fs::write(profiles.join("corner-shop.yaml"), BRAND).unwrap();
        std::fs::write(folder.path().join("document.md"), DOCUMENT).unwrap();
        let mut server = Command::new("node")
            .arg(installed.join("server.mjs"))
            .env("MODEL", installed.join("model.gguf"))
            .env("LOG", folder.path().join("requests.jsonl"))
            .env("DECODER", if decoder { "on" } else { "off" })
            .stdout(Stdio::piped())
            .spawn()
            .expect("make test-model installs what this needs");
        let mut base_url = String::new();
        std::io::BufReader::new(server.stdout.take().unwrap()).read_line(&mut base_url).unwrap();
        assert!(base_url.starts_with("http://"), "the model was not loaded: {base_url:?}");
        Self { server, base_url: base_url.trim().to_owned(), folder }
    }

    fn run(&self, run: &Run, structured_output: &str) -> Output {
        let mut command = run.command(&self.folder.path().join("document.md"), "corner-shop", &["--json"]);
        command
            .env("APP_BASE_DIR", self.folder.path())
            .env("OPENROUTER_API_KEY", KEY)
            .env("OPENROUTER_BASE_URL", &self.base_url)
            .env("LLM_MODEL", "smollm2-135m-instruct")
            .env("LLM_STRUCTURED_OUTPUT", structured_output)
            .env("LLM_TIMEOUT_SECONDS", "900")
            .env("STAGE_DEADLINE_SECONDS", "1800")
            .output()
            .unwrap()
    }

    /// The requests that were answered whole.
    fn requests(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join("requests.jsonl")).unwrap_or_default();
        println!("{log}");
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[test]
#[ignore = "needs a real model: make test-model"]
fn a_real_model_with_decoder_answers_four_stages() {
    let (model, run) = (Model::start(true), Run::new());
    assert_ok(&model.run(&run, "strict"));
    for (file, list) in STAGE_FILES.iter().zip(["inspirations", "trends", "lessons", "opportunities"]) {
        let record = run.json(file);
        assert!(!record[list].as_array().unwrap().is_empty(), "{file}");
        assert!(record["meta"]["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{file}");
    }
    assert!(run.json(STAGE_FILES[0])["meta"]["grounding"]["share"].is_number(), "quotes were looked up");
    assert!(run.report().contains("Corner Shop"));
    let requests = model.requests();
    assert!(requests.len() >= 4 && requests.iter().all(|asked| asked["format"] == "json_schema"));
}

#[test]
#[ignore = "needs a real model: make test-model"]
fn a_real_model_without_a_decoder_ends_cleanly() {
    let (model, run) = (Model::start(false), Run::new());
    let output = model.run(&run, "text");
    assert!(!model.requests().is_empty());
    match output.status.code() {
        Some(0) => assert!(run.json(STAGE_FILES[3])["opportunities"].is_array()),
        Some(1) => {
            let said: Value = serde_json::from_slice(&output.stdout).unwrap();
            let code = said["error"]["code"].as_str().unwrap();
            assert!(["LLM_INVALID_OUTPUT", "LLM_TRUNCATED"].contains(&code), "{said}");
        }
        other => panic!("{other:?}: {}", stderr(&output)),
    }
}
