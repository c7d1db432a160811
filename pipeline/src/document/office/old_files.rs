//! Names the formats that are not read, and says what to do with such a file.

use crate::document::error::DocumentError;

/// The error for a compound file: old Office files, mails of Outlook, and new files with a password.
pub(in crate::document) fn compound(bytes: &[u8]) -> DocumentError {
    let holds = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        memchr::memmem::find(bytes, &name).is_some()
    };
    if holds("EncryptedPackage") || holds("EncryptedSummary") {
        return DocumentError::Encrypted;
    }
    // A mail may hold a Word file, so it is looked for first.
    let known = [
        ("__properties_version1.0", "an Outlook mail (.msg); save it as .eml, or as PDF"),
        ("PowerPoint Document", "an old PowerPoint file (.ppt); save it as .pptx"),
        ("WordDocument", "an old Word file (.doc); save it as .docx"),
        ("Workbook", "an old Excel file (.xls); save it as .xlsx"),
        ("VisioDocument", "a Visio drawing (.vsd); export it as PDF"),
        ("FileHeader", "a Hangul document (.hwp); save it as .docx, or as PDF"),
        ("Book", "an old Excel file (.xls); save it as .xlsx"),
        ("Quill", "a Publisher file (.pub); export it as PDF"),
    ];
    let name = known.into_iter().find(|(stream, _)| holds(stream)).map(|(_, name)| name);
    let name = name.unwrap_or("an old Office file (.doc, .xls or .ppt); save it as .docx, .xlsx or .pptx");
    DocumentError::Unsupported(format!("it is {name}"))
}

/// The error for a ZIP container that holds no document that is read.
pub(in crate::document) fn container(names: &[String]) -> DocumentError {
    let has = |matches: &dyn Fn(&str) -> bool| names.iter().any(|name| matches(name));
    let is_iwork = has(&|name| name.ends_with(".iwa") || name == "Index.zip")
        || has(&|name| matches!(name, "index.apxl" | "index.xml" | "index.xml.gz"))
            && has(&|name| name.starts_with("QuickLook/"));
    let name = if is_iwork && has(&|name| name.contains("Slide")) {
        "it is an Apple Keynote file; export it as PDF or PPTX"
    } else if is_iwork && has(&|name| name.contains("Tables/") || name.contains("CalculationEngine")) {
        "it is an Apple iWork file (Pages or Numbers); export it as PDF, DOCX or XLSX"
    } else if is_iwork {
        "it is an Apple iWork file; export it as PDF"
    } else if has(&|name| name.starts_with("visio/")) {
        "it is a Visio drawing (.vsdx); export it as PDF"
    } else if has(&|name| name.ends_with(".fpage") || name.ends_with(".fdseq")) {
        "it is an XPS document; save it as PDF"
    } else if has(&|name| name == "Contents/content.hpf" || name == "Contents/header.xml") {
        "it is a Hangul document (.hwpx); save it as .docx, or as PDF"
    } else {
        "it looks like a ZIP archive; unpack it, and send the document in it"
    };
    DocumentError::Unsupported(name.to_owned())
}

/// The error for an office file as a single XML file, by its first characters.
pub(in crate::document) fn xml(start: &str) -> Option<DocumentError> {
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if !start.starts_with("<?xml") {
        return None;
    }
    let known = [
        ("<pkg:package", "it is an Office file as XML; save it as .docx, .xlsx or .pptx"),
        ("<w:wordDocument", "it is a Word file as XML of 2003; save it as .docx"),
        (
            "urn:schemas-microsoft-com:office:spreadsheet",
            "it is an Excel file as XML of 2003; save it as .xlsx",
        ),
    ];
    let (_, name) = known.into_iter().find(|(mark, _)| start.contains(mark))?;
    Some(DocumentError::Unsupported(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compound_of(stream: &str) -> String {
        let bytes: Vec<u8> = stream.encode_utf16().flat_map(u16::to_le_bytes).collect();
        compound(&bytes).to_string()
    }

    #[test]
    fn old_files_are_named_with_the_next_step() {
        assert!(compound_of("WordDocument").contains("old Word file (.doc); save it as .docx"));
        assert!(compound_of("PowerPoint Document").contains(".ppt"));
        assert!(compound_of("Workbook").contains(".xls)"));
        assert!(compound_of("__properties_version1.0 WordDocument").contains(".msg"));
        assert!(compound_of("").contains("old Office file"));
        assert_eq!(compound_of("EncryptedPackage"), DocumentError::Encrypted.to_string());
    }

    #[test]
    fn single_xml_files_are_named() {
        let named = |start: &str| xml(start).map(|error| error.to_string()).unwrap_or_default();
        assert!(named("<?xml version='1.0'?><w:wordDocument>").contains("Word file as XML"));
        assert!(named("<?xml version='1.0'?><pkg:package>").contains(".docx"));
        assert_eq!(named("<?xml version='1.0'?><html>"), "");
    }

    #[test]
    fn containers_are_named() {
        let named = |names: &[&str]| {
            container(&names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()).to_string()
        };
        assert!(named(&["Index/Slide-1.iwa"]).contains("Keynote"));
        assert!(named(&["Index/Document.iwa"]).contains("iWork"));
        assert!(named(&["visio/document.xml"]).contains("Visio"));
        assert!(named(&["a.txt"]).contains("ZIP"));
    }
}
