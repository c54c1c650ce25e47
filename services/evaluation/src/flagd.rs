//! Flags as flagd's own definitions, for clients that evaluate themselves
//! (<https://flagd.dev/reference/flag-definitions/>). Says by JsonLogic what [`crate::evaluate`] does by code, so
//! that both decide alike.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::{
    bucket::{self, BUCKETS},
    context::IDENTIFIERS,
    flag::{AbTest, BucketingMethod, Condition, Flag, Operator, Rule},
};

/// The definitions of all flags that flagd can say, as one document. The old backend's md5 cannot be said:
/// flags that deal by it are left out, and their clients go on with the default in their code.
pub fn document<'f>(flags: impl IntoIterator<Item = &'f Flag>) -> Value {
    let definitions: Map<String, Value> = flags
        .into_iter()
        .filter_map(|flag| Some((flag.key.clone(), definition(flag)?)))
        .collect();
    json!({ "$schema": "https://flagd.dev/schema/v0/flags.json", "flags": definitions })
}

/// One flag; `None` when flagd cannot say it.
pub fn definition(flag: &Flag) -> Option<Value> {
    let variants: Map<String, Value> = flag
        .variants
        .iter()
        .map(|variant| (variant.name.clone(), variant.value.clone()))
        .collect();
    let mut definition = json!({
        // Never DISABLED: that makes clients use the default in their code, and not the off variant.
        "state": "ENABLED",
        "variants": variants,
        "defaultVariant": flag.off_variant,
        "metadata": { "revision": flag.revision },
    });
    if flag.enabled {
        definition["targeting"] = targeting(flag)?;
    }
    Some(definition)
}

/// An `if` of pairs, condition and variant, with what else holds at its end.
fn targeting(flag: &Flag) -> Option<Value> {
    let (on, off) = (json!(flag.on_variant), json!(flag.off_variant));
    let mut branches = Vec::new();
    let timestamp = json!({ "var": "$flagd.timestamp" });
    if let Some(schedule) = flag.schedule {
        if let Some(from) = schedule.from {
            branches.extend([json!({ "<": [timestamp, seconds(from)] }), off.clone()]);
        }
        if let Some(until) = schedule.until {
            branches.extend([json!({ ">=": [timestamp, seconds(until)] }), off.clone()]);
        }
    }
    for (list, gets) in [(&flag.blacklist, &off), (&flag.whitelist, &on)] {
        if !list.is_empty() {
            branches.extend([json!({ "in": [identifier(), list] }), gets.clone()]);
        }
    }
    for rule in &flag.rules {
        let gets = match &rule.variant {
            Some(name) => json!(name),
            None => below(flag, rule.percentage.unwrap_or(100.0))?,
        };
        branches.extend([applies(rule), gets]);
    }
    if let Some(test) = flag.ab_test.as_ref().filter(|test| test.enabled) {
        branches.extend([identifier(), split(flag, test)]);
    }
    branches.push(below(flag, flag.percentage)?);
    Some(json!({ "if": branches }))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The first attribute that identifies who asks; an empty text, which counts as false, when none does.
fn identifier() -> Value {
    let mut branches: Vec<Value> = IDENTIFIERS
        .into_iter()
        .flat_map(|name| [json!({ "var": name }), json!({ "var": name })])
        .collect();
    branches.push(json!(""));
    json!({ "if": branches })
}

/// What is hashed; `None` when the flag deals by md5.
fn hashed(flag: &Flag) -> Option<Value> {
    match flag.bucketing.method {
        BucketingMethod::Fractional => Some(json!({ "cat": [flag.salt(), identifier()] })),
        BucketingMethod::LegacyMd5 => None,
    }
}

/// The on variant for a percentage of the identifiers.
fn below(flag: &Flag, percentage: f64) -> Option<Value> {
    let (on, off) = (&flag.on_variant, &flag.off_variant);
    Some(match bucket::threshold(percentage) {
        0 => json!(off),
        threshold if threshold >= BUCKETS => json!(on),
        threshold => {
            let split = json!([hashed(flag)?, [on, threshold], [off, BUCKETS - threshold]]);
            json!({ "if": [identifier(), { "fractional": split }, off] })
        }
    })
}

fn split(flag: &Flag, test: &AbTest) -> Value {
    // Buckets of an A/B test are flagd's whatever the flag's percentage is dealt by.
    let mut arguments = vec![json!({ "cat": [flag.salt(), identifier()] })];
    arguments.extend(
        test.shares
            .iter()
            .map(|share| json!([share.variant, share.weight])),
    );
    json!({ "fractional": arguments })
}

fn applies(rule: &Rule) -> Value {
    json!({ "and": rule.conditions.iter().map(holds).collect::<Vec<_>>() })
}

fn holds(condition: &Condition) -> Value {
    let attribute = json!({ "var": condition.attribute });
    let there = json!({ "!=": [attribute, null] });
    let any = |matches: &dyn Fn(&String) -> Value| {
        let matches: Vec<Value> = condition.values.iter().map(matches).collect();
        // Without this, an absent attribute would compare as 0 or as an empty text.
        json!({ "and": [there, { "or": matches }] })
    };
    match condition.operator {
        Operator::Present => there.clone(),
        Operator::Absent => json!({ "!": there }),
        Operator::In => any(&|value| json!({ "==": [attribute, value] })),
        Operator::NotIn => {
            let is = any(&|value| json!({ "==": [attribute, value] }));
            json!({ "!": is })
        }
        Operator::StartsWith => any(&|value| json!({ "starts_with": [attribute, value] })),
        Operator::EndsWith => any(&|value| json!({ "ends_with": [attribute, value] })),
        Operator::Contains => any(&|value| json!({ "in": [value, attribute] })),
        Operator::LessThan => any(&|value| json!({ "<": [attribute, number(value)] })),
        Operator::GreaterThan => any(&|value| json!({ ">": [attribute, number(value)] })),
    }
}

fn number(value: &str) -> Value {
    value
        .parse::<f64>()
        .map_or(Value::Null, |number| json!(number))
}

#[cfg(test)]
mod tests;
