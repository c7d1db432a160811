//! The token for private blobs. It also permits writes and deletions. So the client sends it only to its own
//! stores, and never to another host after a redirect.

use reqwest::header::{HeaderValue, InvalidHeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

/// The host suffix of Vercel's private blobs. Public ones need no token, and a stranger may own a public
/// store.
const PRIVATE_BLOBS: &str = ".private.blob.vercel-storage.com";

/// `BLOB_READ_WRITE_TOKEN` as a header. Neither `Debug` nor the HTTP client's log shows it.
#[derive(Debug, Clone)]
pub(super) struct Token {
    value: HeaderValue,
    /// `BLOB_TOKEN_HOSTS`
    hosts: Vec<String>,
}

impl Token {
    pub(super) fn new(token: &SecretString, hosts: &[String]) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
        value.set_sensitive(true);
        Ok(Self { value, hosts: hosts.to_vec() })
    }

    /// The header for a request to `url`, if allowed. `asked` is the address that the run names. Both have
    /// been checked: `https`, and an allowed host.
    pub(super) fn header(&self, asked: &Url, url: &Url) -> Option<HeaderValue> {
        let is_named = url.host_str().is_some_and(|host| self.hosts.iter().any(|named| named == host));
        let is_store = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').ends_with(PRIVATE_BLOBS),
            _ => false,
        };
        let is_same = asked.origin() == url.origin() && url.scheme() == "https";
        (is_same && (is_store || is_named)).then(|| self.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_goes_to_the_asked_host_only() {
        let hosts = ["docs.example.com".to_owned()];
        let token = Token::new(&SecretString::from("vercel_blob_rw_hush"), &hosts).unwrap();
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
        assert!(goes("https://docs.example.com/a.pdf", "https://docs.example.com/a.pdf"));
        let partner = "https://docs.partner.com/a.pdf";
        assert!(!goes(partner, partner), "an allowed host is not a store");
        assert!(Token::new(&SecretString::from("a\nb"), &[]).is_err());
    }
}
