//! Proxies before the gateway, and which of them are believed.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::networks;

/// Which header tells where requests come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The `[gateway.proxies]` section. Nobody is believed unless one of the two is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proxies {
    /// How many proxies stand before the gateway, each of which adds whom it saw on the right.
    pub hops: u8,
    /// Their networks: a list, or one string with commas. When set, it decides in place of `hops`.
    #[serde(with = "networks")]
    pub trusted: Vec<IpNet>,
    /// Which header they write.
    pub header: ForwardedBy,
}
