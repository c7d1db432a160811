//! The content of an RTF document that the reader leaves out.

/// Parts that were left out, counted.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    pictures: usize,
    objects: usize,
    headers: usize,
    comments: usize,
}

impl LeftOut {
    /// Counts a part by the word that begins it.
    pub(super) fn count(&mut self, word: &str) {
        match word {
            "pict" | "shppict" => self.pictures += 1,
            "object" => self.objects += 1,
            "annotation" => self.comments += 1,
            _ if word.starts_with("header") || word.starts_with("footer") => self.headers += 1,
            _ => {}
        }
    }

    /// Names the parts.
    pub(super) fn warning(&self) -> Option<String> {
        let named = [
            (self.pictures, "pictures"),
            (self.objects, "embedded objects"),
            (self.headers, "headers and footers"),
            (self.comments, "comments"),
        ];
        let named =
            named.into_iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{name}: {count}"));
        let named: Vec<String> = named.collect();
        (!named.is_empty()).then(|| format!("Parts of the document were not read ({}).", named.join(", ")))
    }
}
