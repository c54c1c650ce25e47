//! `troika check`: whether what a deployment needs is there. It reports as a table, and ends with a code
//! other than 0 when something is missing, for scripts and pipelines.

use std::error::Error as StdError;

use troika_chassis::config::ConfigErrors;

use crate::{
    cli::Role,
    config::Config,
    exit::{Exit, Failure},
    output, secrets,
};

mod connections;
mod files;
mod health;
mod indexes;

/// What to check.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Check {
    /// The configuration: every problem with its key and the environment name that sets it, and the files that it names
    Config,
    /// The indexes of the MongoDB in MONGODB_URI
    #[command(after_help = "\
Making an index on a large collection takes the server a while; it goes on when this program gave up waiting.

Examples:
  MONGODB_URI=mongodb://127.0.0.1:27017/troika troika check indexes
  MONGODB_URI=mongodb://127.0.0.1:27017/troika troika check indexes --create")]
    Indexes {
        /// Make those that are missing
        #[arg(long)]
        create: bool,
    },
    /// The running roles: gRPC health of chat, readiness of the gateway
    #[command(after_help = "\
Examples:
  troika check health
  troika check health chat --addr 127.0.0.1:50051
  troika check health gateway --gateway https://bots.example")]
    Health(health::Args),
    /// What the configuration names: database, cache, model, embeddings
    #[command(after_help = "\
Each is asked once, with the configured credentials: a ping for MongoDB and Redis, the list of models for a \
model's endpoint (which costs no tokens).

Example:
  OPENAI_BASE_URL=http://127.0.0.1:8080/v1 REDIS_URL=redis://127.0.0.1:6379 troika check connections")]
    Connections,
}

/// Carries the check out.
///
/// # Errors
/// When something is missing; the table is printed before.
pub(crate) async fn run(check: Check, config: Result<Config, ConfigErrors>) -> Result<(), Failure> {
    match check {
        Check::Config => check_config(config),
        Check::Indexes { create } => indexes::run(create, &config?).await,
        Check::Health(args) => health::run(&args, &config?).await,
        Check::Connections => connections::run(&config?).await,
    }
}

/// The cause at the bottom of an error: what stands above it in a client's error says where in the
/// client it passed, which helps nobody here.
fn cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let text = cause.to_string();
    // MongoDB's driver tells a cause in a cause as text, with its own bookkeeping behind each.
    let inner = text.split(", labels:").next().unwrap_or_default();
    inner.rsplit("Kind: ").next().unwrap_or_default().to_owned()
}

fn check_config(config: Result<Config, ConfigErrors>) -> Result<(), Failure> {
    let config = match config {
        Ok(config) => config,
        Err(errors) => {
            let rows = errors.iter().map(|error| {
                vec![
                    error.key.clone(),
                    error.env.clone().unwrap_or_default(),
                    error.problem.clone(),
                ]
            });
            output::table(&["Setting", "Environment", "Problem"], rows)?;
            return Err(Failure::silent(Exit::Usage));
        }
    };
    let wrong = files::look(&config);
    if !wrong.is_empty() {
        let rows = wrong
            .into_iter()
            .map(|file| vec![file.setting, file.file, file.problem]);
        output::table(&["Setting", "File", "Problem"], rows)?;
        // Secrets that are missing are told, too.
        secrets::require(&config, Role::Gateway)?;
        return Err(Failure::silent(Exit::Usage));
    }
    secrets::require(&config, Role::Gateway)?;
    output::line("the configuration is right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str, #[source] Option<Box<Told>>);

    #[test]
    fn the_cause_of_an_error_is_what_stands_at_its_bottom() {
        let refused = Told("Connection refused (os error 111)", None);
        assert_eq!(
            cause(&Told("error sending request", Some(Box::new(refused)))),
            "Connection refused (os error 111)"
        );
        let driver = "Kind: Server selection timeout: No available servers. Topology: { Servers: [ { Address: a:1, \
             Error: Kind: I/O error: Connection refused (os error 111), labels: {} } ] }, labels: {}";
        assert_eq!(
            cause(&Told(driver, None)),
            "I/O error: Connection refused (os error 111)"
        );
    }
}
