//! The page in a web archive (MHT) that a document takes in.

use base64::Engine;

/// Parts of an archive: the page, its pictures and styles.
const PARTS_MAX: usize = 1_000;

/// The bytes of the first web page in an archive, decoded.
pub(in crate::document) fn html_part(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n")?;
    let Some(boundary) = parameter(head, "boundary") else {
        return field(head, "content-type").filter(|kind| kind.contains("html")).map(|_| decoded(head, body));
    };
    body.split(&format!("--{boundary}")).take(PARTS_MAX).find_map(|part| {
        let (head, body) = part.trim_start_matches('\n').split_once("\n\n")?;
        let is_html = field(head, "content-type")?.to_ascii_lowercase().contains("html");
        is_html.then(|| decoded(head, body))
    })
}

/// The value of a field of a head. A line that begins with a blank goes on with the line before.
fn field(head: &str, name: &str) -> Option<String> {
    let mut value: Option<String> = None;
    for line in head.lines() {
        match (&mut value, line.starts_with([' ', '\t'])) {
            (Some(value), true) => value.push_str(line),
            (Some(_), false) => break,
            (None, _) => {
                let (own, rest) = line.split_once(':').unwrap_or((line, ""));
                value = own.trim().eq_ignore_ascii_case(name).then(|| rest.trim().to_owned());
            }
        }
    }
    value
}

fn parameter(head: &str, name: &str) -> Option<String> {
    let value = field(head, "content-type")?;
    let at = value.to_ascii_lowercase().find(&format!("{name}="))? + name.len() + 1;
    let rest = value.get(at..)?.trim_start();
    let end =
        if rest.starts_with('"') { rest.get(1..)?.split('"').next() } else { rest.split([';', ' ']).next() };
    end.filter(|boundary| !boundary.is_empty()).map(str::to_owned)
}

fn decoded(head: &str, body: &str) -> Vec<u8> {
    let encoding = field(head, "content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
    let bytes = match encoding.as_str() {
        "quoted-printable" => quoted_printable(body),
        "base64" => {
            let letters: String = body.chars().filter(|c| !c.is_whitespace()).collect();
            base64::engine::general_purpose::STANDARD_NO_PAD
                .decode(letters.trim_end_matches('='))
                .unwrap_or_default()
        }
        _ => return body.as_bytes().to_vec(),
    };
    // The page's own encoding may stand only in the head of its part.
    let charset = parameter(head, "charset");
    match charset.and_then(|charset| encoding_rs::Encoding::for_label(charset.as_bytes())) {
        Some(encoding) => encoding.decode(&bytes).0.into_owned().into_bytes(),
        None => bytes,
    }
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'=' {
            bytes.push(*first);
            continue;
        }
        let two = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        if let Some(byte) = two.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else if let Some(after) = tail.strip_prefix(b"\n") {
            rest = after;
        } else {
            bytes.push(b'=');
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_an_archive_is_found() {
        let archive = "MIME-Version: 1.0\r\nContent-Type: multipart/related;\r\n boundary=\"=b\"\r\n\r\n--=b\r\n\
                       Content-Type: image/png\r\n\r\nAAAA\r\n--=b\r\nContent-Type: text/html; charset=utf-8\r\n\
                       Content-Transfer-Encoding: quoted-printable\r\n\r\n<p class=3D\"a\">Caf=C3=A9 wi=\r\nth</p>\r\n--=b--\r\n";
        let page = String::from_utf8(html_part(archive.as_bytes()).unwrap()).unwrap();
        assert_eq!(page.trim(), "<p class=\"a\">Caf\u{e9} with</p>");
        let encoded = archive
            .replace("quoted-printable", "base64")
            .replace("<p class=3D\"a\">Caf=C3=A9 wi=\r\nth</p>", "PHA+YTwvcD4=");
        assert_eq!(html_part(encoded.as_bytes()).unwrap(), b"<p>a</p>");
        assert_eq!(html_part(b"no archive"), None);
    }
}
