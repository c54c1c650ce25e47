//! The `[gateway.tls]` section: whether the gateway speaks TLS itself, or stands behind somebody who does.

use std::{path::PathBuf, time::Duration};

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{Problems, Validate},
    tls::{self, Purpose, TlsConfig, TlsError, check_pair},
};

/// What the files are for.
pub(crate) const PURPOSE: Purpose = Purpose {
    label: "gateway",
    section: "gateway.tls",
};

/// Half a year: long enough for browsers to remember from one visit to the next.
const HALF_A_YEAR: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// TLS for those who come from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    /// The certificate, with those between it and its authority behind it. Without it the gateway speaks plain HTTP.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// A further port, for plain HTTP, where everything is sent to TLS.
    pub redirect_port: Option<u16>,
    /// The port that it is sent to, where that is not the gateway's own.
    pub public_port: Option<u16>,
    /// How long browsers are to ask for nothing but TLS. Nothing: they are not told.
    #[serde(with = "humantime_serde")]
    pub hsts: Duration,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert: None,
            key: None,
            redirect_port: None,
            public_port: None,
            hsts: HALF_A_YEAR,
        }
    }
}

impl Tls {
    /// Whether the gateway speaks TLS.
    pub fn serves(&self) -> bool {
        self.cert.is_some() && self.key.is_some()
    }

    /// The files.
    pub(crate) fn files(&self) -> TlsConfig {
        TlsConfig {
            cert: self.cert.clone(),
            key: self.key.clone(),
            ..TlsConfig::default()
        }
    }

    /// Everything that is wrong with the files.
    pub fn check_files(&self) -> Vec<TlsError> {
        tls::check(PURPOSE, &self.files())
    }

    /// What browsers are told.
    pub(crate) fn transport_security(&self) -> Option<HeaderValue> {
        let seconds = self.hsts.as_secs();
        let told = HeaderValue::try_from(format!("max-age={seconds}"));
        told.ok().filter(|_| seconds > 0)
    }

    /// Reports what cannot work beside the gateway's own port.
    pub(super) fn check(&self, port: u16, problems: &mut Problems) {
        self.validate(problems);
        problems.check(
            self.redirect_port != Some(port) || port == 0,
            "redirect_port",
            "must be another port than gateway.port, which speaks TLS",
        );
    }
}

impl Validate for Tls {
    fn validate(&self, problems: &mut Problems) {
        check_pair(problems, self.cert.as_deref(), self.key.as_deref());
        problems.check(
            self.redirect_port.is_none() || self.serves(),
            "redirect_port",
            "needs cert and key: there is nowhere to send anybody",
        );
        problems.check(
            self.public_port != Some(0),
            "public_port",
            "must be the port that people reach, such as 443",
        );
    }
}
