//! What an operator sets for the gateway, with the defaults a developer's machine needs. It must
//! not know where the values come from (the chassis loads them) nor act on them.

mod tls;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use bytesize::ByteSize;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use troika_chassis::{
    channel::{ChannelConfig, check_address},
    config::{Problems, Validate},
};
use url::Url;

pub(crate) use self::tls::PURPOSE as TLS;
pub use self::{
    edge::{Cors, Forwarding, Proxies},
    limits::LimitsConfig,
    tls::Tls,
};
use crate::body::BodyLimits;

mod edge;
mod limits;

/// The `[gateway]` section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where to listen; 0.0.0.0 or :: for every address of the machine.
    pub host: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The chat role's gRPC address: `http://` in plain text with prior knowledge, `https://` with TLS.
    pub chat: Url,
    /// The speech role's gRPC address, as `chat`.
    pub tts: Url,
    /// The flags role's gRPC address, as `chat`.
    pub flags: Url,
    /// The metrics role's gRPC address, as `chat`.
    pub metrics: Url,
    /// The connections to each of them.
    pub channel: ChannelConfig,
    /// The most a request's body may hold.
    pub body_limit: ByteSize,
    /// The most values a request's body may hold, however small they are.
    pub body_values: usize,
    /// The longest a request's body may take to arrive.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// The longest a request's head may take to arrive; an idle HTTP/1.1 connection ends after it too.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// The longest a client may refuse to take any byte before its connection is cut.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Connections served at once; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// Connections of one address, or one network of IPv6, at once; further ones are closed. Those of
    /// `rate_limit_ip_whitelist` are not counted.
    pub max_connections_per_address: usize,
    /// How long a connection on which nothing is under way stays open.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// TLS for those who come from outside.
    pub tls: Tls,
    /// Listeners to changes of flags (`/ofrep/v1/events`) at once, and as many to live figures (`/api/metrics/live`).
    pub max_listeners: usize,
    /// Silence on an event stream after which a comment is sent.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long chat may take to begin a stream with its first event.
    #[serde(with = "humantime_serde")]
    pub open_timeout: Duration,
    /// How long chat may take for an answer in one piece. Longer than chat's own limit for a turn.
    #[serde(with = "humantime_serde")]
    pub answer_deadline: Duration,
    /// How long chat may take to stop a turn.
    #[serde(with = "humantime_serde")]
    pub stop_deadline: Duration,
    /// How long the speech role may take for a text.
    #[serde(with = "humantime_serde")]
    pub speech_deadline: Duration,
    /// How long the flags role may take for a call.
    #[serde(with = "humantime_serde")]
    pub flags_deadline: Duration,
    /// How long the metrics role may take for a call.
    #[serde(with = "humantime_serde")]
    pub metrics_deadline: Duration,
    /// How often clients may ask.
    pub limits: LimitsConfig,
    /// Addresses and networks that limits exempt: a list, or one string with commas.
    #[serde(with = "networks")]
    pub rate_limit_ip_whitelist: Vec<IpNet>,
    /// Whose word counts about where a request comes from.
    pub proxies: Proxies,
    /// Pages of others.
    pub cors: Cors,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 5000,
            chat: local(50051),
            tts: local(50052),
            flags: local(50053),
            metrics: local(50054),
            channel: ChannelConfig::default(),
            body_limit: ByteSize::mib(1),
            body_values: 10_000,
            body_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            max_connections: 10_000,
            max_connections_per_address: 200,
            idle_timeout: Duration::from_secs(2 * 60),
            tls: Tls::default(),
            max_listeners: 1000,
            heartbeat: Duration::from_secs(15),
            open_timeout: Duration::from_secs(15),
            answer_deadline: Duration::from_secs(130),
            stop_deadline: Duration::from_secs(5),
            speech_deadline: Duration::from_secs(30),
            flags_deadline: Duration::from_secs(5),
            metrics_deadline: Duration::from_secs(2),
            limits: LimitsConfig::default(),
            rate_limit_ip_whitelist: Vec::new(),
            proxies: Proxies::default(),
            cors: Cors::default(),
        }
    }
}

// These are URLs; a test says so.
#[allow(clippy::expect_used)]
fn local(port: u16) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}")).expect("the default address is a URL")
}

impl Config {
    /// The address to bind.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The bounds of a request's body.
    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            size: usize::try_from(self.body_limit.as_u64()).unwrap_or(usize::MAX),
            values: self.body_values,
            time: self.body_timeout,
        }
    }
}

impl Validate for Config {
    /// Reports every value that cannot work.
    fn validate(&self, problems: &mut Problems) {
        check_address(problems, "chat", &self.chat);
        check_address(problems, "tts", &self.tts);
        check_address(problems, "flags", &self.flags);
        check_address(problems, "metrics", &self.metrics);
        self.channel.validate(&mut problems.at("channel"));
        self.limits.validate(&mut problems.at("limits"));
        if self.body_limit.as_u64() == 0 {
            problems.push("body_limit", "must be more than nothing, such as 1 MiB");
        }
        if self.body_values == 0 {
            problems.push("body_values", "must be at least 1, such as 10000");
        }
        self.proxies.validate(&mut problems.at("proxies"));
        self.cors.validate(&mut problems.at("cors"));
        if self.max_connections == 0 {
            problems.push("max_connections", "must be at least 1");
        }
        if self.max_connections_per_address == 0 {
            problems.push("max_connections_per_address", "must be at least 1");
        }
        self.tls.check(self.port, &mut problems.at("tls"));
        if self.max_listeners == 0 {
            problems.push("max_listeners", "must be at least 1");
        }
        for (key, duration) in [
            ("body_timeout", self.body_timeout),
            ("head_timeout", self.head_timeout),
            ("write_timeout", self.write_timeout),
            ("idle_timeout", self.idle_timeout),
            ("heartbeat", self.heartbeat),
            ("open_timeout", self.open_timeout),
            ("answer_deadline", self.answer_deadline),
            ("stop_deadline", self.stop_deadline),
            ("speech_deadline", self.speech_deadline),
            ("flags_deadline", self.flags_deadline),
            ("metrics_deadline", self.metrics_deadline),
        ] {
            if duration.is_zero() {
                problems.push(key, "must be longer than nothing, such as 10s");
            }
        }
    }
}

/// Networks as operators write them: a list of strings, or one string with commas; each an address
/// or a CIDR.
mod networks {
    use std::{fmt, net::IpAddr};

    use ipnet::IpNet;
    use serde::{
        Deserializer, Serializer,
        de::{Error, SeqAccess, Visitor},
    };

    pub(super) fn serialize<S: Serializer>(
        networks: &[IpNet],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(networks.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<IpNet>, D::Error> {
        deserializer.deserialize_any(Networks)
    }

    struct Networks;

    impl<'de> Visitor<'de> for Networks {
        type Value = Vec<IpNet>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("addresses or CIDRs, as a list or with commas between them")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(parse)
                .collect()
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut networks = Vec::new();
            while let Some(item) = items.next_element::<String>()? {
                networks.push(parse(item.trim())?);
            }
            Ok(networks)
        }
    }

    fn parse<E: Error>(item: &str) -> Result<IpNet, E> {
        item.parse::<IpNet>()
            .or_else(|_| item.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                E::custom(format!(
                    "`{item}` is neither an IP address nor a CIDR such as 10.0.0.0/8"
                ))
            })
    }
}

#[cfg(test)]
mod tests;
