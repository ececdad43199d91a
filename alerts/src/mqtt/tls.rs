//! TLS towards the broker: rustls with the ring provider, whatever provider the process has installed.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
};

use super::{MqttConfig, MqttError};

/// The client side of TLS as `config` wants it. Reads files.
pub(super) fn client_config(config: &MqttConfig) -> Result<Arc<ClientConfig>, MqttError> {
    let roots = roots(config.ca_file.as_deref())?;
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let client = match (&config.client_cert, &config.client_key) {
        (Some(cert), Some(key)) => builder
            .with_client_auth_cert(certificates("client_cert", cert)?, private_key(key)?)
            .map_err(|error| MqttError::ClientCertificate { reason: error.to_string() })?,
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(client))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, MqttError> {
    let certificates = match ca_file {
        Some(path) => certificates("ca_file", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(certificates);
    match (usable, ca_file) {
        (0, Some(path)) => {
            Err(MqttError::Pem { key: "ca_file", path: path.to_owned(), expected: "usable CA certificate" })
        }
        (0, None) => Err(MqttError::Config {
            key: "ca_file",
            problem: "is missing, and this system has no CA certificates of its own (package ca-certificates)".into(),
        }),
        _ => Ok(roots),
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, MqttError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(key, path, "certificate", error))?;
    if certificates.is_empty() {
        return Err(MqttError::Pem { key, path: path.to_owned(), expected: "certificate" });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, MqttError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable("client_key", path, "private key", error))
}

fn unreadable(key: &'static str, path: &Path, expected: &'static str, error: pem::Error) -> MqttError {
    match error {
        pem::Error::Io(source) => MqttError::File { key, path: path.to_owned(), source },
        _ => MqttError::Pem { key, path: path.to_owned(), expected },
    }
}

/// What to do about a failed handshake.
pub(super) fn remedy(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription, CertificateError, Error};
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "set mqtt.ca_file to the certificate of the CA that signed the broker's"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "name the broker in mqtt.url as its certificate does",
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "renew the broker's certificate, or set this machine's clock",
        Error::InvalidMessage(_) => "this port may not speak TLS: try mqtt:// or another port",
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::HandshakeFailure
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA,
        ) => "the broker may want a certificate of ours: set mqtt.client_cert and mqtt.client_key",
        _ => "check the broker's certificate and mqtt.ca_file",
    }
}
