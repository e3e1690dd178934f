//! The server's https: with a certificate that is there as PEM files, else with one made for it, signed by an authority
//! made for it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{fs, path::Path, sync::Arc};

/// TLS with `cert.pem` and `key.pem` in `folder`. They are made where they are missing, for all `names`, with the
/// authority that signed them as `ca.pem`, and stay: a client that trusts them does so after a restart, too.
pub(crate) fn config(folder: &Path, names: Vec<String>) -> Result<Arc<ServerConfig>, String> {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    if !certificate.exists() {
        make(folder, names).map_err(|error| format!("cannot make a certificate: {error}"))?;
    }
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", folder.display());
    let chain = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(&error))?;
    let key = PrivateKeyDer::from_pem_file(&key).map_err(|error| wrong(&error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&error))?;
    Ok(Arc::new(config))
}

fn make(folder: &Path, names: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name = name("a simulated authority");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let mut server = CertificateParams::new(names)?;
    server.distinguished_name = name("a simulated server");
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("ca.pem"), authority.pem())?;
    fs::write(folder.join("key.pem"), key.serialize_pem())?;
    fs::write(folder.join("cert.pem"), certificate.pem())?;
    Ok(())
}

fn name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// Every name and address by which this machine's `/etc/hosts` may mean the server.
pub(crate) fn names() -> Vec<String> {
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let words = hosts.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace);
    let own = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let mut names: Vec<String> = own.into_iter().chain(words.map(str::to_owned)).collect();
    names.push(crate::ledger::hostname());
    names.sort();
    names.dedup();
    names
}
