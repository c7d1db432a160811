//! `innovation run` and `innovation brands`, as a user types them.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use crate::support::{Run, STAGE_FILES, assert_ok, innovation, sample, stderr};

const SAMPLES: [&str; 8] = [
    "trend-report.pdf",
    "case-study.pdf",
    "case-study.docx",
    "briefing.pptx",
    "spotted-innovation.html",
    "spotted-innovation.md",
    "field-notes.txt",
    "borrowed-kitchen.epub",
];
const BRANDS: [&str; 4] = ["lactalis-canada", "mccormick-usa", "columbia-sportswear", "decathlon"];

/// The pages that the stages saw, by number, reduced to letters, digits and single spaces, so that this
/// check shares nothing with the look-up it checks.
fn pages(source: &Path) -> BTreeMap<u64, String> {
    let output = innovation(&["extract", "--json"]).arg(source).output().unwrap();
    assert_ok(&output);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = |page: &Value| (page["number"].as_u64().unwrap(), reduced(page["text"].as_str().unwrap()));
    document["pages"].as_array().unwrap().iter().map(page).collect()
}

/// Letters and digits only, lower case: blind to white space, hyphenation, ligatures' spelling and marks.
fn reduced(text: &str) -> String {
    let text =
        text.replace('ﬁ', "fi").replace('ﬂ', "fl").replace('ﬀ', "ff").replace('ﬃ', "ffi").replace('ﬄ', "ffl");
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn payload(record: &Value) -> Value {
    let mut record = record.clone();
    record.as_object_mut().unwrap().remove("meta").expect("a record has meta");
    record
}

/// How many stages a run took from the store, by its progress lines.
fn reused(said: &str) -> usize {
    said.lines().filter(|line| line.starts_with("= stage")).count()
}

fn every_brand(sample_name: &str) {
    let source = sample(sample_name);
    let pages = pages(&source);
    let mut opportunities = Vec::new();
    for brand in BRANDS {
        let run = Run::new();
        let output = run.command(&source, brand, &["--analyst", "extractive", "--json"]).output().unwrap();
        assert_ok(&output);
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["status"], "complete", "{sample_name} {brand}");
        assert_eq!(result["report"], run.folder().join("report.md").to_str().unwrap());
        let records = STAGE_FILES.map(|file| run.json(file));
        let mut quotes = 0;
        for item in records[0]["inspirations"]
            .as_array()
            .unwrap()
            .iter()
            .chain(records[1]["trends"].as_array().unwrap())
        {
            for evidence in item["evidence"].as_array().unwrap() {
                let (quote, page) = (evidence["quote"].as_str().unwrap(), evidence["page"].as_u64().unwrap());
                assert_eq!(evidence["status"], "verbatim", "{sample_name} {brand}: {quote}");
                assert!(pages[&page].contains(&reduced(quote)), "{sample_name} {brand} page {page}: {quote}");
                quotes += 1;
            }
        }
        assert!(quotes >= 3, "{sample_name} {brand}: only {quotes} quotes");
        let count = |record: &Value, name: &str| record[name].as_array().unwrap().len();
        assert!((2..=5).contains(&count(&records[0], "inspirations")));
        assert!(count(&records[3], "opportunities") == 5);
        for record in &records {
            assert_eq!(record["meta"]["provider"], "extractive");
            assert_eq!(record["meta"]["mode"], "FILE_ONLY");
        }
        let manifest = run.manifest();
        assert_eq!(manifest["status"], "COMPLETED");
        assert_eq!(manifest["stages"].as_object().unwrap().len(), 4);
        assert!(run.report().contains("extractive"), "the report says who wrote it");
        opportunities.push(records[3]["opportunities"].to_string());
    }
    opportunities.sort();
    opportunities.dedup();
    assert_eq!(opportunities.len(), BRANDS.len(), "{sample_name}: two brands got the same opportunities");
}

#[test]
#[ignore = "slow: make test-long"]
fn a_pdf_report_serves_every_brand() {
    every_brand(SAMPLES[0]);
}

#[test]
fn a_pdf_case_study_serves_every_brand() {
    every_brand(SAMPLES[1]);
}

#[test]
fn a_docx_serves_every_brand() {
    every_brand(SAMPLES[2]);
}

#[test]
fn a_pptx_serves_every_brand() {
    every_brand(SAMPLES[3]);
}

#[test]
fn an_html_page_serves_every_brand() {
    every_brand(SAMPLES[4]);
}

#[test]
fn markdown_serves_every_brand() {
    every_brand(SAMPLES[5]);
}

#[test]
fn plain_text_serves_every_brand() {
    every_brand(SAMPLES[6]);
}

