//! The page of a report whose records are of an earlier release: its Markdown, without anything that could act.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

const STYLE: &str = "body{max-width:48rem;margin:2rem auto;padding:0 1rem;font:1rem/1.55 system-ui,sans-serif;\
color:#1b1b1b;background:#fff}blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:.25rem solid #b8c4ce}\
table{border-collapse:collapse}th,td{border:1px solid #c9c9c9;padding:.3rem .6rem;text-align:left;\
vertical-align:top}code{font-size:.92em}h1,h2,h3{line-height:1.25}";

/// The page made of a report's Markdown.
pub(super) fn of_markdown(title: &str, nonce: &str, markdown: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style nonce=\"{nonce}\">{STYLE}</style>\n</head>\n<body>\n"
    );
    html::push_html(&mut page, harmless(markdown));
    page.push_str("</body>\n</html>\n");
    page
}

/// Removes everything from the Markdown that could act or load. HTML becomes text, an image becomes its
/// description, and a link outside of the web becomes its text.
fn harmless(markdown: &str) -> impl Iterator<Item = Event<'_>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_GFM;
    // Links nest only inside images, and images are removed.
    let mut is_dropped = Vec::new();
    Parser::new_ext(markdown, options).filter_map(move |event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let drop = !leads_to_the_web(dest_url);
            is_dropped.push(drop);
            (!drop).then_some(event)
        }
        Event::End(TagEnd::Link) => {
            let dropped = is_dropped.pop().unwrap_or(false);
            (!dropped).then_some(event)
        }
        other => Some(other),
    })
}

/// Whether an address leads to the web. The parser has decoded entities and escapes before.
fn leads_to_the_web(address: &CowStr<'_>) -> bool {
    let address = address.to_ascii_lowercase();
    ["https://", "http://", "mailto:", "#"].iter().any(|start| address.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(markdown: &str) -> String {
        let mut out = String::new();
        html::push_html(&mut out, harmless(markdown));
        out
    }

    #[test]
    fn nothing_that_a_stranger_wrote_can_act() {
        for hostile in [
            "<script>alert(1)</script>",
            "text <img src=x onerror=alert(1)> text",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<!-- --><svg onload=alert(1)>",
            "<div\nonclick=alert(1)>\n\n# x\n\n</div>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java&#x73;cript:alert(1))",
            "[x](<java\tscript:alert(1)>)",
            "[x](&#1;javascript:alert(1))",
            "[x](vbscript:x) [x](data:text/html;base64,eA==) [x](//evil.example)",
            "[x][1]\n\n[1]: javascript:alert(1)",
            "<javascript:alert(1)>",
            "![<script>](javascript:alert(1) \"onerror=x\")",
            "[a ![b](javascript:1) c](javascript:alert(1))",
            "[x](https://a.example/\"onmouseover=\"alert(1))",
            "```\"><script>alert(1)</script>\nx\n```",
        ] {
            let html = html(hostile);
            let lower = html.to_ascii_lowercase();
            for bad in [
                "<script",
                "<img",
                "<svg",
                "<div",
                "<a href=\"javascript",
                "<a href=\"vbscript",
                "<a href=\"data:",
                "<a href=\"/",
                "<a onclick",
                "\"onmouseover",
            ] {
                assert!(!lower.contains(bad), "{hostile:?} → {html}");
            }
            assert_eq!(lower.matches("<a ").count(), lower.matches("</a>").count(), "{html}");
        }
    }

    #[test]
    fn intended_markdown_stays() {
        let html = html(
            "# Title\n\n> “quote” & 1 < 2\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[w](https://a.example/?a=1&b=2)",
        );
        for part in [
            "<h1>Title</h1>",
            "<blockquote>",
            "&amp; 1 &lt; 2",
            "<table>",
            "<a href=\"https://a.example/?a=1&amp;b=2\">w</a>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
