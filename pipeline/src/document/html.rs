//! Reads HTML as text: what a reader of the page sees and what it is about, section by section.

mod css;
mod element;
mod entity;
mod flow;
mod formula;
mod gate;
mod hidden;
mod list;
mod names;
mod page;
mod phrases;
mod picture;
mod pruning;
mod spans;
mod surroundings;
mod table;
mod token;
mod tree;
mod visible;
mod weight;
mod write;

pub(super) use self::css::{StyleSheet, import_holds, without_comments};
use self::{page::Page, write::Writer};
use super::content::{HiddenReason, HiddenText};
use super::encoding::{self, Decoded};
use super::error::DocumentError;
use super::raw::{RawDocument, RawPage};

const TOO_MANY_RULES: &str =
    "The page has too many style rules to apply all of them. Text that they hide may be part of the text.";

/// The part of a page that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// The text without navigation, teasers, forms and notices around it.
    Main,
    /// Everything: a chapter of a book, or a mail, has no surroundings.
    Everything,
}

/// Reads an HTML page of the web.
pub(super) fn extract(bytes: &[u8]) -> Result<RawDocument, DocumentError> {
    let Decoded { text, warnings } = decode(bytes, None)?;
    let mut document = read(&text, Scope::Main)?;
    document.warnings.splice(0..0, warnings);
    Ok(document)
}

/// Decodes a page. Its carrier may name an encoding, else the page itself may, anywhere.
pub(super) fn decode(bytes: &[u8], carried: Option<&str>) -> Result<Decoded, DocumentError> {
    let label = carried.map(str::to_owned).or_else(|| declared(bytes));
    encoding::decode(bytes, label.as_deref())
}

/// The encoding that a `meta` element or an XML declaration names.
fn declared(bytes: &[u8]) -> Option<String> {
    // ASCII needs no help, unless it stands for other letters.
    if bytes.is_ascii() && memchr::memchr2(b'\x1b', b'~', bytes).is_none() {
        return None;
    }
    let lower = bytes.to_ascii_lowercase();
    let xml = lower.strip_prefix(b"<?xml").and_then(|rest| rest.split(|byte| *byte == b'>').next());
    if let Some(label) = xml.and_then(|declaration| label(declaration, b"encoding")) {
        return Some(label);
    }
    memchr::memmem::find_iter(&lower, b"<meta").find_map(|at| {
        let tag = lower.get(at..)?;
        let tag = tag.get(..memchr::memchr(b'>', tag.get(..META_BYTES_MAX).unwrap_or(tag))?)?;
        label(tag, b"charset")
    })
}

/// A `meta` element that names an encoding is short.
const META_BYTES_MAX: usize = 1_024;

fn label(tag: &[u8], name: &[u8]) -> Option<String> {
    let after = tag.get(memchr::memmem::find(tag, name)? + name.len()..)?.trim_ascii_start();
    let value = after.strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    let label: Vec<u8> = value.iter().copied().take_while(|byte| is_label(byte)).collect();
    String::from_utf8(label).ok().filter(|label| !label.is_empty())
}

/// Reads a decoded page.
pub(super) fn read(source: &str, scope: Scope) -> Result<RawDocument, DocumentError> {
    read_styled(source, scope, &[])
}

/// Reads a decoded page with the style sheets that came with it.
pub(super) fn read_styled(
    source: &str,
    scope: Scope,
    sheets: &[StyleSheet],
) -> Result<RawDocument, DocumentError> {
    let page = tree::page(source, is_xml(source), sheets).ok_or_else(|| {
        DocumentError::TooLarge("it has more than 1.5 million elements and texts".to_owned())
    })?;
    let (sights, is_cut) = visible::sights(&page, sheets);
    let is_out = match scope {
        Scope::Main => surroundings::surroundings(&page, &sights),
        Scope::Everything => Vec::new(),
    };
    let mut writer = Writer::new(&page);
    writer.write(&sights, &is_out);
    if writer.words == 0 {
        return Err(DocumentError::NoText(why_empty(&page).to_owned()));
    }
    let declared = declared_title(&page);
    let title =
        writer.main_heading.take().or_else(|| writer.first_heading.take()).or_else(|| declared.clone());
    let mut warnings = warnings(&writer);
    if is_cut {
        warnings.push(TOO_MANY_RULES.to_owned());
    }
    let hidden = std::mem::take(&mut writer.hidden.texts);
    let pages = writer.sections.pages();
    if scope == Scope::Main {
        let titles: Vec<&str> = title.iter().chain(&declared).map(String::as_str).collect();
        gate::check(&page, &titles, &pages)?;
        warnings.extend(gate::paywall(&page, &sights));
    }
    let hidden = hidden
        .into_iter()
        .map(|(section, reason, text)| hidden_text(section, &pages, reason, &text))
        .collect();
    Ok(RawDocument { title, pages, warnings, hidden, ..RawDocument::default() })
}

fn hidden_text(section: u32, pages: &[RawPage], reason: HiddenReason, text: &str) -> HiddenText {
    // The last section has no text of its own if only hidden text follows.
    let page = section.min(u32::try_from(pages.len()).unwrap_or(u32::MAX)).max(1);
    HiddenText { page, reason, text: text.split_whitespace().collect::<Vec<_>>().join(" ") }
}

/// Whether an element may end with `/>`.
fn is_xml(source: &str) -> bool {
    const START_BYTES: usize = 2_048;
    let start: String = source.chars().take(START_BYTES).collect();
    start.trim_start().starts_with("<?xml") || start.contains("http://www.w3.org/1999/xhtml")
}

