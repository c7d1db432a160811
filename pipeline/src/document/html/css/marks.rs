//! Where the characters of a style sheet have their meaning: outside of strings, of addresses without quotes, and of escapes (CSS
//! Syntax Module Level 3, "Tokenization").

/// Follows a style sheet from its beginning to its end.
#[derive(Default)]
struct Marks {
    within: Within,
    is_escaped: bool,
    /// So many characters of `url(` were read, at the beginning of a name.
    of_url: usize,
    is_in_name: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Within {
    #[default]
    Text,
    String(char),
    Address,
}

impl Marks {
    const URL: [char; 4] = ['u', 'r', 'l', '('];

    /// Whether the next character of the sheet has its meaning.
    fn means(&mut self, c: char) -> bool {
        if std::mem::take(&mut self.is_escaped) {
            return false;
        }
        self.is_escaped = c == '\\';
        match self.within {
            // The end of a line ends a string that nobody has closed.
            Within::String(open) => {
                if c == open || c == '\n' {
                    self.within = Within::Text;
                }
                false
            }
            Within::Address => {
                if c == ')' {
                    self.within = Within::Text;
                }
                c == ')'
            }
            Within::Text => {
                if self.of_url == Self::URL.len() && !c.is_whitespace() {
                    self.of_url = 0;
                    if !matches!(c, '"' | '\'' | ')') {
                        self.within = Within::Address;
                        return false;
                    }
                }
                if matches!(c, '"' | '\'') {
                    self.within = Within::String(c);
                }
                self.follow_name(c);
                true
            }
        }
    }

    fn follow_name(&mut self, c: char) {
        let is_next = Self::URL.get(self.of_url).is_some_and(|next| c.eq_ignore_ascii_case(next));
        if is_next && (self.of_url > 0 || !self.is_in_name) {
            self.of_url += 1;
        } else if self.of_url < Self::URL.len() || !c.is_whitespace() {
            self.of_url = 0;
        }
        self.is_in_name = c.is_alphanumeric() || matches!(c, '-' | '_' | '\\') || !c.is_ascii();
    }
}

/// The characters that have their meaning, with their places.
pub(super) fn marks(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut marks = Marks::default();
    text.char_indices().filter(move |(_, c)| marks.means(*c))
}

/// The parts between separators. A separator in brackets divides nothing.
pub(super) fn divided(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut depth, mut marks) = (0_usize, Marks::default());
    text.split(move |c: char| {
        if marks.means(c) {
            match c {
                '(' | '[' => depth += 1,
                ')' | ']' => depth = depth.saturating_sub(1),
                _ => return c == separator && depth == 0,
            }
        }
        false
    })
}

/// A style sheet without its comments, and with one kind of line ends.
pub(in crate::document) fn without_comments(sheet: &str) -> String {
    let sheet = sheet.replace("\r\n", "\n").replace(['\r', '\u{c}'], "\n");
    let (mut out, mut marks) = (String::with_capacity(sheet.len()), Marks::default());
    let mut end = 0;
    for (at, c) in sheet.char_indices() {
        // It lies within a comment.
        if at < end {
            continue;
        }
        let rest = sheet.get(at..).unwrap_or_default();
        if marks.means(c)
            && let Some(comment) = rest.strip_prefix("/*")
        {
            end = comment.find("*/").map_or(sheet.len(), |length| at + length + 4);
        } else {
            out.push(c);
        }
    }
    // Old pages hide their style sheets from older browsers.
    out.replace("<!--", "").replace("-->", "")
}
