//! Whether the whole system does its work, by a window of turns and by what processes say of their needs. It changes its
//! mind slowly: worse only when it stays worse, better only when it is better by a margin and stays so. Pure.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, SystemTime},
};

use troika_proto::metrics::v1::{DependencyState, SourceState};

use crate::{config, figures::Figures};

/// The share of a limit below which it counts as kept again.
const MARGIN: f64 = 0.8;
/// Changes that are remembered.
const CHANGES: usize = 20;
/// What processes may need, in the order in which it is told.
const NEEDS: [&str; 5] = ["redis", "mongodb", "openai", "tts", "flags"];

/// How it is; as a number, in Prometheus and to rules, in this order from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Healthy,
    Degraded,
    Unhealthy,
}

/// One thing that was looked at. Its status in the words of checks: pass, warn, fail.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) status: Status,
    pub(crate) value: String,
    pub(crate) threshold: String,
    /// What is wrong, in a sentence.
    pub(crate) issue: Option<String>,
}

/// A change of the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: SystemTime,
    pub(crate) from: Status,
    pub(crate) to: Status,
}

/// As it was found last.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) status: Status,
    pub(crate) at: SystemTime,
    pub(crate) checks: Vec<Check>,
    /// The youngest first.
    pub(crate) changes: VecDeque<Change>,
}

/// What is looked at.
pub(crate) struct Seen<'a> {
    /// Turns of the window.
    pub(crate) figures: &'a Figures,
    pub(crate) sources: Vec<&'a SourceState>,
    /// How the store of this role answers, where it is MongoDB.
    pub(crate) store: Option<bool>,
}

/// Looks again and again, and remembers.
pub(crate) struct Health {
    config: config::Health,
    report: Report,
    /// What it would change to, and since when.
    tending: Option<(Status, SystemTime)>,
}

impl Health {
    pub(crate) fn new(config: config::Health, now: SystemTime) -> Self {
        Self {
            config,
            report: Report {
                status: Status::Healthy,
                at: now,
                checks: Vec::new(),
                changes: VecDeque::new(),
            },
            tending: None,
        }
    }

    /// As it was found last.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Looks, and changes the status when it is time to.
    pub(crate) fn look(&mut self, seen: &Seen<'_>, now: SystemTime) {
        let checks = self.checks(seen);
        let found = checks.iter().map(|check| check.status).max();
        let found = found.unwrap_or(Status::Healthy);
        let current = self.report.status;
        if found == current {
            self.tending = None;
        } else {
            // While it wavers between two other states, the time runs on as long as it stays on one side.
            let same_side = |other: Status| (other > current) == (found > current);
            let since = match self.tending {
                Some((other, since)) if same_side(other) => since,
                _ => now,
            };
            self.tending = Some((found, since));
            let patience = if found > current {
                self.config.worse_after
            } else {
                self.config.better_after
            };
            if now.duration_since(since).unwrap_or_default() >= patience {
                self.change(found, now);
            }
        }
        self.report.at = now;
        self.report.checks = checks;
    }

    fn change(&mut self, to: Status, at: SystemTime) {
        let from = std::mem::replace(&mut self.report.status, to);
        self.tending = None;
        self.report.changes.push_front(Change { at, from, to });
        self.report.changes.truncate(CHANGES);
    }

    fn checks(&self, seen: &Seen<'_>) -> Vec<Check> {
        let mut checks = vec![self.error_rate(seen.figures), self.latency(seen.figures)];
        let told = told(seen);
        checks.extend(NEEDS.map(|name| dependency(name, told.get(name).copied())));
        checks.push(streams(&seen.sources));
        checks
    }

    fn error_rate(&self, figures: &Figures) -> Check {
        let limits = (
            self.config.degraded_error_rate,
            self.config.unhealthy_error_rate,
        );
        let ended = figures.successes + figures.failures;
        let rate = figures
            .success_rate()
            .map_or(0.0, |success| 100.0 - success);
        let status = if ended < self.config.min_turns {
            Status::Healthy
        } else {
            self.level(rate, limits)
        };
        let window = words(self.config.window);
        Check {
            name: "errorRate",
            status,
            value: format!("{rate:.2}%"),
            threshold: format!("{}%", limits.0),
            issue: (status > Status::Healthy)
                .then(|| format!("{rate:.2}% of the turns of the last {window} failed.")),
        }
    }

