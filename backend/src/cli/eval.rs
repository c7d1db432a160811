//! `innovation eval`: measures reports on the golden set (docs/EVALUATION.md).

mod answers;
mod table;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use pipeline::{
    analyst::Analyst,
    brand::{BrandId, BrandProfile},
    document::{CompressedDocument, Document},
    engine::Engine,
    evaluation::{
        Difference, EvaluatedRun, Evaluation, EvaluationSet, RecordingAnalyst, compare, evaluate, run_stages,
    },
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    exit::EXIT_COULD_NOT_CHECK,
    output::{fail, put_json, say},
};
use crate::{
    app::{App, Overrides},
    config::{AnalystChoice, Config},
    documents::{isolate, limits},
    lifecycle,
};
use foundation::safe_read;

/// The most bytes of a set, an answer or an evaluation.
const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most reports of one evaluation. Each costs a second, and a model's costs money.
const REPORTS_MAX: usize = 500;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The golden set [default: data/eval/set.json]
    #[arg(long, value_name = "FILE")]
    set: Option<PathBuf>,
    /// Evaluate the recorded answers of this folder instead of an analyst's
    #[arg(long, value_name = "DIR", conflicts_with = "live")]
    answers: Option<PathBuf>,
    /// Keep the analyst's answers in this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["answers", "compare"])]
    record: Option<PathBuf>,
    /// Ask the model of LLM_MODEL; LLM_MAX_COST_PER_RUN_USD limits each report
    #[arg(long)]
    live: bool,
    /// Compare with this evaluation; exit code 1 if a mean is worse
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    baseline: Option<PathBuf>,
    /// Compare two evaluations (files of --json) or two folders of recorded answers
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"], conflicts_with_all = ["answers", "live"])]
    compare: Option<Vec<PathBuf>>,
    /// How much worse a mean may be
    #[arg(long, value_name = "SHARE", default_value_t = 0.02)]
    tolerance: f64,
    /// Print JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Prints the figures, or the differences. Exit code 1 is a regression, 3 an evaluation that could not be made.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let cancel = CancellationToken::new();
    lifecycle::cancel_on_signals(cancel.clone());
    let result = match args.compare.as_deref() {
        Some([before, after]) => compare_two(&args, config, (before, after), &cancel).await,
        _ => evaluate_once(&args, config, &cancel).await,
    };
    result.unwrap_or_else(|error| {
        fail(&format!("{error:#}"));
        ExitCode::from(EXIT_COULD_NOT_CHECK)
    })
}

async fn evaluate_once(args: &Args, config: Config, cancel: &CancellationToken) -> anyhow::Result<ExitCode> {
    let work = Work::new(args, config).await?;
    let found = work.evaluation(args.answers.as_deref(), args.record.as_deref(), cancel).await?;
    table::figures(&found);
    let differences = match &args.baseline {
        Some(baseline) => compare(&read_evaluation(baseline)?, &found, args.tolerance),
        None => Vec::new(),
    };
    table::differences(&differences);
    if args.json {
        let mut value = serde_json::to_value(&found)?;
        if let (Some(fields), Some(_)) = (value.as_object_mut(), &args.baseline) {
            fields.insert("differences".to_owned(), serde_json::to_value(&differences)?);
        }
        put_json(&value);
    }
    Ok(code(&differences))
}

async fn compare_two(
    args: &Args,
    config: Config,
    (before, after): (&Path, &Path),
    cancel: &CancellationToken,
) -> anyhow::Result<ExitCode> {
    let (before, after) = if before.is_dir() || after.is_dir() {
        let work = Work::new(args, config).await?;
        (work.evaluation_at(before, cancel).await?, work.evaluation_at(after, cancel).await?)
    } else {
        (read_evaluation(before)?, read_evaluation(after)?)
    };
    let differences = compare(&before, &after, args.tolerance);
    table::differences(&differences);
    if differences.is_empty() {
        say("The two evaluations are equal.");
    }
    if args.json {
        put_json(&json!({ "before": before.means, "after": after.means, "differences": differences }));
    }
    Ok(code(&differences))
}

