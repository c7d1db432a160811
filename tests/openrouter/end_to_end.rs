//! Outgoing requests, and whole stages through the model analyst.

use pipeline::{
    analyst::{
        Analyst, AnalystError, Answer, StageInput,
        model::{ModelAnalyst, ModelOptions},
    },
    brand::BrandProfile,
    document::{CompressedDocument, Document, Format, Page},
    llm::{LlmErrorCode, StructuredOutput},
    prior_outputs::PriorOutputs,
    stages::{Outputs, StageOutput},
};
use serde_json::json;

use super::*;
use backend::llm::StructuredOutputSetting;

const LINE: &str = "Shoppers bring the bottle back to the shop.";

fn document() -> Document {
    let page = |number, text: &str| Page { number, text: text.to_owned(), readable: 1.0, ..Page::default() };
    Document {
        source_name: "report.pdf".to_owned(),
        format: Format::Pdf,
        title: None,
        pages: vec![page(1, "Cover"), page(2, LINE), page(3, "Prices fell by 12 % in one year.")],
        warnings: Vec::new(),
        ..Document::default()
    }
}

fn brand() -> BrandProfile {
    serde_json::from_value(json!({
        "id": "dairy", "brand_name": "Dairy", "country": "Canada", "industry": "Food", "positioning": "Near",
        "product_portfolio": ["Milk", "Cheese", "Yoghurt"], "target_customers": ["Families", "Cooks"],
        "recent_innovations": ["Glass", "Oat"], "strategic_priorities": ["a", "b", "c"],
        "brand_values": ["d", "e", "f"],
    }))
    .unwrap()
}

async fn answer(client: &Arc<OpenRouter>, stage: Stage, earlier: &Outputs) -> Result<Answer, AnalystError> {
    answer_about(document(), client, stage, earlier).await
}

async fn answer_about(
    document: Document,
    client: &Arc<OpenRouter>,
    stage: Stage,
    earlier: &Outputs,
) -> Result<Answer, AnalystError> {
    let analyst = ModelAnalyst::new(client.clone(), ModelOptions::default());
    let input = StageInput {
        run: &RunId::parse("r1").unwrap(),
        document: &CompressedDocument::new(document).unwrap(),
        brand: &brand(),
        earlier: &PriorOutputs::new(earlier.clone()).unwrap(),
        spend_limit_usd: Some(5.0),
        lease: None,
        answers: None,
    };
    analyst.answer(stage, &input, &CancellationToken::new()).await
}

async fn first_stage(fake_model: &FakeModel) -> Result<Answer, AnalystError> {
    answer(&Arc::new(client(config(fake_model))), Stage::InputProcessing, &Outputs::default()).await
}

#[tokio::test]
async fn four_stages_are_answered_streamed_or_not() {
    for streams in [true, false] {
        let fake_model =
            FakeModel::start(Options { streams, api_key: Some(KEY.to_owned()), ..Options::default() });
        let client = Arc::new(client(config(&fake_model)));
        let mut outputs = Outputs::default();
        for stage in Stage::ALL {
            let Answer { mut output, provenance, warnings, .. } =
                answer(&client, stage, &outputs).await.unwrap();
            assert_eq!(provenance.provider, "Stand-In");
            assert!((provenance.usage.cost_usd - 0.01).abs() < 1e-9);
            assert!(warnings.is_empty());
            for evidence in output.evidence_mut() {
                let page = document().page(evidence.page).unwrap().text.clone();
                assert!(page.contains(&evidence.quote), "{evidence:?}");
            }
            output.assign_ids();
            outputs.insert(output);
        }
        assert_eq!(outputs.lessons()[0].inspirations, ["I1"]);
        assert_eq!(outputs.opportunities()[0].lessons, ["L1"]);
        assert_eq!(outputs.opportunities()[1].profile_links[0].entry, "Cheese");
        assert_eq!((fake_model.calls(), fake_model.connections()), (4, 1), "one connection serves them all");
    }
}

