//! Takes a format code apart.

/// Codes have tens of signs. A longer one is cut: it would be a file's attempt to cost time.
const CODE_CHARS_MAX: usize = 255;

/// A piece of a format code.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Literal(String),
    /// `0`, `#` or `?`: the place of a digit.
    Digit(char),
    Point,
    Comma,
    Percent,
    /// `E+` or `E-`; `true` shows the sign of a positive exponent.
    Exponent(bool),
    Slash,
    General,
    TextPlace,
    /// A run of one letter of a date or time: `yyyy`.
    Moment(char, usize),
    /// `[h]`: hours that do not start anew each day.
    Elapsed(char, usize),
    AmPm,
}

/// A condition such as `[<100]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Condition {
    sign: Sign,
    bound: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sign {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    Unequal,
}

impl Condition {
    pub(super) fn holds(self, value: f64) -> bool {
        match self.sign {
            Sign::Less => value < self.bound,
            Sign::LessOrEqual => value <= self.bound,
            Sign::Greater => value > self.bound,
            Sign::GreaterOrEqual => value >= self.bound,
            Sign::Equal => (value - self.bound).abs() < f64::EPSILON,
            Sign::Unequal => (value - self.bound).abs() >= f64::EPSILON,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let signs = [
            ("<=", Sign::LessOrEqual),
            (">=", Sign::GreaterOrEqual),
            ("<>", Sign::Unequal),
            ("<", Sign::Less),
            (">", Sign::Greater),
            ("=", Sign::Equal),
        ];
        let (sign, rest) =
            signs.into_iter().find_map(|(mark, sign)| Some((sign, text.strip_prefix(mark)?)))?;
        Some(Self { sign, bound: rest.trim().parse().ok()? })
    }
}

/// One of the up to four parts of a code: for positive and negative numbers, zero, and text.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Section {
    pub(super) tokens: Vec<Token>,
    pub(super) condition: Option<Condition>,
}

impl Section {
    pub(super) fn is_general(&self) -> bool {
        self.tokens == [Token::General]
    }

    pub(super) fn is_moment(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token, Token::Moment(..) | Token::Elapsed(..) | Token::AmPm))
    }
}

/// The sections of a code; none for the general format.
pub(super) fn sections(code: &str) -> Vec<Section> {
    let chars: Vec<char> = code.chars().take(CODE_CHARS_MAX).collect();
    if code.trim().is_empty() || code.eq_ignore_ascii_case("general") {
        return Vec::new();
    }
    let mut sections = vec![Section::default()];
    let mut rest = chars.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        if *first == ';' {
            sections.push(Section::default());
            rest = tail;
            continue;
        }
        let Some(section) = sections.last_mut() else { break };
        rest = token(section, *first, tail);
    }
    sections
}

/// Reads a token, and returns the rest.
fn token<'c>(section: &mut Section, first: char, tail: &'c [char]) -> &'c [char] {
    let next = tail.first().copied();
    let starts = |word: &str| {
        let own = std::iter::once(first).chain(tail.iter().copied());
        own.take(word.len()).collect::<String>().eq_ignore_ascii_case(word)
    };
    let skip = |count: usize| tail.get(count..).unwrap_or_default();
    match first {
        '"' => {
            let text: String = tail.iter().take_while(|c| **c != '"').collect();
            let after = text.chars().count() + 1;
            push_literal(section, &text);
            skip(after)
        }
        '\\' | '!' => {
            push_literal(section, &next.map(String::from).unwrap_or_default());
            skip(1)
        }
        // The width of a character, and one that fills the cell.
        '_' => {
            push_literal(section, " ");
            skip(1)
        }
        '*' => skip(1),
        '[' => {
            let inner: String = tail.iter().take_while(|c| **c != ']').collect();
            let after = inner.chars().count() + 1;
            bracket(section, &inner);
            skip(after)
        }
        '0' | '#' | '?' => push(section, Token::Digit(first), tail),
        '.' => push(section, Token::Point, tail),
        ',' => push(section, Token::Comma, tail),
        '%' => push(section, Token::Percent, tail),
        '/' => push(section, Token::Slash, tail),
        '@' => push(section, Token::TextPlace, tail),
        'E' | 'e' if matches!(next, Some('+' | '-')) => {
            push(section, Token::Exponent(next == Some('+')), skip(1))
        }
        'G' | 'g' if starts("general") => push(section, Token::General, skip(6)),
        'A' | 'a' if starts("am/pm") => push(section, Token::AmPm, skip(4)),
        'A' | 'a' if starts("a/p") => push(section, Token::AmPm, skip(2)),
        'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' | 'e' => {
            let letter = if first == 'e' { 'y' } else { first.to_ascii_lowercase() };
            let more = tail.iter().take_while(|c| c.eq_ignore_ascii_case(&first)).count();
            let count = if first == 'e' { 4 } else { more + 1 };
            push(section, Token::Moment(letter, count), skip(more))
        }
        other => {
            push_literal(section, &other.to_string());
            tail
        }
    }
}

fn push<'c>(section: &mut Section, token: Token, rest: &'c [char]) -> &'c [char] {
    section.tokens.push(token);
    rest
}

fn push_literal(section: &mut Section, text: &str) {
    if let Some(Token::Literal(literal)) = section.tokens.last_mut() {
        literal.push_str(text);
    } else {
        section.tokens.push(Token::Literal(text.to_owned()));
    }
}

/// A bracket holds a currency, a condition, elapsed time, or a colour or language that shows nothing.
fn bracket(section: &mut Section, inner: &str) {
    let lower = inner.to_ascii_lowercase();
    let first = lower.chars().next().unwrap_or_default();
    if let Some(currency) = inner.strip_prefix('$') {
        push_literal(section, currency.split('-').next().unwrap_or_default());
    } else if let Some(condition) = Condition::parse(inner) {
        section.condition = Some(condition);
    } else if matches!(first, 'h' | 'm' | 's') && lower.chars().all(|c| c == first) {
        section.tokens.push(Token::Elapsed(first, lower.len()));
    }
}
