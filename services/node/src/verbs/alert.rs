//! `troika alert`: what is wrong, whether people would hear of it, and silence.

use std::time::Duration;

use prost_types::Timestamp;
use troika_proto::metrics::v1::{
    ActiveSilence, Alert, AlertState, Delivery, LiftSilenceRequest, ListAlertsRequest,
    SilenceRequest, TestAlertRequest,
};

use super::author::Signed;
use crate::{
    cli::Role,
    client::{Peer, SHORT, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

/// How long a test may take: mail servers have time.
const TEST: Duration = Duration::from_secs(30);

/// What to do with alerts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// List alerts that wait, fire or are over, and silences
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Send a test to the receivers; ends with a code other than 0 when one does not get it
    Test {
        /// To this one alone: webhook or email
        #[arg(long, value_name = "NAME", default_value = "")]
        receiver: String,
        #[command(flatten)]
        common: Common,
    },
    /// Keep an alert, or all, from being sent for a while
    Silence {
        /// The alert; all when absent
        #[arg(default_value = "")]
        alert: String,
        /// For how long, at most 7d
        #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
        time: Duration,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        common: Common,
    },
    /// End a silence before its time
    Lift {
        /// The silence's id
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// The metrics role's gRPC address, such as 127.0.0.1:50054; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

impl Common {
    fn peer(&self, config: &Config) -> Result<Peer, Failure> {
        Peer::at(Role::Metrics, self.addr.as_deref(), config)
    }
}

/// Does it.
///
/// # Errors
/// What the role refuses; a test that did not arrive.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::List { common } => list(&common.peer(config)?).await,
        Verb::Test { receiver, common } => test(&common.peer(config)?, receiver).await,
        Verb::Silence {
            alert,
            time,
            signed,
            common,
        } => {
            let peer = common.peer(config)?;
            let author = signed.author()?;
            let request = SilenceRequest {
                alert,
                duration: time.try_into().ok(),
                author: author.name,
                reason: author.reason,
            };
            let silenced = peer.alerts().silence(within(SHORT, request)).await;
            let silence = silenced
                .map_err(|status| peer.failure(&status))?
                .into_inner();
            let silence = silence.silence.unwrap_or_default();
            output::line(&silence.id)
        }
        Verb::Lift { id, common } => {
            let peer = common.peer(config)?;
            let request = within(SHORT, LiftSilenceRequest { id });
            let lifted = peer.alerts().lift_silence(request).await;
            lifted.map(drop).map_err(|status| peer.failure(&status))
        }
    }
}

async fn list(peer: &Peer) -> Result<(), Failure> {
    let request = within(SHORT, ListAlertsRequest {});
    let listed = peer.alerts().list_alerts(request).await;
    let listed = listed.map_err(|status| peer.failure(&status))?.into_inner();
    if listed.alerts.is_empty() {
        output::line("No alert waits or fires.")?;
    } else {
        let header = [
            "ALERT", "SEVERITY", "STATE", "SINCE", "MEASURED", "LIMIT", "WHAT",
        ];
        output::table(&header, listed.alerts.iter().map(row))?;
    }
    if listed.silences.is_empty() {
        return Ok(());
    }
    let rows = listed.silences.into_iter().map(silence_row);
    output::table(&["SILENCE", "ALERT", "UNTIL", "BY", "WHY"], rows)
}

fn silence_row(silence: ActiveSilence) -> Vec<String> {
    let alert = match silence.alert.as_str() {
        "" => "all".to_owned(),
        name => name.to_owned(),
    };
    let until = silence.until.map(moment).unwrap_or_default();
    vec![silence.id, alert, until, silence.author, silence.reason]
}

fn row(alert: &Alert) -> Vec<String> {
    let state = match alert.state() {
        AlertState::Pending | AlertState::Unspecified => "pending",
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
    };
    let silenced = if alert.silenced { ", silenced" } else { "" };
    vec![
        alert.name.clone(),
        alert.severity.clone(),
        format!("{state}{silenced}"),
        alert.since.map(moment).unwrap_or_default(),
        format!("{:.2}", alert.value),
        format!("{:.2}", alert.threshold),
        alert.summary.clone(),
    ]
}

async fn test(peer: &Peer, receiver: String) -> Result<(), Failure> {
    let request = within(TEST, TestAlertRequest { receiver });
    let tested = peer.alerts().test_alert(request).await;
    let tested = tested.map_err(|status| peer.failure(&status))?.into_inner();
    let mut missed = 0_u64;
    for delivery in &tested.deliveries {
        missed += u64::from(!delivery.delivered);
        output::line(&became(delivery))?;
    }
    match missed {
        0 => Ok(()),
        missed => Err(Failure::new(
            Exit::Failed,
            format!("{} did not get it", output::count(missed, "receiver")),
        )),
    }
}

/// To the second, which is more than a person needs.
fn moment(at: Timestamp) -> String {
    Timestamp { nanos: 0, ..at }.to_string()
}

/// What became of a test, in a line.
fn became(delivery: &Delivery) -> String {
    let receiver = &delivery.receiver;
    let text = if delivery.delivered {
        format!("{receiver}: delivered")
    } else {
        format!("{receiver}: NOT delivered: {}", delivery.problem)
    };
    output::printable(&text)
}

#[cfg(test)]
mod tests;
