//! Folders of recorded answers: `DOCUMENT/BRAND/stageN.json`, or `DOCUMENT/stageN.json` for all brands.

use std::{fs, io, path::Path};

use anyhow::Context as _;
use pipeline::{evaluation::RecordedAnswers, run::Stage};

use foundation::safe_read;

/// The most bytes of an answer.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The recorded answers for one document and one brand.
pub(super) fn read(folder: &Path, (document, brand): (&str, &str)) -> anyhow::Result<RecordedAnswers> {
    let shared = folder.join(document);
    let mut answers = Vec::new();
    for stage in Stage::ALL {
        let name = file_name(stage);
        let own = safe_read::read(&shared.join(brand).join(&name), FILE_BYTES_MAX);
        let bytes = match own {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                safe_read::read(&shared.join(&name), FILE_BYTES_MAX)
            }
            other => other,
        };
        let bytes =
            bytes.with_context(|| format!("no answer {name} below {}", shared.join(brand).display()))?;
        answers.push((stage, String::from_utf8(bytes)?));
    }
    Ok(RecordedAnswers::new(answers))
}

/// Keeps the answers for one document and one brand.
pub(super) fn write(
    folder: &Path,
    (document, brand): (&str, &str),
    answers: &[(Stage, String)],
) -> anyhow::Result<()> {
    let folder = folder.join(document).join(brand);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (stage, json) in answers {
        let path = folder.join(file_name(*stage));
        fs::write(&path, format!("{json}\n")).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn file_name(stage: Stage) -> String {
    format!("stage{}.json", stage.number())
}
