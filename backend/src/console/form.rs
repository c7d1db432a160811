//! The fields of a form or of an address.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};

use crate::http::{HttpState, codes, error::Problem};

/// The fields of a form, or the query of an address. Texts are trimmed, and empty ones count as absent.
#[derive(Debug, Default, Clone)]
pub(super) struct Form(BTreeMap<String, Vec<String>>);

impl Form {
    /// Reads `name=value&…`.
    pub(super) fn parse(text: &[u8]) -> Self {
        let mut fields = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in url::form_urlencoded::parse(text) {
            let value = value.trim();
            if !value.is_empty() {
                fields.entry(name.into_owned()).or_default().push(value.to_owned());
            }
        }
        Self(fields)
    }

    /// The first value of a field.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.first().map(String::as_str)
    }

    /// Whether a field has this value, such as a box that is ticked.
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        self.text(name) == Some(value)
    }

    /// All fields with their first values, for a link to the same page with one field changed.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, values)| Some((name.as_str(), values.first()?.as_str())))
    }
}

impl FromRequest<HttpState> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Problem> {
        let limits = state.limits;
        let read = axum::body::to_bytes(request.into_body(), limits.body_bytes_max);
        let bytes = tokio::time::timeout(limits.body_timeout, read)
            .await
            .map_err(|_| Problem::new(codes::BODY_TIMEOUT, "the form did not arrive in time"))?
            .map_err(|_| Problem::new(codes::BODY_TOO_LARGE, "the form is too large, or broke off"))?;
        Ok(Self::parse(&bytes))
    }
}
