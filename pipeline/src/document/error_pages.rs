//! Error pages of web servers that were saved in place of a document.

/// An error page says less than this.
const LETTERS_MAX: usize = 400;

/// The words of an error page, if this text, or the title with it, is one.
pub(super) fn said(title: Option<&str>, text: &str) -> Option<String> {
    if text.chars().filter(|c| c.is_alphanumeric()).take(LETTERS_MAX).count() >= LETTERS_MAX {
        return None;
    }
    let lines = title.into_iter().chain(text.lines().take(3));
    lines.map(plain).find(|line| is_status(line)).map(|line| line.trim().to_owned())
}

fn plain(line: &str) -> String {
    line.trim_matches(|c: char| !c.is_alphanumeric()).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is the status of an answer, with or without its number, and nothing else.
fn is_status(line: &str) -> bool {
    const NAMES: [(&str, &str); 12] = [
        ("400", "bad request"),
        ("401", "unauthorized"),
        ("403", "forbidden"),
        ("403", "access denied"),
        ("404", "not found"),
        ("404", "page not found"),
        ("404", "file not found"),
        ("410", "gone"),
        ("500", "internal server error"),
        ("502", "bad gateway"),
        ("503", "service unavailable"),
        ("504", "gateway timeout"),
    ];
    let line = line.to_lowercase();
    let words = line
        .trim_start_matches("http error ")
        .trim_start_matches("http status ")
        .trim_start_matches("error ")
        .trim_start_matches("code: ");
    let rest = words.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = words.strip_suffix(rest).unwrap_or_default();
    let name = rest.trim_start_matches(|c: char| !c.is_alphanumeric()).trim_start_matches("error ");
    NAMES
        .iter()
        .any(|(code, known)| name == *known && (number == *code || (number.is_empty() && *known != "gone")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_pages_are_known_by_their_status() {
        assert_eq!(said(None, "Not Found").as_deref(), Some("Not Found"));
        assert_eq!(said(Some("404 Not Found"), "nginx").as_deref(), Some("404 Not Found"));
        assert!(said(None, "Error 403: Forbidden\n\nYou may not read this.").is_some());
        assert!(said(None, "503 - Service Unavailable").is_some());
    }

    #[test]
    fn short_documents_are_no_error_pages() {
        assert_eq!(said(None, "Gone"), None);
        assert_eq!(said(None, "404 shops were not found wanting"), None);
        assert_eq!(said(Some("Not Found"), &"words ".repeat(100)), None);
    }
}
