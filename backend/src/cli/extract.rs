//! `innovation extract FILE`: shows the text of a document as the stages receive it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use pipeline::{
    document::{Document, DocumentError},
    visible_text::visible,
};
use serde::Serialize;

use super::output::{fail, say};
use crate::{app, config::Config, documents::limits};
use foundation::safe_read;

/// The output of `--json` if the document cannot be read.
#[derive(Debug, Serialize)]
struct Failure<'e> {
    error: FailureDetail<'e>,
}

#[derive(Debug, Serialize)]
struct FailureDetail<'e> {
    code: &'e str,
    message: String,
}

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The document
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Print JSON: pages, their readable share, warnings
    #[arg(long)]
    json: bool,
}

/// Prints the document's text with form feeds between pages, or the whole document as JSON.
pub async fn run(args: Args, config: Config) -> ExitCode {
    match print(&args, config).await {
        Ok(code) => code,
        // A reader that has closed the pipe (`| head`) has what it wanted.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let json = error.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
    io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
}

async fn print(args: &Args, config: Config) -> anyhow::Result<ExitCode> {
    let (file, json) = (args.file.as_path(), args.json);
    let source_name = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy();
    let result = match safe_read::read(file, limits::INPUT_BYTES_MAX) {
        Ok(bytes) => app::ocr(config.ocr).extract(&source_name, &bytes).await,
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => Err(limits::input_too_large()),
        Err(error) => Err(DocumentError::Unavailable(format!("{}: {error}", file.display()))),
    };
    let mut out = std::io::stdout().lock();
    match result {
        Ok(document) if json => write_json(&mut out, &document)?,
        Ok(document) => write_text(&mut out, &document)?,
        Err(error) => {
            report(&mut out, &error, json)?;
            return Ok(ExitCode::FAILURE);
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn write_text(out: &mut impl Write, document: &Document) -> std::io::Result<()> {
    for (index, page) in document.pages.iter().enumerate() {
        if index > 0 {
            out.write_all(b"\x0c")?;
        }
        writeln!(out, "{}", visible(&page.text))?;
    }
    Ok(())
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)?;
    Ok(())
}

fn report(out: &mut impl Write, error: &DocumentError, json: bool) -> anyhow::Result<()> {
    if json {
        let error = FailureDetail { code: error.code(), message: error.to_string() };
        write_json(out, &Failure { error })
    } else {
        say(&format!("{}: {error}", error.code()));
        Ok(())
    }
}
