//! Settings of the metrics role.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// Everything the metrics role can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the role listens for gRPC.
    pub listen: SocketAddr,
    /// Flags whose variants are counted apart; what others say is not compared.
    pub max_flags: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50054)),
            max_flags: 1000,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.max_flags > 0, "max_flags", "must be at least 1");
    }
}
