//! Content that a reader of a document sees, and this program does not read. A warning names each kind.

use crate::document::{error::DocumentError, raw::RawPage};

/// The counts of what was not read.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::document) struct Unread {
    pub(in crate::document) pictures: usize,
    pub(in crate::document) objects: usize,
    pub(in crate::document) subdocuments: usize,
    pub(in crate::document) comments: usize,
    pub(in crate::document) empty_formulas: usize,
}

impl Unread {
    pub(in crate::document) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for (count, one, many) in [
            (
                self.pictures,
                "A picture was not read; text in it is missing.",
                "pictures were not read; text in them is missing.",
            ),
            (
                self.objects,
                "An embedded object was not read; text in it is missing.",
                "embedded objects were not read; text in them is missing.",
            ),
            (self.subdocuments, "A linked subdocument was not read.", "linked subdocuments were not read."),
            (self.comments, "A comment of a reviewer was left out.", "comments of reviewers were left out."),
            (
                self.empty_formulas,
                "A formula has no stored result, so its cell is empty. Save the file in a spreadsheet program, and send it again.",
                "formulas have no stored results, so their cells are empty. Save the file in a spreadsheet program, and send it again.",
            ),
        ] {
            match count {
                0 => {}
                1 => warnings.push(one.to_owned()),
                n => warnings.push(format!("{n} {many}")),
            }
        }
        warnings
    }

    /// Refuses a document whose pictures are all that it shows, and says what helps.
    pub(in crate::document) fn check_text(&self, pages: &[RawPage]) -> Result<(), DocumentError> {
        let has_words = pages.iter().any(|page| page.text.contains(char::is_alphanumeric));
        if has_words || self.pictures == 0 {
            return Ok(());
        }
        Err(DocumentError::NoText(
            "it holds pictures only, and they are not read; send a version with text, or recognise its text first"
                .to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_named_with_its_count() {
        let unread = Unread { pictures: 1, comments: 3, ..Unread::default() };
        let warnings = unread.warnings();
        assert!(warnings[0].starts_with("A picture") && warnings[1].starts_with("3 comments"));
        assert_eq!(warnings.len(), 2);
    }

    #[test]
    fn pictures_alone_are_no_text() {
        let unread = Unread { pictures: 2, ..Unread::default() };
        assert!(matches!(unread.check_text(&[RawPage::new("- ".to_owned())]), Err(DocumentError::NoText(_))));
        assert!(unread.check_text(&[RawPage::new("a".to_owned())]).is_ok());
    }
}
