use super::*;

fn texts(document: &RawDocument) -> Vec<&str> {
    document.pages.iter().map(|page| page.text.as_str()).collect()
}

const MAIL: &str = "Received: from a by b\r\nFrom: =?utf-8?q?J=C3=B8rgen?= <j@example.org>\r\nTo: A <a@example.org>, b@example.org\r\n\
    Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nSubject: Refill\r\n =?iso-8859-1?q?caf=E9s?=\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: multipart/alternative; boundary=y\r\n\r\n\
    --y\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPlain words.\r\n\
    --y\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <h1>Refill</h1><p>Caf=E9 owners agree=\r\nd.</p><p style=3D\"display:none\">Secret.</p>\r\n--y--\r\n\
    --x\r\nContent-Type: message/rfc822\r\n\r\nFrom: c@example.org\r\nSubject: Inner\r\nMessage-ID: <1@x>\r\n\r\nInner words.\r\n\
    --x\r\nContent-Type: application/pdf; name=\"figures.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--x--\r\n";

#[test]
fn a_mail_is_read_part_by_part() {
    assert_eq!(looks_like(MAIL.as_bytes(), "a"), Some(Mail::Eml));
    let document = eml(MAIL.as_bytes()).unwrap();
    assert_eq!(
        texts(&document),
        [
            "From: Jørgen <j@example.org>\nTo: A <a@example.org>, b@example.org\nDate: Sat, 21 Nov 2026 10:00:00 +0000\n\
             Subject: Refill cafés\n\nRefill\n\nCafé owners agreed.",
            "From: c@example.org\nSubject: Inner\n\nInner words."
        ]
        .map(str::trim)
    );
    assert_eq!(document.pages[1].label.as_deref(), Some("Inner"));
    assert_eq!(document.hidden[0].text, "Secret.");
    assert!(
        document.warnings.iter().any(|warning| warning.contains("figures.pdf")),
        "{:?}",
        document.warnings
    );
}

#[test]
fn a_saved_page_is_no_mail() {
    let page = "From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/related; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n\
        PGgxPlJlZmlsbDwvaDE+PHA+Q2Fmw6kgd29yZHMuPC9wPg==\r\n--x\r\nContent-Type: image/png\r\n\r\nAAAA\r\n--x--\r\n";
    assert_eq!(looks_like(page.as_bytes(), "a.doc"), Some(Mail::Mhtml));
    assert_eq!(texts(&mhtml(page.as_bytes()).unwrap()), ["Refill\n\nCafé words."]);
}

#[test]
fn a_text_with_colons_is_no_mail() {
    for text in [
        "Note: this is a text.\n\nFrom: here",
        "Title: A\nAuthor: B\n\nText.",
        "From: Anna\nDate: May\n\nA memo.",
    ] {
        assert_eq!(looks_like(text.as_bytes(), "a.txt"), None, "{text}");
    }
}

#[test]
fn each_mail_of_a_mailbox_is_a_page() {
    let mail = |name: &str| {
        format!(
            "From {name}@example.org Sat Nov 21 10:00:00 2026\nFrom: {name}@example.org\nSubject: About {name}\n\n\
             Words of {name}.\n\n>From here on, a text goes on.\n\n"
        )
    };
    let mailbox = [mail("ada"), mail("bo")].concat();
    assert_eq!(looks_like(mailbox.as_bytes(), "a.mbox"), Some(Mail::Eml));
    let document = eml(mailbox.as_bytes()).unwrap();
    let [ada, bo] = texts(&document)[..] else { panic!("{:?}", texts(&document)) };
    assert!(ada.contains("Words of ada.\n\nFrom here on") && !ada.contains("bo@"), "{ada}");
    assert!(bo.contains("Subject: About bo"), "{bo}");
    assert_eq!(document.pages[1].label.as_deref(), Some("About bo"));
}

#[test]
fn saved_style_sheets_hide_text() {
    let page = "From: <Saved by Blink>\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=z\r\n\r\n\
        --z\r\nContent-Type: text/html; charset=utf-8\r\nContent-Location: https://example.org/\r\n\r\n\
        <html><head><link rel=stylesheet href=\"cid:css-1@mhtml.blink\"><link rel=\"alternate stylesheet\" href=a.css>\
        </head><body><p>Seen.</p><p data-open=no>secret</p></body></html>\r\n\
        --z\r\nContent-Type: text/css\r\nContent-Location: cid:css-1@mhtml.blink\r\n\r\n[data-open=no] { display: none }\r\n\
        --z\r\nContent-Type: text/css\r\nContent-Location: a.css\r\n\r\np { display: none }\r\n--z--\r\n";
    let document = mhtml(page.as_bytes()).unwrap();
    assert_eq!(texts(&document), ["Seen."]);
    assert_eq!(document.hidden[0].text, "secret");
}

#[test]
fn flowed_lines_are_joined() {
    let mail = "From: a@example.org\r\nSubject: Flow\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8; Format=Flowed\r\n\r\n\
        Refills grow by \r\n12% a year.\r\nNext.\r\n";
    let document = eml(mail.as_bytes()).unwrap();
    assert!(texts(&document)[0].ends_with("Refills grow by 12% a year.\nNext."), "{:?}", texts(&document));
}
