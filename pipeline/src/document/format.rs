//! The format of a document, and how its parts are cited.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format of a document, by its content and not by its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Pdf,
    Docx,
    Pptx,
    Xlsx,
    Odt,
    Odp,
    Ods,
    Csv,
    Rtf,
    Html,
    Mhtml,
    Epub,
    Eml,
    Markdown,
    #[default]
    Text,
}

impl Format {
    /// The word for one of its pages. A format without pages has sections.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Pdf => "page",
            Self::Pptx | Self::Odp => "slide",
            Self::Xlsx | Self::Ods | Self::Csv => "sheet",
            Self::Epub => "chapter",
            Self::Eml => "part",
            Self::Docx | Self::Odt | Self::Rtf | Self::Html | Self::Mhtml | Self::Markdown | Self::Text => {
                "section"
            }
        }
    }

    /// The place of a page, as texts cite it: `p. 5`, `slide 5`, `section 5`.
    #[must_use]
    pub fn place(self, page: u32) -> String {
        match self {
            Self::Pdf => format!("p. {page}"),
            _ => format!("{} {page}", self.unit()),
        }
    }

    /// The place of a page in a citation for people, with the name that the document itself gives the page:
    /// `p. iv`, `sheet Sales`, `chapter 3 “Refill”`.
    #[must_use]
    pub fn cited_place(self, page: u32, label: Option<&str>) -> String {
        match (self, label) {
            (_, None) => self.place(page),
            (Self::Pdf, Some(label)) => format!("p. {label}"),
            (Self::Xlsx | Self::Ods | Self::Csv, Some(label)) => format!("{} {label}", self.unit()),
            (_, Some(label)) => format!("{} “{label}”", self.place(page)),
        }
    }

    /// The pages that a text cites in brackets, as [`Self::place`] writes them: `… (p. 5)`.
    #[must_use]
    pub fn cited_pages(self, text: &str) -> Vec<u32> {
        let opening = match self {
            Self::Pdf => "(p. ".to_owned(),
            _ => format!("({} ", self.unit()),
        };
        text.split(&opening)
            .skip(1)
            .filter_map(|rest| rest.split_once(')').and_then(|(page, _)| page.parse().ok()))
            .collect()
    }
}
