//! How the roles of this process stand: ready or not, what runs in them, what they need and whether it is there. It
//! must not know which roles there are.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::{
    lifecycle::{Drain, Readiness},
    outbound,
};

/// How a role stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Streams that run in it.
    pub active_streams: u64,
    /// Records of what happened in it that were given up since its start.
    pub dropped_reports: u64,
    /// What it needs, by name, and whether that is there.
    pub dependencies: Vec<(String, bool)>,
}

type Ask = Box<dyn Fn() -> Standing + Send + Sync>;

/// The roles of a process. Cloning is cheap; every clone is the same roles.
#[derive(Clone, Default)]
pub(super) struct Standings {
    shared: Arc<Mutex<Roles>>,
}

#[derive(Default)]
struct Roles {
    ready: Vec<(&'static str, Readiness, Drain)>,
    asked: Vec<(&'static str, Ask)>,
}

impl fmt::Debug for Standings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standings").finish_non_exhaustive()
    }
}

impl Standings {
    pub(super) fn role(&self, name: &'static str, readiness: Readiness, drain: Drain) {
        self.lock().ready.push((name, readiness, drain));
    }

    pub(super) fn standing(&self, role: &'static str, ask: Ask) {
        self.lock().asked.push((role, ask));
    }

    fn lock(&self) -> MutexGuard<'_, Roles> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Standings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let roles = self.lock();
        let version = env!("CARGO_PKG_VERSION");
        gauges(
            &mut encoder,
            "troika_build_info",
            "The version of a role, as a label of 1.",
            roles
                .ready
                .iter()
                .map(|(role, ..)| (vec![("version", version), ("role", *role)], 1)),
        )?;
        gauges(
            &mut encoder,
            "troika_ready",
            "Whether a role can take work.",
            roles.ready.iter().map(|(role, readiness, drain)| {
                let ready = readiness.is_ready() && !drain.draining();
                (vec![("role", *role)], ready.into())
            }),
        )?;
        let breakers = breakers();
        gauges(
            &mut encoder,
            "troika_breaker_state",
            "Whether calls to a peer go through: 0 all, 1 one at a time, 2 none.",
            breakers
                .iter()
                .map(|(peer, state)| (vec![("peer", peer.as_str())], *state)),
        )?;
        let standings: Vec<_> = roles
            .asked
            .iter()
            .map(|(role, ask)| (*role, ask()))
            .collect();
        gauges(
            &mut encoder,
            "troika_active_streams",
            "Streams that run in a role.",
            standings.iter().map(|(role, standing)| {
                (
                    vec![("role", *role)],
                    i64::try_from(standing.active_streams).unwrap_or(i64::MAX),
                )
            }),
        )?;
        let dependencies = dependencies(standings.iter().map(|(_, standing)| standing));
        gauges(
            &mut encoder,
            "troika_dependency_up",
            "Whether something that this process needs is there.",
            dependencies
                .iter()
                .map(|(name, up)| (vec![("dependency", *name)], i64::from(*up))),
        )?;
        if standings.is_empty() {
            return Ok(());
        }
        let dropped: u64 = standings
            .iter()
            .map(|(_, standing)| standing.dropped_reports)
            .sum();
        let dropped = ConstCounter::new(dropped);
        dropped.encode(encoder.encode_descriptor(
            "troika_report_dropped",
            "Records for the metrics role that were given up because nobody took them.",
            None,
            dropped.metric_type(),
        )?)
    }
}

/// Several breakers of one name are told by the worst of them.
fn breakers() -> BTreeMap<String, i64> {
    let mut worst = BTreeMap::new();
    for (name, state) in outbound::breaker_states() {
        let state = match state {
            "open" => 2,
            "half_open" => 1,
            _ => 0,
        };
        let known = worst.entry(name).or_insert(state);
        *known = state.max(*known);
    }
    worst
}

/// Roles that need the same see the same; while they do not, who misses it is right.
fn dependencies<'a>(standings: impl Iterator<Item = &'a Standing>) -> BTreeMap<&'a str, bool> {
    let mut seen = BTreeMap::new();
    for (name, up) in standings.flat_map(|standing| &standing.dependencies) {
        *seen.entry(name.as_str()).or_insert(true) &= *up;
    }
    seen
}

/// A family of gauges; nothing where there is none.
fn gauges<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Vec<(&'a str, &'a str)>, i64)>,
) -> fmt::Result {
    let mut values = values.peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
