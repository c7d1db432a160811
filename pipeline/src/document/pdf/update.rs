//! The same document with other layers on, as a copy with a changed catalog at its end.
//!
//! The interpreter decides on layers: it draws nothing of a layer that the catalog lists as off, and
//! does not look at what layers say of their use in a viewer. A PDF may be changed by appending objects, so a
//! new catalog lets it draw what we ask for.

use std::fmt::Write as _;

use hayro_interpret::hayro_syntax::Pdf;
use hayro_interpret::hayro_syntax::object::Dict;
use memchr::memmem;

use super::layers::Layers;

const KEY: &[u8] = b"/OCProperties";
/// A key of the same length that no reader knows.
const NO_KEY: &[u8] = b"/OCproperties";

/// The document as a viewer shows it, if the interpreter would show other layers.
pub(super) fn as_viewed(pdf: &Pdf, layers: &Layers) -> Option<Pdf> {
    if layers.is_known_to_interpreter() {
        return None;
    }
    let mut off = String::new();
    for id in layers.off() {
        let _ = write!(off, "{} {} R ", id.obj_number, id.gen_number);
    }
    updated(pdf, &format!("/OCProperties << /OCGs [] /D << /OFF [ {off}] >> >>"))
}

/// The document with all layers on, if any is off.
pub(super) fn with_all_layers(pdf: &Pdf, layers: &Layers) -> Option<Pdf> {
    if !layers.may_hide() { None } else { updated(pdf, "") }
}

/// The document without its layers, and with this entry in its catalog.
fn updated(pdf: &Pdf, entry: &str) -> Option<Pdf> {
    let bytes: &[u8] = pdf.data().as_ref();
    // The strings of an encrypted document are encrypted with the place of their object.
    if memmem::find(bytes, b"/Encrypt").is_some() {
        return None;
    }
    let id = pdf.xref().root_id();
    let catalog = pdf.xref().get::<Dict<'_>>(id)?;
    let catalog = catalog.data();
    let at = memmem::find(catalog, KEY)?;
    let end = memmem::rfind(catalog, b">>").unwrap_or(catalog.len());
    let before = memmem::rfind(bytes, b"startxref").and_then(|at| number_after(bytes.get(at + 9..)?))?;

    let mut copy = Vec::with_capacity(bytes.len() + catalog.len() + 512);
    copy.extend_from_slice(bytes);
    copy.push(b'\n');
    let object = copy.len();
    copy.extend_from_slice(format!("{} {} obj\n", id.obj_number, id.gen_number).as_bytes());
    if !catalog.starts_with(b"<<") {
        copy.extend_from_slice(b"<<");
    }
    copy.extend_from_slice(catalog.get(..at)?);
    copy.extend_from_slice(NO_KEY);
    copy.extend_from_slice(catalog.get(at + KEY.len()..end)?);
    copy.extend_from_slice(format!(" {entry} >>\nendobj\n").as_bytes());
    let table = copy.len();
    let (number, generation) = (id.obj_number, id.gen_number);
    let tail = format!(
        "xref\n{number} 1\n{object:010} {generation:05} n \ntrailer\n<< /Size {} /Root {number} {generation} R \
         /Prev {before} >>\nstartxref\n{table}\n%%EOF\n",
        number.saturating_add(1),
    );
    copy.extend_from_slice(tail.as_bytes());
    let updated = Pdf::new(copy).ok()?;
    (updated.pages().len() == pdf.pages().len()).then_some(updated)
}

fn number_after(bytes: &[u8]) -> Option<usize> {
    let digits: String = bytes
        .iter()
        .skip_while(|byte| byte.is_ascii_whitespace())
        .take_while(|byte| byte.is_ascii_digit())
        .map(|byte| char::from(*byte))
        .collect();
    digits.parse().ok()
}
