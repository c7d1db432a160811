//! `innovation run`: runs the whole pipeline on one document in this process.

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use pipeline::{
    brand::{BrandId, BrandProfile},
    document::{CompressedDocument, Document, DocumentError},
    engine::{Finished, Job, StageEvent},
    failure::{FailureCode, RunFailure},
    record::{StageMeta, sha256_hex},
    run::{RunId, Stage},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    output::{fail, put, put_json},
    progress::Progress,
};
use crate::{
    app::{App, Overrides},
    config::{AnalystChoice, Config},
    documents::name,
    lifecycle,
    worker::wait_reason,
};
use foundation::safe_read;
use storage::{
    End, Fence, RunRequest, RunSubmission,
    files::{
        OpenError,
        manifest::{DocumentSummary, Manifest},
    },
    leased::LeasedRun,
    prelude::*,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document: a file, or an https address on an allowed host
    #[arg(value_name = "FILE|URL")]
    source: OsString,
    /// The brand, by the name of its profile (see `innovation brands`)
    #[arg(long, value_name = "ID")]
    brand: BrandId,
    /// The run's id; the id of a stopped run continues that run
    #[arg(long, value_name = "ID")]
    run_id: Option<RunId>,
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

/// Runs the pipeline and prints the location of the report.
pub async fn run(args: Args, config: Config) -> ExitCode {
    let bytes_max = config.documents.bytes_max;
    let app = match App::new(config, Overrides { output_dir: args.out.clone(), analyst: args.analyst }) {
        Ok(app) => app,
        Err(error) => return fail(&error),
    };
    let cancel = CancellationToken::new();
    lifecycle::cancel_on_signals(cancel.clone());
    let run_id = args.run_id.clone().unwrap_or_else(|| RunId::from_uuid(uuid::Uuid::now_v7()));
    let progress = Progress::new(args.json);
    let command = Command {
        app: &app,
        args: &args,
        run_id: &run_id,
        progress: &progress,
        cancel: &cancel,
        bytes_max,
        has_begun: AtomicBool::new(false),
    };
    let result = command.execute().await;
    app.router.files().leave().await;
    match result {
        Ok(manifest) => command.succeeded(&manifest),
        Err(failure) => command.failed(&failure),
    }
}

/// How often the command looks whether the model is paused.
const LOOK: Duration = Duration::from_millis(250);

/// Two pauses end at least this long after each other.
const NEXT_PAUSE: Duration = Duration::from_millis(500);

struct Command<'a> {
    app: &'a App,
    args: &'a Args,
    run_id: &'a RunId,
    progress: &'a Progress,
    cancel: &'a CancellationToken,
    bytes_max: usize,
    /// Whether a later command can continue the run.
    has_begun: AtomicBool,
}

