//! What all TLS of this process shares: the crypto provider, and the operator's own root certificate.

use std::{path::Path, sync::Once};

/// Installs ring as the process's provider, once.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The certificates of `EXTRA_CA_FILE`, or what is wrong with it.
pub fn extra_certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, String> {
    let wrong = |reason: String| format!("EXTRA_CA_FILE {}: {reason}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))
}
