//! `troika top`: the live figures in a terminal.

use std::time::{Duration, SystemTime};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tonic::Status;
use troika_proto::metrics::v1::{Event, WatchSummaryRequest, WatchSummaryResponse, Window};

use crate::{
    cli::Role,
    client::{Peer, SHORT},
    config::Config,
    exit::{Exit, Failure},
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
On a terminal it is drawn over itself, elsewhere block after block. The JSON has the names of the gateway's \
/api/metrics/live. Ctrl-C ends it with 0, as there is no other end. A metrics role that leaves is waited for.

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
    /// For people, or one JSON object a line
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Time between two looks, at least 250ms
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    interval: Duration,
    /// The metrics role's gRPC address, such as 127.0.0.1:50054; the configured one when absent
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
    /// A block of text
    #[value(alias = "text")]
    Table,
    /// One object a line
    Json,
}

/// Shows the figures, again and again, until Ctrl-C.
///
/// # Errors
/// When the role cannot be reached at first; later it is asked until it is back. When nobody reads any more. With the
/// exit code for interruption when Ctrl-C ended it before it could show them once.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::because(Exit::Failed, "Ctrl-C cannot be received", &error))?;
    let peer = Peer::at(Role::Metrics, args.addr.as_deref(), config)?;
    let mut screen = Screen::new(args.format);
    tokio::select! {
        followed = follow(&peer, &args, &mut screen) => followed,
        _ = interrupts.recv() => if args.once {
            Err(Failure::silent(Exit::Interrupted))
        } else {
            // Whoever watches has no other way to end it: it was done.
            Ok(())
        },
    }
}

async fn follow(peer: &Peer, args: &Args, screen: &mut impl Shows) -> Result<(), Failure> {
    let mut seen = false;
    loop {
        let mut shown = false;
        let lost = watch(peer, args, screen, &mut shown).await?;
        match lost {
            None if shown && args.once => return Ok(()),
            Some(status) if !seen && !shown => return Err(peer.failure(&status)),
            None if !seen && !shown => {
                let left = Status::unavailable("it left without a look");
                return Err(peer.failure(&left));
            }
            // The role leaves, or is lost: told once until it is back.
            _ if shown => screen.lost(SystemTime::now()),
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

    /// The role was lost at that time: the last figures stay.
    fn lost(&mut self, since: SystemTime);
}

/// Where the figures are written.
enum Screen {
    /// Drawn over itself.
    Terminal {
        live: Live,
        last: String,
        recent: Recent,
    },
    /// One look after the other.
    Plain {
        text: fn(&WatchSummaryResponse) -> String,
        away: bool,
    },
}

impl Screen {
    fn new(format: Format) -> Self {
        let plain = |text| Self::Plain { text, away: false };
        match format {
            Format::Json => plain(json::line),
            // What is drawn over itself is drawn on standard error.
            Format::Table if output::stdout_is_terminal() && output::stderr_is_terminal() => {
                Self::Terminal {
                    live: Live::new(),
                    last: String::new(),
                    recent: Recent::default(),
                }
            }
            Format::Table => plain(view::block),
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
            Self::Plain { text, away } => {
                if std::mem::take(away) {
                    output::aside("the metrics role is back");
                }
                output::line(&text(&look))
            }
        }
    }

    fn lost(&mut self, since: SystemTime) {
        let since = humantime::format_rfc3339_seconds(since);
        match self {
            Self::Terminal { live, last, recent } => {
                // Whoever is asked anew tells the newest ones again.
                *recent = Recent::default();
                live.show(&format!(
                    "{last}\n\nThe metrics role is away since {since}: these figures are old. Trying again until it is back."
                ));
            }
            Self::Plain { away, .. } => {
                *away = true;
                output::warning(&format!(
                    "the metrics role is away since {since}: trying again until it is back"
                ));
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
