//! Names that tell the surroundings of a page from what it says.

/// No element of a page that people write has more classes.
const NAMES_MAX: usize = 32;

/// Words in `class`, `id` and `role` of what surrounds a text.
const SURROUNDING: &[&str] = &[
    "nav",
    "navbar",
    "navigation",
    "topnav",
    "subnav",
    "breadcrumb",
    "breadcrumbs",
    "sidebar",
    "footer",
    "footnav",
    "masthead",
    "siteheader",
    "topbar",
    "toolbar",
    "cookie",
    "cookies",
    "cookiebar",
    "cookiebanner",
    "consent",
    "gdpr",
    "ccpa",
    "onetrust",
    "share",
    "sharing",
    "sharebar",
    "sharer",
    "social",
    "socials",
    "addthis",
    "sharedaddy",
    "related",
    "relatedposts",
    "recommended",
    "recommendation",
    "recommendations",
    "recirc",
    "outbrain",
    "taboola",
    "sponsor",
    "sponsored",
    "advert",
    "advertisement",
    "advertising",
    "ads",
    "adsense",
    "ad",
    "adslot",
    "newsletter",
    "subscribe",
    "subscription",
    "signup",
    "pagination",
    "pager",
    "paging",
    "comments",
    "commentlist",
    "respond",
    "disqus",
    "skiplink",
    "skiplinks",
    "login",
    "copyright",
    "noprint",
    "printonly",
    "popular",
    "trending",
    "mostread",
    "morelinks",
    "contentinfo",
    "search",
    "searchform",
    "searchbox",
    "sitemap",
    "dropdown",
    "megamenu",
    "offcanvas",
    "hamburger",
    "langswitch",
    "languageswitcher",
    "blogroll",
    "tagcloud",
    "menubar",
    "complementary",
    "backtotop",
    "editsection",
    "navbox",
    "catlinks",
    "secondary",
    "tertiary",
    "rail",
    "sidenav",
    "sidecol",
    "skyscraper",
    "leaderboard",
    "dfp",
    "colophon",
    "siteinfo",
    "cky",
    "cmp",
    "didomi",
    "truste",
    "trustarc",
    "usercentrics",
    "iubenda",
    "osano",
    "cookiebot",
    "cookieconsent",
    "cookielaw",
    "mc4wp",
    "promoted",
    "postmeta",
    "modaldialog",
];

/// Words that a text's own parts have too. They count only for a small part of a page with enough other text.
const WEAK: &[&str] = &[
    "menu",
    "teaser",
    "teasers",
    "promo",
    "promos",
    "widget",
    "tags",
    "taglist",
    "bio",
    "modal",
    "popup",
    "card",
    "cards",
    "carousel",
    "cta",
    "latest",
    "more",
    "links",
    "notice",
    "alert",
    "disclaimer",
    "banner",
    "rating",
    "feedback",
];

/// Names of what holds all that readers have written below a text.
const DISCUSSIONS: &[&str] = &[
    "comments",
    "comments-area",
    "comments-section",
    "comments-list",
    "comments-wrapper",
    "commentlist",
    "comment-list",
    "comment-area",
    "comment-box",
    "comment-section",
    "disqus-thread",
];

/// Whether a name says that an element holds the comments of readers.
pub(super) fn holds_comments(names: &str) -> bool {
    has_name(names, DISCUSSIONS)
}

/// How much a name says that an element surrounds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    Text,
    Weak,
    Surrounding,
}

pub(super) fn naming(names: &str) -> Naming {
    let mut naming = Naming::Text;
    for name in names.split_whitespace().take(NAMES_MAX) {
        // Layouts that differ by whether they have a sidebar say so at their body, and page builders call all `widget`.
        if name.contains("-no-")
            || name.starts_with("has-")
            || name.starts_with("no-")
            || name.starts_with("with-")
        {
            continue;
        }
        let lower = separated(name);
        let whole: String = lower.split('-').collect();
        let mut words = lower.split('-').chain([whole.as_str()]);
        if words.clone().any(|word| SURROUNDING.contains(&word)) {
            return Naming::Surrounding;
        }
        if words.any(|word| WEAK.contains(&word)) {
            naming = Naming::Weak;
        }
    }
    naming
}

/// Whether an id is made of the first words of a heading: a place that links lead to, not the name of a part.
pub(super) fn is_anchor<'h>(id: &'h str, heading: impl Iterator<Item = &'h str>) -> bool {
    const WORDS_MAX: usize = 50;
    let letters = |text: &'h str| text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    let words = id.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).count();
    let mut heading = heading.flat_map(letters);
    (2..=WORDS_MAX).contains(&words) && letters(id).all(|c| heading.next() == Some(c))
}

/// `relatedPosts_list` → `related-posts-list`.
fn separated(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut was_lower = false;
    for c in name.chars().take(200) {
        if c.is_ascii_uppercase() && was_lower {
            out.push('-');
        }
        was_lower = c.is_ascii_lowercase();
        out.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    }
    out
}

/// Whether an element is named as the header of the whole site, and not of an article.
pub(super) fn heads_site(names: &str) -> bool {
    const HEADERS: &[&str] = &[
        "header",
        "site-header",
        "siteheader",
        "page-header",
        "global-header",
        "main-header",
        "masthead",
        "top",
        "hd",
    ];
    has_name(names, HEADERS)
}

fn has_name(names: &str, list: &[&str]) -> bool {
    names.split_whitespace().take(NAMES_MAX).any(|name| list.contains(&separated(name).as_str()))
}
