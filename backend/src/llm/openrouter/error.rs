//! Why the client could not be created.

/// Why the client could not be created.
#[derive(Debug, thiserror::Error)]
pub enum OpenRouterError {
    #[error("OPENROUTER_BASE_URL is not an http or https address")]
    BaseUrl,
    #[error("OPENROUTER_API_KEY is empty or holds characters that no key has")]
    ApiKey,
    #[error("{0} holds characters that cannot be sent in a header")]
    Header(&'static str),
    #[error("{0}")]
    Tls(String),
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
}
