//! A document's name for people: decoded, without folders, and safe to show.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use pipeline::visible_text::visible;
use url::Url;

/// The longest name in characters. It is close to the limit of file systems.
const NAME_CHARS_MAX: usize = 200;

/// The name of a document without one.
const NAMELESS: &str = "document";

/// The length of the random suffix that Vercel's Blob store adds before the extension, after a hyphen.
const RANDOM_SUFFIX_CHARS: usize = 30;

/// Extensions of documents. If a name has none of these, `Content-Disposition` may name the document better.
const EXTENSIONS: &[&str] = &[
    "pdf", "docx", "docm", "dotx", "doc", "pptx", "pptm", "ppsx", "potx", "ppt", "xlsx", "xlsm", "xltx",
    "xls", "csv", "tsv", "html", "htm", "mhtml", "mht", "md", "markdown", "txt", "text", "epub", "odt",
    "odp", "ods", "odg", "fodt", "fodp", "fods", "rtf", "eml",
];

/// The name in an address: its last path segment, decoded.
#[must_use]
pub fn of_url(url: &Url) -> String {
    let last = url.path_segments().and_then(|segments| segments.rev().find(|segment| !segment.is_empty()));
    last.and_then(|segment| clean(&decoded(segment.as_bytes()))).unwrap_or_else(|| NAMELESS.to_owned())
}

/// The name in a text, such as a file's path.
#[must_use]
pub fn of_text(text: &str) -> String {
    clean(text).unwrap_or_else(|| NAMELESS.to_owned())
}

/// The better of two names: the server's, if the address does not name a document.
#[must_use]
pub fn choose<'a>(of_address: &'a str, of_server: Option<&'a str>) -> &'a str {
    let says_document = of_address
        .rsplit_once('.')
        .is_some_and(|(_, extension)| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)));
    if says_document { of_address } else { of_server.unwrap_or(of_address) }
}

/// The name in a `Content-Disposition` (RFC 6266). `filename*` (RFC 8187) overrides `filename`.
#[must_use]
pub fn from_disposition(value: &[u8]) -> Option<String> {
    let text = text_of(value);
    let (mut plain, mut extended) = (None, None);
    for (key, value) in parameters(&text) {
        match key.as_str() {
            "filename*" => extended = extended.or_else(|| extended_value(&value)),
            "filename" if plain.is_none() => plain = Some(value),
            _ => {}
        }
    }
    // Some servers percent-encode the plain form too, and browsers decode it.
    extended.or_else(|| plain.map(|plain| decoded(plain.as_bytes()).into_owned())).as_deref().and_then(clean)
}

/// The parameters of a header's value, without quotes and escapes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut parts = vec![String::new()];
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in text.chars() {
        let part = if c == ';' && !is_quoted { None } else { parts.last_mut() };
        match (part, c) {
            (None, _) => parts.push(String::new()),
            (Some(part), _) if is_escaped => {
                part.push(c);
                is_escaped = false;
            }
            (Some(_), '\\') if is_quoted => is_escaped = true,
            (Some(_), '"') => is_quoted = !is_quoted,
            (Some(part), _) => part.push(c),
        }
    }
    let pairs = parts.iter().filter_map(|part| part.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned())).collect()
}

/// Parses `charset'language'percent-encoded`. RFC 8187 allows UTF-8, and older servers send ISO-8859-1.
fn extended_value(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_language, encoded) = rest.split_once('\'')?;
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "" => Some(decoded(encoded.as_bytes()).into_owned()),
        "iso-8859-1" | "us-ascii" => Some(latin1(&Cow::from(percent_decode(encoded.as_bytes())))),
        _ => None,
    }
}

/// Decodes percent-encoding to UTF-8, or else to ISO-8859-1, which accepts any bytes.
fn decoded(encoded: &[u8]) -> Cow<'_, str> {
    Cow::Owned(text_of(&Cow::from(percent_decode(encoded))))
}

fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// Removes folders, control characters, and characters that change the direction of text. None if nothing
/// remains.
fn clean(name: &str) -> Option<String> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = visible(name).chars().filter(|c| !c.is_control()).collect();
    let shown = shown.trim();
    if shown.chars().all(|c| c == '.' || c.is_whitespace()) {
        return None;
    }
    Some(shorten(&without_random_suffix(shown)))
}

/// Removes the suffix by which Vercel's Blob store makes names unique: `report-3x…Q.pdf` becomes
/// `report.pdf`.
fn without_random_suffix(name: &str) -> String {
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) => (stem, Some(extension)),
        None => (name, None),
    };
    let is_random = |suffix: &str| {
        suffix.len() == RANDOM_SUFFIX_CHARS
            && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && suffix.bytes().any(|byte| byte.is_ascii_lowercase())
            && suffix.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    match stem.rsplit_once('-') {
        Some((stem, suffix)) if !stem.is_empty() && is_random(suffix) => match extension {
            Some(extension) => format!("{stem}.{extension}"),
            None => stem.to_owned(),
        },
        _ => name.to_owned(),
    }
}

