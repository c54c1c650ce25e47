//! Runs roles in this process, all or one alone, in the same way: bind first, build, mark ready, serve,
//! drain. Roles of one process talk over loopback as they would across machines. It must not know
//! what a role does.

use std::{error::Error as StdError, time::Duration};

use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
    time::{Instant, interval_at, sleep},
};
use tracing::{error, info, warn};
use troika_chassis::{
    config::ConfigProblem,
    deps::Deps,
    lifecycle::{Condition, Drain, Readiness, on_signals},
    mongo::Mongo,
    redis::Redis,
    server::{ServerConfig, serve_grpc},
    telemetry,
};

use crate::{
    cli::Role,
    config::{Config, rules},
    exit::{Exit, Failure},
    signing_secret,
};

mod bind;
mod ready;
mod welcome;

/// A start that takes longer than this says what it waits for, and again after each such time.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a role may take to return after it was forced to end, before it is abandoned.
const AFTER_FORCE: Duration = Duration::from_secs(1);

/// Which roles run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Roles {
    only: Option<Role>,
}

impl Roles {
    /// Every role there is.
    pub(crate) fn all() -> Self {
        Self { only: None }
    }

    /// One role alone.
    pub(crate) fn only(role: Role) -> Self {
        Self { only: Some(role) }
    }

    fn include(self, role: Role) -> bool {
        self.only.is_none_or(|only| only == role)
    }

    /// The process's name in logs and traces.
    fn name(self) -> &'static str {
        self.only.map_or("all", Role::name)
    }
}

/// What a role's task ends with.
type Ended = (Role, Result<(), Box<dyn StdError + Send + Sync>>);

/// Runs the roles until the process is told to stop or one of them fails.
///
/// # Errors
/// When an address cannot be bound, a role cannot be built, or one ends before it was told to.
pub(crate) async fn run(roles: Roles, mut config: Config) -> Result<(), Failure> {
    if roles.include(Role::Gateway) {
        signing_secret::require(&config)?;
    }
    let telemetry = telemetry::init(
        roles.name(),
        &config.log,
        &config.otlp,
        config.in_production(),
    )
    .map_err(|error| Failure::because(Exit::Usage, "the log cannot be set up", &error))?;
    let drain = Drain::new(config.drain());
    on_signals(drain.clone());

    let production = config.in_production();
    let outcome = match Listeners::bind(roles, &mut config).await {
        Ok(listeners) => {
            Process {
                config,
                drain,
                tasks: JoinSet::new(),
                readiness: Vec::new(),
                redis: None,
            }
            .live(listeners)
            .await
        }
        Err(failure) => Err(failure),
    };
    let outcome = outcome.map_err(|failure| {
        if production {
            logged(&failure)
        } else {
            failure
        }
    });
    telemetry.flush();
    outcome
}

/// In production a failure is a line of the log like any other: whoever reads standard error there
/// reads JSON.
fn logged(failure: &Failure) -> Failure {
    let message = failure.lines().collect::<Vec<_>>().join("; ");
    error!("{message}");
    Failure::silent(failure.exit())
}

/// Bound before anything is built: an address that is taken is known at once, and the gateway knows
/// where chat listens even when the system chose the port.
struct Listeners {
    tts: Option<TcpListener>,
    chat: Option<TcpListener>,
    gateway: Option<TcpListener>,
}

impl Listeners {
    async fn bind(roles: Roles, config: &mut Config) -> Result<Self, Failure> {
        let tts = if roles.include(Role::Tts) {
            Some(bind::tts(config.tts.listen).await?)
        } else {
            None
        };
        let chat = if roles.include(Role::Chat) {
            Some(bind::chat(config.chat.listen).await?)
        } else {
            None
        };
        let gateway = if roles.include(Role::Gateway) {
            Some(bind::gateway(config.gateway.address()).await?)
        } else {
            None
        };
        // The address in force is the bound one: for the ready line, and for who calls it in this process.
        if let Some(address) = tts.as_ref().and_then(|listener| listener.local_addr().ok()) {
            config.tts.listen = address;
            if let Some(url) = rules::grpc_address(address) {
                config.gateway.tts = url.clone();
                config.chat.tts.address = url;
            }
        }
        if let Some(address) = chat
            .as_ref()
            .and_then(|listener| listener.local_addr().ok())
        {
            config.chat.listen = address;
            if let Some(url) = rules::grpc_address(address) {
                config.gateway.chat = url;
            }
        }
        if let Some(address) = gateway
            .as_ref()
            .and_then(|listener| listener.local_addr().ok())
        {
            config.gateway.port = address.port();
        }
        Ok(Self { tts, chat, gateway })
    }
}

/// The roles of this process while they live.
struct Process {
    config: Config,
    drain: Drain,
    tasks: JoinSet<Ended>,
    readiness: Vec<Readiness>,
    /// Shared by the roles of this process.
    redis: Option<Redis>,
}

impl Process {
    async fn live(mut self, listeners: Listeners) -> Result<(), Failure> {
        let report = ready::Report::new(
            &self.config,
            listeners.tts.is_some(),
            listeners.chat.is_some(),
            listeners.gateway.is_some(),
        )
        .await;
        if !self.config.redis.url.is_empty()
            && (listeners.tts.is_some() || listeners.chat.is_some())
        {
            self.redis = Some(Redis::connect(&self.config.redis).map_err(unusable)?);
        }
        if let Some(listener) = listeners.tts {
            self.start_tts(listener);
        }
        if let Some(listener) = listeners.chat {
            self.start_chat(listener).await?;
        }
        if let Some(listener) = listeners.gateway {
            self.start_gateway(listener);
        }
        let failure = self.watch(report).await;
        self.drain.begin();
        let failure = failure.or(self.leave().await);
        match failure {
            Some(failure) => Err(failure),
            None => {
                info!("stopped");
                Ok(())
            }
        }
    }

