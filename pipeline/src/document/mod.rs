//! Documents: reads files of many formats as pages of text, and warns of everything that could not be read.

mod archive;
mod compressed;
mod content;
mod docx;
mod email;
mod encoding;
mod epub;
mod error;
mod error_pages;
mod extract;
mod finish;
mod format;
mod html;
mod limits;
mod markdown;
mod numerals;
mod odf;
mod office;
mod page_list;
mod pdf;
mod pptx;
mod raw;
pub mod recognition;
mod rtf;
mod running_headers;
mod scans;
mod sections;
mod sheets;
mod sniff;
mod structure;
mod superscript;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod titles;
mod walls;
mod warm_up;
mod whitespace;
mod xml;

pub use self::{
    compressed::CompressedDocument,
    content::{Area, Document, HiddenReason, HiddenText, LineMark, LineRole, Page},
    error::DocumentError,
    extract::{extract, extract_for_recognition},
    format::Format,
    limits::{PAGES_MAX, TEXT_BYTES_MAX},
    pdf::{PICTURE_PIXELS_MAX, PagePainter, PagePicture, PictureSize, RENDERER},
    scans::Scans,
    warm_up::warm_up,
};
