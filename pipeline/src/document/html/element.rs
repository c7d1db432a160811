//! The meaning of HTML elements for the text.

/// The meaning of an element for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Never part of the text.
    Hidden,
    /// Around the main content, and hidden if the page marks that.
    Surrounding,
    Main,
    Title,
    Heading(u8),
    Block,
    Item,
    /// A table or a part of one. It ends a row that the page did not close.
    Table,
    Row,
    Cell,
    Preformatted,
    LineBreak,
    Inline,
}

pub(super) fn kind(name: &str) -> Kind {
    match name {
        "script" | "style" | "nav" | "template" | "noscript" | "svg" | "math" | "iframe" | "object"
        | "select" | "button" | "textarea" | "noembed" | "noframes" | "dialog" => Kind::Hidden,
        "header" | "footer" | "aside" => Kind::Surrounding,
        "main" | "article" => Kind::Main,
        "title" => Kind::Title,
        "h1" => Kind::Heading(1),
        "h2" => Kind::Heading(2),
        "h3" | "h4" | "h5" | "h6" => Kind::Heading(3),
        "li" | "dd" => Kind::Item,
        "table" | "thead" | "tbody" | "tfoot" | "caption" => Kind::Table,
        "tr" => Kind::Row,
        "td" | "th" => Kind::Cell,
        "pre" => Kind::Preformatted,
        "br" => Kind::LineBreak,
        "p" | "div" | "section" | "blockquote" | "ul" | "ol" | "dl" | "dt" | "figure" | "figcaption"
        | "address" | "details" | "summary" | "hr" | "form" | "fieldset" | "body" | "html" | "head" => {
            Kind::Block
        }
        _ => Kind::Inline,
    }
}
