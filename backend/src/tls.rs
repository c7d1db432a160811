//! What all HTTPS of this process shares: the crypto provider, and the operator's own root certificate.

use std::{path::Path, sync::Once};

/// Makes ring the process's TLS provider; reqwest is built without one of its own.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// What every client of ours begins with: no proxy (it would connect to an address that was never checked), and the
/// certificates of `EXTRA_CA_FILE`, if there is one. The error says what is wrong with it.
pub fn client_builder(extra_ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, String> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .user_agent(concat!("innovation-pipeline/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = extra_ca_file {
        let wrong = |reason: String| {
            format!("EXTRA_CA_FILE {}: {reason}; give a file with a certificate in PEM", path.display())
        };
        let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        for certificate in
            reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?
        {
            builder = builder.add_root_certificate(certificate);
        }
    }
    Ok(builder)
}
