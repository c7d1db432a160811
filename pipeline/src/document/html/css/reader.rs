//! Reads the words and marks of a selector.

/// Reads a selector from left to right.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text.trim() }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = self.rest.get(c.len_utf8()..)?;
        Some(c)
    }

    /// Whether there were blanks.
    pub(super) fn skip_blanks(&mut self) -> bool {
        let length = self.rest.len();
        self.rest = self.rest.trim_start();
        self.rest.len() < length
    }

    /// A name, which may hold escaped characters: `sm\:hidden`.
    pub(super) fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if c == '\\' {
                self.next();
                name.push(self.escaped()?);
            } else if c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii() {
                self.next();
                name.push(c);
            } else {
                break;
            }
        }
        Some(name).filter(|name| !name.is_empty())
    }

    fn escaped(&mut self) -> Option<char> {
        let digits = self.rest.chars().take(6).take_while(char::is_ascii_hexdigit).count();
        if digits == 0 {
            return self.next();
        }
        let code = u32::from_str_radix(self.rest.get(..digits)?, 16).ok()?;
        self.rest = self.rest.get(digits..)?;
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        char::from_u32(code)
    }
}
