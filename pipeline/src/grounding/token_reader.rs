//! Reads the tokens of a text from its characters.

use super::{
    script_digits::{is_fraction, is_superscript},
    token::{Char, Kind, Token},
};

/// The longest figure in brackets, such as `(1,250.5 %)`.
const BRACKETED_CHARS_MAX: usize = 24;

/// Units that carry a power, so that a superscript after them is no footnote mark.
const POWERED_UNITS: [&str; 12] = [
    "metre", "metres", "meter", "meters", "inch", "inches", "foot", "feet", "mile", "miles", "yard", "yards",
];

pub(super) struct Reader<'a> {
    chars: &'a [Char],
    starts_line: bool,
    at: usize,
    found: Vec<Token>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(chars: &'a [Char], starts_line: bool) -> Self {
        Self { chars, starts_line, at: 0, found: Vec::new() }
    }

    pub(super) fn read(mut self) -> Vec<Token> {
        while let Some(c) = self.get(self.at) {
            let from = self.at;
            self.at += 1;
            if c.is_ascii_digit() {
                self.figure(from);
            } else if is_superscript(c) {
                self.superscript(from);
            } else if c.is_alphabetic() {
                self.word(from);
            } else if is_dash(c) {
                self.dash(from, c);
            } else {
                self.mark(from, c);
            }
        }
        self.found
    }

    fn get(&self, at: usize) -> Option<char> {
        self.chars.get(at).map(|char| char.c)
    }

    fn before(&self, at: usize) -> Option<char> {
        at.checked_sub(1).and_then(|at| self.get(at))
    }

    /// The character before `at`, beyond blanks.
    fn before_blanks(&self, at: usize) -> Option<char> {
        self.chars.get(..at)?.iter().rev().map(|char| char.c).find(|c| *c != ' ' && *c != '\u{a0}')
    }

    /// The position of the first character from `at` on that is no blank. One line break is a blank, because a line
    /// may end between a sign and its figure.
    fn after_blanks(&self, at: usize) -> usize {
        let mut breaks = 0;
        let rest = self.chars.get(at..).unwrap_or_default();
        let blanks = rest.iter().take_while(|char| {
            breaks += usize::from(char.c == '\n');
            char.c.is_whitespace() && breaks <= 1
        });
        at + blanks.count()
    }

    fn is_digit(&self, at: usize) -> bool {
        self.get(at).is_some_and(|c| c.is_ascii_digit())
    }

    fn push(&mut self, kind: Kind, text: String, from: usize) -> Option<&mut Token> {
        let start = self.chars.get(from)?.start;
        let end = self.chars.get(self.at.checked_sub(1)?)?.end;
        self.found.push(Token::new(kind, text, start..end));
        self.found.last_mut()
    }

    fn figure(&mut self, from: usize) {
        let mut from = from;
        // `.5` is a figure of its own, but `word.5` and `...5` are not.
        if matches!(self.before(from), Some('.' | ','))
            && self.before(from - 1).is_none_or(|c| c.is_whitespace() || is_sign(c) || is_currency(c))
        {
            from -= 1;
        }
        let is_separator = |c| matches!(c, '.' | ',' | '\'' | ':' | '/' | '·');
        while self.is_digit(self.at)
            || (self.get(self.at).is_some_and(is_separator) && self.is_digit(self.at + 1))
        {
            self.at += 1;
        }
        let text: String =
            self.chars.get(from..self.at).unwrap_or_default().iter().map(|char| char.c).collect();
        let is_footnote = text.len() <= 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && self.refers(from)
            && self.get(self.at).is_none_or(|c| c.is_whitespace() || matches!(c, '.' | ',' | ';' | ')'));
        if let Some(token) = self.push(Kind::Figure, text, from) {
            token.is_footnote = is_footnote;
        }
    }

    fn superscript(&mut self, from: usize) {
        while self.get(self.at).is_some_and(is_superscript) {
            self.at += 1;
        }
        let text: String =
            self.chars.get(from..self.at).unwrap_or_default().iter().map(|char| char.c).collect();
        let is_footnote = self.refers(from) && self.get(self.at).is_none_or(|c| !c.is_alphanumeric());
        if let Some(token) = self.push(Kind::Symbol, text, from) {
            token.joins_before = true;
            token.is_footnote = is_footnote;
        }
    }

    /// Whether digits at `from` stand where footnote marks stand: behind a longer word in lower case, or behind
    /// the punctuation after a word.
    fn refers(&self, from: usize) -> bool {
        let Some(before) = self.before(from) else { return false };
        if before.is_alphabetic() {
            let word = self.found.last().filter(|token| token.kind == Kind::Word);
            return word.is_some_and(|word| {
                !word.is_capitalised
                    && word.text.chars().count() >= 4
                    && !POWERED_UNITS.contains(&word.text.as_str())
            });
        }
        matches!(before, '.' | ',' | ';' | ':' | '”' | '"' | ')' | '\'')
            && self.before(from - 1).is_some_and(char::is_alphabetic)
            && from >= 3
            && self.before(from - 2).is_some_and(char::is_alphabetic)
    }

    fn word(&mut self, from: usize) {
        let mut text = String::new();
        text.extend(self.get(from).into_iter().flat_map(char::to_lowercase));
        while let Some(c) = self.get(self.at) {
            let next = self.get(self.at + 1);
            if c.is_alphabetic() || unicode_normalization::char::is_combining_mark(c) || c == '\u{fffd}' {
                text.extend(c.to_lowercase());
            } else if c == '\'' && next.is_some_and(char::is_alphabetic) {
                text.push('\'');
            } else if is_dash(c) && next.is_some_and(char::is_alphabetic) {
            } else if is_dash(c)
                && next == Some('\n')
                && self.get(self.at + 2).is_some_and(char::is_alphabetic)
            {
                self.at += 1;
            } else {
                break;
            }
            self.at += 1;
        }
        let is_capitalised = self.get(from).is_some_and(char::is_uppercase);
        if let Some(token) = self.push(Kind::Word, text, from) {
            token.is_capitalised = is_capitalised;
        }
    }

    /// A dash before a figure: a sign, the dash of a range, or a dash of prose.
    fn dash(&mut self, from: usize, dash: char) {
        let next = self.after_blanks(self.at);
        let value = if self.get(next).is_some_and(is_currency) { self.after_blanks(next + 1) } else { next };
        if !self.is_digit(value) {
            return;
        }
        let is_close = next == self.at;
        let before = self.before_blanks(from);
        let is_range = before.is_some_and(|c| {
            c.is_ascii_digit() || is_superscript(c) || matches!(c, '%' | '‰' | '°') || is_currency(c)
        });
        let (text, joins) = if is_range {
            ("to", true)
        } else if is_close {
            // `COVID-19`
            if self.before(from).is_some_and(char::is_alphabetic) {
                return;
            }
            ("-", true)
        } else if dash == '\u{2212}' {
            ("-", true)
        } else if self.begins_line(from) {
            // The bullet of a list.
            return;
        } else {
            ("dash", dash != '\u{2014}')
        };
        let is_tight = is_close && self.before(from).is_some_and(|c| !c.is_whitespace());
        if let Some(token) = self.push(Kind::Symbol, text.to_owned(), from) {
            token.joins_after = joins;
            token.joins_before = is_range && is_tight;
        }
    }

    fn begins_line(&self, at: usize) -> bool {
        let before = self.chars.get(..at).unwrap_or_default().iter().rev();
        let first = before.map(|char| char.c).find(|c| !matches!(c, ' ' | '\t' | '“' | '"'));
        first.map_or(self.starts_line, |c| c == '\n')
    }

    fn mark(&mut self, from: usize, c: char) {
        let next = self.after_blanks(self.at);
        let before_value = self.is_digit(next) || self.get(next).is_some_and(is_currency);
        let is_close =
            self.is_digit(self.at) || self.get(self.at).is_some_and(|c| is_currency(c) || is_sign(c));
        let after_value = self.before_blanks(from).is_some_and(|c| {
            c.is_ascii_digit() || is_superscript(c) || is_fraction(c) || matches!(c, '%' | '°')
        });
        // What stands behind a value at a line's end belongs to that value: `500 €`, `65+`.
        let ends_line =
            self.chars.get(self.at..next).is_some_and(|blanks| blanks.iter().any(|char| char.c == '\n'));
        let follows = after_value && ends_line;
        let is_tight = self.before(from).is_some_and(|c| !c.is_whitespace());
        let symbol = match c {
            '(' if self.brackets_figure() => Some((false, true)),
            ')' if self.closes_figure(from) => Some((true, false)),
            '[' => return self.citation(from),
            '*' => (self.is_digit(self.at) && after_value).then_some((true, true)),
            '<' | '>' | '#' | '@' | '§' | '~' | '/' => before_value.then_some((false, true)),
            '%' | '‰' | '‱' | '°' => Some((after_value, false)),
            _ if is_currency(c) => Some((after_value, before_value && !follows)),
            _ if is_fraction(c) => Some((after_value, false)),
            _ if is_sign(c) && follows && is_tight => Some((true, false)),
            _ if is_sign(c) => Some((false, before_value && (is_close || c != '='))),
            _ => None,
        };
        if let Some((joins_before, joins_after)) = symbol {
            if let Some(token) = self.push(Kind::Symbol, c.to_string(), from) {
                token.joins_before = joins_before;
                token.joins_after = joins_after;
            }
        } else if matches!(c, '.' | '!' | '?' | ';' | ':' | '。') {
            self.push(Kind::Stop, c.to_string(), from);
        }
    }

    /// Whether a bracket that has just opened holds nothing but a figure: `(12)`, `(£1.5)`, `(3 %)`.
    fn brackets_figure(&self) -> bool {
        let inside = self.chars.get(self.at..).unwrap_or_default().iter().map(|char| char.c);
        let mut has_digit = false;
        for c in inside.take(BRACKETED_CHARS_MAX) {
            match c {
                ')' => return has_digit,
                '0'..='9' => has_digit = true,
                '.' | ',' | ' ' | '%' | '\'' => {}
                _ if is_currency(c) || is_sign(c) || is_dash(c) || is_superscript(c) => {}
                _ => return false,
            }
        }
        false
    }

    /// Whether the bracket that closes at `from` was opened before nothing but a figure.
    fn closes_figure(&self, from: usize) -> bool {
        let last = self.found.iter().rev().take(8);
        let mut open = last.skip_while(|token| token.is_amount() && token.text != "(");
        self.before(from).is_some_and(|c| !c.is_alphabetic())
            && open.next().is_some_and(|token| token.text == "(")
    }

    /// The number of a source in brackets: `[12]`, `[1, 2]`.
    fn citation(&mut self, from: usize) {
        let rest = self.chars.get(self.at..).unwrap_or_default().iter().map(|char| char.c);
        let inside = rest.take_while(|c| c.is_ascii_digit() || matches!(c, ',' | ' ')).take(12).count();
        if inside == 0 || self.get(self.at + inside) != Some(']') {
            return;
        }
        self.at += inside + 1;
        let text: String =
            self.chars.get(from..self.at).unwrap_or_default().iter().map(|char| char.c).collect();
        if let Some(token) = self.push(Kind::Figure, text, from) {
            token.is_footnote = true;
        }
    }
}

const fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}')
}

const fn is_sign(c: char) -> bool {
    matches!(c, '+' | '±' | '∓' | '≈' | '≤' | '≥' | '=' | '≠' | '×' | '÷' | '√' | '^' | '∞')
}

pub(super) const fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢'..='¥' | '\u{20a0}'..='\u{20cf}' | '\u{e3f}' | '\u{58f}' | '\u{60b}')
}
