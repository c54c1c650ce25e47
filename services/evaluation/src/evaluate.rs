//! Decides what a flag says to whoever asks. One path for evaluating and explaining, which differ in who
//! listens; evaluating allocates nothing.

use std::{collections::HashSet, time::SystemTime};

use serde_json::Value;

use crate::{
    bucket,
    context::{Attribute, Context},
    flag::{BucketingMethod, Condition, Flag, Operator, Variant},
};

/// What a flag said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation<'f> {
    /// The flag that was asked.
    pub flag: &'f Flag,
    /// What it said.
    pub variant: &'f Variant,
    /// Which step decided.
    pub decided_by: Step,
}

impl<'f> Evaluation<'f> {
    /// The variant's value.
    pub fn value(&self) -> &'f Value {
        &self.variant.value
    }

    /// Whether a boolean flag said yes.
    pub fn is_on(&self) -> bool {
        self.variant.value == Value::Bool(true)
    }

    /// OpenFeature's word for it.
    pub fn reason(&self) -> Reason {
        self.decided_by.reason()
    }
}

/// The steps of an evaluation, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The flag is switched off.
    KillSwitch,
    /// It is not its time.
    Schedule,
    /// Never let in.
    Blacklist,
    /// Always let in.
    Whitelist,
    /// The rule at this place applies.
    Rule(usize),
    /// Dealt by an A/B test.
    AbTest,
    /// Nobody is let in.
    Nobody,
    /// Everybody is.
    Everybody,
    /// Nothing to deal by.
    NoIdentifier,
    /// Dealt by the percentage.
    Percentage,
}

impl Step {
    /// The name in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::KillSwitch => "kill_switch",
            Self::Schedule => "schedule",
            Self::Blacklist => "blacklist",
            Self::Whitelist => "whitelist",
            Self::Rule(_) => "rule",
            Self::AbTest => "ab_test",
            Self::Nobody => "nobody",
            Self::Everybody => "everybody",
            Self::NoIdentifier => "no_identifier",
            Self::Percentage => "percentage",
        }
    }

    /// Whether chance decided, that is the bucket or a percentage that leaves no chance: what a rollout
    /// compares. Lists, rules and switches say nothing of a rollout.
    pub fn is_by_chance(self) -> bool {
        matches!(
            self,
            Self::AbTest | Self::Nobody | Self::Everybody | Self::Percentage
        )
    }

    fn reason(self) -> Reason {
        match self {
            Self::KillSwitch => Reason::Disabled,
            Self::Schedule | Self::Blacklist | Self::Whitelist | Self::Rule(_) => {
                Reason::TargetingMatch
            }
            Self::AbTest | Self::Percentage => Reason::Split,
            Self::Nobody | Self::Everybody => Reason::Static,
            Self::NoIdentifier => Reason::Default,
        }
    }
}

/// OpenFeature's reasons (<https://openfeature.dev/specification/types#resolution-reason>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Switched off.
    Disabled,
    /// By list, rule or schedule.
    TargetingMatch,
    /// By bucket.
    Split,
    /// The same for everybody.
    Static,
    /// For want of an identifier.
    Default,
}

impl Reason {
    /// As OpenFeature writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::TargetingMatch => "TARGETING_MATCH",
            Self::Split => "SPLIT",
            Self::Static => "STATIC",
            Self::Default => "DEFAULT",
        }
    }
}

/// Hears of each step that is looked at.
pub(crate) trait Trace {
    /// `found` is made only for those who listen.
    fn looked_at(&mut self, step: Step, decided: bool, found: impl FnOnce() -> String);
}

/// Who does not listen.
pub(crate) struct Silent;

impl Trace for Silent {
    fn looked_at(&mut self, _: Step, _: bool, _: impl FnOnce() -> String) {}
}

/// A flag made ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) flag: Flag,
    on: usize,
    off: usize,
    blacklist: HashSet<Box<str>>,
    whitelist: HashSet<Box<str>>,
    rules: Vec<Deal>,
    /// Place of each share's variant with its weight, and the sum of all; while the test is enabled.
    shares: Option<(Vec<(usize, u32)>, u32)>,
    threshold: u32,
}