#[test]
fn an_epub_serves_every_brand() {
    every_brand(SAMPLES[7]);
}

#[test]
fn the_same_input_twice_gives_the_same_bytes() {
    let (one, two) = (Run::new(), Run::new());
    for run in [&one, &two] {
        let source = sample("trend-report.pdf");
        assert_ok(&run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap());
    }
    for file in STAGE_FILES {
        let (first, second) = (one.json(file), two.json(file));
        assert_eq!(payload(&first).to_string(), payload(&second).to_string(), "{file}");
        assert_eq!(first["meta"]["payload_sha256"], second["meta"]["payload_sha256"]);
    }
}

#[test]
fn a_finished_run_is_not_run_again() {
    let run = Run::new();
    let source = sample("field-notes.txt");
    assert_ok(&run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap());
    let before = STAGE_FILES.map(|file| run.json(file));
    let report = run.report();
    let output = run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap();
    assert_ok(&output);
    assert_eq!(reused(&stderr(&output)), 4, "{}", stderr(&output));
    assert!(STAGE_FILES.map(|file| run.json(file)) == before, "the stages are as they were");
    assert_eq!(run.report(), report);
}

#[test]
fn a_damaged_stage_is_quarantined_and_rerun_alone() {
    let run = Run::new();
    let source = sample("trend-report.pdf");
    assert_ok(&run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap());
    let whole = run.json(STAGE_FILES[1]);
    let path = run.folder().join(STAGE_FILES[1]);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let output = run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap();
    assert_ok(&output);
    let said = stderr(&output);
    assert_eq!(reused(&said), 3, "{said}");
    assert!(said.contains("damaged file quarantined"), "{said}");
    let aside = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("trends.json.corrupt-"))
        .expect("the damaged file is kept");
    assert_eq!(std::fs::read(aside).unwrap(), &bytes[..bytes.len() / 2]);
    assert_eq!(payload(&run.json(STAGE_FILES[1])), payload(&whole));
}

#[test]
fn the_same_id_for_other_work_is_refused() {
    let run = Run::new();
    let notes = sample("field-notes.txt");
    assert_ok(&run.command(&notes, "decathlon", &["--analyst", "extractive"]).output().unwrap());
    let before = run.manifest();
    for (source, brand, what) in [
        (sample("spotted-innovation.md"), "decathlon", "another document"),
        (notes, "mccormick-usa", "another brand"),
    ] {
        let output = run.command(&source, brand, &["--analyst", "extractive"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
    }
    assert_eq!(run.manifest(), before, "nothing of the first run was touched");
}

#[test]
fn a_full_disk_names_errno_then_retry_finishes() {
    let run = Run::new();
    let source = sample("trend-report.pdf");
    // A file size limit of 1 KiB lets the manifest through and stops the first stage's record, as a full
    // disk would; the signal that goes with it is ignored, so that the write itself fails.
    let limited = run.command(&source, "decathlon", &["--analyst", "extractive", "--json"]);
    let mut shell = std::process::Command::new("bash");
    shell.env_clear().envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "bash"])
        .arg(limited.get_program())
        .args(limited.get_args());
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["error"]["code"], "STORAGE_UNAVAILABLE", "{result}");
    let message = result["error"]["message"].as_str().unwrap();
    assert!(message.contains("inspirations.json") && message.contains("os error 27"), "{message}");
    assert_eq!(result["error"]["can_retry"], true);
    let left: Vec<_> = std::fs::read_dir(run.folder().join("stage1")).unwrap().collect();
    assert!(left.is_empty(), "no half file is left: {left:?}");

    assert_ok(&run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap());
    assert_eq!(run.manifest()["status"], "COMPLETED");
}

#[test]
fn a_wrong_argument_is_named_with_advice() {
    let nowhere = Path::new("/no/such/file.pdf");
    let notes = sample("field-notes.txt");
    let run = Run::new();
    for (mut command, code, words) in [
        (innovation(&["run"]), 64, "--brand"),
        (innovation(&["fly"]), 64, "unrecognized subcommand"),
        (innovation(&["run", "x.pdf", "--brand", "../etc"]), 64, "brand id"),
        (innovation(&["run", "x.pdf", "--brand", "decathlon", "--run-id", "a/b"]), 64, "run id"),
        (run.command(nowhere, "decathlon", &[]), 1, "DOCUMENT_UNAVAILABLE"),
        (run.command(&notes, "acme", &[]), 1, "known brands: columbia-sportswear, decathlon"),
        (run.command(&notes, "decathlon", &["--analyst", "model"]), 1, "OPENROUTER_API_KEY"),
        (run.command(Path::new("http://example.com/a.pdf"), "decathlon", &[]), 1, "https://"),
        (run.command(Path::new("https://example.com/a.pdf"), "decathlon", &[]), 1, "BLOB_ALLOWED_HOSTS"),
        (run.command(Path::new("https://169.254.169.254/a"), "decathlon", &[]), 1, "BLOB_ALLOWED_HOSTS"),
    ] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{command:?}\n{}", stderr(&output));
        assert!(stderr(&output).contains(words), "{command:?}\n{}", stderr(&output));
        assert!(output.stdout.is_empty(), "errors go to stderr: {command:?}");
    }
}

