//! Configures TLS to the database. It maps the parameters of Prisma, libpq and node-postgres to the driver's.
//! It reads every named file at start-up, so that an error shows before the first connection.

use std::path::{Component, Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use p12_keystore::Pkcs12Archive;
use rustls::{
    CertificateError, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::postgres::pool::address::{
    malformed::Malformed,
    parameters::{Parameters, SslMode},
};
use foundation::safe_read;

/// Four times the size of a bundle of all public roots.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// libpq's name for the system's roots. The driver brings its own roots instead.
const SYSTEM_ROOTS: &str = "system";

/// Prisma resolves a relative path from the folder of its schema.
const PRISMA_FOLDER: &str = "prisma";

/// Applies the TLS parameters to the driver's options.
pub(super) fn apply(
    mut options: PgConnectOptions,
    parameters: &mut Parameters,
) -> Result<PgConnectOptions, Malformed> {
    let roots = roots(parameters)?;
    let client = client(parameters)?;
    // A local socket needs no TLS, and the server offers none there.
    let is_socket = options.get_socket().is_some();
    let mode = if is_socket { PgSslMode::Disable } else { mode(parameters, roots.as_ref())? };
    options = options.ssl_mode(mode);
    if let Some(Roots::File(path)) = roots {
        options = options.ssl_root_cert(path);
    }
    if let Some(Client { certificates, key }) = client {
        options = options.ssl_client_cert_from_pem(certificates).ssl_client_key_from_pem(key);
    }
    Ok(options)
}

/// The trusted issuers of the server's certificate.
enum Roots {
    File(PathBuf),
    System,
}

fn mode(parameters: &mut Parameters, roots: Option<&Roots>) -> Result<PgSslMode, Malformed> {
    let is_strict = parameters.is_strict == Some(true);
    let is_libpq = parameters.ssl_root_cert.is_some();
    Ok(match parameters.ssl_mode {
        Some(SslMode::NoVerify) if is_strict => {
            let what = "is strict, and sslmode=no-verify is the opposite; leave one of them out";
            return Err(Malformed::parameter("sslaccept", what));
        }
        Some(SslMode::Disable) => PgSslMode::Disable,
        Some(SslMode::NoVerify) => PgSslMode::Require,
        Some(SslMode::VerifyFull) => PgSslMode::VerifyFull,
        // As in libpq: the system's roots sign certificates for every host, so the name must match.
        _ if is_strict || matches!(roots, Some(Roots::System)) => PgSslMode::VerifyFull,
        Some(SslMode::VerifyCa) => PgSslMode::VerifyCa,
        // As in libpq: a named root is meant to be used.
        Some(SslMode::Require) if is_libpq && parameters.is_strict.is_none() => PgSslMode::VerifyCa,
        Some(SslMode::Require) => {
            if roots.is_some() && parameters.is_strict.is_none() {
                let what = "sslcert does not check the server's certificate, as in Prisma; \
                            sslaccept=strict makes sure of the server";
                parameters.warnings.push(what.to_owned());
            }
            PgSslMode::Require
        }
        Some(SslMode::Prefer) | None => PgSslMode::Prefer,
    })
}

/// The server's CA: `sslrootcert`, or Prisma's `sslcert`.
fn roots(parameters: &Parameters) -> Result<Option<Roots>, Malformed> {
    let (parameter, named) = match (&parameters.ssl_root_cert, &parameters.ssl_cert, &parameters.ssl_key) {
        (Some(_), Some(_), None) => {
            let what = "is given with sslrootcert and without sslkey; add the client's key, or leave out one of the two";
            return Err(Malformed::parameter("sslcert", what));
        }
        (Some(root), _, _) if root == SYSTEM_ROOTS => return Ok(Some(Roots::System)),
        (Some(root), _, _) => ("sslrootcert", root),
        (None, Some(certificate), None) => ("sslcert", certificate),
        (None, _, _) => return Ok(None),
    };
    let (path, bytes) = read(parameter, named)?;
    let mut store = RootCertStore::empty();
    for certificate in certificates(parameter, &path, &bytes)? {
        store.add(certificate).map_err(|_| no_certificate(parameter, &path))?;
    }
    Ok(Some(Roots::File(path)))
}

/// The client's certificate and key, in PEM.
struct Client {
    certificates: Vec<u8>,
    key: Vec<u8>,
}

fn client(parameters: &mut Parameters) -> Result<Option<Client>, Malformed> {
    let Parameters { ssl_cert, ssl_key, ssl_identity, ssl_password, .. } = &*parameters;
    match (ssl_identity, ssl_key, ssl_cert) {
        (Some(_), Some(_), _) => {
            let what = "is given with sslkey; give the client's certificate in one of the two ways";
            Err(Malformed::parameter("sslidentity", what))
        }
        (Some(identity), None, _) => {
            identity_of(identity, ssl_password.as_deref().unwrap_or_default()).map(Some)
        }
        (None, Some(_), None) => {
            let what = "is given without sslcert; name the client's certificate by sslcert";
            Err(Malformed::parameter("sslkey", what))
        }
        (None, Some(key), Some(certificate)) => pair_of(certificate, key).map(Some),
        (None, None, _) => {
            if ssl_password.is_some() {
                parameters.warnings.push("sslpassword has no effect without sslidentity".to_owned());
            }
            Ok(None)
        }
    }
}

/// Reads a certificate and its key, each from a PEM file.
fn pair_of(certificate: &str, key: &str) -> Result<Client, Malformed> {
    let (certificate_path, chain) = read("sslcert", certificate)?;
    let parsed = certificates("sslcert", &certificate_path, &chain)?;
    let (key_path, key) = read("sslkey", key)?;
    let text = String::from_utf8_lossy(&key);
    if text.contains("ENCRYPTED") {
        let what = format!(
            "names {}: the key is encrypted; decrypt it (`openssl pkey`), or give a PKCS#12 archive by sslidentity",
            key_path.display()
        );
        return Err(Malformed::parameter("sslkey", what));
    }
    let parsed_key = PrivateKeyDer::from_pem_slice(&key).map_err(|_| {
        let what = format!(
            "names {}: the file holds no private key in PEM; name the one of sslcert",
            key_path.display()
        );
        Malformed::parameter("sslkey", what)
    })?;
    CertifiedKey::from_der(parsed, parsed_key, &ring::default_provider()).map_err(|_| {
        let what =
            format!("names {}: the key is not that of sslcert, or of no known kind", key_path.display());
        Malformed::parameter("sslkey", what)
    })?;
    Ok(Client { certificates: chain, key })
}

/// Reads a PKCS#12 archive as Prisma does: a key, its certificate, and the certificates of its issuers.
fn identity_of(named: &str, password: &str) -> Result<Client, Malformed> {
    let (path, bytes) = read("sslidentity", named)?;
    let wrong = |what: &str| Malformed::parameter("sslidentity", format!("names {}: {what}", path.display()));
    let archive = Pkcs12Archive::from_pkcs12(&bytes, password).map_err(|_| {
        wrong("it is no PKCS#12 archive, or sslpassword is not its password; `openssl pkcs12 -info -in FILE` shows which")
    })?;
    let [key] = archive.keys.as_slice() else {
        return Err(wrong("it holds no private key, or several; export one key with its certificate"));
    };
    let key = key.key.as_der();
    let all: Vec<&[u8]> = archive.certs.iter().map(|bag| bag.cert.as_der()).collect();
    let is_its = |certificate: &&&[u8]| {
        let parsed = vec![CertificateDer::from(certificate.to_vec())];
        let key = PrivateKeyDer::try_from(key.to_vec());
        key.is_ok_and(|key| CertifiedKey::from_der(parsed, key, &ring::default_provider()).is_ok())
    };
    let own = *all.iter().find(is_its).ok_or_else(|| {
        wrong("it holds no certificate of its key, or a key of an unknown kind; export both together")
    })?;
    let others = all.iter().copied().filter(|other| *other != own);
    let chain: String = std::iter::once(own).chain(others).map(|der| pem("CERTIFICATE", der)).collect();
    Ok(Client { certificates: chain.into_bytes(), key: pem("PRIVATE KEY", key).into_bytes() })
}

/// Encodes PEM by RFC 7468: lines of 64 characters between two labels.
fn pem(label: &str, der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (number, character) in encoded.chars().enumerate() {
        if number > 0 && number % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text + &format!("\n-----END {label}-----\n")
}

fn certificates(
    parameter: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Malformed> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(|| no_certificate(parameter, path))
}

fn no_certificate(parameter: &'static str, path: &Path) -> Malformed {
    let what = format!(
        "names {}: the file holds no certificate in PEM (-----BEGIN CERTIFICATE-----)",
        path.display()
    );
    Malformed::parameter(parameter, what)
}

/// Reads a file, first relative to Prisma's folder, then as given. Returns where it was found.
fn read(parameter: &'static str, named: &str) -> Result<(PathBuf, Vec<u8>), Malformed> {
    let given = Path::new(named);
    let beside_schema = without_dots(&Path::new(PRISMA_FOLDER).join(given));
    let path = if given.is_relative() && beside_schema.exists() { beside_schema } else { given.to_owned() };
    match safe_read::read(&path, FILE_BYTES_MAX) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => {
            let what = format!(
                "names {}, which cannot be read ({error}); name a file that is there, by its whole path",
                path.display()
            );
            Err(Malformed::parameter(parameter, what))
        }
    }
}

/// Resolves `prisma/../ca.pem` to `ca.pem`, even if the folder does not exist.
fn without_dots(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir if matches!(whole.components().next_back(), Some(Component::Normal(_))) => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    whole
}

/// Says why TLS failed and what to change. None for any other error.
#[must_use]
pub fn describe(error: &sqlx::Error) -> Option<&'static str> {
    let inner: &(dyn std::error::Error + 'static) = match error {
        sqlx::Error::Tls(inner) => &**inner,
        sqlx::Error::Io(error) => error.get_ref()?,
        _ => return None,
    };
    let fault = inner.downcast_ref::<rustls::Error>();
    if fault.is_none() && matches!(error, sqlx::Error::Io(_)) {
        return None;
    }
    Some(match fault {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the database's certificate is not trusted; name its CA by sslrootcert, or by Prisma's sslcert"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the database's certificate is for another host; use its name in the address, or sslmode=verify-ca"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the database's certificate has expired; renew it"
            }
            // rustls takes no CA for a server, as others do with a certificate that signed itself.
            CertificateError::Other(_) => {
                "the database's certificate is no server's certificate (a CA's own, perhaps); \
                 let the CA sign one, or use sslmode=require without sslaccept=strict"
            }
            _ => "the database's certificate is not accepted; sslmode and sslrootcert say what is",
        },
        Some(rustls::Error::AlertReceived(_)) => {
            "the database refused TLS; it may want a client's certificate (sslcert with sslkey, or sslidentity)"
        }
        Some(_) => "TLS could not be agreed on with the database",
        None => "the database offers no TLS; sslmode=disable or prefer does without",
    })
}
