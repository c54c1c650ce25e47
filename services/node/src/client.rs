//! Calls from the command line to a running role, and what it means when they fail. It must not know which
//! verb calls.

use std::time::Duration;

use tonic::{Request, Status};
use troika_chassis::{
    channel::{Channel, ChannelConfig, channel},
    error::{Code, Error},
    meters::Meters,
};
use troika_proto::{
    accounts::v1::accounts_client::AccountsClient,
    audit::v1::audit_client::AuditClient,
    chat::v1::{chat_stream_client::ChatStreamClient, chatbots_client::ChatbotsClient},
    flags::v1::{flags_client::FlagsClient, rollouts_client::RolloutsClient},
    metrics::v1::{alerts_client::AlertsClient, metrics_client::MetricsClient},
    tts::v1::tts_client::TtsClient,
};

use crate::{
    cli::Role,
    config::{Config, rules},
    exit::{Exit, Failure},
    tls,
};

mod credential;

/// What a call that does a little work may take.
pub(crate) const SHORT: Duration = Duration::from_secs(15);

/// What a call that reads all there is may take.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// The largest list that is taken from a role.
const LARGEST_LIST: usize = 128 << 20;

/// Where the chat role is.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Target {
    /// The chat role's gRPC address, such as 127.0.0.1:50051 or https://chat.example; the configured one
    /// when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

impl Target {
    /// Prepares calls to the chat role.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn chat(&self, config: &Config) -> Result<Peer, Failure> {
        Peer::at(Role::Chat, self.addr.as_deref(), config)
    }
}

/// Where the flags role is, which keeps flags, rollouts and accounts.
#[derive(Debug, clap::Args)]
pub(crate) struct FlagsTarget {
    /// The flags role's gRPC address, such as 127.0.0.1:50053; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

impl FlagsTarget {
    /// Prepares calls to the flags role.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn peer(&self, config: &Config) -> Result<Peer, Failure> {
        Peer::at(Role::Flags, self.addr.as_deref(), config)
    }
}

/// A running role to call.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    role: Role,
    channel: Channel,
    address: String,
}

