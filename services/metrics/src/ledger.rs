//! Everything that is known: what this replica was told and what others tell it, by seconds, minutes and in all. Pure: the
//! time comes in as an argument, and storing is somebody else's.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use troika_proto::metrics::v1::{ReportRequest, SourceState};

use crate::{
    config::{Config, Prices},
    delta::{Delta, Event, Heard, Part, Resolution, Rollup, read},
    moment::{MINUTE, minute, second, time},
    sessions::Sessions,
    slice::{Dimension, Slice, Total, Values},
    store::Known,
    turn::{Outcome, Turn},
    window::{BY_SECONDS, Comparison, Dealt, Slot, Window},
};

mod open;
mod recent;

use open::Open;
use recent::Recent;

/// How far back seconds are kept apart.
pub(crate) const SECONDS: u64 = 5 * MINUTE;
/// Minutes of which the newest hour is made.
const MINUTES: u64 = 60;
/// Turns that are shown as the newest, and those of one second.
const EVENTS: usize = 1000;
const EVENTS_OF_A_SECOND: usize = 100;
/// A source that said nothing for this long is gone.
const SILENT: Duration = Duration::from_secs(5);
/// Sources whose batches are known, so that none counts twice.
const SOURCES: usize = 10_000;

/// How far back a question goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Whole seconds, at most [`SECONDS`].
    Seconds(u64),
    /// Sixty minutes, to the minute.
    Hour,
    /// Since the beginning, or the last reset.
    Life,
}

/// What is known.
pub(crate) struct Ledger {
    replica: String,
    most: usize,
    prices: Prices,
    /// When counting began, in microseconds since 1970: names what resets have separated.
    epoch: u64,
    /// What was told since the last beat.
    pending: Delta,
    seconds: BTreeMap<u64, Slice>,
    minutes: BTreeMap<u64, Slice>,
    life: Slice,
    arms: Window,
    events: VecDeque<Event>,
    sources: HashMap<String, Heard>,
    /// The newest batch of each source.
    batches: HashMap<String, u64>,
    /// The newest turns by their ids.
    turns: Recent,
    /// This replica's rollups that still grow.
    open: Open,
    /// The newest delta of each replica that is in here.
    seen: Known,
}

/// What could not be counted of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Says what cannot be, or is too old.
    pub(crate) unusable: u64,
    /// Was given up by the sender.
    pub(crate) dropped: u64,
}

/// What a beat gives to the store.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) delta: Delta,
    pub(crate) rollups: Vec<Rollup>,
}

