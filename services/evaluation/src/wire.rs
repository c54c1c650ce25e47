//! Flags as messages of `troika.flags.v1`, both ways.

use std::time::SystemTime;

use prost_types::{Struct, Timestamp, Value as WireValue, value::Kind};
use serde_json::{Map, Number, Value};
use troika_chassis::error::Violation;
use troika_proto::flags::v1 as wire;

use crate::{
    context::{Attribute, Context},
    flag::{
        AbTest, Bucketing, BucketingMethod, Condition, Flag, FlagType, Operator, Rule, Schedule,
        Share, Variant,
    },
    snapshot::Snapshot,
};

impl From<&Flag> for wire::Flag {
    fn from(flag: &Flag) -> Self {
        Self {
            key: flag.key.clone(),
            r#type: wire::FlagType::from(flag.kind).into(),
            description: flag.description.clone(),
            enabled: flag.enabled,
            variants: flag
                .variants
                .iter()
                .map(|variant| wire::Variant {
                    name: variant.name.clone(),
                    value: Some(to_wire_value(&variant.value)),
                })
                .collect(),
            on_variant: flag.on_variant.clone(),
            off_variant: flag.off_variant.clone(),
            blacklist: flag.blacklist.clone(),
            whitelist: flag.whitelist.clone(),
            rules: flag.rules.iter().map(wire::Rule::from).collect(),
            ab_test: flag.ab_test.as_ref().map(|test| wire::AbTest {
                enabled: test.enabled,
                shares: test
                    .shares
                    .iter()
                    .map(|share| wire::Share {
                        variant: share.variant.clone(),
                        weight: share.weight,
                    })
                    .collect(),
            }),
            percentage: flag.percentage,
            bucketing: Some(wire::Bucketing {
                method: match flag.bucketing.method {
                    BucketingMethod::Fractional => wire::BucketingMethod::Fractional,
                    BucketingMethod::LegacyMd5 => wire::BucketingMethod::LegacyMd5,
                }
                .into(),
                salt: flag.bucketing.salt.clone(),
            }),
            schedule: flag.schedule.map(|schedule| wire::Schedule {
                from: schedule.from.map(Timestamp::from),
                until: schedule.until.map(Timestamp::from),
            }),
            revision: flag.revision,
            updated_at: flag.updated_at.map(Timestamp::from),
            updated_by: flag.updated_by.clone(),
        }
    }
}

impl From<&Rule> for wire::Rule {
    fn from(rule: &Rule) -> Self {
        Self {
            name: rule.name.clone(),
            conditions: rule
                .conditions
                .iter()
                .map(|condition| wire::Condition {
                    attribute: condition.attribute.clone(),
                    operator: wire::Operator::from(condition.operator).into(),
                    values: condition.values.clone(),
                })
                .collect(),
            variant: rule.variant.clone().unwrap_or_default(),
            percentage: rule.percentage,
        }
    }
}

/// Reads a flag. What a message can say and a flag cannot is told, with the field's name.
///
/// # Errors
/// All such faults at once. The flag is not [checked](crate::check) otherwise.
pub fn flag(sent: wire::Flag) -> Result<Flag, Vec<Violation>> {
    let mut faults = Vec::new();
    let mut fault = |field: String, message: &str| {
        faults.push(Violation {
            message: format!("{field}: {message}"),
            field,
            kind: "any.only".to_owned(),
        });
    };
    let kind = match sent.r#type() {
        wire::FlagType::Boolean => FlagType::Boolean,
        wire::FlagType::String => FlagType::String,
        wire::FlagType::Number => FlagType::Number,
        wire::FlagType::Object => FlagType::Object,
        wire::FlagType::Unspecified => {
            fault("type".into(), "must be boolean, string, number or object");
            FlagType::Boolean
        }
    };
    let mut variants = Vec::with_capacity(sent.variants.len());
    for (at, variant) in sent.variants.into_iter().enumerate() {
        let value = variant.value.as_ref().and_then(from_wire_value);
        if value.is_none() {
            fault(
                format!("variants[{at}]"),
                "the value is missing or no finite number",
            );
        }
        variants.push(Variant {
            name: variant.name,
            value: value.unwrap_or_default(),
        });
    }
    let mut rules = Vec::with_capacity(sent.rules.len());
    for (at, rule) in sent.rules.into_iter().enumerate() {
        let mut conditions = Vec::with_capacity(rule.conditions.len());
        for (place, condition) in rule.conditions.into_iter().enumerate() {
            match operator(condition.operator()) {
                Some(operator) => conditions.push(Condition {
                    attribute: condition.attribute,
                    operator,
                    values: condition.values,
                }),
                None => fault(
                    format!("rules[{at}].conditions[{place}]"),
                    "the operator is missing or unknown",
                ),
            }
        }
        rules.push(Rule {
            name: rule.name,
            conditions,
            variant: Some(rule.variant).filter(|name| !name.is_empty()),
            percentage: rule.percentage,
        });
    }
    let bucketing = sent.bucketing.unwrap_or_default();
    let schedule = sent.schedule.map(|schedule| {
        let mut time = |name: &str, at: Option<Timestamp>| {
            at.and_then(|at| {
                let time = SystemTime::try_from(at).ok().filter(can_be_written);
                if time.is_none() {
                    fault(
                        format!("schedule.{name}"),
                        "must be a time from 1970 to 9999",
                    );
                }
                time
            })
        };
        Schedule {
            from: time("from", schedule.from),
            until: time("until", schedule.until),
        }
    });
    let flag = Flag {
        key: sent.key,
        kind,
        description: sent.description,
        enabled: sent.enabled,
        variants,
        on_variant: sent.on_variant,
        off_variant: sent.off_variant,
        blacklist: sent.blacklist,
        whitelist: sent.whitelist,
        rules,
        ab_test: sent.ab_test.map(|test| AbTest {
            enabled: test.enabled,
            shares: test
                .shares
                .into_iter()
                .map(|share| Share {
                    variant: share.variant,
                    weight: share.weight,
                })
                .collect(),
        }),
        percentage: sent.percentage,
        bucketing: Bucketing {
            method: match bucketing.method() {
                wire::BucketingMethod::LegacyMd5 => BucketingMethod::LegacyMd5,
                wire::BucketingMethod::Fractional | wire::BucketingMethod::Unspecified => {
                    BucketingMethod::Fractional
                }
            },
            salt: bucketing.salt,
        },
        schedule,
        revision: sent.revision,
        updated_at: sent.updated_at.and_then(|at| SystemTime::try_from(at).ok()),
        updated_by: sent.updated_by,
    };
    if faults.is_empty() {
        Ok(flag)
    } else {
        Err(faults)
    }
}