/// The title that the page declares. It often names the site as well.
fn declared_title(page: &Page) -> Option<String> {
    let title = (0..page.len())
        .find(|index| page.name(*index) == "title" && page.name(page.parent(*index)) != "svg")?;
    Some(page.line(title)).filter(|title| !title.is_empty())
}

fn why_empty(page: &Page) -> &'static str {
    if (0..page.len()).any(|index| page.name(index) == "script") {
        "a script writes its text in a browser; open the page there and save it as PDF"
    } else {
        "it holds no words"
    }
}

fn warnings(writer: &Writer<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    match writer.hidden.texts.len() {
        0 => {}
        1 => {
            warnings.push("The page hides 1 passage from its readers. It is not part of the text.".to_owned())
        }
        count => {
            warnings.push(format!(
                "The page hides {count} passages from its readers. They are not part of the text."
            ));
        }
    }
    match writer.pictures {
        0 => {}
        1 => warnings
            .push("1 picture of the page was not read, only its description, if it has one.".to_owned()),
        count => {
            warnings.push(format!(
                "{count} pictures of the page were not read, only their descriptions, if they have any."
            ));
        }
    }
    if writer.frames > 0 {
        warnings.push(format!("Other pages embedded in this one were not read: {}.", writer.frames));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        extract(source.as_bytes()).unwrap().pages.into_iter().map(|page| page.text).collect()
    }

    #[test]
    fn only_the_main_content_is_taken() {
        let page = "<html><head><title>Site</title><style>p{}</style></head><body><header>Site header</header><nav>Menu</nav>\
                    <main><header><h1>The title</h1></header><p>First &amp; best,\n in two lines.<br>Third.</p><aside>Read also</aside>\
                    <script>if (a<b) {}</script><h2>Next</h2><ul><li>one<li>two</ul><table><tr><th>a<th>b</tr><tr><td>c</td><td><p>d</p><p>e</p></td></tr></table>\
                    <footer>Share</footer></main><footer>Imprint</footer></body></html>";
        assert_eq!(
            texts(page),
            [
                "The title\n\nFirst & best, in two lines.\nThird.",
                "Next\n\n\u{2022} one\n\u{2022} two\n\na | b\nc | d e"
            ]
        );
        assert_eq!(extract(page.as_bytes()).unwrap().title.as_deref(), Some("The title"));
    }

    #[test]
    fn without_a_main_element_everything_but_surroundings_counts() {
        assert_eq!(
            texts("<nav>Menu</nav><header><h1>Top</h1></header><p>Text</p><main></main>"),
            ["Top\n\nText"]
        );
    }

    #[test]
    fn declared_encodings_are_believed_where_bytes_allow() {
        let page = b"<html><meta charset=\"iso-8859-2\"><p>\xb1</p>";
        assert_eq!(extract(page).unwrap().pages[0].text, "\u{105}");
        assert_eq!(texts("<html><meta charset=\"iso-8859-2\"><p>\u{e9}</p>"), ["\u{e9}"]);
    }

    #[test]
    fn cells_stay_in_their_columns() {
        let page = "<table><tr><th>region<th>year<th>share</tr><tr><td rowspan=2>North<td>2025<td>41%</tr><tr><td>2026<td>52%</tr>\
                    <tr><td colspan=2 rowspan=2>South<td>7%</tr><tr><td>9%</tr></table>";
        let rows = "region | year | share\nNorth | 2025 | 41%\n| 2026 | 52%\nSouth | 7%\n| 9%";
        assert_eq!(texts(page), [rows]);
        let flood = format!(
            "<table>{}{}</table>",
            "<tr><th rowspan=65000 colspan=100>a".repeat(50),
            "<tr><td>b".repeat(50_000)
        );
        assert!(texts(&flood).concat().len() < 1_000_000);
    }

    #[test]
    fn deep_broken_nesting_takes_linear_time() {
        let page = format!("<p>start</p>{}deep", "<div><b><table><tr><td>".repeat(50_000));
        let all = texts(&page).concat();
        assert!(all.starts_with("start") && all.ends_with("deep"), "{}", all.len());
    }

    #[test]
    fn hidden_text_is_set_apart() {
        let page = "<style>.x, #a > em {display:none} .w {color:#fff}</style><p class=x>One</p><p id=a>Seen <em>two</em></p>\
                    <p class=w>three</p><div style='background:#000'><p class=w>White.</p></div><p hidden>four</p>\
                    <p style='position:absolute;left:-9999px'>five</p><p style='font-size:0'>six<span style='font-size:1em'>!</span></p>\
                    <h3><button aria-expanded=false>Question</button></h3><div hidden>Answer</div>";
        let document = extract(format!("<html>{page}").as_bytes()).unwrap();
        assert_eq!(document.pages[0].text, "Seen\n\nWhite.\n\nQuestion\n\nAnswer");
        let hidden: Vec<&str> = document.hidden.iter().map(|hidden| hidden.text.as_str()).collect();
        assert_eq!(hidden, ["One", "two", "three", "four", "five", "six", "!"]);
    }

    #[test]
    fn lists_and_formulas_keep_their_signs() {
        let page = "<ol start=3><li>c<li value=9>d</ol><ol reversed type=A><li>x<li>y</ol>\
                    <p>10<sup>6</sup> <math><mfrac><mn>1</mn><mi>x</mi></mfrac></math> <ruby>\u{6771}<rt>to</ruby></p>";
        assert_eq!(texts(page), ["3. c\n9. d\n\nB. x\nA. y\n\n10\u{2076} 1/x \u{6771}"]);
    }

    #[test]
    fn many_attributes_take_linear_time() {
        let attributes: String = (0..100_000).map(|n| format!(" a{n}=x")).collect();
        assert_eq!(texts(&format!("<html><p{attributes}>text</p>")), ["text"]);
    }
}
