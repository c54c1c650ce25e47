//! What an operator sets about who stands in front of the gateway, and whose pages may call it: `[gateway.proxies]` and
//! `[gateway.cors]`.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{Problems, Validate},
    origin::{Origins, Pattern},
};

use super::networks;

/// More proxies than anybody has in a row.
const MOST_HOPS: usize = 16;

/// The `[gateway.proxies]` section: whose word counts about where a request comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proxies {
    /// How many proxies stand in front, each of which appends whom it asks for. 0: none, and no header is believed.
    pub hops: usize,
    /// The addresses and networks of the proxies, where their number varies: a list, or one string with commas.
    #[serde(with = "networks")]
    pub trusted: Vec<IpNet>,
    /// The header that they write.
    pub header: Forwarding,
}

/// The header in which proxies say whom they ask for. The other one is not read: a proxy that does not know it hands on
/// whatever a client wrote there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forwarding {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto` beside it.
    #[default]
    XForwardedFor,
    /// `Forwarded` of RFC 7239.
    Forwarded,
}

impl Validate for Proxies {
    fn validate(&self, problems: &mut Problems) {
        if self.hops > 0 && !self.trusted.is_empty() {
            problems.push(
                "hops",
                "must be 0 where `trusted` names the proxies: set one of them",
            );
        }
        if self.hops > MOST_HOPS {
            problems.push("hops", format!("must be at most {MOST_HOPS}"));
        }
        if self.trusted.iter().any(|network| network.prefix_len() == 0) {
            problems.push(
                "trusted",
                "must not be all addresses: anybody could say to be anybody. Name the proxies' networks",
            );
        }
    }
}

/// The `[gateway.cors]` section: pages of others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Origins of the operators' own pages, such as `https://admin.example.com` or `https://*.example.com`: they may
    /// call every route, with credentials.
    pub origins: Vec<String>,
    /// Whether pages of anybody may frame a bot that lists no origins.
    pub frame_anywhere: bool,
}

impl Cors {
    /// The operators' list, read.
    pub(crate) fn operators(&self) -> Origins {
        Origins::read(&self.origins)
    }
}

impl Validate for Cors {
    fn validate(&self, problems: &mut Problems) {
        for (at, text) in self.origins.iter().enumerate() {
            if Pattern::parse(text.trim()).is_none() {
                problems.push(
                    format!("origins[{at}]"),
                    "must be an origin such as https://admin.example.com, or https://*.example.com for all below it: no path, and never * alone",
                );
            }
        }
    }
}
