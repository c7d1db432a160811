//! Scanned documents, made by code: pages of text, drawn, and put into a PDF as pictures.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use pipeline::document::{PagePainter, PictureSize};

use super::hostile::{pdf, stream};

const DPI: u32 = 150;

/// How a scan lies in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lies {
    Upright,
    /// Sideways in the file, and the file says so.
    Turned,
    /// Sideways, and nothing says so.
    Sideways,
}

/// A page of text as a picture: grey pixels, line by line.
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) grey: Vec<u8>,
}

/// A PDF of one A4 page: a title and lines below it. Letters up to U+00FF.
pub(crate) fn typed(title: &str, lines: &[&str]) -> Vec<u8> {
    let shown = |text: &str| -> String {
        text.chars().fold(String::new(), |mut octal, c| {
            write!(octal, "\\{:03o}", u32::from(c)).unwrap();
            octal
        })
    };
    let mut content = format!("BT /F 26 Tf 60 760 Td ({}) Tj ET\n", shown(title));
    for (at, line) in lines.iter().enumerate() {
        writeln!(content, "BT /F 12 Tf 60 {} Td ({}) Tj ET", 700 - 15 * at, shown(line)).unwrap();
    }
    let font = "/Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>>>";
    let page =
        format!("<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<{font}>>>>");
    pdf(&[
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>".to_vec(),
        page.into_bytes(),
        stream("", content.as_bytes()),
    ])
}

/// The picture of a typed page.
pub(crate) fn picture(typed: &[u8]) -> Picture {
    let drawn = PagePainter::open(typed).unwrap().draw(1, PictureSize::Dpi(DPI)).unwrap();
    let grey = drawn.rgba().chunks_exact(4).map(|pixel| pixel[1]).collect();
    Picture { width: drawn.width(), height: drawn.height(), grey }
}

/// A picture of random dots.
pub(crate) fn noise() -> Picture {
    let (width, height) = (1_240, 1_754);
    let mut state = 0x2545_f491_u32;
    let dot = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    Picture { width, height, grey: std::iter::repeat_with(dot).take((width * height) as usize).collect() }
}

/// A PDF of pictures, each the whole of an A4 page.
pub(crate) fn scan(pages: &[(&Picture, Lies)]) -> Vec<u8> {
    let kids: String = (0..pages.len()).map(|at| format!("{} 0 R ", 3 + 3 * at)).collect();
    let mut objects = vec![
        b"<</Type/Catalog/Pages 2 0 R>>".to_vec(),
        format!("<</Type/Pages/Kids[{kids}]/Count {}>>", pages.len()).into_bytes(),
    ];
    for (at, (picture, lies)) in pages.iter().enumerate() {
        let (media, turn, place) = match lies {
            Lies::Upright => ("0 0 595 842", 0, "595 0 0 842 0 0"),
            Lies::Turned => ("0 0 842 595", 90, "0 595 -842 0 842 0"),
            Lies::Sideways => ("0 0 842 595", 0, "0 595 -842 0 842 0"),
        };
        let (content, image) = (4 + 3 * at, 5 + 3 * at);
        let resources = format!("<</XObject<</I {image} 0 R>>>>");
        objects.push(
            format!(
                "<</Type/Page/Parent 2 0 R/MediaBox[{media}]/Rotate {turn}/Contents {content} 0 R/Resources{resources}>>"
            )
            .into_bytes(),
        );
        objects.push(stream("", format!("q {place} cm /I Do Q").as_bytes()));
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(&picture.grey).unwrap();
        let (width, height) = (picture.width, picture.height);
        let entries = format!(
            "/Type/XObject/Subtype/Image/Width {width}/Height {height}/ColorSpace/DeviceGray/BitsPerComponent \
             8/Filter/FlateDecode"
        );
        objects.push(stream(&entries, &deflated.finish().unwrap()));
    }
    pdf(&objects)
}