impl Ledger {
    /// An empty one, counting from now.
    pub(crate) fn new(config: &Config, replica: String, now: SystemTime) -> Self {
        Self {
            replica,
            most: config.max_values,
            prices: config.prices.clone(),
            epoch: micros(now),
            pending: Delta::default(),
            seconds: BTreeMap::new(),
            minutes: BTreeMap::new(),
            life: Slice::default(),
            arms: Window::new(config.max_flags),
            events: VecDeque::new(),
            sources: HashMap::new(),
            batches: HashMap::new(),
            turns: Recent::default(),
            open: Open::default(),
            seen: Known::new(),
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When counting began.
    pub(crate) fn counting_since(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_micros(self.epoch)
    }

    /// Takes a batch in, once. A record that cannot be counted is left out: it must not cost the others.
    pub(crate) fn take(&mut self, batch: ReportRequest, now: SystemTime) -> Lost {
        if let Some(state) = batch.state {
            self.hear(batch.source.clone(), state, now);
        }
        if batch.number > 0 && !self.is_new(batch.source, batch.number) {
            return Lost::default();
        }
        let figures = &mut self.pending.slice.total.figures;
        figures.refused += batch.refused;
        figures.dropped += batch.dropped;
        for cache in &batch.caches {
            let looks = match cache.name.as_str() {
                "knowledge" => &mut figures.knowledge,
                "speech" => &mut figures.speech,
                _ => continue,
            };
            looks.hits += cache.hits;
            looks.misses += cache.misses;
        }
        self.arms.refused(batch.refused, now);
        let mut lost = Lost {
            dropped: batch.dropped,
            ..Lost::default()
        };
        for sent in batch.turns {
            let counted = Turn::told(sent).is_some_and(|turn| self.count(&turn, now));
            lost.unusable += u64::from(!counted);
        }
        lost
    }

    /// `false` of a turn whose start is too long ago or ahead. A turn that was told already, as when the edge lost it and
    /// chat saw its listener leave, counts once.
    fn count(&mut self, turn: &Turn, now: SystemTime) -> bool {
        if !turn.id.is_empty() && !self.turns.is_new(&turn.id) {
            return true;
        }
        let is_turn = !turn.outcome.is_validation();
        let dealt = Dealt::of(turn);
        if is_turn && !self.arms.add(&dealt, now) {
            return false;
        }
        let cost = self.prices.cost(turn);
        self.pending.slice.add(turn, cost, self.most);
        if is_turn {
            self.pending.dealt.push(dealt);
        }
        let event = Event::of(turn, now);
        if self.pending.events.len() == EVENTS_OF_A_SECOND {
            self.pending.events.remove(0);
        }
        self.pending.events.push(event.clone());
        self.show(event);
        true
    }

    fn is_new(&mut self, source: String, number: u64) -> bool {
        if self.batches.len() >= SOURCES {
            let sources = &self.sources;
            self.batches
                .retain(|source, _| sources.contains_key(source));
        }
        let newest = self.batches.entry(source).or_default();
        let is_new = number > *newest;
        *newest = number.max(*newest);
        is_new
    }

    fn hear(&mut self, name: String, state: SourceState, now: SystemTime) {
        let heard = Heard {
            name: name.clone(),
            at: now,
            state,
        };
        self.pending.sources.retain(|known| known.name != name);
        self.pending.sources.push(heard.clone());
        self.sources.insert(name, heard);
    }

    fn show(&mut self, event: Event) {
        self.events.push_back(event);
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    /// Whether a beat has closed all that was told.
    pub(crate) fn is_told(&self) -> bool {
        self.pending.is_quiet()
    }

    /// Closes what was told since the last beat.
    pub(crate) fn beat(&mut self, now: SystemTime) -> Beat {
        let mut delta = std::mem::take(&mut self.pending);
        delta.replica.clone_from(&self.replica);
        delta.at = second(now);
        delta.epoch = self.epoch;
        delta.number = self.seen.get(&self.replica).map_or(1, |newest| newest + 1);
        self.seen.insert(self.replica.clone(), delta.number);
        self.add(&delta);
        self.forget(now);
        let rollups = self.open.add(&delta, &self.replica, self.most);
        Beat { delta, rollups }
    }

    /// The newest delta of each replica that is in here, this one's among them.
    pub(crate) fn known(&self) -> &Known {
        &self.seen
    }

    /// Takes in what another replica was told.
    pub(crate) fn learn(&mut self, delta: Delta, now: SystemTime) {
        let newest = self.seen.entry(delta.replica.clone()).or_default();
        if delta.number <= *newest {
            return;
        }
        *newest = delta.number;
        self.add(&delta);
        self.remember(delta, now);
        self.forget(now);
    }

    /// Adds the figures of a delta to all that they belong to.
    fn add(&mut self, delta: &Delta) {
        if delta.epoch != self.epoch {
            return;
        }
        let most = self.most;
        let second = self.seconds.entry(delta.at).or_default();
        second.merge(&delta.slice, most);
        let minute = self.minutes.entry(minute(delta.at)).or_default();
        minute.merge(&delta.slice, most);
        self.life.merge(&delta.slice, most);
    }

    /// What a delta tells beside its figures.
    fn remember(&mut self, delta: Delta, now: SystemTime) {
        self.arms
            .refused(delta.slice.total.figures.refused, time(delta.at));
        for dealt in &delta.dealt {
            self.arms.add(dealt, now);
        }
        delta.events.into_iter().for_each(|event| self.show(event));
        for heard in delta.sources {
            let known = self.sources.get(&heard.name);
            if known.is_none_or(|known| known.at < heard.at) {
                self.sources.insert(heard.name.clone(), heard);
            }
        }
    }

    fn forget(&mut self, now: SystemTime) {
        let now_second = second(now);
        self.seconds = self.seconds.split_off(&now_second.saturating_sub(SECONDS));
        let oldest = minute(now_second).saturating_sub(MINUTES * MINUTE);
        self.minutes = self.minutes.split_off(&oldest);
        self.sources.retain(|_, heard| is_heard(heard, now));
    }

    /// Begins all counting anew, except for what rollouts are judged by and the history.
    pub(crate) fn reset(&mut self, epoch: u64) {
        if epoch <= self.epoch {
            return;
        }
        self.epoch = epoch;
        self.seconds.clear();
        self.minutes.clear();
        self.life = Slice::default();
        self.events.clear();
        self.pending.slice = Slice::default();
        self.pending.events.clear();
        self.open.reset();
    }

    /// Takes in what was stored before this process began.
    pub(crate) fn restore(
        &mut self,
        epoch: Option<u64>,
        rollups: Vec<Rollup>,
        mut deltas: Vec<Delta>,
        now: SystemTime,
    ) {
        if let Some(epoch) = epoch {
            self.epoch = epoch;
            self.open.renew(epoch);
        }
        let mut in_rollups: HashMap<String, u64> = HashMap::new();
        let began = self.epoch / 1_000_000;
        let boundary = second(now.checked_sub(BY_SECONDS).unwrap_or(now));
        for rollup in rollups {
            let newest = in_rollups.entry(rollup.replica.clone()).or_default();
            *newest = rollup.number.max(*newest);
            let slice = match (rollup.resolution, rollup.part) {
                (Resolution::Minute, Part::Arms) => {
                    if let Some(slot) = read::<Slot>(&rollup.data) {
                        if rollup.at + MINUTE <= boundary {
                            self.arms.restore(rollup.at, &slot);
                        }
                        if rollup.replica == self.replica {
                            self.open.restore_arms(rollup.at, slot);
                        }
                    }
                    continue;
                }
                (_, part) => part_of_slice(part, &rollup.data, self.most),
            };
            match rollup.resolution {
                // After a reset its minute may hold some turns from before: a restart within the hour shows them again.
                Resolution::Minute if rollup.at + MINUTE > began => {
                    let minute = self.minutes.entry(rollup.at).or_default();
                    minute.merge(&slice, self.most);
                }
                Resolution::Life if rollup.at == self.epoch => self.life.merge(&slice, self.most),
                _ => {}
            }
            if rollup.replica == self.replica {
                self.open
                    .restore(rollup.resolution, rollup.at, &slice, self.most);
            }
        }
        deltas.sort_by_key(|delta| (delta.at, delta.number));
        for delta in deltas {
            let newest = self.seen.entry(delta.replica.clone()).or_default();
            *newest = delta.number.max(*newest);
            let rolled_up = in_rollups.get(&delta.replica).copied().unwrap_or(0);
            if delta.epoch == self.epoch {
                let second = self.seconds.entry(delta.at).or_default();
                second.merge(&delta.slice, self.most);
            }
            if delta.number > rolled_up {
                if delta.epoch == self.epoch {
                    let minute = self.minutes.entry(minute(delta.at)).or_default();
                    minute.merge(&delta.slice, self.most);
                    self.life.merge(&delta.slice, self.most);
                }
                if delta.replica == self.replica {
                    drop(self.open.add(&delta, &self.replica, self.most));
                }
            }
            self.remember(delta, now);
        }
        for (replica, number) in in_rollups {
            let newest = self.seen.entry(replica).or_default();
            *newest = number.max(*newest);
        }
        self.forget(now);
    }

    /// All turns of a span.
    pub(crate) fn total(&self, span: Span, now: SystemTime) -> Total {
        let slices: Vec<&Slice> = self.slices(span, now).collect();
        let mut total = Total::default();
        for slice in &slices {
            total.figures.merge(&slice.total.figures);
        }
        total.sessions = Sessions::of(slices.iter().map(|slice| &slice.total.sessions));
        total
    }

    /// All sessions since the beginning, or the last reset.
    pub(crate) fn sessions(&self) -> Sessions {
        Sessions::of([
            &self.life.total.sessions,
            &self.pending.slice.total.sessions,
        ])
    }

    /// The turns of a span by a dimension.
    pub(crate) fn by(&self, span: Span, dimension: Dimension, now: SystemTime) -> Values {
        let mut sum = Slice::default();
        for slice in self.slices(span, now) {
            if let Some(values) = slice.by.get(&dimension) {
                sum.merge_values(dimension, values, self.most);
            }
        }
        sum.by.remove(&dimension).unwrap_or_default()
    }

    /// When a span begins.
    pub(crate) fn begins(&self, span: Span, now: SystemTime) -> SystemTime {
        let since = match span {
            Span::Seconds(seconds) => now.checked_sub(Duration::from_secs(seconds)),
            Span::Hour => Some(time(first_minute(now))),
            Span::Life => None,
        };
        let counting = self.counting_since();
        since.map_or(counting, |since| since.max(counting))
    }

    fn slices(&self, span: Span, now: SystemTime) -> impl Iterator<Item = &Slice> {
        let (seconds, minutes, life) = match span {
            Span::Seconds(seconds) => (Some(second(now).saturating_sub(seconds) + 1), None, None),
            Span::Hour => (None, Some(first_minute(now)), None),
            Span::Life => (None, None, Some(&self.life)),
        };
        let seconds = seconds.map(|from| self.seconds.range(from..));
        let minutes = minutes.map(|from| self.minutes.range(from..));
        seconds
            .into_iter()
            .chain(minutes)
            .flatten()
            .map(|(_, slice)| slice)
            .chain(life)
            .chain([&self.pending.slice])
    }

    /// Who was heard lately, by name.
    pub(crate) fn sources(&self, now: SystemTime) -> Vec<&Heard> {
        let mut sources: Vec<&Heard> = self.sources.values().collect();
        sources.retain(|heard| is_heard(heard, now));
        sources.sort_by(|a, b| (&a.state.role, &a.name).cmp(&(&b.state.role, &b.name)));
        sources
    }

    /// The newest turns, the youngest first.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().rev()
    }

    /// Two variants of a flag, by the turns that started since a moment.
    pub(crate) fn compare(
        &self,
        flag: &str,
        candidate: &str,
        control: &str,
        since: SystemTime,
    ) -> Comparison {
        self.arms.compare(flag, candidate, control, since)
    }
}

impl Outcome {
    /// A request that could not be taken as it was: no turn.
    fn is_validation(self) -> bool {
        matches!(
            self,
            Self::Failure {
                kind: crate::turn::FailureKind::Validation,
                ..
            }
        )
    }
}

/// What was stored of a slice.
pub(crate) fn part_of_slice(part: Part, data: &[u8], most: usize) -> Slice {
    let mut slice = Slice::default();
    match part {
        Part::Total => {
            if let Some(total) = read::<Total>(data) {
                slice.total = total;
            }
        }
        Part::By(dimension) => {
            if let Some(values) = read::<Values>(data) {
                slice.merge_values(dimension, &values, most);
            }
        }
        Part::Arms => {}
    }
    slice
}

fn is_heard(heard: &Heard, now: SystemTime) -> bool {
    // Clocks of other machines may be ahead.
    now.duration_since(heard.at).is_ok_and(|age| age <= SILENT) || heard.at > now
}

fn first_minute(now: SystemTime) -> u64 {
    minute(second(now)).saturating_sub((MINUTES - 1) * MINUTE)
}

/// A moment that names an epoch.
pub(crate) fn micros(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests;