impl Command<'_> {
    async fn execute(&self) -> Result<Manifest, RunFailure> {
        let brand = self.app.brands.load(&self.args.brand)?;
        let name = source_name(&self.args.source);
        self.progress.line(&format!(
            "Run {}: {name} for {}, by the {}",
            self.run_id, brand.brand_name, self.app.analyst_name
        ));
        let (bytes, server_name) = self.read_document().await?;
        let name = name::choose(&name, server_name.as_deref()).to_owned();
        let request = RunRequest::by_document(name.clone(), &sha256_hex(&bytes), self.args.brand.clone())
            .map_err(|error| RunFailure::from_record(None, &error))?;
        let new = RunSubmission { id: self.run_id.clone(), request, accepted_at: self.app.clock.now() };
        let files = self.app.router.files();
        let owner = uuid::Uuid::now_v7().to_string();
        let (fence, manifest) = files.open(&new, &owner).await.map_err(open_failure)?;
        self.has_begun.store(true, Ordering::Relaxed);
        let result = self.work(&fence, &name, bytes, &brand, manifest.lost_usd).await;
        let end = match &result {
            Ok(finished) => End::Completed { records: &finished.records, report: &finished.report },
            Err(failure) => End::Failed(failure),
        };
        let closed = self
            .app
            .router
            .finish(&fence, end, self.app.clock.now())
            .await
            .map_err(|error| RunFailure::from_store(None, &error.into()));
        result?;
        closed?;
        let manifest = files.manifest(self.run_id).await;
        manifest.ok().flatten().ok_or_else(|| {
            let what = format!("{}: the manifest has gone", files.place_of(self.run_id));
            RunFailure::new(FailureCode::StorageUnavailable, None, what, true)
        })
    }

    /// The document, and the name that a server gives it.
    async fn read_document(&self) -> Result<(Vec<u8>, Option<String>), RunFailure> {
        let Some(source) = address(&self.args.source) else {
            let bytes = read_file(Path::new(&self.args.source), self.bytes_max).await?;
            return Ok((bytes, None));
        };
        let url = self.app.fetcher.check(source).map_err(|error| {
            RunFailure::new(FailureCode::DocumentUnavailable, None, error.to_string(), false)
        })?;
        self.progress.begin("download");
        let mut bytes = Vec::new();
        let fetched = tokio::select! {
            () = self.cancel.cancelled() => Err(RunFailure::cancelled(None)),
            fetched = self.app.fetcher.fetch_into(&url, &mut bytes) => fetched.map_err(RunFailure::from),
        };
        match &fetched {
            Ok(_) => self.progress.done(&format!("{} bytes", bytes.len())),
            Err(failure) => self.progress.failed(&failure.message),
        }
        fetched.map(|download| (bytes, download.name))
    }

    async fn work(
        &self,
        fence: &Fence,
        name: &str,
        bytes: Vec<u8>,
        brand: &BrandProfile,
        lost_usd: f64,
    ) -> Result<Finished, RunFailure> {
        let sha256 = sha256_hex(&bytes);
        let document = self.extract(name, bytes).await?;
        let router = &self.app.router;
        router.files().note_document(self.run_id, DocumentSummary::new(&document, sha256));
        let document =
            CompressedDocument::new(document).map_err(|error| RunFailure::from_compression(None, &error))?;
        let stored =
            router.load(self.run_id).await.map_err(|error| RunFailure::from_store(None, &error.into()))?;
        let stored = stored.map(|run| run.stages.into_values().map(|held| held.record).collect());
        let store = LeasedRun::new(router, fence, stored.unwrap_or_default());
        let job = Job { run: self.run_id, store: &store, document: &document, brand, lost_usd };
        let show = |event: StageEvent| self.show(event);
        let result = tokio::select! {
            result = self.app.engine.run(job, &show, self.cancel) => result,
            never = self.tell_waits() => match never {},
        };
        if let Err(failure) = &result {
            self.progress.failed(&failure.message);
        }
        result
    }

    /// Says what the model is awaited for, and until when it is not asked.
    async fn tell_waits(&self) -> Infallible {
        let mut told = None;
        loop {
            let pause = self.app.gate.as_ref().and_then(|gate| gate.pause());
            if let Some(pause) = pause.filter(|pause| !pause.retry_in.is_zero()) {
                let until = self.app.clock.now() + pause.retry_in;
                // Of one pause, only the rest of the wait changes.
                let is_told =
                    told.is_some_and(|(code, earlier)| code == pause.code && until < earlier + NEXT_PAUSE);
                if !is_told {
                    let reason = wait_reason(pause.code).as_str();
                    self.progress.note(&format!(
                        "  … waits for the model ({reason}) until {}",
                        until.format("%H:%M:%S UTC")
                    ));
                    told = Some((pause.code, until));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn extract(&self, name: &str, bytes: Vec<u8>) -> Result<Document, RunFailure> {
        self.progress.begin("document");
        let extracted = tokio::select! {
            () = self.cancel.cancelled() => Err(RunFailure::cancelled(None)),
            extracted = self.app.ocr.extract(name, &bytes) => extracted.map_err(RunFailure::from),
        };
        match &extracted {
            Ok(document) => {
                let pages = document.pages.len();
                self.progress.done(&format!("{pages} page{}", if pages == 1 { "" } else { "s" }));
                for warning in &document.warnings {
                    self.progress.line(&format!("  ! {warning}"));
                }
            }
            Err(failure) => self.progress.failed(&failure.message),
        }
        extracted
    }

    fn show(&self, event: StageEvent) {
        match event {
            StageEvent::Started { stage } => self.progress.begin(&stage_name(stage)),
            StageEvent::Reused { meta, item_count } => {
                let name = stage_name(meta.stage);
                self.progress.line(&format!("= {name:<32} stored   {}", found(&meta, item_count)));
            }
            StageEvent::Stored { meta, item_count, .. } => {
                self.progress.done(&found(&meta, item_count));
                for warning in &meta.warnings {
                    self.progress.line(&format!("  ! {warning}"));
                }
            }
        }
    }

    fn succeeded(&self, manifest: &Manifest) -> ExitCode {
        let files = self.app.router.files();
        let report = files.report_place(self.run_id);
        if self.args.json {
            put_json(&self.result(Some(manifest), None));
        } else {
            self.progress.line("\nReport:");
            put(&format!("{report}\n"));
        }
        if self.args.open
            && files.is_on_disk()
            && let Err(error) = open::that_detached(&report)
        {
            return fail(&format!("the report is complete, but no program could open it: {error}"));
        }
        ExitCode::SUCCESS
    }

    fn failed(&self, failure: &RunFailure) -> ExitCode {
        if self.args.json {
            put_json(&self.result(None, Some(failure)));
        }
        let code = fail(failure);
        // If nothing was begun, nothing can continue.
        if failure.can_retry && self.has_begun.load(Ordering::Relaxed) {
            self.progress.line(&format!(
                "Stored stages stay. To continue: innovation run {} --brand {} --run-id {}{}",
                shell_word(&self.args.source.to_string_lossy()),
                self.args.brand,
                self.run_id,
                self.args
                    .out
                    .as_ref()
                    .map(|dir| format!(" --out {}", shell_word(&dir.to_string_lossy())))
                    .unwrap_or_default(),
            ));
        }
        code
    }

    /// The result for machines. Field names are stable.
    fn result(&self, manifest: Option<&Manifest>, failure: Option<&RunFailure>) -> Value {
        let files = self.app.router.files();
        let status = match failure {
            None => "complete",
            Some(_) => "failed",
        };
        json!({
            "run_id": self.run_id,
            "status": status,
            "brand_id": self.args.brand,
            "folder": files.place_of(self.run_id),
            "report": manifest.and_then(|manifest| manifest.report.as_ref()).map(|_| files.report_place(self.run_id)),
            "stages": manifest.map(|manifest| &manifest.stages),
            "document": manifest.map(|manifest| &manifest.document),
            "error": failure,
        })
    }
}

fn stage_name(stage: Stage) -> String {
    format!("stage {} {}", stage.number(), stage.title())
}

/// The result of a stage for people.
fn found(meta: &StageMeta, item_count: usize) -> String {
    let items = meta.stage.items();
    let grounding = &meta.grounding;
    if grounding.quotes == 0 {
        return format!("{item_count} {items}");
    }
    format!("{item_count} {items}, {} of {} quotes verified", grounding.verified(), grounding.quotes)
}

/// The source as an address, if it is one. A file's name may hold anything, also invalid UTF-8.
fn address(source: &OsStr) -> Option<&str> {
    source.to_str().filter(|source| source.contains("://"))
}

/// The document's name for people: a file's name, or the last part of an address. The address's query is left
/// out, because it may hold a signature.
fn source_name(source: &OsStr) -> String {
    match address(source).map(Url::parse) {
        Some(Ok(url)) => name::of_url(&url),
        _ => name::of_text(&Path::new(source).file_name().unwrap_or_default().to_string_lossy()),
    }
}

async fn read_file(path: &Path, bytes_max: usize) -> Result<Vec<u8>, RunFailure> {
    let owned = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || safe_read::read(&owned, bytes_max));
    let read = reading.await.map_err(std::io::Error::other).and_then(|read| read);
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::FileTooLarge => {
            DocumentError::TooLarge(format!("more than {bytes_max} bytes")).into()
        }
        // A repetition of the command would read the same file.
        _ => RunFailure::new(
            FailureCode::DocumentUnavailable,
            None,
            format!("the document could not be read ({}: {error})", path.display()),
            false,
        ),
    })
}

fn open_failure(error: OpenError) -> RunFailure {
    match error {
        OpenError::Store(error) => RunFailure::from_store(None, &error.into()),
        busy @ OpenError::Busy(_) => {
            RunFailure::new(FailureCode::StorageUnavailable, None, busy.to_string(), true)
        }
        other @ (OpenError::RequestMismatch { .. } | OpenError::Deleted(_)) => {
            RunFailure::new(FailureCode::StorageUnavailable, None, other.to_string(), false)
        }
    }
}

/// Quotes a text as one word of a POSIX shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=%+,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
