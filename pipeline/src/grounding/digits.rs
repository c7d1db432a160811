//! The digits of a quote, compared with those of the document's words.

use super::number_tokens::{Shape, is_digit, prepared, token};

/// Whether a quote has the digits of the document's words, in their order. Footnote marks of the document
/// (`shoppers4`, `shoppers.4`) may be missing from the quote.
pub(super) fn same_digits(quote: &str, words: &str) -> bool {
    let (quote, words) = (prepared(quote), prepared(words));
    let quoted: Vec<String> = digit_runs(&quote).map(|run| run.digits).collect();
    let mut quoted = quoted.iter().peekable();
    for run in digit_runs(&words) {
        if quoted.peek() == Some(&&run.digits) {
            quoted.next();
        } else if !run.footnote {
            return false;
        }
    }
    quoted.next().is_none()
}

struct DigitRun {
    /// The digits without separators of thousands.
    digits: String,
    footnote: bool,
}

fn digit_runs(text: &str) -> impl Iterator<Item = DigitRun> {
    let chars: Vec<char> = text.chars().collect();
    let mut runs = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        if !is_digit(&chars, at) {
            at += 1;
            continue;
        }
        let token = token(&chars, at);
        let before: Vec<char> = chars.get(..at).unwrap_or_default().iter().rev().take(4).copied().collect();
        let letters = |from: usize, count: usize| {
            before.get(from..from + count).is_some_and(|found| found.iter().all(|c| c.is_alphabetic()))
        };
        let punctuated = before.first().is_some_and(|c| matches!(c, '.' | ',' | ';' | ':' | '”' | '"' | ')'));
        runs.push(DigitRun {
            footnote: token.text.len() <= 2 && (letters(0, 3) || (punctuated && letters(1, 2))),
            digits: match token.shape {
                Shape::Plain | Shape::Grouped | Shape::Spaced => {
                    token.text.chars().filter(char::is_ascii_digit).collect()
                }
                Shape::Decimal { .. } | Shape::Compound => token.text.replace(',', "."),
            },
        });
        at = token.end;
    }
    runs.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altered_digits_differ_and_footnote_marks_do_not() {
        assert!(same_digits("31% of shoppers bought in 2024", "31% of shoppers4 bought in 2024"));
        assert!(same_digits("31% of shoppers. In 1000 shops", "31% of shoppers.12 In 1,000 shops"));
        assert!(!same_digits("13% of shoppers", "31% of shoppers"));
        assert!(!same_digits("31% of shoppers in 2024", "31% of shoppers"));
        assert!(!same_digits("of shoppers", "31% of shoppers"));
        assert!(!same_digits("in Q3", "in Q4"));
        assert!(!same_digits("2.5 litres", "25 litres"));
    }
}