    fn start_tts(&mut self, listener: TcpListener) {
        let (config, server) = (self.config.tts.clone(), self.config.grpc.clone());
        let deps = self.deps();
        let built = deps.readiness.condition("tts starts");
        self.tasks
            .spawn(async move { (Role::Tts, tts(listener, config, server, deps, built).await) });
    }

    async fn start_chat(&mut self, listener: TcpListener) -> Result<(), Failure> {
        let mut deps = self.deps();
        let mongodb = &self.config.mongodb;
        if !mongodb.uri.is_empty() {
            deps.mongo = Some(Mongo::connect(mongodb).await.map_err(unusable)?);
        }
        let built = deps.readiness.condition("chat starts");
        let (config, server) = (self.config.chat.clone(), self.config.grpc.clone());
        self.tasks.spawn(async move {
            (
                Role::Chat,
                chat(listener, config, server, deps, built).await,
            )
        });
        Ok(())
    }

    fn start_gateway(&mut self, listener: TcpListener) {
        let (config, deps) = (self.config.gateway.clone(), self.deps());
        let built = deps.readiness.condition("gateway starts");
        self.tasks
            .spawn(async move { (Role::Gateway, gateway(listener, config, deps, built).await) });
    }

    /// What every role gets: a readiness of its own, the process's drain and Redis, and no database.
    fn deps(&mut self) -> Deps {
        let readiness = Readiness::default();
        self.readiness.push(readiness.clone());
        Deps {
            mongo: None,
            redis: self.redis.clone(),
            max_message: usize::try_from(self.config.grpc.max_message.as_u64())
                .unwrap_or(usize::MAX),
            data_dir: self.config.data_dir.clone(),
            readiness,
            drain: self.drain.clone(),
        }
    }

    /// Until the process is told to stop, which is no failure, or a role ends, which is one. Prints the
    /// ready line on the way.
    async fn watch(&mut self, report: ready::Report) -> Option<Failure> {
        let readiness = self.readiness.clone();
        let all_ready = async {
            for role in &readiness {
                role.ready().await;
            }
        };
        tokio::pin!(all_ready);
        let mut patience = interval_at(Instant::now() + PATIENCE, PATIENCE);
        let mut announced = false;
        loop {
            tokio::select! {
                // In this order: a role that ends because it was told to has not failed.
                biased;
                () = self.drain.started() => return None,
                Some(ended) = self.tasks.join_next() => return Some(ended_early(ended)),
                () = &mut all_ready, if !announced => {
                    announced = true;
                    if let Err(failure) = report.announce() {
                        return Some(failure);
                    }
                }
                _ = patience.tick(), if !announced => {
                    let waiting_for: Vec<_> = readiness.iter().flat_map(Readiness::waiting_for).collect();
                    warn!(waiting_for = waiting_for.join(", "), "not ready yet");
                }
            }
        }
    }

    /// Waits until every role has ended, by itself or by force. A role that fails on the way out is a
    /// failure too.
    async fn leave(&mut self) -> Option<Failure> {
        let drain = self.drain.clone();
        let abandon = async {
            drain.forced().await;
            sleep(AFTER_FORCE).await;
        };
        tokio::pin!(abandon);
        let mut failure = None;
        loop {
            tokio::select! {
                ended = self.tasks.join_next() => match ended {
                    Some(Ok((_, Ok(())))) => {}
                    Some(ended) => failure = failure.or_else(|| Some(ended_early(ended))),
                    None => break,
                },
                () = &mut abandon => {
                    warn!(roles = self.tasks.len(), "leaving without roles that do not end");
                    self.tasks.abort_all();
                    break;
                }
            }
        }
        // What is held beside the servers, such as answers that are still to be stored.
        self.drain.finished().await;
        failure
    }
}

async fn tts(
    listener: TcpListener,
    config: troika_tts::Config,
    server: ServerConfig,
    deps: Deps,
    built: Condition,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let (readiness, drain) = (deps.readiness.clone(), deps.drain.clone());
    let service = troika_tts::build(config, deps).await?;
    built.met();
    Ok(serve_grpc(listener, service, &server, readiness, drain).await?)
}

async fn chat(
    listener: TcpListener,
    config: troika_chat::Config,
    server: ServerConfig,
    deps: Deps,
    built: Condition,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let (readiness, drain) = (deps.readiness.clone(), deps.drain.clone());
    let service = troika_chat::build(config, deps).await?;
    built.met();
    Ok(serve_grpc(listener, service, &server, readiness, drain).await?)
}

async fn gateway(
    listener: TcpListener,
    config: troika_gateway::Config,
    deps: Deps,
    built: Condition,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let drain = deps.drain.clone();
    let service = troika_gateway::build(config, deps).await?;
    built.met();
    Ok(troika_gateway::serve(listener, service, drain).await?)
}

/// A setting that its own engine refuses.
fn unusable(problem: ConfigProblem) -> Failure {
    Failure::new(Exit::Usage, problem.to_string())
}

fn ended_early(ended: Result<Ended, JoinError>) -> Failure {
    let failure = match ended {
        Ok((role, Err(error))) => Failure::because(
            Exit::Failed,
            &format!("the {} role failed", role.name()),
            error.as_ref(),
        ),
        Ok((role, Ok(()))) => Failure::new(
            Exit::Failed,
            format!("the {} role ended without being told to", role.name()),
        ),
        Err(_) => Failure::new(Exit::Failed, "a role panicked; the log says where"),
    };
    // At once: going away may take a while, and what is logged then should not come as a riddle.
    warn!("stopping: {}", failure.lines().next().unwrap_or_default());
    failure
}
