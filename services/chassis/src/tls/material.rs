//! From what is in the files to what rustls and tonic take. It must not know where files are.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rustls::{
    ServerConfig,
    crypto::ring::Ticketer,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use super::{TlsError, files::View, provider};

/// Every material of a process has a number of its own. 0 is for who has none.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// What one state of the files adds up to.
pub(super) struct Material {
    pub(super) number: u64,
    pub(super) server: Option<Arc<ServerConfig>>,
    pub(super) client: ClientTlsConfig,
    /// What is shown, the own certificate first.
    pub(super) chain: Vec<CertificateDer<'static>>,
}

impl Material {
    pub(super) fn of(
        view: View<'_>,
        protocols: &[Vec<u8>],
        name: Option<&str>,
    ) -> Result<Self, TlsError> {
        let chain = view.certificates("cert")?.unwrap_or_default();
        Ok(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            server: server(view, &chain, protocols)?.map(Arc::new),
            client: client(view, name)?,
            chain,
        })
    }
}

/// TLS 1.3 and 1.2 with the suites of rustls, all of which are authenticated encryption with forward secrecy.
fn server(
    view: View<'_>,
    chain: &[CertificateDer<'static>],
    protocols: &[Vec<u8>],
) -> Result<Option<ServerConfig>, TlsError> {
    let Some(key) = view.key("key")? else {
        return Ok(None);
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|problem| view.wrong("cert", problem.to_string()))?;
    let asks = view.authorities("client_ca")?;
    let mutual = asks.is_some();
    let builder = match asks {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider())
                    .build()
                    .map_err(|problem| view.wrong("client_ca", problem.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain.to_vec(), key)
        .map_err(|problem| {
            let problem = format!("it does not fit its private key, or cannot be used: {problem}");
            view.wrong("cert", problem)
        })?;
    config.alpn_protocols = protocols.to_vec();
    if mutual {
        // Each connection is looked at anew: a certificate that ended meanwhile must not come in by an old ticket.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    } else {
        // Who comes again is spared half of the handshake, without anything being remembered here.
        config.ticketer =
            Ticketer::new().map_err(|problem| view.wrong("key", problem.to_string()))?;
    }
    Ok(Some(config))
}

fn client(view: View<'_>, name: Option<&str>) -> Result<ClientTlsConfig, TlsError> {
    // Looked at first: what tonic cannot read it leaves out without a word.
    let authorities = view.authorities("ca")?;
    let mut config = match (authorities, view.bytes("ca")?) {
        (Some(_), Some(authorities)) => {
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities))
        }
        _ => ClientTlsConfig::new().with_enabled_roots(),
    };
    if let (Some(cert), Some(key)) = (view.bytes("cert")?, view.bytes("key")?) {
        config = config.identity(Identity::from_pem(cert, key));
    }
    if let Some(name) = name {
        config = config.domain_name(name);
    }
    Ok(config)
}
