//! The headers that a mail program shows.

use mail_parser::{Address, Message, MessagePart, MimeHeaders};

/// Addresses of one header that are shown. A mail to a department has some dozens.
const ADDRESSES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 120;

/// The headers as lines: who, to whom, when, about what.
pub(super) fn lines(message: &Message<'_>) -> String {
    let date = message.header_raw("Date").map(|date| date.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines = [
        ("From", message.from().map(addresses)),
        ("To", message.to().map(addresses)),
        ("Cc", message.cc().map(addresses)),
        ("Date", date),
        ("Subject", subject(message)),
    ];
    let lines = lines
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}: {}", value.filter(|value| !value.is_empty())?)));
    lines.collect::<Vec<_>>().join("\n")
}

pub(super) fn subject(message: &Message<'_>) -> Option<String> {
    let subject = message.subject()?.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(subject).filter(|subject| !subject.is_empty())
}

fn addresses(addresses: &Address<'_>) -> String {
    let one = |name: Option<&str>, address: Option<&str>| match (name, address) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    let shown =
        addresses.iter().take(ADDRESSES_MAX).map(|addr| one(addr.name.as_deref(), addr.address.as_deref()));
    shown.filter(|one| !one.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The name of an attached file, for people.
pub(super) fn file_name(part: &MessagePart<'_>) -> String {
    match part.attachment_name() {
        Some(name) => name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect(),
        None => part.content_type().map_or_else(
            || "a file without a name".to_owned(),
            |kind| format!("a file of the type {}/{}", kind.ctype(), kind.subtype().unwrap_or("?")),
        ),
    }
}

/// Warns of attached files.
pub(super) fn not_read(attachments: &[String]) -> Option<String> {
    const NAMED_MAX: usize = 20;
    let named: Vec<&str> = attachments.iter().take(NAMED_MAX).map(String::as_str).collect();
    let more = attachments.len() - named.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| {
        format!(
            "Attached files were not read: {}{rest}. Submit them as documents of their own.",
            named.join(", ")
        )
    })
}
