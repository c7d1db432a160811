//! Copies of a PDF that differ in one line of text, so that no cache takes two of them for the same document.

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};

/// The place of the mark. A mark is as long.
const MARK: &str = "0000000000000000";

/// A PDF with a line that [`Template::copy`] fills in. Making it costs milliseconds, a copy costs none.
pub(crate) struct Template {
    bytes: Vec<u8>,
    at: usize,
}

impl Template {
    /// Adds the line at the bottom of the first page.
    pub(crate) fn new(pdf: &[u8]) -> Self {
        let mut document = Document::load_mem(pdf).unwrap();
        let page = document.get_pages()[&1];
        let font = document
            .add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Helvetica" });
        // Last, in the coordinates of the page: what the page draws later would cover it. Grey is seen on light and dark.
        let text = format!(
            "Q q 0.5 g BT /Distinct 7 Tf 1 0 0 1 40 12 Tm (This is copy {MARK} of the edition.) Tj ET Q\n"
        );
        let [saved, line] = ["q\n".to_owned(), text].map(|content| {
            document.add_object(Stream::new(Dictionary::new(), content.into_bytes()).with_compression(false))
        });
        let mut resources = dictionary_of(&document, page, b"Resources");
        let mut fonts = match resources.get(b"Font") {
            Ok(fonts) => resolved(&document, fonts),
            Err(_) => Dictionary::new(),
        };
        fonts.set("Distinct", font);
        resources.set("Font", fonts);
        let dictionary = document.get_dictionary_mut(page).unwrap();
        let contents = match dictionary.get(b"Contents").unwrap() {
            Object::Array(all) => all.clone(),
            one => vec![one.clone()],
        };
        dictionary.set("Contents", [vec![saved.into()], contents, vec![line.into()]].concat());
        dictionary.set("Resources", resources);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).unwrap();
        let at = bytes.windows(MARK.len()).position(|window| window == MARK.as_bytes()).unwrap();
        Self { bytes, at }
    }

    /// The copy with this number.
    pub(crate) fn copy(&self, number: u64) -> Vec<u8> {
        let mut copy = self.bytes.clone();
        copy[self.at..self.at + MARK.len()].copy_from_slice(format!("{number:016x}").as_bytes());
        copy
    }
}

fn dictionary_of(document: &Document, holder: ObjectId, key: &[u8]) -> Dictionary {
    resolved(document, document.get_dictionary(holder).unwrap().get(key).unwrap())
}

fn resolved(document: &Document, object: &Object) -> Dictionary {
    match object {
        Object::Reference(id) => document.get_dictionary(*id).unwrap().clone(),
        other => other.as_dict().unwrap().clone(),
    }
}
