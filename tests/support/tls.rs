//! A certificate authority of the tests' own, and a server's side of TLS by it.

// Each binary uses its own part of it.
#![allow(dead_code)]

use std::{path::Path, sync::Arc};

use tokio_rustls::TlsAcceptor;

/// An authority, and the file with its certificate.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    /// Its certificate (PEM).
    pub(crate) ca: tempfile::NamedTempFile,
}

/// A certificate and its key (PEM).
pub(crate) struct Issued {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: rcgen::KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        // A certificate whose issuer has its own name would be taken for one that signed itself.
        authority.distinguished_name.push(rcgen::DnType::CommonName, "the tests' authority");
        // Strict clients want to be told what a key is for, and whose it is.
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let certificate = authority.self_signed(&key).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), certificate.pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(authority, key), ca }
    }

    /// A certificate for these names, or for a client of the name that comes first.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = rcgen::KeyPair::generate().unwrap();
        let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut certificate = rcgen::CertificateParams::new(all).unwrap();
        certificate.distinguished_name.push(rcgen::DnType::CommonName, names[0]);
        certificate.use_authority_key_identifier_extension = true;
        let certificate = certificate.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate, key }
    }

    /// The authority's own certificate (PEM): the value for `EXTRA_CA_FILE`.
    pub(crate) fn path(&self) -> &Path {
        self.ca.path()
    }

    /// The TLS of a server on loopback that offers these protocols (ALPN). Proxies alone know the last two names.
    pub(crate) fn acceptor(&self, protocols: &[&str]) -> TlsAcceptor {
        let Issued { certificate, key } =
            self.issue(&["localhost", "127.0.0.1", "model.test", "openrouter.ai"]);
        foundation::tls::install_crypto();
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}
