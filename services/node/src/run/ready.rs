//! The ready line: what this process serves and what stands behind it, for people and for scripts that
//! wait for it. It must not show a password or a key.

use std::net::SocketAddr;

use troika_tts::voices::EngineName;
use url::Url;

use crate::{
    cli::Role,
    config::{Config, rules},
    connection_string,
    exit::Failure,
    output,
};

use super::welcome;

/// What runs here, in words fit for the ready line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) gateway: Option<String>,
    pub(super) chat: Option<Chat>,
    pub(super) tts: Option<Tts>,
    pub(super) flags: Option<String>,
    pub(super) metrics: Option<String>,
    pub(super) admin: Option<String>,
}

/// The speech role and who speaks there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tts {
    pub(super) address: String,
    pub(super) voice: Engine,
}

/// The chat role and what it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chat {
    pub(super) address: String,
    pub(super) store: Engine,
    pub(super) cache: Engine,
    pub(super) model: Engine,
    pub(super) embeddings: Engine,
}

/// What does a job: something built in, or something that was configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    /// Part of this process, or nothing at all.
    Embedded(String),
    /// A server somewhere.
    Real(String),
}

impl Engine {
    /// The value in the ready line.
    pub(super) fn shown(&self) -> &str {
        match self {
            Self::Embedded(shown) | Self::Real(shown) => shown,
        }
    }
}

impl Report {
    /// Describes a process by its configuration, whose addresses are the bound ones.
    /// Looks whether this machine has a voice.
    pub(super) async fn new(config: &Config, runs: impl Fn(Role) -> bool) -> Self {
        let voice = if runs(Role::Tts) {
            troika_tts::engines(&config.tts).await
        } else {
            Vec::new()
        };
        Self {
            gateway: runs(Role::Gateway)
                .then(|| address(config.gateway.tls.serves(), config.gateway.address())),
            chat: runs(Role::Chat).then(|| Chat::new(config)),
            tts: runs(Role::Tts).then(|| Tts::new(config, &voice)),
            flags: runs(Role::Flags).then(|| grpc(config, config.flags.listen)),
            metrics: runs(Role::Metrics).then(|| grpc(config, config.metrics.listen)),
            admin: config.admin.listen.map(http),
        }
    }

    /// Tells the person at the terminal what they can do, then prints the ready line.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn announce(&self) -> Result<(), Failure> {
        if output::stderr_is_terminal() {
            output::aside(&welcome::text(self, &program()));
        }
        output::line(&self.line())
    }

    fn line(&self) -> String {
        let mut line = String::from("ready ");
        let mut add = |key: &str, value: &str| {
            line.push_str(&format!(
                " {key}={}",
                value.split_whitespace().collect::<Vec<_>>().join("%20")
            ));
        };
        if let Some(gateway) = &self.gateway {
            add("gateway", gateway);
        }
        if let Some(chat) = &self.chat {
            add("chat", &chat.address);
            add("store", chat.store.shown());
            add("cache", chat.cache.shown());
            add("model", chat.model.shown());
            add("embeddings", chat.embeddings.shown());
        }
        if let Some(tts) = &self.tts {
            add("tts", &tts.address);
            add("voice", tts.voice.shown());
        }
        if let Some(flags) = &self.flags {
            add("flags", flags);
        }
        if let Some(metrics) = &self.metrics {
            add("metrics", metrics);
        }
        if let Some(admin) = &self.admin {
            add("admin", admin);
        }
        line
    }
}

impl Tts {
    fn new(config: &Config, engines: &[EngineName]) -> Self {
        let voice = match engines.first() {
            None => Engine::Embedded("none".into()),
            Some(EngineName::Espeak) => Engine::Embedded("espeak-ng".into()),
            Some(EngineName::Google) => Engine::Real("google".into()),
        };
        Self {
            address: grpc(config, config.tts.listen),
            voice,
        }
    }
}

impl Chat {
    fn new(config: &Config) -> Self {
        let chat = &config.chat;
        Self {
            address: grpc(config, chat.listen),
            store: if config.mongodb.uri.is_empty() {
                let file = config.data_dir.join(troika_chat::EMBEDDED_FILE);
                Engine::Embedded(format!("embedded({})", file.display()))
            } else {
                let uri = config.mongodb.uri.expose();
                let named = config
                    .mongodb
                    .database
                    .as_deref()
                    .or(connection_string::database(uri));
                Engine::Real(format!(
                    "mongodb({}/{})",
                    connection_string::hosts(uri),
                    named.unwrap_or("troika")
                ))
            },
            cache: if config.redis.url.is_empty() {
                Engine::Embedded("memory".into())
            } else {
                Engine::Real(format!(
                    "redis({})",
                    connection_string::hosts(config.redis.url.expose())
                ))
            },
            model: match chat.model.endpoints().first() {
                None => Engine::Embedded("knowledge".into()),
                Some(endpoint) => {
                    Engine::Real(format!("{}/{}", host(&endpoint.base_url), endpoint.name))
                }
            },
            embeddings: match &chat.embeddings.base_url {
                None => Engine::Embedded("none".into()),
                Some(address) => {
                    Engine::Real(format!("{}/{}", host(address), chat.embeddings.model))
                }
            },
        }
    }
}

