//! Phrases that tell the surroundings of a text from the text itself.

/// Beginnings of headings over what surrounds a text.
const HEADINGS: &[&str] = &[
    "related",
    "read also",
    "also read",
    "read more",
    "read next",
    "more from",
    "more stories",
    "more on",
    "more in",
    "more news",
    "more articles",
    "more posts",
    "you may also",
    "you might also",
    "you may like",
    "you might like",
    "customers also",
    "people also",
    "recommended",
    "most read",
    "most popular",
    "most viewed",
    "popular posts",
    "popular articles",
    "popular now",
    "trending",
    "latest posts",
    "latest news",
    "latest articles",
    "recent posts",
    "recent comments",
    "share this",
    "share on",
    "follow us",
    "newsletter",
    "subscribe",
    "sign up",
    "leave a reply",
    "leave a comment",
    "advertisement",
    "sponsored",
    "up next",
    "what to read next",
    "similar ",
    "das könnte sie auch",
    "ähnliche artikel",
    "verwandte artikel",
    "mehr zum thema",
    "sur le même sujet",
    "à lire aussi",
    "lire aussi",
    "articles similaires",
    "articles liés",
    "te puede interesar",
    "artículos relacionados",
    "noticias relacionadas",
    "les også",
    "relaterte",
];
/// Whole headings of that kind.
const WHOLE_HEADINGS: &[&str] = &[
    "share",
    "comments",
    "tags",
    "categories",
    "archives",
    "navigation",
    "menu",
    "about the author",
    "top stories",
    "headlines",
    "further stories",
    "see also on this site",
    "explore more",
    "keep reading",
    "next article",
    "previous article",
    "links",
    "blogroll",
    "meta",
    "lesen sie auch",
    "kommentare",
    "commentaires",
    "comentarios",
    "kommentarer",
];

/// Whether a heading stands over what surrounds a text.
pub(super) fn heads_surroundings(heading: &str) -> bool {
    let heading = heading.trim().to_lowercase();
    let is_count = |rest: &str| {
        rest.trim_matches(|c: char| c.is_ascii_digit() || matches!(c, '(' | ')' | ' ' | ':')).is_empty()
    };
    heading.chars().count() < 60
        && (HEADINGS.iter().any(|start| heading.starts_with(start))
            || WHOLE_HEADINGS.iter().any(|whole| heading.strip_prefix(*whole).is_some_and(is_count))
            || heading.split_once(' ').is_some_and(|(count, rest)| {
                is_count(count) && matches!(rest, "comments" | "responses" | "replies")
            }))
}

/// Lines that belong to the page and not to the text, if they stand alone.
const LINES: &[&str] = &[
    "advertisement",
    "advertisements",
    "skip to content",
    "skip to main content",
    "skip navigation",
    "back to top",
    "top",
    "read more",
    "read more »",
    "continue reading",
    "learn more",
    "share",
    "tweet",
    "print",
    "email",
    "log in",
    "sign in",
    "sign up",
    "register",
    "subscribe",
    "menu",
    "close",
    "search",
    "home",
    "next",
    "previous",
    "show more",
    "load more",
    "view all",
    "see all",
    "reply",
    "edit",
    "permalink",
    "share this article",
    "zum inhalt springen",
    "aller au contenu",
    "saltar al contenido",
    "hopp til innhold",
    "werbung",
    "anzeige",
    "publicité",
    "publicidad",
    "annonse",
    "weiterlesen",
    "mehr lesen",
    "lire la suite",
    "leer más",
    "les mer",
    "teilen",
    "partager",
    "compartir",
    "nach oben",
    "drucken",
    "imprimer",
    "imprimir",
];

/// Whether a short text belongs to the page and not to what it says.
pub(super) fn is_page_line(line: &str) -> bool {
    let line = line.trim().trim_end_matches(['.', '…', '>', '»', '→', '!', ':']).trim().to_lowercase();
    LINES.contains(&line.as_str())
}

/// Whether a block asks for consent to cookies.
pub(super) fn asks_for_consent(block: &str) -> bool {
    let lower = block.to_lowercase();
    lower.contains("cookie")
        && [
            "accept",
            "consent",
            "agree",
            "we use",
            "uses cookies",
            "this site use",
            "preferences",
            "settings",
            "akzeptieren",
            "accepter",
        ]
        .iter()
        .any(|word| lower.contains(word))
}