fn code(differences: &[Difference]) -> ExitCode {
    if differences.iter().any(|it| it.is_regression) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The set, read, and the analyst that answers.
struct Work {
    set: EvaluationSet,
    documents: Vec<Document>,
    brands: Vec<Arc<BrandProfile>>,
    engine: Engine,
    analyst_name: String,
}

impl Work {
    async fn new(args: &Args, config: Config) -> anyhow::Result<Self> {
        let path = args.set.clone().unwrap_or_else(|| config.process.base_dir.join("data/eval/set.json"));
        let set: EvaluationSet = serde_json::from_slice(&read(&path)?)
            .with_context(|| format!("{} is no set of documents and brands", path.display()))?;
        let reports = set.brands.len() * set.documents.len();
        if reports > REPORTS_MAX {
            bail!(
                "the set asks for {reports} reports, and one evaluation makes at most {REPORTS_MAX}; divide the set"
            );
        }
        let choice = if args.live { AnalystChoice::Model } else { AnalystChoice::Extractive };
        let app = App::new(config, Overrides { output_dir: None, analyst: Some(choice) })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut documents = Vec::new();
        for document in &set.documents {
            let file = folder.join(&document.file);
            let bytes = safe_read::read(&file, limits::INPUT_BYTES_MAX)
                .with_context(|| format!("cannot read the document {}", file.display()))?;
            documents.push(
                isolate::extract(document.name(), &bytes).await.with_context(|| document.file.clone())?,
            );
        }
        let brands = set.brands.iter().map(|id| {
            let id = BrandId::parse(id).with_context(|| format!("`{id}` is no brand id"))?;
            Ok(app.brands.load(&id)?)
        });
        let brands = brands.collect::<anyhow::Result<_>>()?;
        Ok(Self { set, documents, brands, engine: app.engine, analyst_name: app.analyst_name })
    }

    /// The evaluation that a file holds, or that of a folder of recorded answers.
    async fn evaluation_at(&self, path: &Path, cancel: &CancellationToken) -> anyhow::Result<Evaluation> {
        if path.is_dir() { self.evaluation(Some(path), None, cancel).await } else { read_evaluation(path) }
    }

    async fn evaluation(
        &self,
        answers: Option<&Path>,
        record: Option<&Path>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Evaluation> {
        let mut runs = Vec::new();
        for (plants, document) in self.set.documents.iter().zip(&self.documents) {
            let compressed = CompressedDocument::new(document.clone())?;
            let mut known = Vec::new();
            for brand in &self.brands {
                say(&format!("{} for {} …", plants.name(), brand.brand_name));
                let place = (plants.name(), brand.id.as_str());
                let analyst: Arc<dyn Analyst> = match answers {
                    Some(folder) => Arc::new(answers::read(folder, place)?),
                    None => self.engine.analyst.clone(),
                };
                let recording = Arc::new(RecordingAnalyst::new(analyst));
                let engine = Engine { analyst: recording.clone(), ..self.engine.clone() };
                let records = run_stages(&engine, &compressed, brand, &known, cancel).await;
                if let Some(folder) = record {
                    answers::write(folder, place, &recording.answers())?;
                }
                let records = records.with_context(|| format!("{} for {}", plants.name(), brand.id))?;
                known.clone_from(&records);
                runs.push(EvaluatedRun { document_name: plants.name(), document, brand, records });
            }
        }
        let plants: Vec<_> = self.documents.iter().zip(&self.set.documents).collect();
        let name = answers
            .map_or_else(|| self.analyst_name.clone(), |folder| format!("answers of {}", folder.display()));
        Ok(evaluate(&name, &runs, &plants)?)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    safe_read::read(path, FILE_BYTES_MAX).with_context(|| format!("cannot read {}", path.display()))
}

fn read_evaluation(path: &Path) -> anyhow::Result<Evaluation> {
    serde_json::from_slice(&read(path)?).with_context(|| {
        format!("{} is no evaluation; write one with `innovation eval --json`", path.display())
    })
}
