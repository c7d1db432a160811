//! The origins whose pages may call the API.

use url::{Host, Url};

/// An allowed origin, or a pattern of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OriginRule {
    Exact(String),
    /// One `*` in the first label of the host: the texts before and after it.
    Pattern {
        before: String,
        after: String,
    },
}

impl OriginRule {
    /// Parses `https://app.example.com`, `http://localhost:3000` or `https://my-app-*.vercel.app`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_end_matches('/').to_ascii_lowercase();
        // A host cannot contain a star, so check the origin with a letter in its place.
        let url = Url::parse(&text.replacen('*', "x", 1)).ok()?;
        let is_origin = matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == text.replacen('*', "x", 1);
        if !is_origin {
            return None;
        }
        let Some((before, after)) = text.split_once('*') else { return Some(Self::Exact(text)) };
        // Only in the first label, of a host with at least three labels. `https://*.com` would allow almost
        // every site.
        let first_label_only = !before.contains('.') && !after.contains('*');
        let is_of_a_site = matches!(url.host(), Some(Host::Domain(host)) if host.split('.').count() >= 3);
        (first_label_only && is_of_a_site && url.scheme() == "https")
            .then(|| Self::Pattern { before: before.to_owned(), after: after.to_owned() })
    }

    /// Whether the rule matches a browser's `Origin`. The star matches a non-empty part of one label.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        match self {
            Self::Exact(allowed) => allowed == origin,
            Self::Pattern { before, after } => origin
                .strip_prefix(before.as_str())
                .and_then(|rest| rest.strip_suffix(after.as_str()))
                .is_some_and(|label| {
                    !label.is_empty()
                        && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_match_exactly_or_by_one_label() {
        let exact = OriginRule::parse("https://App.example.com/").unwrap();
        assert!(exact.allows("https://app.example.com"));
        for other in ["https://app.example.com.evil.com", "http://app.example.com", "null", ""] {
            assert!(!exact.allows(other), "{other}");
        }
        assert!(OriginRule::parse("http://localhost:3000").unwrap().allows("http://localhost:3000"));
        let previews = OriginRule::parse("https://my-app-*.vercel.app").unwrap();
        assert!(previews.allows("https://my-app-git-main-team.vercel.app"));
        for other in [
            "https://my-app-.vercel.app",
            "https://my-app-x.evil.com/.vercel.app",
            "https://my-app-x.y.vercel.app",
            "https://your-app-x.vercel.app",
            "http://my-app-x.vercel.app",
            "https://my-app-x.vercel.app.evil.com",
        ] {
            assert!(!previews.allows(other), "{other}");
        }
        for bad in [
            "*",
            "https://*",
            "https://*.com",
            "https://app.*.vercel.app",
            "https://a-*-*.vercel.app",
            "http://a-*.vercel.app",
            "https://app.example.com/path",
            "app.example.com",
            "ftp://a.b.c",
            "null",
        ] {
            assert_eq!(OriginRule::parse(bad), None, "{bad}");
        }
    }
}
