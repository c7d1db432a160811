//! The TLS setup that all HTTPS clients of this process share: the crypto provider, and the operator's root
//! certificates.

use std::{
    path::Path,
    sync::{Arc, Once},
};

use rustls::pki_types::{CertificateDer, pem::PemObject as _};

/// Makes ring the process's TLS provider. reqwest is built without one.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It fails only if a provider is installed already, which is equally good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Creates the builder of most HTTP clients. It uses no proxy, because a proxy would connect to an unchecked
/// address. It trusts the certificates of `EXTRA_CA_FILE`, if set.
///
/// # Errors
///
/// A sentence that says why the file cannot be used.
pub fn client_builder(extra_ca_file: Option<&Path>) -> Result<reqwest::ClientBuilder, String> {
    install_crypto();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .user_agent(concat!("innovation-pipeline/", env!("CARGO_PKG_VERSION")));
    for certificate in extra_certificates(extra_ca_file)? {
        let certificate =
            reqwest::Certificate::from_der(&certificate).map_err(|error| wrong(extra_ca_file, &error))?;
        builder = builder.add_root_certificate(certificate);
    }
    Ok(builder)
}

/// Creates TLS settings that several clients share: the system's authorities, and those of `EXTRA_CA_FILE`.
/// They are read once, so that not every client keeps its own set.
///
/// # Errors
///
/// A sentence that says why the file cannot be used.
pub fn client_config(extra_ca_file: Option<&Path>) -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = extra_certificates(extra_ca_file)?;
    let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra, provider.clone())
        .map_err(|error| match extra_ca_file {
            Some(_) => wrong(extra_ca_file, &error),
            None => error.to_string(),
        })?;
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth())
}

fn extra_certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, String> {
    let Some(path) = file else { return Ok(Vec::new()) };
    let pem = std::fs::read(path).map_err(|error| wrong(file, &error))?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(|error| wrong(file, &error))?;
    if all.is_empty() { Err(wrong(file, &"it holds no certificate")) } else { Ok(all) }
}

fn wrong(file: Option<&Path>, reason: &dyn std::fmt::Display) -> String {
    let path = file.unwrap_or(Path::new("")).display();
    format!("EXTRA_CA_FILE {path}: {reason}; give a file with a certificate in PEM")
}
