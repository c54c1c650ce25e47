//! Whether a flag can be stored: all of its faults at once, each saying what to change.

use std::collections::HashSet;

use serde_json::Value;
use troika_chassis::error::Violation;

use crate::flag::{AbTest, Condition, Flag, Operator, Rule};

/// Longest key and variant name, in characters.
pub const MAX_NAME: usize = 100;
/// Longest text anywhere else, in characters.
const MAX_TEXT: usize = 1000;
/// Longest identifier in a list, in bytes.
const MAX_IDENTIFIER: usize = 256;
const MAX_LISTED: usize = 10_000;
const MAX_VARIANTS: usize = 50;
const MAX_RULES: usize = 50;
const MAX_CONDITIONS: usize = 20;
const MAX_VALUES: usize = 1000;
/// Largest value, as JSON, in bytes.
const MAX_VALUE: usize = 16 * 1024;
/// How deep a value may be nested. Protobuf's own limit is not far above, and stands in no client's words.
const DEEPEST: usize = 20;
/// Keys that are words of the HTTP interface.
const RESERVED: [&str; 1] = ["changes"];
/// Weights add up to at most this, as flagd demands of `fractional`.
const MAX_WEIGHTS: u64 = i32::MAX as u64;

/// The faults of a flag, with the names of its JSON fields; none when it can be stored.
pub fn check(flag: &Flag) -> Vec<Violation> {
    let mut faults = Faults(Vec::new());
    faults.key(&flag.key);
    faults.text("description", &flag.description, MAX_TEXT);
    faults.variants(flag);
    for (field, name) in [
        ("onVariant", &flag.on_variant),
        ("offVariant", &flag.off_variant),
    ] {
        faults.known(flag, field, name);
    }
    faults.list("blacklist", &flag.blacklist);
    faults.list("whitelist", &flag.whitelist);
    faults.percentage("percentage", flag.percentage);
    faults.text("bucketing.salt", &flag.bucketing.salt, MAX_NAME);
    faults.at_most("rules", flag.rules.len(), MAX_RULES);
    for (at, rule) in flag.rules.iter().take(MAX_RULES).enumerate() {
        faults.rule(flag, &format!("rules[{at}]"), rule);
    }
    if let Some(test) = &flag.ab_test {
        faults.ab_test(flag, test);
    }
    if let Some(schedule) = &flag.schedule
        && let (Some(from), Some(until)) = (schedule.from, schedule.until)
        && from >= until
    {
        faults.add("schedule", "date.greater", "until must be later than from");
    }
    faults.0
}

