//! Pages that stand in for a document which the reader's program cannot show.

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::{Array, Dict, Name};

use crate::document::{error::DocumentError, raw::RawDocument};

/// A placeholder has at most so many pages and letters. A report about forms has more.
const PAGES_MAX: usize = 2;
const LETTERS_MAX: usize = 1_500;
/// The cover of a portfolio says less than this.
const COVER_LETTERS_MAX: usize = 600;
/// The most attachments that are counted, and the deepest nesting of their tree.
const ATTACHMENTS_MAX: usize = 10_000;
const DEPTH_MAX: usize = 16;

/// Refuses a document whose text is that of a placeholder, and names what it holds besides pages.
pub(super) fn check(pdf: &Pdf, document: &mut RawDocument) -> Result<(), DocumentError> {
    let catalog = pdf.xref().get::<Dict<'_>>(pdf.xref().root_id()).unwrap_or_default();
    let mut attachments = 0;
    let names = catalog.get::<Dict<'_>>(b"Names".as_slice());
    if let Some(tree) = names.and_then(|names| names.get::<Dict<'_>>(b"EmbeddedFiles".as_slice())) {
        count(&tree, 0, &mut attachments);
    }
    if let Some(reason) = reason(&catalog, document, attachments) {
        return Err(DocumentError::NoText(reason.to_owned()));
    }
    if attachments > 0 {
        let said = if attachments == 1 { "1 file is" } else { &format!("{attachments} files are") };
        document.warnings.push(format!("{said} attached to the PDF; attachments were not read."));
    }
    if has_dynamic_form(&catalog) {
        document.warnings.push(
            "The PDF holds an XFA form; only its ordinary pages were read. Print it to a new PDF to submit all \
             of it."
                .to_owned(),
        );
    }
    Ok(())
}

fn reason(catalog: &Dict<'_>, document: &RawDocument, attachments: usize) -> Option<&'static str> {
    const FORM: &str = "its page is only the placeholder of an XFA form; open it in Adobe Acrobat, print it to \
                        an ordinary PDF, and submit that";
    const PORTFOLIO: &str = "it is the cover of a PDF portfolio; save the documents that are attached to it, and \
                             submit one of them";
    const PROTECTED: &str = "its page is only the placeholder of a document under rights management; remove the \
                             protection in the program that set it, and submit the document itself";
    let mut text = String::new();
    for page in &document.pages {
        text.extend(page.text.split_whitespace().flat_map(|word| [word, " "]));
        if text.len() > 8 * LETTERS_MAX {
            break;
        }
    }
    let text = text.to_lowercase();
    let letters = text.chars().filter(|c| c.is_alphanumeric()).count();
    if document.pages.len() > PAGES_MAX || letters > LETTERS_MAX {
        return None;
    }
    let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
    if has_encrypted_payload(catalog) || (says(&PROTECTION) && says(&PROTECTORS) && says(&ADVICE)) {
        return Some(PROTECTED);
    }
    if has_dynamic_form(catalog) || says(&FORM_WORDS) {
        return Some(FORM);
    }
    let is_portfolio = catalog.contains_key(b"Collection".as_slice());
    if says(&PORTFOLIO_WORDS) || (is_portfolio && attachments > 0 && letters < COVER_LETTERS_MAX) {
        return Some(PORTFOLIO);
    }
    None
}

const FORM_WORDS: [&str; 5] = [
    "if this message is not eventually replaced by the proper contents of the document",
    "to view the full contents of this document, you need a later version of the pdf viewer",
    "wenn diese meldung nicht nach einiger zeit durch den eigentlichen inhalt",
    "si ce message n'est pas remplac\u{e9} par le contenu",
    "the document you are trying to load requires adobe reader",
];
const PORTFOLIO_WORDS: [&str; 4] = [
    "for the best experience, open this pdf portfolio",
    "open this pdf portfolio in",
    "this pdf portfolio contains",
    "this pdf package",
];
const PROTECTION: [&str; 4] =
    ["is protected", "been protected", "do not have permission", "secured document"];
const ADVICE: [&str; 5] = ["to open", "to view", "download", "install", "viewer"];
const PROTECTORS: [&str; 14] = [
    "information protection",
    "information rights management",
    "microsoft irm",
    "compatible pdf reader",
    "different reader",
    "supported reader",
    "livecycle",
    "policy server",
    "rights management",
    "fileopen",
    "locklizard",
    "vitrium",
    "seclore",
    "azure rights",
];

/// Whether the pages of the form exist only as its XFA description.
fn has_dynamic_form(catalog: &Dict<'_>) -> bool {
    let form = catalog.get::<Dict<'_>>(b"AcroForm".as_slice());
    form.is_some_and(|form| form.contains_key(b"XFA".as_slice()))
        && catalog.get::<bool>(b"NeedsRendering".as_slice()) == Some(true)
}

/// Whether the document itself is an encrypted attachment of this one.
fn has_encrypted_payload(catalog: &Dict<'_>) -> bool {
    let files = catalog.get::<Array<'_>>(b"AF".as_slice());
    files.is_some_and(|files| {
        files.iter::<Dict<'_>>().take(DEPTH_MAX).any(|file| {
            file.get::<Name<'_>>(b"AFRelationship".as_slice())
                .is_some_and(|kind| kind.as_str() == "EncryptedPayload")
        })
    })
}

fn count(tree: &Dict<'_>, depth: usize, attachments: &mut usize) {
    if let Some(names) = tree.get::<Array<'_>>(b"Names".as_slice()) {
        *attachments += names.raw_iter().take(ATTACHMENTS_MAX).count() / 2;
    }
    if depth < DEPTH_MAX
        && let Some(kids) = tree.get::<Array<'_>>(b"Kids".as_slice())
    {
        for kid in kids.iter::<Dict<'_>>() {
            if *attachments >= ATTACHMENTS_MAX {
                break;
            }
            count(&kid, depth + 1, attachments);
        }
    }
}
