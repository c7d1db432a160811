//! A certificate authority of the tests, and the certificate of a server on this machine that it has signed.

use std::{path::Path, sync::Arc};

use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsAcceptor;

#[derive(Debug)]
pub(crate) struct Authority {
    ca: tempfile::NamedTempFile,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // A certificate whose issuer has its own name would be taken for one that signed itself.
        authority.distinguished_name.push(rcgen::DnType::CommonName, "the tests' authority");
        // Strict clients want to be told what a key is for, and whose it is.
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        // The last one is known to proxies alone.
        let names = ["localhost", "127.0.0.1", "model.test"].map(str::to_owned);
        let mut certificate = rcgen::CertificateParams::new(names.to_vec()).unwrap();
        certificate.use_authority_key_identifier_extension = true;
        let certificate = certificate.signed_by(&key, &issuer).unwrap().der().clone();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), authority_certificate.pem()).unwrap();
        Self { ca, certificate, key: key.serialize_der() }
    }

    /// The authority's own certificate, in PEM: what `EXTRA_CA_FILE` is set to.
    pub(crate) fn path(&self) -> &Path {
        self.ca.path()
    }

    /// TLS for a server that offers these protocols (ALPN).
    pub(crate) fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        backend::tls::install_crypto();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone().try_into().unwrap())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
