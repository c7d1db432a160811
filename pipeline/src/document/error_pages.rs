//! Error pages of web servers that were saved in place of a document.

/// An error page says less than this.
const LETTERS_MAX: usize = 400;

/// The words of an error page, if this text, or the title with it, is one.
pub(super) fn said(title: Option<&str>, text: &str) -> Option<String> {
    if text.chars().filter(|c| c.is_alphanumeric()).take(LETTERS_MAX).count() >= LETTERS_MAX {
        return None;
    }
    if let Some(said) = of_storage(text) {
        return Some(said);
    }
    let lines = title.into_iter().chain(text.lines().take(3));
    lines.map(plain).find(|line| is_status(line)).map(|line| line.trim().to_owned())
}

/// The code of an error that a store of files or an API answers with: XML of S3, Azure and Google, or JSON.
fn of_storage(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('{') && text.ends_with('}') && text.contains("\"error\"") {
        return Some("error".to_owned());
    }
    let (_, rest) =
        text.split_once("<Error>").filter(|(before, _)| before.trim_start().starts_with("<?xml"))?;
    let (code, _) = rest.split_once("<Code>")?.1.split_once("</Code>")?;
    Some(code.trim().to_owned()).filter(|code| !code.is_empty())
}

fn plain(line: &str) -> String {
    line.trim_matches(|c: char| !c.is_alphanumeric()).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a line is the status of an answer, with or without its number, and nothing else.
fn is_status(line: &str) -> bool {
    const NAMES: [(&str, &str); 14] = [
        ("400", "bad request"),
        ("401", "unauthorized"),
        ("403", "forbidden"),
        ("403", "access denied"),
        ("404", "not found"),
        ("404", "page not found"),
        ("404", "file not found"),
        ("404", "the page could not be found"),
        ("410", "gone"),
        ("429", "too many requests"),
        ("500", "internal server error"),
        ("502", "bad gateway"),
        ("503", "service unavailable"),
        ("504", "gateway timeout"),
    ];
    let line = line.to_lowercase();
    if line.starts_with("cannot get /") {
        return true;
    }
    let words = line
        .trim_start_matches("http error ")
        .trim_start_matches("http status ")
        .trim_start_matches("error ")
        .trim_start_matches("code: ");
    let rest = words.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = words.strip_suffix(rest).unwrap_or_default();
    // `404.0 - Not Found`, and `404 (Not Found)!!1`.
    let name = rest
        .trim_start_matches(|c: char| !c.is_alphabetic())
        .trim_start_matches("error ")
        .trim_end_matches(|c: char| !c.is_alphabetic());
    if name.is_empty() {
        return line.starts_with("error code") && NAMES.iter().any(|(code, _)| *code == number);
    }
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
        assert!(said(None, "HTTP Error 404.0 - Not Found\n\nThe resource has been removed.").is_some());
        assert!(said(Some("Error 404 (Not Found)!!1"), "404. That is an error.").is_some());
        assert!(said(Some("Error response"), "Error response\n\nError code: 404").is_some());
        assert!(said(None, "Cannot GET /report.pdf").is_some());
    }

    #[test]
    fn answers_of_stores_are_error_pages() {
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>";
        assert_eq!(said(None, xml).as_deref(), Some("NoSuchKey"));
        assert!(said(None, "{\"error\":{\"code\":\"not_found\"}}").is_some());
        assert_eq!(said(None, "We measured the <Error> of each <Code> twice."), None);
    }

    #[test]
    fn short_documents_are_no_error_pages() {
        assert_eq!(said(None, "Gone"), None);
        assert_eq!(said(None, "404 shops were not found wanting"), None);
        assert_eq!(said(None, "404"), None);
        assert_eq!(said(Some("Not Found"), &"words ".repeat(100)), None);
    }
}
