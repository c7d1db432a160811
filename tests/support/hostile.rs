//! Hostile documents, made by code: each is small and asks for far more than a reader should give.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};

/// A PDF of these objects; the first is the catalog.
pub(crate) fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n".to_vec();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(bytes.len());
        writeln!(bytes, "{} 0 obj", index + 1).unwrap();
        bytes.extend_from_slice(object);
        bytes.extend_from_slice(b"\nendobj\n");
    }
    let start = bytes.len();
    write!(bytes, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).unwrap();
    for offset in offsets {
        writeln!(bytes, "{offset:010} 00000 n ").unwrap();
    }
    write!(bytes, "trailer\n<</Size {}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n", objects.len() + 1)
        .unwrap();
    bytes
}

pub(crate) fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut object = format!("<<{dictionary}/Length {}>>stream\n", data.len()).into_bytes();
    object.extend_from_slice(data);
    object.extend_from_slice(b"\nendstream");
    object
}

const CATALOG: &[u8] = b"<</Type/Catalog/Pages 2 0 R>>";
const ONE_PAGE: &[u8] = b"<</Type/Pages/Kids[3 0 R]/Count 1>>";
const FONT: &str = "/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>";

/// A one-page PDF with this content stream (object 4) and further objects from 5 on.
fn one_page(content: Vec<u8>, resources: &str, further: Vec<Vec<u8>>) -> Vec<u8> {
    let page = format!(
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<<{FONT}{resources}>>>>"
    );
    let mut objects = vec![CATALOG.to_vec(), ONE_PAGE.to_vec(), page.into_bytes(), content];
    objects.extend(further);
    pdf(&objects)
}

fn deflated(chunk: &[u8], times: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    for _ in 0..times {
        encoder.write_all(chunk).unwrap();
    }
    encoder.finish().unwrap()
}

/// A content stream of a few kilobytes that inflates twice, to 6 GB.
pub(crate) fn flate_bomb() -> Vec<u8> {
    let inner = deflated(&vec![b' '; 1 << 20], 6 * 1024);
    let outer = deflated(&inner, 1);
    one_page(stream("/Filter[/FlateDecode/FlateDecode]", &outer), "", Vec::new())
}

/// A page of a million by a million points.
pub(crate) fn huge_page() -> Vec<u8> {
    sized_page(1_000_000, 1_000_000)
}

/// A page as narrow as a hair, and a million points high.
pub(crate) fn narrow_page() -> Vec<u8> {
    sized_page(1, 1_000_000)
}

fn sized_page(width: u32, height: u32) -> Vec<u8> {
    let page = format!(
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]/Contents 4 0 R/Resources<<{FONT}>>>>"
    );
    let content = stream("", b"BT /F 12 Tf 50 700 Td (Words on a page) Tj ET 0 0 99999 99999 re f");
    pdf(&[CATALOG.to_vec(), ONE_PAGE.to_vec(), page.into_bytes(), content])
}

/// A form that draws itself.
pub(crate) fn self_referencing_form() -> Vec<u8> {
    let form = stream(
        "/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X 5 0 R>>>>",
        b"/X Do /X Do",
    );
    one_page(
        stream("", b"BT /F 12 Tf 50 700 Td (Words before the form) Tj ET /X Do"),
        "/XObject<</X 5 0 R>>",
        vec![form],
    )
}

/// Forms of 30 levels, each of which draws the next one three times: 2 × 10^14 drawings.
pub(crate) fn exponential_forms() -> Vec<u8> {
    let forms = (0..30).map(|level| {
        let next = level + 6;
        if level == 29 {
            return stream(
                &format!("/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<<{FONT}>>"),
                b"BT /F 9 Tf (x) Tj ET",
            );
        }
        let resources =
            format!("/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X {next} 0 R>>>>");
        stream(&resources, b"/X Do /X Do /X Do")
    });
    one_page(stream("", b"/X Do"), "/XObject<</X 5 0 R>>", forms.collect())
}

