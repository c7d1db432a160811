//! The token for private blobs: sent to allowed hosts only, and never on from the host that was asked for.

use reqwest::header::{HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// Public blobs need no token, and a stranger may own the store that an address of theirs names.
const PUBLIC_BLOBS: &str = ".public.blob.vercel-storage.com";

/// `BLOB_READ_WRITE_TOKEN` as a header. Neither `Debug` nor the HTTP client's log shows it.
#[derive(Debug, Clone)]
pub(super) struct Token(HeaderValue);

impl Token {
    pub(super) fn new(token: &SecretString) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The header for a request to `url`, where `asked` is the address that the run names. Both have been checked: `https`,
    /// and an allowed host.
    pub(super) fn header(&self, asked: &Url, url: &Url) -> Option<HeaderValue> {
        let is_public = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').ends_with(PUBLIC_BLOBS),
            _ => false,
        };
        let is_same = asked.origin() == url.origin() && url.scheme() == "https";
        (is_same && !is_public).then(|| self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_the_asked_host_only() {
        let token = Token::new(&SecretString::from("vercel_blob_rw_hush")).unwrap();
        assert!(!format!("{token:?}").contains("hush"));
        let goes = |asked: &str, url: &str| {
            token.header(&Url::parse(asked).unwrap(), &Url::parse(url).unwrap()).is_some()
        };
        let private = "https://abc.private.blob.vercel-storage.com/a.pdf";
        assert!(goes(private, private));
        assert!(goes(private, "https://abc.private.blob.vercel-storage.com/b.pdf"));
        for other in [
            "https://xyz.private.blob.vercel-storage.com/a.pdf",
            "https://abc.private.blob.vercel-storage.com:8443/a.pdf",
            "http://abc.private.blob.vercel-storage.com/a.pdf",
        ] {
            assert!(!goes(private, other), "{other}");
        }
        let public = "https://abc.public.blob.vercel-storage.com/a.pdf";
        assert!(!goes(public, public));
        assert!(Token::new(&SecretString::from("a\nb")).is_err());
    }
}
