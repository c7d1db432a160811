//! The parts of an OpenDocument file.

use std::collections::HashMap;

use super::chart::chart_lines;
use super::styles::{Styles, read_styles};
use crate::document::{
    archive::Archive,
    encoding::{self, Decoded},
    error::DocumentError,
    format::Format,
    xml::{Xml, walk},
};

/// Charts of one document.
const OBJECTS_MAX: usize = 500;

/// The parts that are read.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) content: String,
    /// Page styles with headers and footers. A flat file has them in its content.
    pub(super) page_styles: Option<String>,
    pub(super) styles: Styles,
    pub(super) title: Option<String>,
    /// The lines of charts, by the folders of their parts.
    pub(super) charts: HashMap<String, Vec<String>>,
    pub(super) warnings: Vec<String>,
}

/// The format of an OpenDocument package, or `None` if the container is none.
pub(in crate::document) fn format(archive: &mut Archive<'_>) -> Result<Option<Format>, DocumentError> {
    let mime = if archive.contains("mimetype") {
        archive.read("mimetype")?.unwrap_or_default()
    } else {
        String::new()
    };
    if mime.contains("sun.xml") {
        return Err(DocumentError::Unsupported(
            "it is an old OpenOffice file; save it as .odt, .ods or .odp".to_owned(),
        ));
    }
    if !mime.contains("opendocument") && !archive.contains("content.xml") {
        return Ok(None);
    }
    let manifest = archive.read("META-INF/manifest.xml").ok().flatten().unwrap_or_default();
    if manifest.contains("encryption-data") {
        return Err(DocumentError::Encrypted);
    }
    // Without a declaration, the body's element tells the format.
    let named = if mime.contains("opendocument") { mime } else { manifest };
    match of_mime(&named) {
        Some(format) => Ok(Some(format)),
        None if named.contains("opendocument") => Err(DocumentError::Unsupported(
            "it is an OpenDocument formula, chart or database; export it as PDF".to_owned(),
        )),
        None => Ok(None),
    }
}

/// The format of a flat OpenDocument file by its first characters.
pub(in crate::document) fn flat_format(start: &str) -> Option<Format> {
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with('<') || !start.contains("<office:document") {
        return None;
    }
    of_mime(start.split_once("office:mimetype=")?.1)
}

fn of_mime(mime: &str) -> Option<Format> {
    let kind = mime.split_once("vnd.oasis.opendocument.")?.1;
    if kind.starts_with("text") {
        Some(Format::Odt)
    } else if kind.starts_with("spreadsheet") {
        Some(Format::Ods)
    } else if kind.starts_with("presentation") || kind.starts_with("graphics") {
        Some(Format::Odp)
    } else {
        None
    }
}

/// Reads the parts of a file.
pub(super) fn parts(bytes: &[u8]) -> Result<Parts, DocumentError> {
    let mut parts = Parts::default();
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if matches!(first, Some(b'<' | 0xef | 0xfe | 0xff)) {
        let Decoded { text, warnings } = encoding::decode(bytes, None)?;
        (parts.content, parts.warnings) = (text, warnings);
        read_styles(&parts.content, &mut parts.styles)?;
        parts.title = title(&parts.content).ok().flatten();
        return Ok(parts);
    }
    let mut archive = Archive::open(bytes)?;
    // The content comes first, so that no other part uses up what may be inflated.
    parts.content = archive.read_required("content.xml")?;
    let side = |archive: &mut Archive<'_>, name: &str| archive.read(name);
    match side(&mut archive, "styles.xml") {
        Ok(Some(xml)) if read_styles(&xml, &mut parts.styles).is_ok() => parts.page_styles = Some(xml),
        Ok(None) => {}
        _ => parts.warnings.push("A part of the file is damaged and was not read: the styles.".to_owned()),
    }
    read_styles(&parts.content, &mut parts.styles)?;
    match side(&mut archive, "meta.xml").map(|xml| xml.map(|xml| title(&xml))) {
        Ok(None) => {}
        Ok(Some(Ok(title))) => parts.title = title,
        _ => parts
            .warnings
            .push("A part of the file is damaged and was not read: the document's properties.".to_owned()),
    }
    for folder in objects(&parts.content)? {
        let xml = side(&mut archive, &format!("{folder}/content.xml"));
        match xml.map(|xml| xml.map(|xml| chart_lines(&xml))) {
            Ok(None) => {}
            Ok(Some(Ok(lines))) => {
                parts.charts.insert(folder, lines);
            }
            _ => parts.warnings.push("A part of the file is damaged and was not read: a chart.".to_owned()),
        }
    }
    Ok(parts)
}

/// The folder of an object, as the content names it: `./Object 1`.
pub(super) fn folder(link: &str) -> String {
    link.trim_start_matches("./").trim_end_matches('/').to_owned()
}

fn objects(content: &str) -> Result<Vec<String>, DocumentError> {
    let mut folders = Vec::new();
    walk(content, |event| {
        if let Xml::Start(element) = event
            && element.name == "object"
            && folders.len() < OBJECTS_MAX
            && let Some(link) = element.attribute("href")
        {
            let folder = folder(&link);
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
    })?;
    Ok(folders)
}

/// The title in the document's properties.
fn title(xml: &str) -> Result<Option<String>, DocumentError> {
    let (mut title, mut in_title, mut in_meta) = (String::new(), false, false);
    walk(xml, |event| match event {
        Xml::Start(element) => match element.name {
            "meta" => in_meta = true,
            "title" => in_title = in_meta,
            _ => {}
        },
        Xml::End("meta") => in_meta = false,
        Xml::End(_) => in_title = false,
        Xml::Text(text) if in_title => title.push_str(text),
        Xml::Text(_) => {}
    })?;
    let title = title.trim();
    Ok((!title.is_empty()).then(|| title.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::archive::tests::zip;

    fn format_of(parts: &[(&str, &[u8])]) -> Result<Option<Format>, DocumentError> {
        format(&mut Archive::open(&zip(parts)).unwrap())
    }

    #[test]
    fn declarations_name_the_format() {
        let text = b"application/vnd.oasis.opendocument.text-template";
        assert_eq!(format_of(&[("mimetype", text)]).unwrap(), Some(Format::Odt));
        let slides = b"application/vnd.oasis.opendocument.presentation\n";
        assert_eq!(format_of(&[("mimetype", slides)]).unwrap(), Some(Format::Odp));
        assert!(format_of(&[("mimetype", b"application/vnd.oasis.opendocument.formula")]).is_err());
        assert_eq!(format_of(&[("mimetype", b"application/epub+zip")]).unwrap(), None);
        let manifest = b"<manifest:encryption-data/>";
        let encrypted = format_of(&[("mimetype", text), ("META-INF/manifest.xml", manifest)]);
        assert_eq!(encrypted, Err(DocumentError::Encrypted));
        let flat = "<?xml version='1.0'?><office:document office:mimetype='application/vnd.oasis.opendocument.spreadsheet'>";
        assert_eq!(flat_format(flat), Some(Format::Ods));
        assert_eq!(flat_format("<html>"), None);
    }
}
