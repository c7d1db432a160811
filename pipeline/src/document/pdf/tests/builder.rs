//! Builds PDFs object by object.

use std::collections::BTreeMap;

use crate::document::error::DocumentError;
use crate::document::pdf::extract;
use crate::document::raw::RawDocument;

/// A PDF of one page, in which object 3 is the page, 4 its content and 5 the font `F1`.
#[derive(Clone)]
pub(super) struct Draft {
    objects: BTreeMap<u32, Vec<u8>>,
    catalog: String,
    resources: String,
    page: String,
}

/// A page with this content.
pub(super) fn page(content: &str) -> Draft {
    let font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>";
    let draft = Draft {
        objects: BTreeMap::new(),
        catalog: String::new(),
        resources: String::new(),
        page: String::new(),
    };
    draft.stream(4, "", content.as_bytes()).object(5, font)
}

/// A line of text.
pub(super) fn line(x: f64, y: f64, text: &str) -> String {
    format!("BT /F1 12 Tf {x} {y} Td ({text}) Tj ET ")
}

impl Draft {
    pub(super) fn object(mut self, number: u32, object: &str) -> Self {
        self.objects.insert(number, object.as_bytes().to_vec());
        self
    }

    pub(super) fn stream(mut self, number: u32, entries: &str, data: &[u8]) -> Self {
        let head = format!("<< /Length {} {entries} >>\nstream\n", data.len());
        self.objects.insert(number, [head.as_bytes(), data, b"\nendstream"].concat());
        self
    }

    pub(super) fn catalog(mut self, entries: &str) -> Self {
        self.catalog.push_str(entries);
        self
    }

    pub(super) fn resources(mut self, entries: &str) -> Self {
        self.resources.push_str(entries);
        self
    }

    pub(super) fn page(mut self, entries: &str) -> Self {
        self.page.push_str(entries);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let Self { catalog, resources, page, .. } = self;
        let mut objects = self.objects.clone();
        let mut default = |number, object: String| {
            objects.entry(number).or_insert_with(|| object.into_bytes());
        };
        default(1, format!("<< /Type /Catalog /Pages 2 0 R {catalog} >>"));
        default(2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned());
        default(
            3,
            format!(
                "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R {page} \
                 /Resources << /Font << /F1 5 0 R /F2 6 0 R >> {resources} >> >>"
            ),
        );
        let mut out = b"%PDF-1.7\n".to_vec();
        let mut places = BTreeMap::new();
        for (number, object) in &objects {
            places.insert(*number, out.len());
            out.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
            out.extend_from_slice(object);
            out.extend_from_slice(b"\nendobj\n");
        }
        let (table, size) = (out.len(), objects.keys().max().unwrap() + 1);
        out.extend_from_slice(b"xref\n0 1\n0000000000 65535 f \n");
        for (number, place) in places {
            out.extend_from_slice(format!("{number} 1\n{place:010} 00000 n \n").as_bytes());
        }
        let trailer = format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n");
        out.extend_from_slice(trailer.as_bytes());
        out
    }

    pub(super) fn read(&self) -> Result<RawDocument, DocumentError> {
        extract(&self.bytes())
    }

    /// The text of all pages in one line.
    pub(super) fn text(&self) -> String {
        flat(&self.read().unwrap())
    }
}

/// The text of all pages in one line.
pub(super) fn flat(document: &RawDocument) -> String {
    let words = document.pages.iter().flat_map(|page| page.text.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}
