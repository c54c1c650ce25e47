//! Runs roles in this process, all or one alone, in the same way: bind first, build, mark ready, serve,
//! drain. Roles of one process talk over loopback as they would across machines. It must not know
//! what a role does.

use std::{env, error::Error as StdError, path::PathBuf, time::Duration};

use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
    time::{Instant, interval_at, sleep},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};
use troika_chassis::{
    admin::{self, Admin},
    channel::Credential,
    config::ConfigProblem,
    deps::Deps,
    lifecycle::{Condition, Drain, Readiness, on_signals},
    meters::Meters,
    mongo::Mongo,
    redis::Redis,
    server::{GrpcService, serve_grpc},
    telemetry::{self, LogLevels},
};
use troika_identity::{CREDENTIAL, Doors, ServiceCredential, Services, Sessions, Verifier};

use crate::{
    cli::Role,
    config::{Config, rules},
    exit::{Exit, Failure},
    secrets, tls,
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

    /// The role whose address the others of this process follow.
    fn first(self) -> Role {
        self.only.unwrap_or(Role::Gateway)
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
    for role in Role::ALL.into_iter().filter(|role| roles.include(*role)) {
        secrets::require(&config, role)?;
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
    let meters = Meters::new();
    let outcome = match Listeners::bind(roles, &mut config, &meters).await {
        Ok(listeners) => {
            Process {
                name: roles.name(),
                config,
                drain,
                meters,
                levels: telemetry.levels().clone(),
                tasks: JoinSet::new(),
                readiness: Vec::new(),
                redis: None,
                mongo: None,
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

/// Bound before anything is built: an address that is taken is known at once, and each role knows where
/// the others listen even when the system chose the port.
struct Listeners {
    roles: Vec<(Role, TcpListener)>,
    admin: TcpListener,
}

impl Listeners {
    async fn bind(roles: Roles, config: &mut Config, meters: &Meters) -> Result<Self, Failure> {
        if let Some(tls) = tls::load(config, meters)? {
            rules::hand_out(config, &tls);
        }
        // Before the system chooses ports: the default is made of what is configured.
        let admin = rules::admin_listen(config, roles.first());
        let mut listeners = Vec::new();
        for role in Role::ALL.into_iter().filter(|role| roles.include(*role)) {
            let listener = bind::bind(role, rules::listen(config, role)).await?;
            // The address in force is the bound one: for the ready line, and for who calls it in this process.
            if let Ok(address) = listener.local_addr() {
                rules::bound(config, role, address);
            }
            listeners.push((role, listener));
        }
        if roles.only.is_none() {
            tls::warn_of_other_names(config);
        }
        // At last: who starts a second troika is told of the port they know.
        let admin = bind::bind_admin(admin).await?;
        config.admin.listen = admin.local_addr().ok();
        Ok(Self {
            roles: listeners,
            admin,
        })
    }
}

/// The roles of this process while they live.
struct Process {
    name: &'static str,
    config: Config,
    drain: Drain,
    meters: Meters,
    levels: LogLevels,
    tasks: JoinSet<Ended>,
    readiness: Vec<Readiness>,
    /// Shared by the roles of this process.
    redis: Option<Redis>,
    mongo: Option<Mongo>,
}

impl Process {
    async fn live(mut self, listeners: Listeners) -> Result<(), Failure> {
        let Listeners { roles, admin } = listeners;
        let runs = |role| roles.iter().any(|(running, _)| *running == role);
        let report = ready::Report::new(&self.config, runs).await;
        let remember = [Role::Gateway, Role::Tts, Role::Chat];
        if !self.config.redis.url.is_empty() && remember.into_iter().any(runs) {
            self.redis = Some(Redis::connect(&self.config.redis).map_err(unusable)?);
        }
        let keep = [Role::Metrics, Role::Flags, Role::Chat];
        if !self.config.mongodb.uri.is_empty() && keep.into_iter().any(runs) {
            let mongo = Mongo::connect(&self.config.mongodb).await;
            self.mongo = Some(mongo.map_err(unusable)?);
        }
        let doors = self.doors(runs(Role::Gateway))?;
        for (role, listener) in roles {
            self.start(role, listener, &doors)?;
        }
        // Until the very end: who leaves is still looked at.
        let _admin = self.admin(admin);
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

    /// What opens the doors of this process, and what it shows at those of others.
    fn doors(&mut self, gateway: bool) -> Result<Doors, Failure> {
        let role = if gateway { Role::Gateway } else { Role::Chat };
        let secrets = secrets::obtain(&self.config, role)?;
        if let Some(credential) = ServiceCredential::new(&secrets, self.name) {
            let credential = Credential::new(move || Some((CREDENTIAL, credential.show()?)));
            for channel in rules::channels(&mut self.config) {
                channel.credential = credential.clone();
            }
        }
        let auth = &self.config.auth;
        Ok(Doors {
            verifier: Verifier::new(auth, &secrets.jwt, self.redis.clone()),
            sessions: Sessions::new(auth, &secrets),
            services: Services::new(&secrets),
            required: self.config.requires_credentials(),
        })
    }

    fn start(&mut self, role: Role, listener: TcpListener, doors: &Doors) -> Result<(), Failure> {
        let deps = self.deps(role);
        let config = &self.config;
        let doors = doors.clone();
        match role {
            Role::Metrics => {
                let config = config.metrics.clone();
                self.serve(role, listener, deps, async move |deps| {
                    let service = troika_metrics::build(config, deps).await;
                    service.map(|service| doors.guard(service, troika_metrics::RULES))
                });
            }
            Role::Flags => {
                let (flags, accounts) = (config.flags.clone(), config.accounts.clone());
                self.serve(role, listener, deps, async move |deps| {
                    flags_and_accounts(flags, accounts, deps, &doors).await
                });
            }
            Role::Tts => {
                let config = config.tts.clone();
                self.serve(role, listener, deps, async move |deps| {
                    let service = troika_tts::build(config, deps).await;
                    service.map(|service| doors.guard(service, troika_tts::RULES))
                });
            }
            Role::Chat => {
                let mut config = config.chat.clone();
                config.knowledge.reader = this_program();
                self.serve(role, listener, deps, async move |deps| {
                    let service = troika_chat::build(config, deps).await;
                    service.map(|service| doors.guard(service, troika_chat::RULES))
                });
            }
            Role::Gateway => {
                let gateway = config.gateway.clone();
                let built = deps.readiness.condition(starts(role));
                self.tasks.spawn(async move {
                    (
                        role,
                        self::gateway(listener, gateway, doors, deps, built).await,
                    )
                });
            }
        }
        Ok(())
    }

    /// Builds a role and serves it over gRPC until the process leaves.
    fn serve<F, E>(
        &mut self,
        role: Role,
        listener: TcpListener,
        deps: Deps,
        build: impl FnOnce(Deps) -> F,
    ) where
        F: Future<Output = Result<GrpcService, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        let server = self.config.grpc.clone();
        let (readiness, drain) = (deps.readiness.clone(), deps.drain.clone());
        let built = readiness.condition(starts(role));
        let building = build(deps);
        self.tasks.spawn(async move {
            let serving = async {
                let service = building.await.map_err(Into::into)?;
                built.met();
                serve_grpc(listener, service, &server, readiness, drain).await?;
                Ok(())
            };
            (role, serving.await)
        });
    }

    /// What every role gets: a readiness of its own, and what the process has.
    fn deps(&mut self, role: Role) -> Deps {
        let readiness = Readiness::default();
        self.readiness.push(readiness.clone());
        self.meters
            .role(role.name(), readiness.clone(), self.drain.clone());
        Deps {
            mongo: self.mongo.clone(),
            redis: self.redis.clone(),
            max_message: usize::try_from(self.config.grpc.max_message.as_u64())
                .unwrap_or(usize::MAX),
            data_dir: self.config.data_dir.clone(),
            readiness,
            drain: self.drain.clone(),
            meters: self.meters.clone(),
        }
    }

    /// Serves those who run this process.
    fn admin(&self, listener: TcpListener) -> AbortOnDropHandle<()> {
        let admin = Admin {
            meters: self.meters.clone(),
            levels: self.levels.clone(),
            roles: self.readiness.clone(),
            drain: self.drain.clone(),
        };
        AbortOnDropHandle::new(tokio::spawn(async move {
            if let Err(error) = admin::serve(listener, admin).await {
                error!(%error, "the admin port is not served any more");
            }
        }))
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

/// The condition that a role is built, as operators read it.
fn starts(role: Role) -> &'static str {
    match role {
        Role::Metrics => "metrics starts",
        Role::Flags => "flags starts",
        Role::Tts => "tts starts",
        Role::Chat => "chat starts",
        Role::Gateway => "gateway starts",
    }
}

/// Accounts live with the flags: both are few, are kept by this role, and are asked for by the edge.
async fn flags_and_accounts(
    flags: troika_flags::Config,
    accounts: troika_accounts::Config,
    deps: Deps,
    doors: &Doors,
) -> Result<GrpcService, Box<dyn StdError + Send + Sync>> {
    let accounts = troika_accounts::build(accounts, deps.clone()).await?;
    let flags = troika_flags::build(flags, deps).await?;
    let flags = doors.guard(flags, troika_flags::RULES);
    Ok(flags.join(doors.guard(accounts, troika_accounts::RULES)))
}

async fn gateway(
    listener: TcpListener,
    config: troika_gateway::Config,
    doors: Doors,
    deps: Deps,
    built: Condition,
) -> Result<(), Box<dyn StdError + Send + Sync>> {
    let drain = deps.drain.clone();
    let service = troika_gateway::build(config, doors, deps).await?;
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

/// The program that runs, to be started again. Not by its name, which a new version may have by now.
fn this_program() -> Option<PathBuf> {
    if cfg!(target_os = "linux") {
        return Some("/proc/self/exe".into());
    }
    env::current_exe().ok()
}