/// How this program was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "troika".into())
}

fn http(listen: SocketAddr) -> String {
    address(false, listen)
}

fn grpc(config: &Config, listen: SocketAddr) -> String {
    address(config.tls.serves(), listen)
}

fn address(tls: bool, listen: SocketAddr) -> String {
    format!("{}://{}", rules::scheme(tls), rules::reachable(listen))
}

/// A URL's host, with its port where it is not the scheme's.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use troika_chassis::config::Secret;

    use super::*;

    fn line(config: &Config, chat: bool, gateway: bool) -> String {
        Report {
            gateway: gateway.then(|| http(config.gateway.address())),
            chat: chat.then(|| Chat::new(config)),
            tts: None,
            flags: None,
            metrics: None,
            admin: config.admin.listen.map(http),
        }
        .line()
    }

    #[test]
    fn the_voice_is_named_by_its_engine() {
        let voice = |engines: &[EngineName]| {
            Tts::new(&Config::default(), engines)
                .voice
                .shown()
                .to_owned()
        };
        assert_eq!(voice(&[]), "none");
        assert_eq!(voice(&[EngineName::Espeak]), "espeak-ng");
        assert_eq!(voice(&[EngineName::Google, EngineName::Espeak]), "google");
    }

    #[test]
    fn the_ready_line_of_a_machine_without_configuration() {
        assert_eq!(
            line(&Config::default(), true, true),
            "ready  gateway=http://127.0.0.1:5000 chat=http://127.0.0.1:50051 store=embedded(data/chat.redb) \
             cache=memory model=knowledge embeddings=none"
        );
    }

    #[test]
    fn a_role_alone_tells_only_what_it_runs() {
        assert_eq!(
            line(&Config::default(), false, true),
            "ready  gateway=http://127.0.0.1:5000"
        );
        assert!(
            line(&Config::default(), true, false)
                .starts_with("ready  chat=http://127.0.0.1:50051 store=")
        );
    }

    #[test]
    fn servers_are_named_without_their_credentials() {
        let mut config = Config::default();
        config.mongodb.uri =
            Secret::from("mongodb://me:p%40ss@a.internal:27017,b.internal/shop?replicaSet=rs");
        config.redis.url = Secret::from("rediss://:p@ss/word@cache.internal:6380/1");
        config.chat.model.base_url = Some(Url::parse("http://user:key@127.0.0.1:9000/v1").unwrap());
        config.chat.model.name = "small model".into();
        config.chat.embeddings.base_url = Some(Url::parse("https://api.openai.com/v1").unwrap());
        assert_eq!(
            line(&config, true, false),
            "ready  chat=http://127.0.0.1:50051 store=mongodb(a.internal:27017,b.internal/shop) \
             cache=redis(cache.internal:6380) model=127.0.0.1:9000/small%20model \
             embeddings=api.openai.com/text-embedding-3-small"
        );
    }

    #[test]
    fn the_configured_database_wins_over_the_one_in_the_address() {
        let mut config = Config::default();
        config.mongodb.uri = Secret::from("mongodb://a.internal/shop");
        config.mongodb.database = Some("other".into());
        assert!(line(&config, true, false).contains("store=mongodb(a.internal/other)"));
        config.mongodb.database = None;
        config.mongodb.uri = Secret::from("mongodb://a.internal");
        assert!(line(&config, true, false).contains("store=mongodb(a.internal/troika)"));
    }

    #[test]
    fn the_port_of_those_who_run_it_stands_at_the_end() {
        let mut config = Config::default();
        config.admin.listen = Some(SocketAddr::from(([0, 0, 0, 0], 5100)));
        assert_eq!(
            line(&config, false, true),
            "ready  gateway=http://127.0.0.1:5000 admin=http://127.0.0.1:5100"
        );
    }

    #[test]
    fn a_role_that_listens_everywhere_is_shown_where_it_can_be_reached() {
        let mut config = Config::default();
        config.chat.listen = SocketAddr::from(([0, 0, 0, 0], 7000));
        assert!(line(&config, true, false).contains("chat=http://127.0.0.1:7000"));
    }
}
