//! The report as its readers see it: the page in a real Chromium, and the Markdown through GitHub's renderer.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use pipeline::{
    document::Format,
    record::{BrandFacts, DocumentFacts, StageRecord},
    report::{
        ReportInput,
        page::{SourceLinks, page},
        render,
    },
    run::{RunId, Stage},
    testing::{context, example_record, provenance},
};
use serde_json::{Value, json};

use crate::support::{
    assert_ok, root,
    service::{FILE_ONLY, TestEnv},
};

/// Runs one of the scripts beside the browser's driver, and returns the JSON that it prints.
fn node(script: &str, arguments: &[&Path]) -> Value {
    let package = root().join("tests/support/browser");
    assert!(package.join("node_modules").exists(), "the browser's driver is missing: run `make setup`");
    let output = Command::new("node").current_dir(package).arg(script).args(arguments).output().unwrap();
    assert_ok(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_in_a_real_browser() {
    let env = TestEnv::files_only().await;
    let service = env.serve(FILE_ONLY).await;
    service.submit(&env.request("run-1")).await;
    service.ended("run-1").await;
    env.manifest_when("run-1", |manifest| manifest["status"] == "COMPLETED").await;
    let served = format!("http://127.0.0.1:{}/api/pipeline/run-1/report", service.port);
    let hard = env.folder.path().join("hard.html");
    std::fs::write(&hard, hard_page()).unwrap();
    let hard = format!("file://{}", hard.display());
    let seen = node("page.mjs", &[Path::new(&served), Path::new(&hard)]);
    let fine = |cards: usize| json!({"wrong": [], "cards": cards, "isA4": true});
    assert_eq!(seen, json!([fine(5), fine(40)]), "{seen:#}");
}

/// A page of texts that are hard to lay out: one endless word, Japanese, Arabic, and forty opportunities.
fn hard_page() -> String {
    let texts = ["x".repeat(300), "詰め替えの店。".repeat(40), "تعبئة الزجاجات 31% ".repeat(16)];
    let text_of = |at: usize| texts[at % texts.len()].as_str();
    let mut records: Vec<StageRecord> =
        Stage::ALL.into_iter().enumerate().map(|(at, stage)| record(stage, text_of(at))).collect();
    let one = records[3].payload["opportunities"][0].clone();
    let forty = (1..=40).map(|number| {
        let mut item = one.clone();
        item["id"] = format!("O{number}").into();
        item["title"] = text_of(number).into();
        item
    });
    records[3].payload["opportunities"] = forty.collect();
    for (at, record) in records.iter_mut().enumerate() {
        (record.meta.provider, record.meta.model) = (text_of(at).to_owned(), text_of(at + 1).to_owned());
    }
    with_material(&records, &texts[0], |input| page(input, SourceLinks::default(), "nonce").unwrap())
}

/// A record in which each text of an analyst or of the document is the given one.
fn record(stage: Stage, text: &str) -> StageRecord {
    fn replace(value: &mut Value, text: &str) {
        match value {
            Value::String(old) => *old = text.to_owned(),
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, text)),
            Value::Object(fields) => {
                // Ids, references and words of closed lists are no free text.
                let is_free = |name: &str| {
                    ![
                        "id",
                        "status",
                        "effort",
                        "horizon",
                        "field",
                        "category",
                        "strength",
                        "direction",
                        "lessons",
                    ]
                    .contains(&name)
                        && !["inspirations", "trends"].contains(&name)
                };
                fields.iter_mut().filter(|(name, _)| is_free(name)).for_each(|(_, item)| replace(item, text));
            }
            _ => {}
        }
    }
    let mut record = example_record(stage, &provenance(), context(Default::default())).unwrap();
    for (name, list) in &mut record.payload {
        if name == "brand_context" {
            *list = text.into();
        }
        for item in list.as_array_mut().into_iter().flatten() {
            replace(item, text);
            let evidence = item.get_mut("evidence").and_then(Value::as_array_mut);
            for evidence in evidence.into_iter().flatten() {
                evidence["status"] = "verbatim".into();
            }
        }
    }
    record.meta.warnings = vec![text.to_owned()];
    record
}

fn report(text: &str) -> String {
    let records: Vec<StageRecord> = Stage::ALL.into_iter().map(|stage| record(stage, text)).collect();
    with_material(&records, text, |input| render(input).unwrap())
}

/// Hands on the material of a report whose document and brand have this text for names.
fn with_material(
    records: &[StageRecord],
    text: &str,
    use_it: impl FnOnce(&ReportInput<'_>) -> String,
) -> String {
    let document = DocumentFacts {
        source: text.to_owned(),
        title: None,
        format: Format::Pdf,
        page_count: 3,
        warnings: vec![text.to_owned()],
    };
    let brand = BrandFacts { name: text.to_owned(), country: text.to_owned(), industry: text.to_owned() };
    let run = RunId::parse("run-1").unwrap();
    use_it(&ReportInput { run: &run, document: &document, brand: &brand, records })
}

#[test]
fn strangers_text_is_dead_in_github_markdown() {
    let hostile = [
        "plain words",
        "<script>alert(1)</script> <img src=x onerror=alert(1)>",
        "[a](javascript:alert(1)) ![a](https://evil.example/x.png) [a][b] [^1]",
        "[b]: https://evil.example",
        "https://evil.example www.evil.example evil@evil.example mailto:a@b.c xmpp:a@b.c",
        "<https://evil.example> <a@b.c> &lt;b&gt; &#60;b&#62;",
        "| a | b |\n|---|---|\n| c | d |",
        "# heading\n\n> quote\n\n- item\n\n1. item\n\n    code\n\n```\ncode\n```",
        "***bold*** __b__ ~~s~~ `c` - [ ] task",
        "HTTP://EVIL.EXAMPLE http://a.b/(c) (www.a.b) a.b@c.d_e x\\@y.z h\\ttp://a.b",
    ];
    let folder = tempfile::tempdir().unwrap();
    let write = |(at, text): (usize, &&str)| {
        let file = folder.path().join(format!("{at}.md"));
        std::fs::write(&file, report(text)).unwrap();
        file
    };
    let files: Vec<PathBuf> = hostile.iter().enumerate().map(write).collect();
    let arguments: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let trees = node("markdown.mjs", &arguments);
    let tame = &trees[0];
    assert!(tame["heading"].as_u64() > Some(8) && tame["<table>"] == 1, "{tame}");
    for live in ["link", "image", "html", "definition", "footnoteReference", "<a>", "<img>", "<script>"] {
        assert!(tame.get(live).is_none(), "{live}: {tame}");
    }
    for (tree, text) in trees.as_array().unwrap().iter().zip(hostile) {
        assert_eq!(tree, tame, "{text:?}");
    }
}