/// Reads a snapshot. Flags that cannot be read are left out: only a newer flags role sends such.
pub fn snapshot(sent: wire::Snapshot) -> Snapshot {
    let flags = sent.flags.into_iter().filter_map(|sent| flag(sent).ok());
    Snapshot::new(sent.revision, flags)
}

/// Whether RFC 3339 has four digits for the year, and so stores and clients can hold the time.
fn can_be_written(time: &SystemTime) -> bool {
    /// The first second of the year 10000.
    const END: u64 = 253_402_300_800;
    time.duration_since(SystemTime::UNIX_EPOCH)
        .is_ok_and(|since| since.as_secs() < END)
}

impl From<FlagType> for wire::FlagType {
    fn from(kind: FlagType) -> Self {
        match kind {
            FlagType::Boolean => Self::Boolean,
            FlagType::String => Self::String,
            FlagType::Number => Self::Number,
            FlagType::Object => Self::Object,
        }
    }
}

impl From<Operator> for wire::Operator {
    fn from(operator: Operator) -> Self {
        match operator {
            Operator::In => Self::In,
            Operator::NotIn => Self::NotIn,
            Operator::StartsWith => Self::StartsWith,
            Operator::EndsWith => Self::EndsWith,
            Operator::Contains => Self::Contains,
            Operator::LessThan => Self::LessThan,
            Operator::GreaterThan => Self::GreaterThan,
            Operator::Present => Self::Present,
            Operator::Absent => Self::Absent,
        }
    }
}

fn operator(sent: wire::Operator) -> Option<Operator> {
    Some(match sent {
        wire::Operator::Unspecified => return None,
        wire::Operator::In => Operator::In,
        wire::Operator::NotIn => Operator::NotIn,
        wire::Operator::StartsWith => Operator::StartsWith,
        wire::Operator::EndsWith => Operator::EndsWith,
        wire::Operator::Contains => Operator::Contains,
        wire::Operator::LessThan => Operator::LessThan,
        wire::Operator::GreaterThan => Operator::GreaterThan,
        wire::Operator::Present => Operator::Present,
        wire::Operator::Absent => Operator::Absent,
    })
}

/// JSON as Protobuf's own value. Whole numbers beyond 2^53 lose digits, as in JavaScript.
pub fn to_wire_value(value: &Value) -> WireValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue {
            values: values.iter().map(to_wire_value).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(to_wire_struct(fields)),
    };
    WireValue { kind: Some(kind) }
}

/// A JSON object as Protobuf's own.
pub fn to_wire_struct(fields: &Map<String, Value>) -> Struct {
    Struct {
        fields: fields
            .iter()
            .map(|(name, value)| (name.clone(), to_wire_value(value)))
            .collect(),
    }
}

/// Protobuf's own value as JSON; `None` for NaN, infinities, and what has no kind. Whole numbers stay whole.
pub fn from_wire_value(value: &WireValue) -> Option<Value> {
    Some(match value.kind.as_ref()? {
        Kind::NullValue(_) => Value::Null,
        Kind::BoolValue(value) => Value::Bool(*value),
        Kind::NumberValue(number) => Value::Number(whole_or_not(*number)?),
        Kind::StringValue(text) => Value::String(text.clone()),
        Kind::ListValue(list) => Value::Array(
            list.values
                .iter()
                .map(from_wire_value)
                .collect::<Option<_>>()?,
        ),
        Kind::StructValue(fields) => Value::Object(from_wire_struct(fields)?),
    })
}

/// Protobuf's own object as JSON; `None` where a value in it has no JSON.
pub fn from_wire_struct(fields: &Struct) -> Option<Map<String, Value>> {
    fields
        .fields
        .iter()
        .map(|(name, value)| Some((name.clone(), from_wire_value(value)?)))
        .collect()
}

fn whole_or_not(number: f64) -> Option<Number> {
    /// Whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Number::from(number as i64));
    }
    Number::from_f64(number)
}

impl Context for Struct {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        Some(match self.fields.get(name)?.kind.as_ref()? {
            Kind::NullValue(_) => return None,
            Kind::BoolValue(value) => Attribute::Bool(*value),
            Kind::NumberValue(number) => Attribute::Number(*number),
            Kind::StringValue(text) => Attribute::Text(text),
            Kind::ListValue(_) | Kind::StructValue(_) => Attribute::Other,
        })
    }
}

#[cfg(test)]
mod tests;