/// What a rule gives.
#[derive(Clone, Copy, Debug)]
enum Deal {
    Variant(usize),
    /// The on variant below this bucket.
    Below(u32),
}

impl Compiled {
    /// `None` when the flag names a variant that it has not: [`crate::check`] tells which.
    pub(crate) fn new(flag: Flag) -> Option<Self> {
        let place = |name: &str| {
            flag.variants
                .iter()
                .position(|variant| variant.name == name)
        };
        let rules = flag.rules.iter().map(|rule| match &rule.variant {
            Some(name) => place(name).map(Deal::Variant),
            None => Some(Deal::Below(bucket::threshold(
                rule.percentage.unwrap_or(100.0),
            ))),
        });
        let shares = match &flag.ab_test {
            Some(test) if test.enabled => {
                let shares = test
                    .shares
                    .iter()
                    .map(|share| Some((place(&share.variant)?, share.weight)))
                    .collect::<Option<Vec<_>>>()?;
                let sum = shares
                    .iter()
                    .try_fold(0_u32, |sum, (_, weight)| sum.checked_add(*weight))?;
                Some((shares, sum))
            }
            _ => None,
        };
        let boxed = |list: &[String]| list.iter().map(|id| id.as_str().into()).collect();
        Some(Self {
            on: place(&flag.on_variant)?,
            off: place(&flag.off_variant)?,
            blacklist: boxed(&flag.blacklist),
            whitelist: boxed(&flag.whitelist),
            rules: rules.collect::<Option<_>>()?,
            shares,
            threshold: bucket::threshold(flag.percentage),
            flag,
        })
    }

    /// What the flag says, and why. `now` is asked only for a flag with a schedule.
    pub(crate) fn decide(
        &self,
        context: &impl Context,
        now: impl FnOnce() -> SystemTime,
        trace: &mut impl Trace,
    ) -> Evaluation<'_> {
        let (place, decided_by) = self.place(context, now, trace);
        Evaluation {
            flag: &self.flag,
            // Places are of this very flag.
            variant: &self.flag.variants[place],
            decided_by,
        }
    }

    fn place(
        &self,
        context: &impl Context,
        now: impl FnOnce() -> SystemTime,
        trace: &mut impl Trace,
    ) -> (usize, Step) {
        trace.looked_at(Step::KillSwitch, !self.flag.enabled, || {
            let state = if self.flag.enabled { "on" } else { "off" };
            format!("the flag is switched {state}")
        });
        if !self.flag.enabled {
            return (self.off, Step::KillSwitch);
        }
        if let Some(schedule) = &self.flag.schedule {
            let open = schedule.is_open(now());
            trace.looked_at(Step::Schedule, !open, || {
                (if open {
                    "it is its time"
                } else {
                    "it is not its time"
                })
                .to_owned()
            });
            if !open {
                return (self.off, Step::Schedule);
            }
        }
        let identifier = context.identifier().map(|(_, identifier)| identifier);
        for (list, step, place) in [
            (&self.blacklist, Step::Blacklist, self.off),
            (&self.whitelist, Step::Whitelist, self.on),
        ] {
            let listed = identifier.is_some_and(|identifier| list.contains(identifier));
            trace.looked_at(step, listed, || {
                let is = if listed { "is" } else { "is not" };
                format!("the identifier {is} one of {}", list.len())
            });
            if listed {
                return (place, step);
            }
        }
        for (at, (rule, deal)) in self.flag.rules.iter().zip(&self.rules).enumerate() {
            let applies = rule
                .conditions
                .iter()
                .all(|condition| holds(condition, context));
            trace.looked_at(Step::Rule(at), applies, || {
                let does = if applies { "applies" } else { "does not apply" };
                format!("rule {} {} {does}", at + 1, rule.name)
            });
            if applies {
                let place = match deal {
                    Deal::Variant(place) => *place,
                    Deal::Below(threshold) => self.on_below(*threshold, identifier),
                };
                return (place, Step::Rule(at));
            }
        }
        if let Some((shares, sum)) = &self.shares
            && let Some(identifier) = identifier
        {
            let place = dealt(shares, *sum, bucket::hash(self.flag.salt(), identifier));
            trace.looked_at(Step::AbTest, true, || {
                format!("dealt to `{}`", self.flag.variants[place].name)
            });
            return (place, Step::AbTest);
        }
        self.by_percentage(identifier, trace)
    }

    fn by_percentage(&self, identifier: Option<&str>, trace: &mut impl Trace) -> (usize, Step) {
        let percentage = self.flag.percentage;
        let (place, step) = match identifier {
            _ if self.threshold == 0 => (self.off, Step::Nobody),
            _ if self.threshold >= bucket::BUCKETS => (self.on, Step::Everybody),
            None => (self.off, Step::NoIdentifier),
            Some(_) => (self.on_below(self.threshold, identifier), Step::Percentage),
        };
        trace.looked_at(step, true, || match step {
            Step::NoIdentifier => "nothing in the context identifies who asks".to_owned(),
            _ => format!("{percentage} % are let in"),
        });
        (place, step)
    }

    fn on_below(&self, threshold: u32, identifier: Option<&str>) -> usize {
        let below = match identifier {
            _ if threshold >= bucket::BUCKETS => true,
            Some(identifier) => self.bucket(identifier) < threshold,
            None => false,
        };
        if below { self.on } else { self.off }
    }

    /// Where an identifier falls, from 0 to below [`bucket::BUCKETS`].
    pub(crate) fn bucket(&self, identifier: &str) -> u32 {
        let method: BucketingMethod = self.flag.bucketing.method;
        bucket::bucket(method, self.flag.salt(), identifier)
    }
}

