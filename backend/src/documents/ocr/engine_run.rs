//! One run of the confined program: a picture in, a table of words out.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use parking_lot::Mutex;
use pipeline::document::{
    DocumentError,
    recognition::{PageReading, RecognisedPage},
};
use tokio::process::{Child, Command};

use super::{
    confined::{CPU_SECONDS_MAX, RECOGNISER_ARGUMENT},
    engine::Engine,
    picture::Picture,
};
use crate::documents::{
    exchange::{Pipes, ran_out_of_time},
    isolate::Isolation,
    wire::Confinement,
};

/// The longest table. A dense page of a newspaper has 600 KB.
const TABLE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The side of the white picture with which the program is tried out, in pixels.
const BLANK_SIDE: u32 = 64;

/// How long the program may take for that picture. It takes some hundred milliseconds on an idle machine.
const TRY_TIMEOUT: Duration = Duration::from_secs(30);

/// The rules of the last process that became the program.
type Last = Mutex<Option<Confinement>>;

/// Reads a picture. The flag says whether the picture ended or exhausted the program.
///
/// # Errors
///
/// [`DocumentError::Unavailable`] if the program does not start, which is the machine's fault.
pub(super) async fn read(
    isolation: &Isolation,
    engine: &Engine,
    picture: Picture,
    last: &Last,
) -> Result<(PageReading, bool), DocumentError> {
    let scale = picture.scale;
    let ran = run(isolation, engine, picture).await;
    let Ran { confinement, status, table, is_too_long } = ran.map_err(|error| {
        tracing::error!(event = "ocr_failed", %error, "the program for OCR failed to run");
        DocumentError::Unavailable("the program for OCR could not be started".to_owned())
    })?;
    *last.lock() = Some(confinement);
    if let Some(reason) = fault(status, is_too_long) {
        tracing::warn!(event = "ocr_page_failed", %status, reason, "OCR could not read a page");
        return Ok((PageReading::Failed(reason), true));
    }
    // Megabytes of words would block the other tasks of this thread.
    let page = tokio::task::spawn_blocking(move || RecognisedPage::from_tsv(&table, scale)).await;
    Ok(match page.ok().flatten() {
        Some(page) => (PageReading::Read(page), false),
        None => (PageReading::Failed("the answer of the program makes no sense".to_owned()), true),
    })
}

/// Reads a white picture. The error says what to do.
pub(super) async fn try_out(isolation: &Isolation, engine: &Engine, last: &Last) -> Result<(), String> {
    let unusable = |reason: &str| {
        format!(
            "the program tesseract does not work in its sandbox ({reason}); see the log, or run OCR on the document first"
        )
    };
    let run = run(isolation, engine, Picture::blank(BLANK_SIDE));
    // Dropped at the limit, the process ends.
    let ran = tokio::time::timeout(TRY_TIMEOUT, run).await.map_err(|_| unusable("it does not answer"))?;
    let ran = ran.map_err(|error| unusable(&error.to_string()))?;
    *last.lock() = Some(ran.confinement);
    match fault(ran.status, ran.is_too_long) {
        Some(reason) => Err(unusable(&reason)),
        None if RecognisedPage::from_tsv(&ran.table, 1.0).is_none() => {
            Err(unusable("its answer makes no sense"))
        }
        None => Ok(()),
    }
}

/// Why there is no table.
fn fault(status: ExitStatus, is_too_long: bool) -> Option<String> {
    if is_too_long {
        Some("the program found too many words".to_owned())
    } else if status.success() {
        None
    } else if ran_out_of_time(status) {
        Some(format!("it takes more than {CPU_SECONDS_MAX} s of computing"))
    } else {
        Some("the program ended in a crash, or needed more memory than allowed".to_owned())
    }
}

struct Ran {
    confinement: Confinement,
    status: ExitStatus,
    table: Vec<u8>,
    is_too_long: bool,
}

async fn run(isolation: &Isolation, engine: &Engine, picture: Picture) -> io::Result<Ran> {
    let mut child = spawn(isolation, engine, picture.dpi())?;
    let pipes = Pipes::of(&mut child)?;
    // The head of a picture is ours, so the program parses nothing of a stranger's but pixels.
    let ended = pipes.send(picture.head(), &picture.pixels, TABLE_BYTES_MAX).await?;
    let (mut output, complaint) = ended.into_parts();
    let is_too_long = output.len() > TABLE_BYTES_MAX;
    if is_too_long {
        // An error here means that it has just ended.
        let _ = child.kill().await;
    }
    let status = child.wait().await?;
    let line = output.iter().position(|byte| *byte == b'\n');
    let confinement = line.and_then(|end| serde_json::from_slice(output.get(..end)?).ok());
    let (Some(confinement), Some(end)) = (confinement, line) else {
        let said = String::from_utf8_lossy(&complaint);
        return Err(io::Error::other(format!("{}; {status}", said.trim())));
    };
    output.drain(..=end);
    Ok(Ran { confinement, status, table: output, is_too_long })
}

/// Starts this binary as the process that becomes the program. Dropped, it ends.
fn spawn(isolation: &Isolation, engine: &Engine, dpi: u32) -> io::Result<Child> {
    let mut command = Command::new(isolation.program()?);
    #[cfg(unix)]
    command.process_group(0);
    // Automatic layout, with the orientation of the page where the program has the data for it.
    let layout = if engine.knows_orientation { "1" } else { "3" };
    command
        .arg(RECOGNISER_ARGUMENT)
        .args([&engine.data, &engine.program])
        .args(["stdin", "stdout", "--tessdata-dir"])
        .arg(&engine.data)
        .args(["-l", &engine.languages, "--psm", layout, "--dpi", &dpi.to_string()])
        .args(["-c", "tessedit_create_tsv=1"])
        .env_clear()
        // Its list of system calls has no threads.
        .env("OMP_THREAD_LIMIT", "1")
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}
