//! What the sections of the configuration mean for each other. No I/O; a section's own rules stand with
//! the section.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use troika_chassis::{channel::ChannelConfig, config::Problems, tls::Tls};
use url::Url;

use super::Config;
use crate::cli::Role;

/// From a role's port to that of those who run it.
const ADMIN_OFFSET: u16 = 100;

/// Long enough for a load balancer that probes every second or two to stop sending.
const PRODUCTION_DRAIN_DELAY: Duration = Duration::from_secs(5);

/// Reports what no section can see alone.
pub(super) fn check(config: &Config, problems: &mut Problems) {
    problems.check(
        !config.data_dir.as_os_str().is_empty(),
        "data_dir",
        "must name a folder, such as data",
    );
    problems.at("drain").check(
        !config.drain.deadline.is_zero(),
        "deadline",
        "must be longer than 0s, or every stop cuts every answer",
    );
    for (at, role) in Role::ALL.into_iter().enumerate() {
        let listen = self::listen(config, role);
        problems.at("admin").check(
            listen.port() == 0 || config.admin.listen != Some(listen),
            "listen",
            format!(
                "{listen} is what {} takes: it needs a port of its own",
                dotted(role)
            ),
        );
        for other in &Role::ALL[..at] {
            let (section, key) = place(role);
            problems.at(section).check(
                listen.port() == 0 || listen != self::listen(config, *other),
                key,
                format!(
                    "{listen} is what {} takes: each role needs a port of its own",
                    dotted(*other)
                ),
            );
        }
    }
}

/// Where the process that runs `role`, and no other or as the first, shows its figures: on this machine alone, unless
/// somebody says otherwise.
pub(crate) fn admin_listen(config: &Config, role: Role) -> SocketAddr {
    config.admin.listen.unwrap_or_else(|| {
        let role = listen(config, role);
        let port = match role.port() {
            0 => 0,
            port => port
                .checked_add(ADMIN_OFFSET)
                .unwrap_or_else(|| port - ADMIN_OFFSET),
        };
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
    })
}

/// Where a role listens.
pub(crate) fn listen(config: &Config, role: Role) -> SocketAddr {
    match role {
        Role::Metrics => config.metrics.listen,
        Role::Flags => config.flags.listen,
        Role::Tts => config.tts.listen,
        Role::Chat => config.chat.listen,
        Role::Gateway => config.gateway.address(),
    }
}

/// A role listens there: those that call it from this process are told.
pub(crate) fn bound(config: &mut Config, role: Role, listen: SocketAddr) {
    match role {
        Role::Metrics => config.metrics.listen = listen,
        Role::Flags => config.flags.listen = listen,
        Role::Tts => config.tts.listen = listen,
        Role::Chat => config.chat.listen = listen,
        Role::Gateway => config.gateway.port = listen.port(),
    }
    if let Some(address) = grpc_address(config, listen) {
        for caller in callers(config, role) {
            caller.clone_from(&address);
        }
    }
}

/// Everything that serves or calls speaks TLS with these certificates.
pub(crate) fn hand_out(config: &mut Config, tls: &Tls) {
    config.grpc.tls = tls.server();
    for channel in channels(config) {
        channel.tls = tls.client();
    }
}

/// The connections between processes.
pub(crate) fn channels(config: &mut Config) -> [&mut ChannelConfig; 7] {
    [
        &mut config.gateway.channel,
        &mut config.chat.tts.channel,
        &mut config.chat.flags.channel,
        &mut config.chat.metrics.channel,
        &mut config.tts.flags.channel,
        &mut config.tts.metrics.channel,
        &mut config.flags.metrics.channel,
    ]
}

/// The settings that say where a role is called.
fn callers(config: &mut Config, role: Role) -> Vec<&mut Url> {
    match role {
        Role::Metrics => vec![
            &mut config.gateway.metrics,
            &mut config.chat.metrics.address,
            &mut config.tts.metrics.address,
            &mut config.flags.metrics.address,
        ],
        Role::Flags => vec![
            &mut config.gateway.flags,
            &mut config.chat.flags.address,
            &mut config.tts.flags.address,
        ],
        Role::Tts => vec![&mut config.gateway.tts, &mut config.chat.tts.address],
        Role::Chat => vec![&mut config.gateway.chat],
        Role::Gateway => Vec::new(),
    }
}

/// The section and the key that say where a role listens.
fn place(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Gateway => (role.name(), "port"),
        _ => (role.name(), "listen"),
    }
}

/// The same with a dot in between.
pub(crate) fn dotted(role: Role) -> String {
    let (section, key) = place(role);
    format!("{section}.{key}")
}

/// Fills in what follows from other sections where nothing was said.
pub(super) fn fill_in(config: &mut Config) {
    if config.drain.delay.is_none() {
        let delay = if config.in_production() {
            PRODUCTION_DRAIN_DELAY
        } else {
            Duration::ZERO
        };
        config.drain.delay = Some(delay);
    }
    fill_in_embeddings(&mut config.chat);
    // Whoever moves a role and says nothing else wants those that call it to follow.
    let mut default = Config::default();
    for role in Role::ALL {
        let Some(address) = grpc_address(config, listen(config, role)) else {
            continue;
        };
        for (caller, default) in callers(config, role)
            .into_iter()
            .zip(callers(&mut default, role))
        {
            if caller == default {
                caller.clone_from(&address);
            }
        }
    }
}

/// A key for OpenAI and no addresses: both models are there. And a key is shared with the embeddings
/// endpoint only where that is the same server, so that it is never sent to a stranger.
fn fill_in_embeddings(chat: &mut troika_chat::Config) {
    let openai = || Url::parse(troika_chat::OPENAI_BASE_URL).ok();
    let model = match &chat.model.base_url {
        None if chat.model.api_key.is_empty() => return,
        None => openai(),
        Some(address) => Some(address.clone()),
    };
    if chat.embeddings.base_url.is_none() && chat.model.base_url.is_none() {
        chat.embeddings.base_url = openai();
    }
    if let (Some(model), Some(embeddings)) = (&model, &chat.embeddings.base_url)
        && chat.embeddings.api_key.is_empty()
        && model.origin() == embeddings.origin()
    {
        chat.embeddings.api_key = chat.model.api_key.clone();
    }
}

/// The address to call a role that listens there, from this machine.
pub(crate) fn grpc_address(config: &Config, listen: SocketAddr) -> Option<Url> {
    let scheme = scheme(config.tls.serves());
    Url::parse(&format!("{scheme}://{}", reachable(listen))).ok()
}

/// What an address begins with.
pub(crate) fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Where a listener is reached from this machine: nobody can call "every address".
pub(crate) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    SocketAddr::new(ip, listen.port())
}
