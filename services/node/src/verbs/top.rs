//! `troika top`: the live figures in a terminal.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::Status;
use troika_proto::metrics::v1::{Event, WatchSummaryRequest, WatchSummaryResponse, Window};

use crate::{
    cli::Role,
    client::{Peer, SHORT},
    config::Config,
    exit::Failure,
    live::Live,
    output,
};

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
/// When the role cannot be reached at first; later it is asked until it is back. When nobody reads any more.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let peer = Peer::at(Role::Metrics, args.addr.as_deref(), config)?;
    follow(&peer, &args, &mut Screen::new(args.format)).await
}

async fn follow(peer: &Peer, args: &Args, screen: &mut impl Shows) -> Result<(), Failure> {
    let mut seen = false;
    loop {
        let mut shown = false;
        let lost = watch(peer, args, screen, &mut shown).await?;
        match lost {
            None if shown && args.once => return Ok(()),
            Some(status) if !seen && !shown => return Err(peer.failure(&status)),
            // The role leaves, or is lost: told once until it is back.
            _ if shown => screen.lost(),
            _ => {}
        }
        seen |= shown;
        sleep(AGAIN).await;
    }
}

/// Shows what the role tells until it is over, and whether it was lost.
///
/// # Errors
/// When it cannot be shown.
async fn watch(
    peer: &Peer,
    args: &Args,
    screen: &mut impl Shows,
    shown: &mut bool,
) -> Result<Option<Status>, Failure> {
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
    let patience = args.interval.saturating_add(SHORT);
    let mut client = peer.metrics();
    let mut looks = match in_time(patience, client.watch_summary(request)).await {
        Ok(watched) => watched.into_inner(),
        Err(status) => return Ok(Some(status)),
    };
    loop {
        match in_time(patience, looks.message()).await {
            Ok(Some(look)) => screen.show(look)?,
            Ok(None) => return Ok(None),
            Err(status) => return Ok(Some(status)),
        }
        *shown = true;
        if args.once {
            return Ok(None);
        }
    }
}

/// A role that hangs is away.
async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    let late = || Status::deadline_exceeded("nothing was told");
    timeout(patience, answer)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// What figures are shown on.
trait Shows {
    /// Shows the figures as they are now.
    ///
    /// # Errors
    /// When nobody reads any more.
    fn show(&mut self, look: WatchSummaryResponse) -> Result<(), Failure>;

    /// The role was lost: the last figures stay.
    fn lost(&mut self);
}

/// Where the figures are written.
enum Screen {
    /// Drawn over itself.
    Terminal {
        live: Live,
        last: String,
        recent: Recent,
    },
    /// One block after the other.
    Text,
    Json,
}

impl Screen {
    fn new(format: Format) -> Self {
        match format {
            Format::Json => Self::Json,
            Format::Text if output::stdout_is_terminal() => Self::Terminal {
                live: Live::new(),
                last: String::new(),
                recent: Recent::default(),
            },
            Format::Text => Self::Text,
        }
    }
}

impl Shows for Screen {
    fn show(&mut self, mut look: WatchSummaryResponse) -> Result<(), Failure> {
        match self {
            Self::Terminal { live, last, recent } => {
                look.events = recent.with(look.events);
                *last = view::block(&look);
                live.show(last);
                Ok(())
            }
            Self::Text => output::line(&view::block(&look)),
            Self::Json => output::line(&json::line(&look)),
        }
    }

    fn lost(&mut self) {
        match self {
            Self::Terminal { live, last, recent } => {
                // Whoever is asked anew tells the newest ones again.
                *recent = Recent::default();
                live.show(&format!(
                    "{last}\n\nThe metrics role is away: these figures are old."
                ));
            }
            Self::Text | Self::Json => {
                output::warning("the metrics role is away: trying again until it is back");
            }
        }
    }
}

/// Events that stay in sight: each look tells those alone that are new since the last.
#[derive(Default)]
struct Recent(Vec<Event>);

impl Recent {
    /// Those that are in sight with the new ones, the youngest first.
    fn with(&mut self, new: Vec<Event>) -> Vec<Event> {
        let Self(kept) = self;
        kept.splice(..0, new);
        kept.truncate(view::EVENTS);
        kept.clone()
    }
}

#[cfg(test)]
mod tests;
