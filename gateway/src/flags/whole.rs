//! A flag as clients send it: the flag's own fields, with what is said about the change beside them. It must not know
//! whether the flag is a good one: the flags role checks that.

use serde_json::{Map, Value};
use troika_evaluation::flag::Flag;

use crate::{
    body::{of_value, wrong},
    problem::Problem,
};

/// Levels that a variant's value may be nested. Far more than settings need, and few enough for every hop of the wire.
const DEEPEST: usize = 20;

/// A flag, and what is said about the change.
pub(super) struct Whole {
    pub(super) flag: Flag,
    /// The revision that the change is made on.
    pub(super) expected: Option<u64>,
    pub(super) reason: String,
}

impl Whole {
    /// Takes a body apart. `key` is the address's; the body may repeat it and not change it.
    ///
    /// # Errors
    /// When it is no flag, with the field that is wrong.
    pub(super) fn read(mut body: Map<String, Value>, key: Option<&str>) -> Result<Self, Problem> {
        let mut take = |name| body.remove(name).unwrap_or_default();
        let reason = of_field::<Option<String>>("reason", take("reason"))?.unwrap_or_default();
        let expected = of_field("expectedRevision", take("expectedRevision"))?;
        if let Some(key) = key {
            let named = body.entry("key").or_insert_with(|| Value::from(key));
            if named.as_str() != Some(key) {
                return Err(wrong(
                    "key",
                    "any.only",
                    "key must be the one of the address: a flag's key stays",
                ));
            }
        }
        let flag: Flag = of_value(Value::Object(body))?;
        for (at, variant) in flag.variants.iter().enumerate() {
            if !is_shallow(&variant.value, DEEPEST) {
                let field = format!("variants[{at}]");
                let message =
                    format!("{field}: the value must be nested at most {DEEPEST} levels deep");
                return Err(wrong(&field, "any.max", message));
            }
        }
        Ok(Self {
            flag,
            expected,
            reason,
        })
    }
}

/// Reads one field of a body.
fn of_field<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T, Problem> {
    let alone = Map::from_iter([(name.to_owned(), value)]);
    // As a map of one, so that what is wrong is told with the field's name.
    let mut read: std::collections::BTreeMap<String, T> = of_value(Value::Object(alone))?;
    read.remove(name).ok_or_else(Problem::internal)
}

fn is_shallow(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_shallow(item, levels - 1)),
        Value::Object(fields) => {
            levels > 0 && fields.values().all(|field| is_shallow(field, levels - 1))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value), key: Option<&str>) -> Result<Whole, Value> {
        let mut body = serde_json::to_value(Flag::boolean("beta", "", 5.0)).unwrap();
        change(&mut body);
        let Value::Object(body) = body else {
            panic!("a flag is an object");
        };
        Whole::read(body, key).map_err(|problem| problem.as_json())
    }

    #[test]
    fn a_flag_is_read_with_what_is_said_about_the_change() {
        let whole = read(
            |body| {
                body["reason"] = json!("a try");
                body["expectedRevision"] = json!(7);
            },
            Some("beta"),
        )
        .unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(whole.flag, Flag::boolean("beta", "", 5.0));
        assert_eq!((whole.expected, whole.reason.as_str()), (Some(7), "a try"));
        let without_key = read(
            |body| {
                body.as_object_mut().unwrap().remove("key");
            },
            Some("beta"),
        );
        assert_eq!(without_key.map(|whole| whole.flag.key).unwrap(), "beta");
    }

    #[test]
    fn what_does_not_fit_is_told_with_the_field() {
        type Change = fn(&mut Value);
        let table: [(Change, &str, &str); 14] = [
            (|body| body["key"] = json!("other"), "key", "any.only"),
            (|body| body["key"] = json!(5), "key", "any.only"),
            (|body| body["reason"] = json!(5), "reason", "string.base"),
            (
                |body| body["expectedRevision"] = json!(-1),
                "expectedRevision",
                "number.integer",
            ),
            (
                |body| body["expectedRevision"] = json!("7"),
                "expectedRevision",
                "number.integer",
            ),
            (
                |body| body["enabled"] = json!("yes"),
                "enabled",
                "boolean.base",
            ),
            (
                |body| body["percentage"] = json!("25"),
                "percentage",
                "number.base",
            ),
            (|body| body["type"] = json!("text"), "type", "any.only"),
            (
                |body| body["variants"] = json!("on"),
                "variants",
                "array.base",
            ),
            (
                |body| body["variants"] = json!([{"name": "on"}]),
                "variants[0].value",
                "any.required",
            ),
            (
                |body| body["schedule"] = json!({"from": "tomorrow"}),
                "schedule.from",
                "date.base",
            ),
            (
                |body| body["bucketing"] = json!({"method": "dice"}),
                "bucketing.method",
                "any.only",
            ),
            (
                |body| {
                    body["abTest"] =
                        json!({"enabled": true, "shares": [{"variant": "on", "weight": -1}]})
                },
                "abTest.shares[0].weight",
                "number.integer",
            ),
            (
                |body| body["__proto__"] = json!({"enabled": false}),
                "__proto__",
                "any.unknown",
            ),
        ];
        for (change, field, kind) in table {
            let Err(problem) = read(change, Some("beta")) else {
                panic!("{field} was taken");
            };
            assert_eq!(problem["status"], 400, "{field}");
            assert_eq!(problem["details"][0]["field"], field, "{problem}");
            assert_eq!(problem["details"][0]["type"], kind, "{problem}");
        }
        let Err(problem) = read(|body| *body = json!({}), None) else {
            panic!("nothing was taken for a flag");
        };
        assert_eq!(problem["details"][0]["message"], "key is required");
    }

    #[test]
    fn a_value_that_is_nested_too_deeply_is_refused() {
        let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({ "inner": inner }));
        let with =
            |levels| read(|body| body["variants"][1]["value"] = nested(levels), None).map(|_| ());
        assert!(with(DEEPEST).is_ok());
        assert_eq!(
            with(DEEPEST + 1).unwrap_err()["details"][0]["field"],
            "variants[1]"
        );
    }
}