    fn latency(&self, figures: &Figures) -> Check {
        let milliseconds = |limit: Duration| limit.as_secs_f64() * 1e3;
        let limits = (
            milliseconds(self.config.degraded_first_token),
            milliseconds(self.config.unhealthy_first_token),
        );
        let told = figures.first_token.percentiles();
        let status = if told.count < self.config.min_turns {
            Status::Healthy
        } else {
            self.level(told.mean, limits)
        };
        let window = words(self.config.window);
        Check {
            name: "latency",
            status,
            value: format!("{:.0}ms", told.mean),
            threshold: format!("{}ms", limits.0),
            issue: (status > Status::Healthy).then(|| {
                let mean = told.mean;
                format!("The first token took {mean:.0} ms on average in the last {window}.")
            }),
        }
    }

    /// Above which limits a value is; those that are passed already are kept again only by a margin.
    fn level(&self, value: f64, (degraded, unhealthy): (f64, f64)) -> Status {
        let current = self.report.status;
        let limit = |limit: f64, passed: Status| {
            if current >= passed {
                limit * MARGIN
            } else {
                limit
            }
        };
        if value > limit(unhealthy, Status::Unhealthy) {
            Status::Unhealthy
        } else if value > limit(degraded, Status::Degraded) {
            Status::Degraded
        } else {
            Status::Healthy
        }
    }
}

/// Who says what of a need: up, down, unused.
#[derive(Clone, Copy, Default)]
struct Told {
    up: usize,
    down: usize,
    unused: usize,
}

fn told(seen: &Seen<'_>) -> BTreeMap<&'static str, Told> {
    let mut told: BTreeMap<&'static str, Told> = BTreeMap::new();
    let known = |name: &str| NEEDS.into_iter().find(|known| *known == name);
    for source in &seen.sources {
        for dependency in &source.dependencies {
            let Some(name) = known(&dependency.name) else {
                continue;
            };
            let told = told.entry(name).or_default();
            match dependency.state() {
                DependencyState::Up => told.up += 1,
                DependencyState::Down => told.down += 1,
                DependencyState::Unused => told.unused += 1,
                DependencyState::Unspecified => {}
            }
        }
    }
    if let Some(up) = seen.store {
        let told = told.entry("mongodb").or_default();
        told.up += usize::from(up);
        told.down += usize::from(!up);
    }
    told
}

/// What is away costs something of the answer, not the answer: degraded, whatever it is.
fn dependency(name: &'static str, told: Option<Told>) -> Check {
    let Told { up, down, unused } = told.unwrap_or_default();
    let value = match (up, down, unused) {
        (0, 0, 0) => "unknown".to_owned(),
        (0, 0, _) => "unused".to_owned(),
        (_, 0, _) => "up".to_owned(),
        (0, ..) => "down".to_owned(),
        (up, down, _) => format!("down for {down} of {}", up + down),
    };
    Check {
        name,
        status: if down > 0 {
            Status::Degraded
        } else {
            Status::Healthy
        },
        threshold: String::new(),
        issue: (down > 0).then(|| format!("{}: {value}.", title(name))),
        value,
    }
}

fn streams(sources: &[&SourceState]) -> Check {
    let mut chats = sources
        .iter()
        .filter(|source| source.role == "chat")
        .peekable();
    let nobody = chats.peek().is_none();
    let active: u64 = chats.map(|source| source.active_streams).sum();
    Check {
        name: "activeStreams",
        status: if nobody {
            Status::Unhealthy
        } else {
            Status::Healthy
        },
        value: active.to_string(),
        threshold: String::new(),
        issue: nobody.then(|| "No chat process is heard.".to_owned()),
    }
}

fn title(name: &str) -> &str {
    match name {
        "redis" => "Redis",
        "mongodb" => "MongoDB",
        "openai" => "The language model",
        "tts" => "The speech service",
        "flags" => "The flags service",
        other => other,
    }
}

fn words(time: Duration) -> String {
    match time.as_secs() {
        60 => "minute".to_owned(),
        seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}

#[cfg(test)]
mod tests;
