//! `troika top`: the live figures in a terminal.

use std::time::Duration;

use tokio::time::sleep;
use troika_proto::metrics::v1::{WatchSummaryRequest, WatchSummaryResponse, Window};

use crate::{cli::Role, client::Peer, config::Config, exit::Failure, live::Live, output};

mod json;
mod view;

/// Time before a role that was lost is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// What to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  troika top
  troika top --window 60m
  troika top --once --format json | jq .snapshot.total.successes")]
pub(crate) struct Args {
    /// How far back the figures go
    #[arg(long, value_enum, default_value_t = Back::FiveMinutes)]
    window: Back,
    /// Show them once
    #[arg(long)]
    once: bool,
    /// A block of text, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Time between two looks
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// The metrics role's gRPC address; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

/// How far back.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Back {
    /// One minute
    #[value(name = "1m")]
    Minute,
    /// Five minutes
    #[value(name = "5m")]
    FiveMinutes,
    /// Sixty minutes
    #[value(name = "60m")]
    Hour,
    /// Since counting began
    Lifetime,
}

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// Shows the figures, again and again.
///
/// # Errors
/// When the role cannot be reached at first. Later it is asked until it is back.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let peer = Peer::at(Role::Metrics, args.addr.as_deref(), config)?;
    let mut screen = Screen::new(args.format);
    let mut seen = false;
    loop {
        match watch(&peer, &args, &mut screen, &mut seen).await {
            Err(failure) if !seen => return Err(failure),
            Ok(()) if args.once => return Ok(()),
            // The role leaves, or is lost.
            Ok(()) | Err(_) => screen.lost()?,
        }
        sleep(AGAIN).await;
    }
}

async fn watch(
    peer: &Peer,
    args: &Args,
    screen: &mut Screen,
    seen: &mut bool,
) -> Result<(), Failure> {
    let window = match args.window {
        Back::Minute => Window::Window1Minute,
        Back::FiveMinutes => Window::Window5Minutes,
        Back::Hour => Window::Window60Minutes,
        Back::Lifetime => Window::Lifetime,
    };
    let request = WatchSummaryRequest {
        window: window.into(),
        interval: args.interval.try_into().ok(),
    };
    let watched = peer.metrics().watch_summary(request).await;
    let mut looks = watched
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    while let Some(look) = looks
        .message()
        .await
        .map_err(|status| peer.failure(&status))?
    {
        *seen = true;
        screen.show(&look)?;
        if args.once {
            return Ok(());
        }
    }
    Ok(())
}

/// Where the figures are written.
enum Screen {
    /// Drawn over itself.
    Terminal(Live, String),
    /// One block after the other.
    Text,
    Json,
}

impl Screen {
    fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text if output::stdout_is_terminal() => {
                Self::Terminal(Live::new(), String::new())
            }
            Format::Text => Self::Text,
        }
    }

    fn show(&mut self, look: &WatchSummaryResponse) -> Result<(), Failure> {
        match self {
            Self::Terminal(live, last) => {
                *last = view::block(look);
                live.show(last);
                Ok(())
            }
            Self::Text => output::line(&view::block(look)),
            Self::Json => output::line(&json::line(look)),
        }
    }

    /// The role was lost: the last figures stay.
    fn lost(&mut self) -> Result<(), Failure> {
        match self {
            Self::Terminal(live, last) => {
                live.show(&format!(
                    "{last}\n\nThe metrics role is away: these figures are old."
                ));
                Ok(())
            }
            Self::Text | Self::Json => {
                output::warning("the metrics role is away: trying again");
                Ok(())
            }
        }
    }
}