#[tokio::test]
async fn the_request_is_strict_streaming_and_cacheable() {
    let fake_model = start([]);
    let mut settings = config(&fake_model);
    settings.http_referer = Some("https://example.com".to_owned());
    settings.title = Some("Innovation".to_owned());
    let completion = ask(settings).await.unwrap();
    assert_eq!(completion.generation_id.as_deref(), Some("gen-fake"));
    let [request] = &fake_model.requests()[..] else { panic!("one request") };
    assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(request.header("http-referer"), Some("https://example.com"));
    assert_eq!(request.header("x-openrouter-title"), Some("Innovation"));
    let body = &request.body;
    assert_eq!(body["models"], json!(["anthropic/claude-sonnet-4.5", "acme/second"]));
    assert_eq!(body["stream"], true);
    assert_eq!(body["max_tokens"], 1_234);
    assert_eq!(body["provider"], json!({"require_parameters": true}));
    let schema = &body["response_format"]["json_schema"];
    assert_eq!(
        (&schema["strict"], &schema["schema"]),
        (&json!(true), &*schema::of(Stage::InputProcessing).sent)
    );
    assert_eq!(body["messages"][1]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert!(body["messages"][1]["content"][1].get("cache_control").is_none());
}

/// The cached tokens of stage 1, of stage 1 again, and of stage 2, about a document of more than 1,024 tokens.
async fn cached_tokens(level: StructuredOutput) -> [u64; 3] {
    let fake_model = start([]);
    let structured_output = StructuredOutputSetting::Only(level);
    let client = Arc::new(client(OpenRouterConfig { structured_output, ..config(&fake_model) }));
    let mut long = document();
    long.pages[0].text = format!("{LINE}\n").repeat(150);
    let mut outputs = Outputs::default();
    let mut cached = [0; 3];
    let stages = [Stage::InputProcessing, Stage::InputProcessing, Stage::SignalAmplification];
    for (cached, stage) in cached.iter_mut().zip(stages) {
        let mut answer = answer_about(long.clone(), &client, stage, &outputs).await.unwrap();
        *cached = answer.provenance.usage.cached_tokens;
        answer.output.assign_ids();
        outputs.insert(answer.output);
    }
    cached
}

#[tokio::test]
async fn a_repeated_document_is_read_from_the_prompt_cache() {
    let strict = cached_tokens(StructuredOutput::Strict).await;
    assert!(
        strict[0] == 0 && strict[1] >= 1_024 && strict[2] == 0,
        "another schema is another prompt: {strict:?}"
    );
    let json = cached_tokens(StructuredOutput::Json).await;
    assert!(json[0] == 0 && json[1] >= 1_024 && json[2] >= 1_024, "{json:?}");
}

#[tokio::test]
async fn a_refused_cache_mark_is_given_up() {
    let message = "messages.1.content.0.text.cache_control: Extra inputs are not permitted";
    let body = json!({"error": {"code": 400, "message": message}});
    let refusal = Reply::Status { status: 400, headers: Vec::new(), body };
    let fake_model = start([refusal]);
    ask(config(&fake_model)).await.unwrap();
    let marked: Vec<bool> = fake_model
        .requests()
        .iter()
        .map(|request| request.body.to_string().contains("cache_control"))
        .collect();
    assert_eq!(marked, [true, false]);
}

#[tokio::test]
async fn only_anthropic_models_get_cache_marks() {
    let fake_model = start([]);
    let settings =
        OpenRouterConfig { model: "acme/one".to_owned(), fallback_models: Vec::new(), ..config(&fake_model) };
    ask(settings).await.unwrap();
    let body = &fake_model.requests()[0].body;
    assert!(body["messages"][1]["content"][0].get("cache_control").is_none());
    assert!(body.get("models").is_none());
}

#[tokio::test]
async fn the_model_that_really_answered_is_named() {
    let gone = vec!["anthropic/claude-sonnet-4.5".to_owned()];
    let fake_model = FakeModel::start(Options { unavailable_models: gone, ..Options::default() });
    assert_eq!(first_stage(&fake_model).await.unwrap().provenance.model, "acme/second");
}

#[tokio::test]
async fn fenced_json_and_json_after_prose_are_understood() {
    for wrapping in [Wrapping::CodeFence, Wrapping::AfterProse] {
        let fake_model = start([Reply::Answer(wrapping)]);
        assert!(first_stage(&fake_model).await.is_ok());
        assert_eq!(fake_model.calls(), 1);
    }
}

#[tokio::test]
async fn invalid_or_truncated_content_is_requested_once_more() {
    for wrapping in [Wrapping::SchemaInvalid, Wrapping::TruncatedContent] {
        let fake_model = start([Reply::Answer(wrapping)]);
        let provenance = first_stage(&fake_model).await.unwrap().provenance;
        assert_eq!((fake_model.calls(), provenance.attempts), (2, 2));
        assert!((provenance.usage.cost_usd - 0.02).abs() < 1e-9);

        let fake_model = start([Reply::Answer(wrapping), Reply::Answer(wrapping)]);
        let Err(AnalystError::Llm(error)) = first_stage(&fake_model).await else { panic!("{wrapping:?}") };
        assert_eq!((error.code, fake_model.calls()), (LlmErrorCode::LlmInvalidOutput, 2));
        assert!(error.message.contains("neither answer satisfies the schema"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_invented_quote_is_left_to_the_grounding() {
    let fake_model = start([Reply::Answer(Wrapping::MadeUpQuote)]);
    let StageOutput::InputProcessing(output) = first_stage(&fake_model).await.unwrap().output else {
        panic!()
    };
    assert!(output.inspirations[0].evidence[0].quote.starts_with("Nobody ever wrote"));
    assert_eq!(fake_model.calls(), 1);
}

#[test]
fn the_fake_lists_models_and_remaining_credit() {
    use std::io::{Read, Write};
    let fake_model = FakeModel::start(Options { api_key: Some(KEY.to_owned()), ..Options::default() });
    let address = fake_model.base_url().replace("http://", "").replace("/api/v1", "");
    let get = |path: &str, key: &str| {
        let mut socket = std::net::TcpStream::connect(&address).unwrap();
        write!(socket, "GET /api/v1{path} HTTP/1.1\r\nAuthorization: Bearer {key}\r\n\r\n").unwrap();
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).unwrap();
        response
    };
    assert!(get("/key", KEY).contains("\"limit_remaining\":7.5"));
    assert!(get("/key", "another").starts_with("HTTP/1.1 401"));
    assert!(get("/models", KEY).contains("\"prompt\":\"0.000003\""), "prices are decimal strings");
}
