//! `innovation run`: runs the whole pipeline in this process, on one document or several, for one brand or several.

mod batch;
mod one;
mod source;

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::ExitCode,
    sync::atomic::AtomicBool,
};

use pipeline::{
    batch::{BATCH_BRANDS_MAX, BatchId},
    brand::BrandId,
    failure::RunFailure,
    run::RunId,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::{
    batch::Ended,
    one::{Command, SharedDocument},
    source::shell_word,
};
use super::{
    exit::EXIT_USAGE,
    output::{fail, put, put_json},
    progress::Progress,
};
use crate::{
    app::{App, Overrides},
    config::{AnalystChoice, Config},
    lifecycle,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The documents: files, folders of files, or https addresses on an allowed host
    #[arg(value_name = "FILE|FOLDER|URL", required = true)]
    sources: Vec<OsString>,
    /// The brands, by the names of their profiles (see `innovation brands`); a run for each
    #[arg(long = "brand", value_name = "ID,…", value_delimiter = ',', required = true)]
    brands: Vec<BrandId>,
    /// The run's id, of one document and one brand; the id of a stopped run continues that run
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,
    /// The id of one document's runs for several brands; the id of stopped runs continues them
    #[arg(long, value_name = "ID", conflicts_with = "run_id")]
    batch_id: Option<BatchId>,
    /// The folder for runs [default: data/test-outputs]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The analyst [default: a model if OPENROUTER_API_KEY is set, else the extractive analyst]
    #[arg(long, value_enum)]
    analyst: Option<AnalystChoice>,
    /// Print the result as JSON on stdout and no progress
    #[arg(long)]
    json: bool,
    /// Open the report when it is done
    #[arg(long)]
    open: bool,
}

/// Runs the pipeline and prints the location of each report.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let documents = match source::expand(&args.sources) {
        Ok(documents) => documents,
        Err(why) => return fail(&why),
    };
    if let Err(why) = args.check(&documents) {
        fail(&why);
        return ExitCode::from(EXIT_USAGE);
    }
    let bytes_max = config.documents.bytes_max;
    let app = match App::new(config, Overrides { output_dir: args.out.clone(), analyst: args.analyst }) {
        Ok(app) => app,
        Err(error) => return fail(&error),
    };
    let cancel = CancellationToken::new();
    lifecycle::cancel_on_signals(cancel.clone());
    let progress = Progress::new(args.json);
    let session = Session { app: &app, args: &args, progress: &progress, cancel: &cancel, bytes_max };
    let code = match documents.as_slice() {
        [document] if args.brands.len() == 1 => session.single(document).await,
        documents => session.all(documents).await,
    };
    app.router.files().leave().await;
    code
}

impl Args {
    fn check(&self, documents: &[OsString]) -> Result<(), String> {
        let (several, brands) = (documents.len() > 1, self.brands.len());
        let mut sorted: Vec<&BrandId> = self.brands.iter().collect();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < brands {
            return Err("--brand names a brand twice".to_owned());
        }
        if brands > BATCH_BRANDS_MAX {
            return Err(format!("--brand takes at most {BATCH_BRANDS_MAX} brands"));
        }
        if self.run_id.is_some() && (several || brands > 1) {
            return Err("--run-id goes with one document and one brand; use --batch-id with several brands"
                .to_owned());
        }
        if self.batch_id.is_some() && several {
            return Err("--batch-id goes with one document".to_owned());
        }
        Ok(())
    }

    /// The command that continues what failed.
    fn to_continue(&self, source: &OsStr, brands: &str, id: &str) -> String {
        let out = self.out.as_ref().map(|dir| format!(" --out {}", shell_word(&dir.to_string_lossy())));
        let source = shell_word(&source.to_string_lossy());
        format!("innovation run {source} --brand {brands} {id}{}", out.unwrap_or_default())
    }
}

/// One call of the command.
struct Session<'a> {
    app: &'a App,
    args: &'a Args,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    bytes_max: usize,
}

