//! Whether a form comes from a page of the console (against cross-site request forgery).

use axum::http::{HeaderMap, HeaderName, header};

use crate::http::{codes, error::Problem};

/// Browsers send it, and no script can set it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page of ours sent this change, as the browser says, or a program with a key in a header.
pub(super) fn is_own_form(headers: &HeaderMap) -> bool {
    match headers.get(SEC_FETCH_SITE) {
        Some(site) => site.as_bytes() == b"same-origin",
        None => headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-api-key"),
    }
}

/// The refusal of a change that no page of ours sent.
pub(super) fn foreign() -> Problem {
    let detail = "this form did not come from a page of this console, or the browser did not say so; open the console over https and try again";
    Problem::new(codes::FOREIGN_ORIGIN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_of_our_own_pages_change_anything() {
        let is_own = |pairs: &[(HeaderName, &str)]| {
            is_own_form(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        assert!(is_own(&[(SEC_FETCH_SITE, "same-origin")]));
        assert!(is_own(&[(header::AUTHORIZATION, "Bearer k")]));
        for foreign in ["cross-site", "same-site", "none", ""] {
            assert!(!is_own(&[(SEC_FETCH_SITE, foreign)]), "{foreign}");
            assert!(!is_own(&[(SEC_FETCH_SITE, foreign), (header::AUTHORIZATION, "Bearer k")]));
        }
        assert!(!is_own(&[]), "an old browser does not say where a form comes from");
    }
}
