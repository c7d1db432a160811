//! Finds the program `tesseract`, its version, its data and its languages.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, process::Command};

use crate::config::OcrConfig;

/// How long the program may take to say its version or its languages.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The most of such an answer. More than a hundred languages take 1 KB.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// The folders in which systems install the program.
const FOLDERS: [&str; 2] = ["/usr/local/bin", "/usr/bin"];

/// The program, as it was found at the first need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Engine {
    /// Absolute, and no link.
    pub(super) program: PathBuf,
    /// The folder of its languages.
    pub(super) data: PathBuf,
    /// `eng+deu`.
    pub(super) languages: String,
    /// Whether it can tell the orientation of a page.
    pub(super) knows_orientation: bool,
    /// Its name, version and languages, for people.
    pub(super) name: String,
}

/// Looks for the program and asks it. The error says what to do.
pub(super) async fn find(config: &OcrConfig) -> Result<Engine, String> {
    let program = program(config).ok_or_else(|| match &config.program {
        Some(_) => "OCR=auto needs a program at OCR_PROGRAM, where none is; correct the path".to_owned(),
        None => "OCR=auto needs the program tesseract, which is not installed (Debian: tesseract-ocr); install it, or \
                 run OCR on the document first"
            .to_owned(),
    })?;
    let broken = |error: io::Error| {
        format!(
            "the program tesseract does not answer ({error}); reinstall it, or run OCR on the document first"
        )
    };
    let version = version(&ask(&program, "--version").await.map_err(broken)?);
    let listed = ask(&program, "--list-langs").await.map_err(broken)?;
    let languages = Languages::parse(&listed);
    let data = languages.folder.and_then(|folder| std::fs::canonicalize(folder).ok()).ok_or_else(|| {
        "tesseract does not say where its languages are; install version 5, or run OCR on the document first"
            .to_owned()
    })?;
    let missing: Vec<&str> = config
        .languages
        .iter()
        .map(String::as_str)
        .filter(|wanted| !languages.names.contains(wanted))
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        return Err(format!(
            "tesseract lacks languages of OCR_LANGUAGES ({missing}); install them (Debian: tesseract-ocr-…), or change \
             OCR_LANGUAGES"
        ));
    }
    Ok(Engine {
        program,
        data,
        languages: config.languages.join("+"),
        knows_orientation: languages.names.contains(&"osd"),
        name: format!("tesseract {version}, {}", config.languages.join(" + ")),
    })
}

/// The program, and no link to it: the rules of its sandbox name the file itself.
fn program(config: &OcrConfig) -> Option<PathBuf> {
    let usual = FOLDERS.iter().map(|folder| Path::new(folder).join("tesseract"));
    let candidates = config.program.clone().map_or_else(|| usual.collect(), |program| vec![program]);
    candidates
        .into_iter()
        .filter_map(|program| std::fs::canonicalize(program).ok())
        .find(|program| program.is_file())
}

/// The program's answer: stdout, then stderr, where old versions answer.
async fn ask(program: &Path, question: &str) -> io::Result<String> {
    let mut child = Command::new(program)
        .arg(question)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut answer = Vec::new();
    let read = async {
        if let Some(stdout) = stdout {
            stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        }
        if let Some(stderr) = stderr {
            stderr.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        }
        child.wait().await
    };
    let status = tokio::time::timeout(ANSWER_TIMEOUT, read).await.map_err(io::Error::other)??;
    if status.success() {
        Ok(String::from_utf8_lossy(&answer).into_owned())
    } else {
        Err(io::Error::other(status.to_string()))
    }
}

/// `5.3.0` of `tesseract 5.3.0`.
fn version(answer: &str) -> String {
    const VERSION_CHARS_MAX: usize = 40;
    let first = answer.lines().next().and_then(|line| line.split_whitespace().nth(1));
    first.unwrap_or("of an unknown version").chars().take(VERSION_CHARS_MAX).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Languages<'a> {
    folder: Option<&'a str>,
    names: Vec<&'a str>,
}

impl<'a> Languages<'a> {
    fn parse(answer: &'a str) -> Self {
        let mut lines = answer.lines();
        // `List of available languages in "/usr/share/tessdata/" (3):`
        let folder = lines.next().and_then(|head| head.split('"').nth(1));
        Self { folder, names: lines.map(str::trim).filter(|line| !line.is_empty()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_program_are_read() {
        assert_eq!(version("tesseract 5.3.0\n leptonica-1.82.0\n"), "5.3.0");
        assert_eq!(version(""), "of an unknown version");
        let answer = "List of available languages in \"/usr/share/tessdata/\" (2):\neng\nosd\n";
        let languages = Languages { folder: Some("/usr/share/tessdata/"), names: vec!["eng", "osd"] };
        assert_eq!(Languages::parse(answer), languages);
        assert_eq!(Languages::parse("List of available languages (1):\neng").folder, None);
    }
}