impl Session<'_> {
    fn command<'c>(&'c self, source: &'c OsStr, brand: &'c BrandId, run_id: &'c RunId) -> Command<'c> {
        Command {
            app: self.app,
            source,
            brand,
            run_id,
            progress: self.progress,
            cancel: self.cancel,
            bytes_max: self.bytes_max,
            has_begun: AtomicBool::new(false),
        }
    }

    /// One document for one brand.
    async fn single(&self, source: &OsStr) -> ExitCode {
        let Some(brand) = self.args.brands.first() else { return ExitCode::from(EXIT_USAGE) };
        let of_batch = self.args.batch_id.as_ref().map(|batch| batch.run_id(brand));
        let run_id = self.args.run_id.clone().or(of_batch);
        let run_id = run_id.unwrap_or_else(|| RunId::from_uuid(uuid::Uuid::now_v7()));
        let command = self.command(source, brand, &run_id);
        match command.execute(&mut SharedDocument::default()).await {
            Ok(manifest) => {
                let report = self.app.router.files().report_place(&run_id);
                if self.args.json {
                    put_json(&command.result(Some(&manifest), None));
                } else {
                    self.progress.line("\nReport:");
                    put(&format!("{report}\n"));
                }
                self.open(&report)
            }
            Err(failure) => {
                if self.args.json {
                    put_json(&command.result(None, Some(&failure)));
                }
                let code = fail(&failure);
                // If nothing was begun, nothing can continue.
                if failure.can_retry && command.may_continue() {
                    let next = self.args.to_continue(source, brand.as_str(), &format!("--run-id {run_id}"));
                    self.progress.line(&format!("Stored stages stay. To continue: {next}"));
                }
                code
            }
        }
    }

    /// Runs each document for each brand. A failed run does not stop the others.
    async fn all(&self, documents: &[OsString]) -> ExitCode {
        if let Err(unknown) = self.check_brands() {
            return fail(&unknown);
        }
        let (mut results, mut failed, mut count) = (Vec::new(), 0, 0);
        for source in documents {
            if self.cancel.is_cancelled() {
                break;
            }
            let id = self.args.batch_id.clone().unwrap_or_else(|| BatchId::from_uuid(uuid::Uuid::now_v7()));
            let ended = self.batch(source, &id).await;
            count += ended.len();
            failed += ended.iter().filter(|one| one.result.is_err()).count();
            let comparison = self.compare(&id, &ended).await;
            if failed > 0 && ended.iter().any(Ended::can_continue) {
                let brands: Vec<&str> = self.args.brands.iter().map(BrandId::as_str).collect();
                let next = self.args.to_continue(source, &brands.join(","), &format!("--batch-id {id}"));
                self.progress.line(&format!("Stored stages stay. To continue: {next}"));
            }
            results.push(json!({
                "batch_id": id,
                "document": source.to_string_lossy(),
                "comparison": comparison,
                "runs": ended.into_iter().map(|one| one.json).collect::<Vec<_>>(),
            }));
        }
        if self.args.json {
            put_json(&json!({"batches": results}));
        }
        if self.cancel.is_cancelled() {
            return fail(&"stopped before all documents were done");
        }
        match failed {
            0 => ExitCode::SUCCESS,
            _ => fail(&format!("{failed} of {count} runs failed; each says why above")),
        }
    }

    /// All unknown or invalid brands at once, before anything is paid.
    fn check_brands(&self) -> Result<(), String> {
        let wrong = self.args.brands.iter().filter_map(|brand| self.app.brands.load(brand).err());
        let wrong: Vec<String> = wrong.map(|failure| failure.message).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\ninnovation: ")) }
    }

    /// The runs of one document, one after the other: the first one's answers serve the others where they are cached.
    async fn batch(&self, source: &OsStr, id: &BatchId) -> Vec<Ended> {
        let (mut shared, mut ended) = (SharedDocument::default(), Vec::new());
        for brand in &self.args.brands {
            let run_id = id.run_id(brand);
            let command = self.command(source, brand, &run_id);
            let result = if self.cancel.is_cancelled() {
                Err(RunFailure::cancelled(None))
            } else {
                command.execute(&mut shared).await
            };
            match &result {
                Ok(_) if self.args.json => {}
                Ok(_) => put(&format!("{}\n", self.app.router.files().report_place(&run_id))),
                Err(failure) => {
                    fail(&format!("{brand}: {failure}"));
                }
            }
            let json = command.result(result.as_ref().ok(), result.as_ref().err());
            let may_continue = command.may_continue();
            ended.push(Ended { brand: brand.clone(), run_id, result: result.map(drop), may_continue, json });
            // The document itself is the problem, so it is one for each brand.
            if ended.last().is_some_and(Ended::is_of_document) {
                break;
            }
        }
        ended
    }

    /// Writes the comparison of several brands, and returns its place.
    async fn compare(&self, id: &BatchId, ended: &[Ended]) -> Option<String> {
        if ended.len() < 2 {
            return None;
        }
        match batch::write_comparison(self.app, id, ended).await {
            Ok(place) => {
                if let (Some(place), false) = (&place, self.args.json) {
                    self.progress.line("\nComparison:");
                    put(&format!("{place}\n"));
                    self.open(place);
                }
                place
            }
            Err(error) => {
                fail(&format!("the comparison could not be written: {error}"));
                None
            }
        }
    }

    fn open(&self, place: &str) -> ExitCode {
        if self.args.open
            && self.app.router.files().is_on_disk()
            && let Err(error) = open::that_detached(place)
        {
            return fail(&format!("the report is complete, but no program could open it: {error}"));
        }
        ExitCode::SUCCESS
    }
}
