//! What a flag's JSON is, for the API's description alone: the flag itself is the evaluation's. A test compares them.

#![allow(dead_code, reason = "described, and never made")]

use serde_json::Value;
use utoipa::ToSchema;

/// A flag. Decided in this order: kill switch, schedule, blacklist, whitelist, rules, A/B test, percentage.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = Flag)]
pub(crate) struct FlagDocument {
    /// 1 to 100 letters, digits, `.`, `_` and `-`; begins with a letter.
    key: String,
    /// The type of its values; it stays.
    #[schema(rename = "type")]
    kind: FlagType,
    /// For people; at most 1000 characters.
    #[schema(required = false)]
    description: String,
    /// The kill switch: false gives everyone the off variant.
    enabled: bool,
    /// At least two; all values of the flag's type.
    variants: Vec<FlagVariant>,
    /// The variant of those who are let in.
    on_variant: String,
    /// The variant of those who are not.
    off_variant: String,
    /// Identifiers that are never let in.
    #[schema(required = false)]
    blacklist: Vec<String>,
    /// Identifiers that always are.
    #[schema(required = false)]
    whitelist: Vec<String>,
    /// The first that applies decides.
    #[schema(required = false)]
    rules: Vec<FlagRule>,
    /// While enabled, splits everyone who comes that far.
    ab_test: Option<FlagAbTest>,
    /// How many of the identifiers are let in, in steps of 0.001.
    #[schema(minimum = 0, maximum = 100)]
    percentage: f64,
    /// How identifiers are dealt to buckets.
    #[schema(required = false)]
    bucketing: FlagBucketing,
    /// Outside of it everyone gets the off variant.
    schedule: Option<FlagSchedule>,
    /// The revision at which it last changed; ignored in requests.
    #[schema(required = false)]
    revision: u64,
    /// When that was; ignored in requests.
    #[schema(format = DateTime)]
    updated_at: Option<String>,
    /// Who did it; ignored in requests.
    #[schema(required = false)]
    updated_by: String,
}

/// A flag with what is said about the change.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
pub(crate) struct FlagToStore {
    #[schema(inline)]
    #[serde(flatten)]
    flag: FlagDocument,
    /// The revision of the flag that the change is made on; unless `If-Match` names it. Not when it is made.
    expected_revision: Option<u64>,
    /// Why, for the history; at most 1000 characters.
    reason: Option<String>,
}

/// The type of a flag's values.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum FlagType {
    /// True or false.
    Boolean,
    /// A text.
    String,
    /// A number.
    Number,
    /// An object.
    Object,
}

/// One thing a flag can say.
#[derive(ToSchema)]
pub(crate) struct FlagVariant {
    /// How it is called.
    name: String,
    /// What is said: a boolean, a string, a number or an object, as the flag's type says.
    #[schema(value_type = Value)]
    value: Value,
}

/// Decides for those to whom all of its conditions apply.
#[derive(ToSchema)]
pub(crate) struct FlagRule {
    /// For people.
    #[schema(required = false)]
    name: String,
    /// At least one.
    conditions: Vec<FlagCondition>,
    /// What they get; without it the on variant for `percentage` of them, else the off variant.
    variant: Option<String>,
    /// From 0 to 100, of those to whom the rule applies.
    percentage: Option<f64>,
}

/// One attribute held against values.
#[derive(ToSchema)]
pub(crate) struct FlagCondition {
    /// Such as `language`.
    attribute: String,
    /// How it is held against them.
    operator: FlagOperator,
    /// One of them must match; none for `present` and `absent`.
    #[schema(required = false)]
    values: Vec<String>,
}

/// How an attribute is held against values.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum FlagOperator {
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
#[derive(ToSchema)]
pub(crate) struct FlagAbTest {
    /// Whether it decides.
    enabled: bool,
    /// Who gets how much.
    shares: Vec<FlagShare>,
}

/// A variant's part of an A/B test.
#[derive(ToSchema)]
pub(crate) struct FlagShare {
    /// The variant's name.
    variant: String,
    /// Relative to the sum of all.
    weight: u32,
}

/// How identifiers are dealt to buckets.
#[derive(ToSchema)]
pub(crate) struct FlagBucketing {
    /// The hash.
    method: FlagBucketingMethod,
    /// What is hashed before the identifier; the flag's key when absent.
    salt: Option<String>,
}

/// The hash that deals.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum FlagBucketingMethod {
    /// flagd's `fractional` over salt and identifier.
    Fractional,
    /// The replaced backend's md5 of the identifier alone, in 100 buckets.
    LegacyMd5,
}

/// When a flag is open.
#[derive(ToSchema)]
pub(crate) struct FlagSchedule {
    /// From then on.
    #[schema(format = DateTime)]
    from: Option<String>,
    /// Before then.
    #[schema(format = DateTime)]
    until: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::SystemTime};

    use troika_evaluation::flag::{
        AbTest, Bucketing, BucketingMethod, Condition, Flag, Operator, Rule, Schedule, Share,
    };
    use utoipa::{PartialSchema, openapi::RefOr};

    use super::*;

    fn described<S: PartialSchema>() -> BTreeSet<String> {
        let schema = serde_json::to_value(match S::schema() {
            RefOr::T(schema) => schema,
            RefOr::Ref(_) => panic!("a schema of its own"),
        });
        let schema = schema.unwrap();
        let properties = schema["properties"].as_object().unwrap();
        properties.keys().cloned().collect()
    }

    fn written(value: &Value) -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_description_has_the_fields_that_flags_have() {
        let list = || vec!["id".to_owned()];
        let now = Some(SystemTime::UNIX_EPOCH);
        let flag = Flag {
            blacklist: list(),
            whitelist: list(),
            rules: vec![Rule {
                name: String::new(),
                conditions: vec![Condition {
                    attribute: "plan".to_owned(),
                    operator: Operator::In,
                    values: list(),
                }],
                variant: Some("on".to_owned()),
                percentage: Some(5.0),
            }],
            ab_test: Some(AbTest {
                enabled: true,
                shares: vec![Share {
                    variant: "on".to_owned(),
                    weight: 1,
                }],
            }),
            bucketing: Bucketing {
                method: BucketingMethod::LegacyMd5,
                salt: "s".to_owned(),
            },
            schedule: Some(Schedule {
                from: now,
                until: now,
            }),
            updated_at: now,
            ..Flag::boolean("beta", "", 5.0)
        };
        let flag = serde_json::to_value(flag).unwrap();
        assert_eq!(written(&flag), described::<FlagDocument>());
        assert_eq!(written(&flag["variants"][0]), described::<FlagVariant>());
        assert_eq!(written(&flag["rules"][0]), described::<FlagRule>());
        assert_eq!(
            written(&flag["rules"][0]["conditions"][0]),
            described::<FlagCondition>()
        );
        assert_eq!(written(&flag["abTest"]), described::<FlagAbTest>());
        assert_eq!(
            written(&flag["abTest"]["shares"][0]),
            described::<FlagShare>()
        );
        assert_eq!(written(&flag["bucketing"]), described::<FlagBucketing>());
        assert_eq!(written(&flag["schedule"]), described::<FlagSchedule>());
    }
}
