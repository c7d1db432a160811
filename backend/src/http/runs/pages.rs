//! The document of a run, its pages as pictures, and its quotes on their pages.

use axum::{
    Extension,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use pipeline::document::Format;

use super::{document_headers, evidence_page, path::parse};
use crate::{
    access::{Caller, Scope},
    http::{cache_control::UNALTERED, codes, error::Problem, held_body::hold, state::HttpState},
    runs::{DocumentQueryError, picture_tag, quote_of},
};

/// A browser may keep it, asks again each time, and then gets 304. A deleted run is gone at once.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache, no-transform");

/// `GET /api/pipeline/{run_id}/pages/{page}`: a page as a PNG.
pub(crate) async fn page(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (run_id, page) = two(path)?;
    let run_id = parse(Ok(Path(run_id)))?;
    let (_, kept) = state.runs.kept_document(&run_id, &Scope::from(&caller)).await?;
    let page = page.parse::<u32>().ok().filter(|page| *page > 0);
    let page = page.ok_or_else(|| {
        Problem::new(codes::PAGE_NOT_FOUND, "pages have whole numbers from 1, as the report cites them")
    })?;
    let tag = picture_tag(&kept, page);
    if kept.format == Format::Pdf && is_known(&headers, &tag) {
        return not_modified(&tag);
    }
    let picture = state.runs.page_picture(&run_id, &kept, page).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/png")),
        (header::CACHE_CONTROL, PRIVATE),
        (header::ETAG, tag_value(&tag)?),
    ];
    Ok((headers, Body::from(picture.png.to_vec())).into_response())
}

/// `GET /api/pipeline/{run_id}/evidence/{label}`: a quote and its page, as a page for a browser.
pub(crate) async fn evidence(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Problem> {
    let (run_id, label) = two(path)?;
    let run_id = parse(Ok(Path(run_id)))?;
    let view = state.runs.view(&run_id, &Scope::from(&caller)).await?;
    let quote = quote_of(&view, &label).ok_or_else(|| {
        Problem::new(
            codes::EVIDENCE_NOT_FOUND,
            "the report has no quote with this label; it lists all quotes",
        )
    })?;
    let kept = state.runs.document_here(&run_id).await;
    // Without a picture, the quote and the number of its page remain, and the page says why.
    let picture = match &kept {
        Ok(kept) => state.runs.page_picture(&run_id, kept, quote.page).await,
        Err(error) => Err(error.clone()),
    };
    if let Err(error @ DocumentQueryError::Busy) = picture {
        return Err(error.into());
    }
    let name = view.document_name.as_deref().unwrap_or_default();
    let shown =
        evidence_page::Shown { quote: &quote, document_name: name, kept: kept.as_ref().ok(), picture };
    // A fresh nonce for each answer, so that no injected style applies.
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; sandbox allow-popups"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).map_err(|_| Problem::internal())?),
        (header::CACHE_CONTROL, UNALTERED),
    ];
    Ok((headers, evidence_page::render(&shown, &nonce)).into_response())
}

/// `GET /api/pipeline/{run_id}/document`: the document that the run has read.
pub(crate) async fn document(
    State(state): State<HttpState>,
    Extension(caller): Extension<Caller>,
    run_id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run_id = parse(run_id)?;
    let (view, kept) = state.runs.kept_document(&run_id, &Scope::from(&caller)).await?;
    let tag = format!("\"{}\"", kept.sha256);
    if is_known(&headers, &tag) {
        return not_modified(&tag);
    }
    let sent = state.runs.send_document(&run_id).await?;
    let length = HeaderValue::from(sent.bytes.len());
    let mut response = Response::new(hold(Body::from(sent.bytes), sent.permit));
    let name = view.document_name.as_deref().unwrap_or_default();
    document_headers::add(response.headers_mut(), kept.format, name)?;
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response.headers_mut().insert(header::CACHE_CONTROL, PRIVATE);
    response.headers_mut().insert(header::ETAG, tag_value(&tag)?);
    Ok(response)
}

fn two(path: Result<Path<(String, String)>, PathRejection>) -> Result<(String, String), Problem> {
    let Path(both) = path.map_err(|_| Problem::new(codes::RUN_NOT_FOUND, "there is no run with this id"))?;
    Ok(both)
}

/// Whether the client has this version (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = given.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

fn not_modified(tag: &str) -> Result<Response, Problem> {
    let headers = [(header::ETAG, tag_value(tag)?), (header::CACHE_CONTROL, PRIVATE)];
    Ok((StatusCode::NOT_MODIFIED, headers).into_response())
}

fn tag_value(tag: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(tag).map_err(|_| Problem::internal())
}