/// Shortens a name to the limit, and keeps its extension.
fn shorten(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let extension =
        extension.filter(|extension| extension.len() <= 10).map(|extension| format!(".{extension}"));
    let extension = extension.unwrap_or_default();
    let kept: String = name.chars().take(NAME_CHARS_MAX.saturating_sub(extension.chars().count())).collect();
    kept + &extension
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(address: &str) -> String {
        of_url(&Url::parse(address).unwrap())
    }

    #[test]
    fn an_address_names_its_document() {
        for (path, name) in [
            ("R%C3%A9sum%C3%A9%20n%C2%B01%20(final).md", "Résumé n°1 (final).md"),
            ("Résumé n°1 (final).md", "Résumé n°1 (final).md"),
            ("a/b/report.pdf?token=x", "report.pdf"),
            ("a/b/report.pdf/", "report.pdf"),
            ("%E6%8A%A5%E5%91%8A.pdf", "报告.pdf"),
            ("R%E9sum%E9.pdf", "Résumé.pdf"),
            ("100%.pdf", "100%.pdf"),
            ("a+b.pdf", "a+b.pdf"),
            ("..%2f..%2Fetc%2fpasswd", "passwd"),
            ("..%5C..%5Cboot.ini", "boot.ini"),
            ("%2e%2e", "document"),
            ("", "document"),
            ("%00%0d%0aSet-Cookie", "Set-Cookie"),
            ("invoice%E2%80%AEfdp.exe", "invoicefdp.exe"),
            ("%EF%BB%BFreport.pdf", "report.pdf"),
            ("report-oYnXSVczoLa9yBYMFJOSNdaiiervF5.pdf", "report.pdf"),
            ("Q3%20outlook-oYnXSVczoLa9yBYMFJOSNdaiiervF5", "Q3 outlook"),
            ("report-0123456789abcdef0123456789abcd.pdf", "report-0123456789abcdef0123456789abcd.pdf"),
            ("a-long-name-of-several-words-here.pdf", "a-long-name-of-several-words-here.pdf"),
        ] {
            assert_eq!(named(&format!("https://store.example/{path}")), name, "{path}");
        }
        let long = named(&format!("https://store.example/{}.pdf", "%C3%A9".repeat(300)));
        assert!(long.chars().count() == 200 && long.ends_with("é.pdf"), "{long}");
    }

    #[test]
    fn a_server_names_its_document() {
        for (value, name) in [
            ("inline; filename=\"report.pdf\"", Some("report.pdf")),
            ("attachment; filename=report.pdf", Some("report.pdf")),
            ("attachment; filename=\"a;b \\\"c\\\".pdf\"; size=3", Some("a;b \"c\".pdf")),
            (
                "attachment; filename=\"fallback.pdf\"; filename*=UTF-8''R%C3%A9sum%C3%A9.pdf",
                Some("Résumé.pdf"),
            ),
            ("attachment; FILENAME*=utf-8'en'%E2%82%AC%20rates.pdf; filename=x.pdf", Some("€ rates.pdf")),
            ("attachment; filename*=iso-8859-1''%A3%20rates.pdf", Some("£ rates.pdf")),
            ("attachment; filename*=koi8-r''%A3; filename=x.pdf", Some("x.pdf")),
            ("attachment; filename=\"R%C3%A9sum%C3%A9.pdf\"", Some("Résumé.pdf")),
            ("attachment; filename=\"Résumé.pdf\"", Some("Résumé.pdf")),
            ("attachment; filename=\"../../etc/passwd\"", Some("passwd")),
            ("attachment; filename=\"\"", None),
            ("attachment; filename=\"unclosed", Some("unclosed")),
            ("inline", None),
            ("", None),
        ] {
            assert_eq!(from_disposition(value.as_bytes()).as_deref(), name, "{value}");
        }
        assert_eq!(from_disposition(b"inline; filename=\"R\xe9sum\xe9.pdf\"").as_deref(), Some("Résumé.pdf"));
    }

    #[test]
    fn headers_name_a_document_without_an_address_name() {
        assert_eq!(choose("report.PDF", Some("other.pdf")), "report.PDF");
        assert_eq!(choose("4711", Some("report.md")), "report.md");
        assert_eq!(choose("download.php", Some("report.md")), "report.md");
        assert_eq!(choose("4711", None), "4711");
    }
}
