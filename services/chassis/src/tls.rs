//! TLS from files: what a server shows and whom it lets in, what a client trusts and shows. The files are looked at
//! again and again, so that a certificate is renewed without a restart. It must not know what is said over a connection.

mod accepting;
mod checking;
mod expiry;
mod files;
mod live;
mod material;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, family::Family};
use rustls::{client::verify_server_name, pki_types::ServerName, server::ParsedCertificate};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::server::TlsStream;
use tonic::transport::ClientTlsConfig;

pub(crate) use self::accepting::accepting;
pub use self::checking::check;
use self::{live::Live, material::Material};
use crate::{
    config::{Problems, Validate},
    meters::Meters,
};

/// What HTTP/2 is called when both sides agree on what they speak.
pub const HTTP_2: &[u8] = b"h2";

/// What HTTP/1.1 is called there.
pub const HTTP_1: &[u8] = b"http/1.1";

/// Where certificates and keys are: files in PEM, looked at every second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsConfig {
    /// The certificate, with those between it and its authority behind it.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// The authorities whose certificates clients must show; without it clients show none.
    pub client_ca: Option<PathBuf>,
    /// The authorities whose servers are trusted; without it those of the web.
    pub ca: Option<PathBuf>,
    /// The name that the servers' certificates bear, where it is not the host of their addresses.
    pub name: Option<String>,
}

impl TlsConfig {
    /// Whether servers speak TLS.
    pub fn serves(&self) -> bool {
        self.cert.is_some() && self.key.is_some()
    }

    /// Whether anything is set.
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

impl Validate for TlsConfig {
    fn validate(&self, problems: &mut Problems) {
        check_pair(problems, self.cert.as_deref(), self.key.as_deref());
        problems.check(
            self.client_ca.is_none() || self.cert.is_some(),
            "client_ca",
            "needs cert and key: who shows no certificate cannot ask for one",
        );
        let named = |name: &String| ServerName::try_from(name.as_str()).is_ok();
        problems.check(
            self.name.as_ref().is_none_or(named),
            "name",
            "must be a name such as troika.internal, or an address",
        );
    }
}

/// Reports a certificate without its key, and a key without its certificate.
pub fn check_pair(problems: &mut Problems, cert: Option<&Path>, key: Option<&Path>) {
    problems.check(
        cert.is_none() || key.is_some(),
        "key",
        "must name the private key of cert, or both must be absent",
    );
    problems.check(
        key.is_none() || cert.is_some(),
        "cert",
        "must name the certificate of key, or both must be absent",
    );
}

/// What a set of files is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// In the log and in figures, such as `services`.
    pub label: &'static str,
    /// The section of the configuration, such as `tls`.
    pub section: &'static str,
}

/// Why files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {file}: {problem}")]
pub struct TlsError {
    /// Such as `tls.cert`.
    pub setting: String,
    /// The file.
    pub file: String,
    /// What is wrong with it, without anything of its contents.
    pub problem: String,
}

/// Certificates that follow their files for as long as something uses them. Cloning is cheap; every clone is the same.
#[derive(Clone)]
pub struct Tls {
    live: Live<Material>,
    failed: Counter,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files and follows them. Servers agree with their clients on one of `protocols`, the first that both
    /// know. Blocks as long as reading a few small files takes; must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Files that cannot be read, or do not fit together. Later on such files are told in the log and change nothing.
    pub fn load(
        purpose: Purpose,
        config: &TlsConfig,
        protocols: &[&[u8]],
        meters: &Meters,
    ) -> Result<Self, TlsError> {
        let failed = meters.metric(
            "troika_tls_handshakes_failed",
            "TLS handshakes of clients that came to nothing",
            Family::<[(&'static str, &'static str); 1], Counter>::default,
        );
        let failed = failed.get_or_create(&[("purpose", purpose.label)]).clone();
        let protocols: Vec<_> = protocols.iter().map(|name| name.to_vec()).collect();
        let name = config.name.clone();
        let live = Live::follow(
            files::Files::of(purpose, config),
            expiry::Expiry::new(purpose, meters),
            live::Reloads::new(purpose, meters),
            move |contents| Material::of(contents, &protocols, name.as_deref()),
        )?;
        Ok(Self { live, failed })
    }

    /// For who serves; none without a certificate.
    pub fn server(&self) -> Option<ServerTls> {
        let serves = self.live.now().server.is_some();
        serves.then(|| ServerTls(self.clone()))
    }

    /// For who calls.
    pub fn client(&self) -> ClientTls {
        ClientTls(Some(self.live.clone()))
    }
}

/// What a server shows, and whom it lets in. Two are equal when they are the same.
#[derive(Clone, Debug)]
pub struct ServerTls(Tls);

impl PartialEq for ServerTls {
    fn eq(&self, other: &Self) -> bool {
        self.0.live.is(&other.0.live)
    }
}

impl ServerTls {
    /// Shakes hands with a client, who may take so long. A client that takes longer, speaks no TLS or is not let in is
    /// counted.
    ///
    /// # Errors
    ///
    /// When it came to nothing.
    pub async fn accept<S>(&self, stream: S, within: Duration) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = match self.0.live.now().server.clone() {
            Some(config) => {
                let shaking = TlsAcceptor::from(config).accept(stream);
                tokio::time::timeout(within, shaking)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            // Files that were a certificate once are never taken for none.
            None => Err(io::ErrorKind::Unsupported.into()),
        };
        if shaken.is_err() {
            self.0.failed.inc();
        }
        shaken
    }

    /// Whether the certificate is good for this host: a name or an address, without a port.
    pub fn bears(&self, host: &str) -> bool {
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let now = self.0.live.now();
        let (Some(shown), Ok(name)) = (now.chain.first(), ServerName::try_from(host)) else {
            return false;
        };
        ParsedCertificate::try_from(shown)
            .is_ok_and(|shown| verify_server_name(&shown, &name).is_ok())
    }
}

/// What a client trusts and shows; by default the authorities of the web, and nothing. Two are equal when they are the
/// same.
#[derive(Clone, Default)]
pub struct ClientTls(Option<Live<Material>>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientTls").field(&self.0.is_some()).finish()
    }
}

impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(this), Some(other)) => this.is(other),
            (None, None) => true,
            _ => false,
        }
    }
}

impl ClientTls {
    /// What is in force, and its number: another one when the files have changed.
    pub(crate) fn now(&self) -> (u64, ClientTlsConfig) {
        match &self.0 {
            None => (0, ClientTlsConfig::new().with_enabled_roots()),
            Some(live) => {
                let now = live.now();
                (now.number, now.client.clone())
            }
        }
    }

    /// The number of what is in force.
    pub(crate) fn number(&self) -> u64 {
        self.0.as_ref().map_or(0, |live| live.now().number)
    }
}

/// The library for all of this, and the one that is installed for the process.
fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
