//! `troika check health`: asks running roles whether they take work. It must not know what makes them
//! ready.

use std::time::Duration;

use serde::Deserialize;
use troika_chassis::health::{
    client::HealthClient,
    v1::{HealthListRequest, health_check_response::ServingStatus},
};

use super::cause;
use crate::{
    cli::Role,
    client::{Peer, Target, within},
    config::{Config, rules},
    exit::{Exit, Failure},
    output,
};

/// What one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Which roles to ask, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which roles; all of them when absent
    roles: Vec<Role>,
    /// The gateway's address, such as https://bots.example; the configured one when absent
    #[arg(long, value_name = "URL")]
    gateway: Option<String>,
    /// The speech role's gRPC address; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    tts: Option<String>,
    /// The flags role's gRPC address; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    flags: Option<String>,
    /// The metrics role's gRPC address; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// What was learnt about one service.
struct Finding {
    role: Role,
    service: String,
    address: String,
    state: State,
}

enum State {
    Ready,
    NotReady(String),
    Unreachable(String),
}

/// Prints the state of every role asked.
///
/// # Errors
/// When one of them is not ready, or does not answer.
pub(super) async fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    let asked = |role| args.roles.is_empty() || args.roles.contains(&role);
    let mut findings = Vec::new();
    if asked(Role::Chat) {
        findings.extend(grpc(Role::Chat, &args.target.chat(config)?).await);
    }
    for (role, given) in [
        (Role::Tts, &args.tts),
        (Role::Flags, &args.flags),
        (Role::Metrics, &args.metrics),
    ] {
        if asked(role) {
            let peer = Peer::at(role, given.as_deref(), config)?;
            findings.extend(grpc(role, &peer).await);
        }
    }
    if asked(Role::Gateway) {
        let address = match &args.gateway {
            Some(address) => address.trim_end_matches('/').to_owned(),
            None => format!(
                "{}://{}",
                rules::scheme(config.gateway.tls.serves()),
                rules::reachable(config.gateway.address())
            ),
        };
        findings.push(gateway(address, config).await?);
    }
    output::table(
        &["Role", "Service", "Address", "State"],
        findings.iter().map(Finding::row),
    )?;
    verdict(&findings).map_or(Ok(()), |exit| Err(Failure::silent(exit)))
}

/// The code to end with, when something is wrong.
fn verdict(findings: &[Finding]) -> Option<Exit> {
    if findings
        .iter()
        .any(|finding| matches!(finding.state, State::Unreachable(_)))
    {
        return Some(Exit::Unreachable);
    }
    findings
        .iter()
        .any(|finding| matches!(finding.state, State::NotReady(_)))
        .then_some(Exit::Failed)
}

async fn grpc(role: Role, peer: &Peer) -> Vec<Finding> {
    let finding = |service: String, state| Finding {
        role,
        service,
        address: peer.address().to_owned(),
        state,
    };
    match HealthClient::new(peer.channel())
        .list(within(ANSWER, HealthListRequest {}))
        .await
    {
        Ok(answer) => {
            let mut statuses: Vec<_> = answer.into_inner().statuses.into_iter().collect();
            statuses.sort_by(|(a, _), (b, _)| a.cmp(b));
            statuses
                .into_iter()
                .map(|(service, answer)| {
                    let state = match answer.status() {
                        ServingStatus::Serving => State::Ready,
                        _ => State::NotReady("not serving".into()),
                    };
                    finding(
                        if service.is_empty() {
                            "(all)".into()
                        } else {
                            service
                        },
                        state,
                    )
                })
                .collect()
        }
        Err(status) => {
            let failure = peer.failure(&status);
            let problem = failure.lines().next().unwrap_or_default().to_owned();
            vec![finding("(all)".into(), State::Unreachable(problem))]
        }
    }
}

/// The part of the gateway's answer that is shown.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Readiness {
    status: String,
    #[serde(default)]
    waiting_for: Vec<String>,
}

async fn gateway(address: String, config: &Config) -> Result<Finding, Failure> {
    let client = reqwest::Client::builder()
        .timeout(ANSWER)
        .tls_certs_merge(authorities(config)?)
        .build()
        .map_err(|error| Failure::because(Exit::Failed, "HTTP is not to be had", &error))?;
    let state = match client.get(format!("{address}/ready")).send().await {
        Err(error) if error.is_builder() => {
            return Err(Failure::new(
                Exit::Usage,
                format!("`{address}` is no address of a gateway"),
            )
            .with_detail("write it as http://127.0.0.1:5000"));
        }
        Err(error) => State::Unreachable(cause(&error.without_url())),
        Ok(response) if response.status().is_success() => State::Ready,
        Ok(response) => {
            let code = response.status();
            State::NotReady(
                response
                    .json()
                    .await
                    .map_or_else(|_| code.to_string(), in_words),
            )
        }
    };
    Ok(Finding {
        role: Role::Gateway,
        service: "/ready".into(),
        address,
        state,
    })
}

/// Those in `tls.ca`, beside those of the web: a gateway inside may have its certificate from them.
fn authorities(config: &Config) -> Result<Vec<reqwest::Certificate>, Failure> {
    let Some(file) = &config.tls.ca else {
        return Ok(Vec::new());
    };
    let unusable = |problem: String| {
        Failure::new(
            Exit::Usage,
            format!("tls.ca: {}: {problem}", file.display()),
        )
    };
    let text = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&text).map_err(|error| unusable(error.to_string()))
}

fn in_words(
    Readiness {
        status,
        waiting_for,
    }: Readiness,
) -> String {
    let status = status.replace('_', " ");
    if waiting_for.is_empty() {
        status
    } else {
        format!("{status}: waiting for {}", waiting_for.join(", "))
    }
}

impl Finding {
    fn row(&self) -> Vec<String> {
        let state = match &self.state {
            State::Ready => "ready",
            State::NotReady(why) | State::Unreachable(why) => why,
        };
        vec![
            self.role.name().to_owned(),
            self.service.clone(),
            self.address.clone(),
            state.to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(state: State) -> Finding {
        Finding {
            role: Role::Chat,
            service: String::new(),
            address: String::new(),
            state,
        }
    }

    #[test]
    fn what_cannot_be_reached_weighs_more_than_what_is_not_ready() {
        assert_eq!(verdict(&[finding(State::Ready)]), None);
        let not_ready = finding(State::NotReady(String::new()));
        let unreachable = finding(State::Unreachable(String::new()));
        assert_eq!(verdict(&[not_ready, unreachable]), Some(Exit::Unreachable));
        assert_eq!(
            verdict(&[finding(State::NotReady(String::new()))]),
            Some(Exit::Failed)
        );
    }

    #[test]
    fn a_gateway_says_what_it_waits_for() {
        let readiness = Readiness {
            status: "not_ready".into(),
            waiting_for: vec!["chat".into()],
        };
        assert_eq!(in_words(readiness), "not ready: waiting for chat");
    }
}