#[test]
fn all_environment_problems_are_listed_at_once() {
    let mut command = innovation(&["brands"]);
    command.envs([("ANALYST", "oracle"), ("LLM_TIMEOUT_SECONDS", "soon"), ("MAX_DOCUMENT_BYTES", "0")]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    for variable in ["ANALYST", "LLM_TIMEOUT_SECONDS", "MAX_DOCUMENT_BYTES"] {
        assert!(stderr(&output).contains(variable), "{}", stderr(&output));
    }
}

#[test]
fn brands_list_reports_all_problems_of_a_profile() {
    let output = innovation(&["brands", "--json"]).output().unwrap();
    assert_ok(&output);
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ids: Vec<_> =
        listed["brands"].as_array().unwrap().iter().map(|brand| brand["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["columbia-sportswear", "decathlon", "lactalis-canada", "mccormick-usa"]);
    assert_eq!(listed["brands"][2]["brand_name"], "Lactalis");

    let base = tempfile::tempdir().unwrap();
    let profiles = base.path().join("data/brand-profiles");
    std::fs::create_dir_all(&profiles).unwrap();
    std::fs::write(profiles.join("broken.yaml"), "brand_name: Broken\nproduct_portfolio: [one]\n").unwrap();
    let output = innovation(&["brands"]).env("APP_BASE_DIR", base.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    for field in ["product_portfolio", "country", "brand_values", "BRAND_INVALID"] {
        assert!(said.contains(field), "{said}");
    }
}

#[test]
fn a_pipe_instead_of_a_file_is_rejected() {
    let run = Run::new();
    let pipe = run.out.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = run.command(&pipe, "decathlon", &["--analyst", "extractive"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not a regular file"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("To go on"), "nothing was begun: {}", stderr(&output));

    // Nor in the run's own folder.
    for name in ["run.json", ".lock"] {
        let run = Run::new();
        std::fs::create_dir(run.folder()).unwrap();
        let pipe = run.folder().join(name);
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let source = sample("field-notes.txt");
        let output = run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap();
        assert!(stderr(&output).contains("not a regular file"), "{name}: {}", stderr(&output));
    }
}

#[test]
fn an_unprintable_result_is_a_failure() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = innovation(&["brands"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("could not be printed"), "{}", stderr(&output));
}

#[test]
fn no_name_reaches_the_terminal_as_an_order() {
    let run = Run::new();
    let name = Path::new("/no/such/\u{1b}[31mred\u{7}\u{202e}.txt");
    let output = run.command(name, "decathlon", &["--analyst", "extractive"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("red") && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}

#[test]
fn people_read_only_visible_characters() {
    const SLY: &str = "\u{202e}\u{2066}\u{e0041}\u{9b}";
    let is_sly = |text: &str| text.contains(|c| SLY.contains(c));
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("field-notes\u{202e}.txt");
    let notes = std::fs::read_to_string(sample("field-notes.txt")).unwrap();
    std::fs::write(&source, notes.replace(" the ", &format!(" the{SLY} "))).unwrap();

    let run = Run::new();
    let output = run.command(&source, "decathlon", &["--analyst", "extractive"]).output().unwrap();
    assert_ok(&output);
    let report = std::fs::read_to_string(run.folder().join("report.md")).unwrap();
    for shown in [stderr(&output), String::from_utf8(output.stdout).unwrap(), report] {
        assert!(!is_sly(&shown), "{shown}");
    }
    assert!(is_sly(&run.json(STAGE_FILES[0]).to_string()), "the record keeps the document's own characters");

    let shown = innovation(&["extract"]).arg(&source).output().unwrap();
    assert!(!is_sly(&String::from_utf8(shown.stdout).unwrap()));
    let record = innovation(&["extract", "--json"]).arg(&source).output().unwrap();
    assert!(is_sly(&String::from_utf8(record.stdout).unwrap()));

    let wrong = innovation(&["run", &format!("--{SLY}sly")]).output().unwrap();
    assert!(stderr(&wrong).contains("sly") && !is_sly(&stderr(&wrong)));
}
