//! What a feature flag is, as it is stored, shown and sent. Knows nothing of who asks.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A flag. Decided in this order: kill switch, schedule, blacklist, whitelist, rules, A/B test, 0 %, 100 %,
/// bucket below the percentage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flag {
    /// See [`crate::check`] for what a key may be.
    pub key: String,
    /// What kind of value it has.
    #[serde(rename = "type")]
    pub kind: FlagType,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The kill switch: `false` gives everyone the off variant.
    pub enabled: bool,
    /// What it can say; at least two.
    pub variants: Vec<Variant>,
    /// The variant of those who are let in.
    pub on_variant: String,
    /// The variant of those who are not.
    pub off_variant: String,
    /// Identifiers that are never let in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blacklist: Vec<String>,
    /// Identifiers that always are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whitelist: Vec<String>,
    /// The first that applies decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// While enabled, splits everyone who comes that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ab_test: Option<AbTest>,
    /// How many of the identifiers are let in, from 0 to 100.
    pub percentage: f64,
    /// How identifiers are dealt to buckets.
    #[serde(default)]
    pub bucketing: Bucketing,
    /// Outside of it everyone gets the off variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The store's revision at which it last changed; 0 before it is stored.
    #[serde(default)]
    pub revision: u64,
    /// When that was.
    #[serde(
        default,
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub updated_at: Option<SystemTime>,
    /// Who did it.
    #[serde(default)]
    pub updated_by: String,
}

/// The kind of a flag's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FlagType {
    /// `true` or `false`.
    Boolean,
    /// A text.
    String,
    /// A finite number.
    Number,
    /// A JSON object.
    Object,
}

impl FlagType {
    /// Whether a value is of this kind.
    pub fn admits(self, value: &Value) -> bool {
        match self {
            Self::Boolean => value.is_boolean(),
            Self::String => value.is_string(),
            Self::Number => value.is_number(),
            Self::Object => value.is_object(),
        }
    }

    /// The name in messages and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Number => "number",
            Self::Object => "object",
        }
    }
}

/// One thing a flag can say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// How it is called.
    pub name: String,
    /// What is said.
    pub value: Value,
}

/// Decides for those to whom all of its conditions apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// For people.
    #[serde(default)]
    pub name: String,
    /// At least one.
    pub conditions: Vec<Condition>,
    /// What they get; without it the flag's on variant for `percentage` of them, else the off variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// From 0 to 100; of those to whom the rule applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percentage: Option<f64>,
}

/// One attribute held against values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The attribute's name, such as `language`.
    pub attribute: String,
    /// How it is held against them.
    pub operator: Operator,
    /// One of them must match; none for [`Operator::Present`] and [`Operator::Absent`].
    #[serde(default)]
    pub values: Vec<String>,
}

/// How an attribute is held against values. One that is absent matches [`Operator::NotIn`] and
/// [`Operator::Absent`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Equals one of them.
    In,
    /// Equals none of them.
    NotIn,
    /// Begins with one of them.
    StartsWith,
    /// Ends with one of them.
    EndsWith,
    /// Holds one of them.
    Contains,
    /// Is a number below one of them.
    LessThan,
    /// Is a number above one of them.
    GreaterThan,
    /// Is there.
    Present,
    /// Is not there.
    Absent,
}

/// A split by weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbTest {
    /// Whether it decides.
    pub enabled: bool,
    /// Who gets how much.
    pub shares: Vec<Share>,
}

/// A variant's part of an A/B test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The variant's name.
    pub variant: String,
    /// Relative to the sum of all.
    pub weight: u32,
}

/// How identifiers are dealt to buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bucketing {
    /// The hash.
    pub method: BucketingMethod,
    /// What is hashed before the identifier; the flag's key when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub salt: String,
}

/// The hash that deals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketingMethod {
    /// flagd's `fractional` over salt and identifier, in 100 000 buckets.
    #[default]
    Fractional,
    /// The old backend's md5 of the identifier alone, in 100 buckets.
    LegacyMd5,
}

/// When a flag is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// From then on; open when absent.
    #[serde(
        default,
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<SystemTime>,
    /// Before then; open when absent.
    #[serde(
        default,
        with = "humantime_serde::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<SystemTime>,
}

impl Schedule {
    /// Whether a moment lies within.
    pub fn is_open(&self, now: SystemTime) -> bool {
        self.from.is_none_or(|from| now >= from) && self.until.is_none_or(|until| now < until)
    }
}

impl Flag {
    /// A boolean flag with the variants `on` and `off`, enabled for a percentage of the identifiers.
    pub fn boolean(key: &str, description: &str, percentage: f64) -> Self {
        let variant = |name: &str, value: bool| Variant {
            name: name.to_owned(),
            value: Value::Bool(value),
        };
        Self {
            key: key.to_owned(),
            kind: FlagType::Boolean,
            description: description.to_owned(),
            enabled: true,
            variants: vec![variant("on", true), variant("off", false)],
            on_variant: "on".to_owned(),
            off_variant: "off".to_owned(),
            blacklist: Vec::new(),
            whitelist: Vec::new(),
            rules: Vec::new(),
            ab_test: None,
            percentage,
            bucketing: Bucketing::default(),
            schedule: None,
            revision: 0,
            updated_at: None,
            updated_by: String::new(),
        }
    }

    /// What is hashed before the identifier.
    pub fn salt(&self) -> &str {
        if self.bucketing.salt.is_empty() {
            &self.key
        } else {
            &self.bucketing.salt
        }
    }
}
