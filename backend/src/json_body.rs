//! Reads the body of an answer up to a limit, for people and checks: the other side may send anything.

use reqwest::Response;
use serde_json::Value;

/// The body as JSON, or as a text if it is none. Bytes beyond `bytes_max` are not read.
///
/// # Errors
///
/// The connection broke before the end and before the limit.
pub async fn read(mut response: Response, bytes_max: usize) -> reqwest::Result<Value> {
    let mut bytes = Vec::new();
    while bytes.len() < bytes_max
        && let Some(piece) = response.chunk().await?
    {
        bytes.extend(piece.iter().take(bytes_max - bytes.len()));
    }
    let as_text = |_| Value::String(String::from_utf8_lossy(&bytes).into_owned());
    Ok(serde_json::from_slice(&bytes).unwrap_or_else(as_text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_long_body_is_cut() {
        let answer = |text: &'static str| Response::from(axum::http::Response::new(text));
        assert_eq!(read(answer("{\"a\": 1}"), 8).await.unwrap(), json!({"a": 1}));
        assert_eq!(read(answer("{\"a\": 1}"), 7).await.unwrap(), json!("{\"a\": 1"));
        assert_eq!(read(answer(""), 7).await.unwrap(), json!(""));
    }
}
