//! The judgement: which alerts wait, fire and are over, what is silent, and what is to be told. Pure: the time comes in
//! as an argument, and all of it can be stored and taken up by another process, which then tells nobody twice.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::rule::{Reading, Readings, Rule, Severity};

/// How long alerts that are over are remembered.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest silence.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Silences at once.
pub const MOST_SILENCES: usize = 100;

/// What becomes of alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    alerts: BTreeMap<String, Alert>,
    silences: Vec<Silence>,
}

/// An alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// How it stands.
    pub phase: Phase,
    /// Since when.
    pub since: SystemTime,
    /// What was measured last.
    pub value: f64,
    /// Since when it has been well while it fires.
    well_since: Option<SystemTime>,
    /// When people were told last that it fires.
    pub sent_at: Option<SystemTime>,
    /// When it was over the last time, for as long as it does not fire again.
    #[serde(default)]
    over_at: Option<SystemTime>,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its condition holds, but not for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It is over.
    Resolved,
}

/// A time in which an alert is not told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Names it.
    pub id: String,
    /// A rule's name; empty: all.
    pub alert: String,
    /// Until when.
    pub until: SystemTime,
    /// Who wants it.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// Something people are to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The rule's name.
    pub name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What happened.
    pub news: News,
    /// What was measured, and the limit.
    pub value: f64,
    /// The limit.
    pub threshold: f64,
    /// In a sentence.
    pub summary: String,
    /// Since when.
    pub since: SystemTime,
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It fires.
    Firing,
    /// It still fires, a long while after people were told.
    StillFiring,
    /// It is over.
    Resolved,
}

impl State {
    /// Looks at every rule; what is to be told.
    pub fn step(
        &mut self,
        rules: &BTreeMap<String, Rule>,
        readings: &impl Readings,
        repeat: Duration,
        now: SystemTime,
    ) -> Vec<Notice> {
        self.silences.retain(|silence| silence.until > now);
        // A rule that is gone is over for whoever was told of it; its words are gone too.
        self.alerts.retain(|name, alert| {
            let old = alert.phase == Phase::Resolved && age(alert.since, now) > REMEMBERED;
            rules.contains_key(name) && !old
        });
        let mut notices = Vec::new();
        for (name, rule) in rules {
            let reading = readings.read(rule.figure, rule.window);
            self.advance(name, rule, reading, now);
            if let Some(news) = self.news(name, repeat, now)
                && let Some(alert) = self.alerts.get(name)
            {
                notices.push(Notice {
                    name: name.clone(),
                    severity: rule.severity,
                    news,
                    value: alert.value,
                    threshold: rule.threshold,
                    summary: rule.summary.clone(),
                    since: alert.since,
                });
            }
        }
        notices
    }

    /// What a reading makes of an alert. One that says nothing ends a wait, which only counts while the condition is seen to
    /// hold, and changes nothing else: who stops measuring is not well.
    fn advance(&mut self, name: &str, rule: &Rule, reading: Option<Reading>, now: SystemTime) {
        let holds = rule.holds(reading);
        let value = reading.map(|reading| reading.value);
        let Some(alert) = self.alerts.get_mut(name) else {
            if holds == Some(true) {
                let alert = Alert {
                    phase: Phase::Pending,
                    since: now,
                    value: value.unwrap_or_default(),
                    well_since: None,
                    sent_at: None,
                    over_at: None,
                };
                self.alerts.insert(name.to_owned(), alert);
                // Without a time to wait it fires at once.
                self.advance(name, rule, reading, now);
            }
            return;
        };
        if let (Some(value), Some(_)) = (value, holds) {
            alert.value = value;
        }
        let begin = |alert: &mut Alert, phase| {
            (alert.phase, alert.since, alert.well_since) = (phase, now, None);
        };
        match (alert.phase, holds) {
            (Phase::Pending, Some(true)) if age(alert.since, now) >= rule.hold => {
                begin(alert, Phase::Firing);
                alert.over_at = None;
            }
            (Phase::Pending, Some(false) | None) => match alert.over_at {
                // A wait that came to nothing: what was over before is still over, and perhaps not told yet.
                Some(over_at) => {
                    begin(alert, Phase::Resolved);
                    alert.since = over_at;
                }
                None => {
                    self.alerts.remove(name);
                }
            },
            (Phase::Firing, Some(true)) => alert.well_since = None,
            (Phase::Firing, Some(false)) => {
                let well_since = *alert.well_since.get_or_insert(now);
                if age(well_since, now) >= rule.keep {
                    begin(alert, Phase::Resolved);
                    alert.over_at = Some(now);
                }
            }
            (Phase::Resolved, Some(true)) => {
                // What an older version stored has no time of its own for it.
                alert.over_at.get_or_insert(alert.since);
                begin(alert, Phase::Pending);
                self.advance(name, rule, reading, now);
            }
            _ => {}
        }
    }

    /// What is to be told of an alert, which then counts as told.
    fn news(&mut self, name: &str, repeat: Duration, now: SystemTime) -> Option<News> {
        if self.is_silent(name, now) {
            return None;
        }
        let alert = self.alerts.get_mut(name)?;
        match (alert.phase, alert.sent_at) {
            (Phase::Firing, None) => {
                alert.sent_at = Some(now);
                Some(News::Firing)
            }
            (Phase::Firing, Some(sent)) if age(sent, now) >= repeat => {
                alert.sent_at = Some(now);
                Some(News::StillFiring)
            }
            (Phase::Resolved, Some(_)) => {
                alert.sent_at = None;
                Some(News::Resolved)
            }
            _ => None,
        }
    }

    /// Whether an alert is not told now.
    pub fn is_silent(&self, name: &str, now: SystemTime) -> bool {
        self.silences.iter().any(|silence| {
            silence.until > now && (silence.alert.is_empty() || silence.alert == name)
        })
    }

    /// All alerts that are known, by name.
    pub fn alerts(&self) -> &BTreeMap<String, Alert> {
        &self.alerts
    }

    /// All silences that last.
    pub fn silences(&self) -> &[Silence] {
        &self.silences
    }

    /// The silences from now on.
    pub fn set_silences(&mut self, silences: Vec<Silence>) {
        self.silences = silences;
    }

    /// Takes over what another process knows of alerts.
    pub fn take_over(&mut self, other: Self) {
        self.alerts = other.alerts;
    }
}

fn age(since: SystemTime, now: SystemTime) -> Duration {
    // A clock set back is no time at all.
    now.duration_since(since).unwrap_or_default()
}

#[cfg(test)]
mod tests;
