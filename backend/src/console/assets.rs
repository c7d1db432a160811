//! The style sheet, the scripts and the icon. They are a part of the binary, and the console loads nothing else.

use std::sync::LazyLock;

use axum::{
    extract::{Path, RawQuery},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use pipeline::record::sha256_hex;

use crate::http::{codes, error::Problem};

struct Asset {
    name: &'static str,
    media_type: &'static str,
    content: &'static str,
}

const STYLE: Asset = Asset {
    name: "console.css",
    media_type: "text/css; charset=utf-8",
    content: include_str!("assets/console.css"),
};
const SCRIPT: Asset = Asset {
    name: "console.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/console.js"),
};
const HTMX: Asset = Asset {
    name: "htmx.js",
    media_type: "text/javascript; charset=utf-8",
    content: include_str!("assets/htmx.min.js"),
};
const ICON: Asset =
    Asset { name: "icon.svg", media_type: "image/svg+xml", content: include_str!("assets/icon.svg") };

/// The addresses of the assets. Each names the content's digest, so that a browser keeps it until it changes.
#[derive(Debug)]
pub(super) struct Addresses {
    pub(super) style: String,
    pub(super) script: String,
    pub(super) htmx: String,
    pub(super) icon: String,
}

pub(super) static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| Addresses {
    style: address(&STYLE),
    script: address(&SCRIPT),
    htmx: address(&HTMX),
    icon: address(&ICON),
});

fn version(asset: &Asset) -> String {
    sha256_hex(asset.content.as_bytes()).chars().take(12).collect()
}

fn address(asset: &Asset) -> String {
    format!("/console/assets/{}?v={}", asset.name, version(asset))
}

/// `GET /console/assets/{name}`
pub(super) async fn asset(Path(name): Path<String>, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    let found = [STYLE, SCRIPT, HTMX, ICON].into_iter().find(|asset| asset.name == name);
    let asset = found.ok_or_else(|| Problem::new(codes::NO_ROUTE, "the console has no such file"))?;
    let is_versioned = query.is_some_and(|query| query == format!("v={}", version(&asset)));
    let cache = if is_versioned { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers: [(HeaderName, HeaderValue); 2] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(asset.media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
    ];
    Ok((headers, asset.content).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn htmx_is_the_file_that_is_written_down() {
        let note = include_str!("assets/htmx.txt");
        assert!(note.contains(&sha256_hex(HTMX.content.as_bytes())));
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_or_evaluated() {
        for asset in [STYLE, SCRIPT, ICON] {
            let foreign = asset.content.replace("http://www.w3.org/2000/svg", "");
            for word in ["http:", "https:", "@import", "eval(", "innerHTML"] {
                assert!(!foreign.contains(word), "{}: {word}", asset.name);
            }
        }
    }
}
