//! The `troika` program: every role in one process or one role alone, and the verbs that look after
//! them. It must not know how a role does its work.

use std::process::ExitCode;

use clap::Parser;

use crate::{
    cli::{Cli, Verb},
    config::Config,
    exit::Failure,
    run::Roles,
};

mod cli;
mod client;
mod config;
mod connection_string;
mod exit;
mod live;
mod output;
mod run;
mod secrets;
mod tls;
mod verbs;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match carry_out(cli).await {
        Ok(()) => exit::Exit::Done.into(),
        Err(failure) => failure.report(),
    }
}

async fn carry_out(cli: Cli) -> Result<(), Failure> {
    // TLS has one provider in this program. A second installation is refused, and there is none.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let sources = config::sources(cli.config);
    let config = Config::load(&sources);
    // Boxed where a future is as large as all of its parts together.
    match cli.verb {
        None => Box::pin(run::run(Roles::all(), config?)).await,
        Some(Verb::Run { role }) => Box::pin(run::run(Roles::only(role), config?)).await,
        Some(Verb::Config) => verbs::config::show(&sources, &config?),
        Some(Verb::Chat(args)) => verbs::chat::run(args, &config?).await,
        Some(Verb::Say(args)) => verbs::say::run(args, &config?).await,
        Some(Verb::Bots(verb)) => verbs::bots::run(verb, &config?).await,
        Some(Verb::Knowledge(verb)) => verbs::knowledge::run(verb, &config?).await,
        Some(Verb::Flags(verb)) => Box::pin(verbs::flags::run(verb, &config?)).await,
        Some(Verb::Rollout(verb)) => Box::pin(verbs::rollout::run(verb, &config?)).await,
        Some(Verb::Admin(verb)) => Box::pin(verbs::admin::run(verb, &config?)).await,
        Some(Verb::Top(args)) => Box::pin(verbs::top::run(args, &config?)).await,
        Some(Verb::Alert(verb)) => Box::pin(verbs::alert::run(verb, &config?)).await,
        Some(Verb::Audit(args)) => Box::pin(verbs::audit::run(args, &config?)).await,
        Some(Verb::Check(check)) => Box::pin(verbs::check::run(check, config)).await,
        Some(Verb::ReadDocument(args)) => verbs::read_document::run(&args),
        Some(Verb::Token(args)) => verbs::token::run(&args, &config?).await,
    }
}