impl Peer {
    /// Prepares calls to a role at a given address, or at the configured one; nothing is connected before
    /// the first call.
    ///
    /// # Errors
    /// When the address is none.
    pub(crate) fn at(role: Role, given: Option<&str>, config: &Config) -> Result<Self, Failure> {
        let configured = match role {
            Role::Tts => &config.gateway.tts,
            Role::Flags => &config.gateway.flags,
            Role::Metrics => &config.chat.metrics.address,
            Role::Chat | Role::Gateway => &config.gateway.chat,
        };
        let address = match given {
            Some(given) if given.contains("://") => given.to_owned(),
            Some(given) => format!("{}://{given}", rules::scheme(config.tls.is_set())),
            None => configured.to_string(),
        };
        let address = address.trim_end_matches('/').to_owned();
        let uri = address
            .parse::<http::Uri>()
            .ok()
            .filter(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            })
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    format!("`{address}` is no address of a {} role", role.name()),
                )
                .with_detail("write it as 127.0.0.1:50051 or https://chat.example")
            })?;
        let mut connection = ChannelConfig {
            connections: 1,
            credential: credential::of(config)?,
            ..config.gateway.channel.clone()
        };
        if uri.scheme_str() == Some("https")
            && let Some(tls) = tls::load(config, &Meters::new())?
        {
            connection.tls = tls.client();
        }
        Ok(Self {
            role,
            channel: channel(uri, &connection),
            address,
        })
    }

    /// Where it is, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The connection itself.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Conversations.
    pub(crate) fn conversations(&self) -> ChatStreamClient<Channel> {
        ChatStreamClient::new(self.channel())
    }

    /// Bots and their knowledge.
    pub(crate) fn bots(&self) -> ChatbotsClient<Channel> {
        ChatbotsClient::new(self.channel())
    }

    /// Speech.
    pub(crate) fn speech(&self) -> TtsClient<Channel> {
        TtsClient::new(self.channel())
    }

    /// Flags.
    pub(crate) fn flags(&self) -> FlagsClient<Channel> {
        FlagsClient::new(self.channel())
    }

    /// Accounts, which live with the flags.
    pub(crate) fn accounts(&self) -> AccountsClient<Channel> {
        AccountsClient::new(self.channel())
    }

    /// Rollouts.
    pub(crate) fn rollouts(&self) -> RolloutsClient<Channel> {
        RolloutsClient::new(self.channel())
    }

    /// Figures.
    pub(crate) fn metrics(&self) -> MetricsClient<Channel> {
        MetricsClient::new(self.channel())
    }

    /// Alerts.
    pub(crate) fn alerts(&self) -> AlertsClient<Channel> {
        AlertsClient::new(self.channel())
    }

    /// Who changed what.
    pub(crate) fn audit(&self) -> AuditClient<Channel> {
        AuditClient::new(self.channel()).max_decoding_message_size(LARGEST_LIST)
    }

    /// What a status means to the person at the terminal.
    pub(crate) fn failure(&self, status: &Status) -> Failure {
        let error = Error::from(status);
        // A role that answers sends details along; a status without them was made on this side.
        let answered = !status.details().is_empty();
        match error.code() {
            Code::Unavailable if !answered => Failure::new(
                Exit::Unreachable,
                format!("no {} role answers at {}", self.role.name(), self.address),
            )
            .with_detail(format!(
                "start it with `troika` or `troika run {}`, or name another address with --addr",
                self.role.name()
            )),
            Code::DeadlineExceeded if !answered => Failure::new(
                Exit::Unreachable,
                format!(
                    "the {} role at {} did not answer in time",
                    self.role.name(),
                    self.address
                ),
            ),
            Code::Unimplemented | Code::Internal if !answered => Failure::new(
                Exit::Failed,
                format!(
                    "what answers at {} is no {} role, or one of another version",
                    self.address,
                    self.role.name()
                ),
            ),
            _ => Failure::from(&error),
        }
    }
}

/// A call that must end within the limit; the limit travels with it.
pub(crate) fn within<T>(limit: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(limit);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(addr: &str) -> Result<Peer, Failure> {
        Peer::at(Role::Chat, Some(addr), &Config::default())
    }

    #[tokio::test]
    async fn an_address_may_be_written_short() {
        assert_eq!(
            at("127.0.0.1:7000").unwrap().address(),
            "http://127.0.0.1:7000"
        );
        assert_eq!(
            at("https://chat.example/").unwrap().address(),
            "https://chat.example"
        );
        let configured = Target::default().chat(&Config::default()).unwrap();
        assert_eq!(configured.address(), "http://127.0.0.1:50051");
        let speech = Peer::at(Role::Tts, None, &Config::default()).unwrap();
        assert_eq!(speech.address(), "http://127.0.0.1:50052");
    }

    #[tokio::test]
    async fn what_is_no_address_is_wrong_usage() {
        for wrong in ["ftp://chat", "http://", "a b", ""] {
            assert_eq!(at(wrong).unwrap_err().exit(), Exit::Usage, "{wrong}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_told_apart_from_a_role_that_cannot_work() {
        let chat = at("127.0.0.1:7000").unwrap();
        let nobody = chat.failure(&Status::unavailable("tcp connect error"));
        assert_eq!(nobody.exit(), Exit::Unreachable);
        assert_eq!(
            nobody.lines().next(),
            Some("no chat role answers at http://127.0.0.1:7000")
        );
        let refused = Status::from(Error::new(
            Code::Unavailable,
            "store",
            "The store is unavailable.",
        ));
        assert_eq!(
            chat.failure(&refused).lines().next(),
            Some("The store is unavailable.")
        );
    }
}