/// An array and a dictionary nested 200,000 deep, where the page's resources should be and in its content.
pub(crate) fn deep_objects() -> Vec<u8> {
    const DEPTH: usize = 200_000;
    let nested = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let dictionaries = format!("{}1{}", "<</A ".repeat(DEPTH), ">>".repeat(DEPTH));
    let content = format!("{nested} TJ {dictionaries} BDC");
    one_page(
        stream("", content.as_bytes()),
        "/XObject 5 0 R",
        vec![nested.into_bytes(), dictionaries.into_bytes()],
    )
}

/// A page tree with 400,000 pages, each as short as a page can be: together less than a document may have.
pub(crate) fn many_pages() -> Vec<u8> {
    const PAGES: usize = 400_000;
    let mut root = format!("<</Type/Pages/Count {PAGES}/MediaBox[0 0 9 9]/Kids[");
    let mut objects = vec![CATALOG.to_vec(), Vec::new()];
    for page in 0..PAGES {
        write!(root, "{} 0 R ", page + 3).unwrap();
        objects.push(b"<<>>".to_vec());
    }
    root.push_str("]>>");
    objects[1] = root.into_bytes();
    pdf(&objects)
}

/// A page tree whose branches lead back to its root.
pub(crate) fn page_tree_loop() -> Vec<u8> {
    let root = b"<</Type/Pages/Count 9/Kids[3 0 R 2 0 R]>>".to_vec();
    let branch = b"<</Type/Pages/Count 9/Parent 2 0 R/Kids[2 0 R 3 0 R 3 0 R]>>".to_vec();
    pdf(&[CATALOG.to_vec(), root, branch])
}

/// A readable page whose cross-reference table was cut off.
pub(crate) fn truncated_xref() -> Vec<u8> {
    let whole = one_page(stream("", b"BT /F 12 Tf 50 700 Td (The table is missing) Tj ET"), "", Vec::new());
    let cut = whole.windows(4).rposition(|window| window == b"xref").unwrap();
    let start = whole[..cut].windows(4).rposition(|window| window == b"xref").unwrap();
    whole[..start + 12].to_vec()
}

fn zip(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A DOCX whose main part inflates to 1 GB of blanks.
pub(crate) fn zip_bomb() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("word/document.xml", zip::write::SimpleFileOptions::default()).unwrap();
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..1024 {
        writer.write_all(&blanks).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A DOCX with 100,000 further parts.
pub(crate) fn many_entries() -> Vec<u8> {
    let names: Vec<String> = (0..100_000).map(|index| format!("word/media/{index}.png")).collect();
    let mut parts: Vec<(&str, &[u8])> = vec![("word/document.xml", b"<w:document/>")];
    parts.extend(names.iter().map(|name| (name.as_str(), &b""[..])));
    zip(&parts)
}

/// A DOCX with entities that expand a billion times.
pub(crate) fn billion_laughs() -> Vec<u8> {
    let mut xml = "<!DOCTYPE lolz [<!ENTITY l0 \"lol\">".to_owned();
    for level in 1..10 {
        let references = format!("&l{};", level - 1).repeat(10);
        write!(xml, "<!ENTITY l{level} \"{references}\">").unwrap();
    }
    xml.push_str("]><w:document><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>");
    zip(&[("word/document.xml", xml.as_bytes())])
}

/// A DOCX whose XML is nested a million deep.
pub(crate) fn deep_xml() -> Vec<u8> {
    const DEPTH: usize = 1_000_000;
    zip(&[("word/document.xml", format!("{}{}", "<w:p>".repeat(DEPTH), "</w:p>".repeat(DEPTH)).as_bytes())])
}

/// HTML nested a hundred thousand deep, with words at its heart.
pub(crate) fn deep_html() -> Vec<u8> {
    format!("<!doctype html><p>Words at the start</p>{}<p>Words at the heart</p>", "<div><b>".repeat(50_000))
        .into_bytes()
}

/// Text of more than the 25 MiB that a document may have.
pub(crate) fn too_long() -> Vec<u8> {
    b"Words and words. ".repeat(2 * 1024 * 1024)
}
