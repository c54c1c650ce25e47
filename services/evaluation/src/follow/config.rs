//! Where the flags role is.

use serde::{Deserialize, Serialize};
use troika_chassis::{
    channel::{ChannelConfig, check_address},
    config::{Problems, Validate},
};
use url::Url;

/// Where the flags role is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Its gRPC address: `http://` in plain text, `https://` with TLS.
    pub address: Url,
    /// The connection to it: one is enough for one watch.
    pub channel: ChannelConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: default_address(),
            channel: ChannelConfig {
                connections: 1,
                ..ChannelConfig::default()
            },
        }
    }
}

#[allow(clippy::expect_used)]
fn default_address() -> Url {
    Url::parse("http://127.0.0.1:50053").expect("the default address is a URL")
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        check_address(problems, "address", &self.address);
        self.channel.validate(&mut problems.at("channel"));
    }
}