/// The share that a hash falls into.
fn dealt(shares: &[(usize, u32)], sum: u32, hash: u32) -> usize {
    let bucket = bucket::scale(hash, sum);
    let mut end = 0;
    shares
        .iter()
        .find(|(_, weight)| {
            end += weight;
            bucket < end
        })
        .or(shares.last())
        .map_or(0, |(place, _)| *place)
}

fn holds(condition: &Condition, context: &impl Context) -> bool {
    let attribute = context.attribute(&condition.attribute);
    match (condition.operator, attribute) {
        (Operator::Present, attribute) => attribute.is_some(),
        (Operator::Absent, attribute) => attribute.is_none(),
        (Operator::NotIn, attribute) => {
            !attribute.is_some_and(|attribute| any(condition, |value| equals(attribute, value)))
        }
        (_, None) => false,
        (Operator::In, Some(attribute)) => any(condition, |value| equals(attribute, value)),
        (Operator::StartsWith, Some(Attribute::Text(text))) => {
            any(condition, |value| text.starts_with(value))
        }
        (Operator::EndsWith, Some(Attribute::Text(text))) => {
            any(condition, |value| text.ends_with(value))
        }
        (Operator::Contains, Some(Attribute::Text(text))) => {
            any(condition, |value| text.contains(value))
        }
        (Operator::LessThan, Some(attribute)) => {
            number(attribute).is_some_and(|is| any(condition, |value| compare(value, |of| is < of)))
        }
        (Operator::GreaterThan, Some(attribute)) => {
            number(attribute).is_some_and(|is| any(condition, |value| compare(value, |of| is > of)))
        }
        (Operator::StartsWith | Operator::EndsWith | Operator::Contains, Some(_)) => false,
    }
}

fn any(condition: &Condition, matches: impl Fn(&str) -> bool) -> bool {
    condition.values.iter().any(|value| matches(value))
}

fn equals(attribute: Attribute<'_>, value: &str) -> bool {
    match attribute {
        Attribute::Text(text) => text == value,
        Attribute::Number(is) => compare(value, |of| is == of),
        Attribute::Bool(is) => value.parse() == Ok(is),
        Attribute::Other => false,
    }
}

fn number(attribute: Attribute<'_>) -> Option<f64> {
    match attribute {
        Attribute::Number(number) => Some(number),
        Attribute::Text(text) => text.parse().ok(),
        Attribute::Bool(_) | Attribute::Other => None,
    }
}

fn compare(value: &str, matches: impl Fn(f64) -> bool) -> bool {
    value.parse().is_ok_and(matches)
}

#[cfg(test)]
mod tests;
