//! TLS: whose certificates are trusted, and what is wrong with the others.
//!
//! Certificates are read only when TLS is really wanted: plain http must work in an image without a single CA file.

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The extra CA bundle cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the CA bundle {}: {why}", path.display())]
pub struct CaFileError {
    /// `JJOBS_INIT_CA_FILE`.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// The system's certificates and those of the PEM bundle `extra`. Blocks.
///
/// # Errors
/// When `extra` cannot be read, or holds no certificate or a broken one. What is wrong with the system's is only logged.
pub fn roots(extra: Option<&Path>) -> Result<RootCertStore, CaFileError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::debug!(error = %error, "system certificates not read");
    }
    roots.add_parsable_certificates(system.certs);
    let Some(path) = extra else { return Ok(roots) };
    let failed = |why: String| CaFileError { path: path.to_owned(), why };
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(error.to_string()))?;
    if certificates.is_empty() {
        return Err(failed("there is no certificate in it".to_owned()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    Ok(roots)
}

/// A client's side that trusts `roots`.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Looks for a failure of TLS at or below `error`. `io::Error` hides what it wraps from the chain of sources.
#[must_use]
pub fn failure_below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|inner| inner as &'a (dyn Error + 'static)).or_else(|| error.source());
    }
    None
}

/// What an operator should know about `error`, in one line.
#[must_use]
pub fn in_words(error: &rustls::Error) -> String {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(problem) => certificate_in_words(problem),
        Tls::InvalidMessage(_) => "what answers on this port does not speak TLS".to_owned(),
        Tls::AlertReceived(alert) => format!("the server ended the handshake: {alert:?}"),
        Tls::PeerIncompatible(_) => {
            "the server offers no TLS version or cipher that is safe today".to_owned()
        }
        other => other.to_string(),
    }
}

fn certificate_in_words(problem: &CertificateError) -> String {
    use CertificateError as Certificate;
    match problem {
        Certificate::UnknownIssuer => "its certificate was issued by nobody we know".to_owned(),
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        Certificate::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "its certificate names no host (it has no subjectAltName)".to_owned()
        }
        Certificate::NotValidForNameContext { presented, .. } => {
            // The names come from the other side: enough to recognise it by, not more.
            let names: Vec<_> = presented.iter().take(4).map(String::as_str).collect();
            format!("its certificate is for another name ({})", names.join(", "))
        }
        Certificate::NotValidForName => "its certificate is for another name".to_owned(),
        Certificate::Revoked => "its certificate was revoked".to_owned(),
        Certificate::BadSignature => {
            // As after a CA was made anew under its old name.
            "its certificate was not signed by the CA that we know under that name".to_owned()
        }
        // As `openssl req -x509` makes them. Nothing but its text tells this one apart.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its own certificate is a CA's (basicConstraints CA:TRUE)".to_owned()
        }
        other => format!("its certificate is refused: {other}"),
    }
}