/// Whether a text can be a flag's key: what keeps `__proto__`, paths and blanks out of every client.
pub fn is_key(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= MAX_NAME
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// What a percentage must be, or how it is wrong.
///
/// # Errors
/// When it is not from 0 to 100.
pub fn percentage(field: &str, percentage: f64) -> Result<(), Violation> {
    if (0.0..=100.0).contains(&percentage) {
        return Ok(());
    }
    Err(Violation {
        field: field.to_owned(),
        kind: "number.range".to_owned(),
        message: format!("{field} must be a number from 0 to 100"),
    })
}

struct Faults(Vec<Violation>);

impl Faults {
    fn add(&mut self, field: &str, kind: &str, wrong: impl std::fmt::Display) {
        self.0.push(Violation {
            field: field.to_owned(),
            kind: kind.to_owned(),
            message: format!("{field}: {wrong}"),
        });
    }

    fn key(&mut self, key: &str) {
        if !is_key(key) {
            self.add(
                "key",
                "string.pattern.base",
                format!("must begin with a letter and hold at most {MAX_NAME} letters, digits, `.`, `_` and `-`"),
            );
        }
        if RESERVED.contains(&key) {
            self.add(
                "key",
                "any.invalid",
                "is a reserved word: choose another one",
            );
        }
    }

    fn text(&mut self, field: &str, text: &str, most: usize) {
        if text.chars().count() > most {
            self.add(
                field,
                "string.max",
                format!("must be at most {most} characters long"),
            );
        }
        if text
            .chars()
            .any(|character| character.is_control() && character != '\n')
        {
            self.add(
                field,
                "string.pattern.base",
                "must not hold control characters",
            );
        }
    }

    fn at_most(&mut self, field: &str, is: usize, most: usize) {
        if is > most {
            self.add(
                field,
                "array.max",
                format!("must have at most {most} entries, not {is}"),
            );
        }
    }

    fn percentage(&mut self, field: &str, value: f64) {
        self.0.extend(percentage(field, value).err());
    }

    fn known(&mut self, flag: &Flag, field: &str, name: &str) {
        if !flag.variants.iter().any(|variant| variant.name == name) {
            self.add(field, "any.only", "must be the name of one of the variants");
        }
    }

    fn variants(&mut self, flag: &Flag) {
        if !(2..=MAX_VARIANTS).contains(&flag.variants.len()) {
            self.add(
                "variants",
                "array.min",
                format!("must be 2 to {MAX_VARIANTS}"),
            );
        }
        let mut names = HashSet::new();
        for (at, variant) in flag.variants.iter().take(MAX_VARIANTS).enumerate() {
            let field = format!("variants[{at}]");
            if !is_key(&variant.name) {
                self.add(
                    &field,
                    "string.pattern.base",
                    "the name must begin with a letter and hold letters, digits, `.`, `_` and `-`",
                );
            }
            if !names.insert(variant.name.as_str()) {
                self.add(
                    &field,
                    "array.unique",
                    "the name is taken by another variant",
                );
            }
            if !flag.kind.admits(&variant.value) {
                self.add(
                    &field,
                    "any.only",
                    format!("the value must be a {}", flag.kind.name()),
                );
            } else if is_deeper(&variant.value, DEEPEST) {
                self.add(
                    &field,
                    "any.max",
                    format!("the value must be nested at most {DEEPEST} deep"),
                );
            } else if weighs(&variant.value) > MAX_VALUE {
                self.add(
                    &field,
                    "any.max",
                    format!("the value must be at most {MAX_VALUE} bytes of JSON"),
                );
            }
        }
    }

    fn list(&mut self, field: &str, list: &[String]) {
        self.at_most(field, list.len(), MAX_LISTED);
        let wrong = |id: &&String| id.is_empty() || id.len() > MAX_IDENTIFIER;
        if list.iter().any(|id| wrong(&id)) {
            self.add(
                field,
                "string.max",
                format!("every identifier must be 1 to {MAX_IDENTIFIER} bytes long"),
            );
        }
    }

    fn rule(&mut self, flag: &Flag, field: &str, rule: &Rule) {
        self.text(&format!("{field}.name"), &rule.name, MAX_NAME);
        if rule.conditions.is_empty() {
            self.add(
                field,
                "array.min",
                "needs a condition: a rule for everybody is the percentage",
            );
        }
        self.at_most(
            &format!("{field}.conditions"),
            rule.conditions.len(),
            MAX_CONDITIONS,
        );
        for (at, condition) in rule.conditions.iter().take(MAX_CONDITIONS).enumerate() {
            self.condition(&format!("{field}.conditions[{at}]"), condition);
        }
        match (&rule.variant, rule.percentage) {
            (Some(_), Some(_)) => self.add(
                field,
                "object.xor",
                "takes a variant or a percentage, not both",
            ),
            (Some(name), None) => self.known(flag, &format!("{field}.variant"), name),
            (None, Some(value)) => self.percentage(&format!("{field}.percentage"), value),
            (None, None) => {}
        }
    }

    fn condition(&mut self, field: &str, condition: &Condition) {
        let Condition {
            attribute,
            operator,
            values,
        } = condition;
        if attribute.is_empty() || attribute.chars().count() > MAX_NAME {
            self.add(
                field,
                "string.max",
                format!("the attribute must be 1 to {MAX_NAME} characters long"),
            );
        }
        let alone = matches!(operator, Operator::Present | Operator::Absent);
        if alone != values.is_empty() {
            let wrong = if alone {
                "takes no values"
            } else {
                "needs a value"
            };
            self.add(field, "array.min", wrong);
        }
        self.at_most(&format!("{field}.values"), values.len(), MAX_VALUES);
        if values.iter().any(|value| value.chars().count() > MAX_TEXT) {
            self.add(
                field,
                "string.max",
                format!("values must be at most {MAX_TEXT} characters long"),
            );
        }
        let compares = matches!(operator, Operator::LessThan | Operator::GreaterThan);
        let finite = |value: &String| value.parse().is_ok_and(f64::is_finite);
        if compares && !values.iter().all(finite) {
            self.add(field, "number.base", "values must be numbers");
        }
    }

    fn ab_test(&mut self, flag: &Flag, test: &AbTest) {
        let field = "abTest.shares";
        self.at_most(field, test.shares.len(), MAX_VARIANTS);
        for (at, share) in test.shares.iter().take(MAX_VARIANTS).enumerate() {
            self.known(flag, &format!("{field}[{at}].variant"), &share.variant);
        }
        let sum: u64 = test
            .shares
            .iter()
            .map(|share| u64::from(share.weight))
            .sum();
        if !(1..=MAX_WEIGHTS).contains(&sum) {
            self.add(
                field,
                "number.range",
                format!("weights must add up to 1 to {MAX_WEIGHTS}"),
            );
        }
    }
}

fn is_deeper(value: &Value, than: usize) -> bool {
    let Some(than) = than.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(values) => values.iter().any(|value| is_deeper(value, than)),
        Value::Object(fields) => fields.values().any(|value| is_deeper(value, than)),
        _ => false,
    }
}

fn weighs(value: &Value) -> usize {
    // Values that serde_json has read can be written.
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

#[cfg(test)]
mod tests;
