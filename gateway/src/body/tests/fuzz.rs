//! Whatever a client sends: no reader of bodies panics, and no value that was sent comes back in an error.

use proptest::{prelude::*, sample::select};
use serde_json::{Map, json};
use troika_evaluation::flag::Flag;

use super::*;
use crate::{
    flags::{Asker, Restore, Switch, ToPercentage},
    metrics::alerts::{WantedSilence, WantedTest},
    rollouts::{ToRollOut, ToStep, Why, plan::Plan},
    sign_in::Credentials,
};

/// Stands in every text that is sent. No word of ours holds it.
const SECRET: &str = "Zq7-secret-Zq7";
/// Stands in every number that is sent.
const SECRET_NUMBER: i64 = 471_147_114_711;

/// Every name that some body knows, and some that none does.
const NAMES: &[&str] = &[
    "query",
    "chatbotId",
    "sessionId",
    "email",
    "phone",
    "name",
    "language",
    "enableTTS",
    "context",
    "turnId",
    "text",
    "voice",
    "rate",
    "format",
    "key",
    "flag",
    "flagKey",
    "plan",
    "steps",
    "percentage",
    "hold",
    "criteria",
    "reason",
    "variants",
    "value",
    "rules",
    "matcher",
    "matchers",
    "until",
    "minutes",
    "duration",
    "receiver",
    "severity",
    "description",
    "enabled",
    "default",
    "targeting",
    "revision",
    "expectedRevision",
    "feature",
    "step",
    "password",
    "unknown",
    "",
];

/// Reads `bytes` as every kind of body; the problem of each that does not take them.
fn read_as_everything(bytes: &[u8]) -> Vec<serde_json::Value> {
    fn problem<T: DeserializeOwned>(bytes: &[u8]) -> Option<serde_json::Value> {
        parse::<T>(bytes).err().map(|problem| problem.as_json())
    }
    let of_flag = |bytes: &[u8]| {
        let value = serde_json::from_slice::<Value>(bytes).ok()?;
        of_value::<Flag>(value)
            .err()
            .map(|problem| problem.as_json())
    };
    [
        problem::<Question>(bytes),
        problem::<Stop>(bytes),
        problem::<ToSpeak>(bytes),
        problem::<ToRollOut>(bytes),
        problem::<Plan>(bytes),
        problem::<WantedSilence>(bytes),
        problem::<WantedTest>(bytes),
        problem::<Asker>(bytes),
        problem::<Restore>(bytes),
        problem::<Switch>(bytes),
        problem::<ToPercentage>(bytes),
        problem::<ToStep>(bytes),
        problem::<Why>(bytes),
        problem::<Credentials>(bytes),
        problem::<Map<String, Value>>(bytes),
        of_flag(bytes),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The problem is one of the client's, it is short, and it says nothing that was sent.
fn check(problem: &serde_json::Value) -> Result<(), TestCaseError> {
    prop_assert_eq!(&problem["status"], &json!(400));
    let told = problem.to_string();
    prop_assert!(told.len() < 4096, "{} bytes", told.len());
    prop_assert!(!told.contains("Zq7"), "{}", told);
    // Whole numbers: the place of a mistake may look like a part of one.
    for number in ["471147114711", "4711.4711"] {
        prop_assert!(!told.contains(number), "{}", told);
    }
    Ok(())
}

/// A text that holds the secret, among all that is hard to quote.
fn secret_text() -> impl Strategy<Value = String> {
    let around = prop_oneof![
        Just(String::new()),
        any::<String>(),
        select(vec![
            "expected ",
            "expected one of `a`",
            "`",
            "missing field `",
            "unknown variant `x`, expected ",
            " at line 1",
            "duplicate field",
            "unknown field `",
            "recursion limit exceeded",
            "number out of range",
        ])
        .prop_map(str::to_owned),
    ];
    (around.clone(), around).prop_map(|(before, after)| format!("{before}{SECRET}{after}"))
}

fn secret_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(Value::from(SECRET_NUMBER)),
        Just(Value::from(-SECRET_NUMBER)),
        Just(Value::from(4711.4711)),
        secret_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((select(NAMES), inner), 0..6).prop_map(|fields| Value::Object(
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            )),
        ]
    })
}

fn secret_object() -> impl Strategy<Value = String> {
    prop::collection::vec((select(NAMES), secret_value()), 0..8).prop_map(|fields| {
        // Names may stand twice, which a map would not hold.
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}:{value}", json!(name)))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

/// What may happen to bytes on their way.
#[derive(Clone, Debug)]
enum Damage {
    Cut(usize),
    Put(usize, u8),
    Take(usize),
    Insert(usize, Vec<u8>),
    Double(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<usize>().prop_map(Damage::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(place, byte)| Damage::Put(place, byte)),
        any::<usize>().prop_map(Damage::Take),
        (any::<usize>(), prop::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(place, bytes)| Damage::Insert(place, bytes)),
        (
            any::<usize>(),
            select(vec![
                "{", "}", "[", "]", "\"", "\\", ",", ":", "1e400", "\\ud800", "\u{feff}", "/*",
                "NaN"
            ])
        )
            .prop_map(|(place, text)| Damage::Insert(place, text.as_bytes().to_vec())),
        any::<usize>().prop_map(Damage::Double),
    ]
}

fn damaged(mut bytes: Vec<u8>, damages: Vec<Damage>) -> Vec<u8> {
    for damage in damages {
        let within = |place: usize| place % (bytes.len() + 1);
        match damage {
            Damage::Cut(place) => bytes.truncate(within(place)),
            Damage::Put(place, byte) => {
                let place = within(place);
                if let Some(found) = bytes.get_mut(place) {
                    *found = byte;
                }
            }
            Damage::Take(place) => {
                let place = within(place);
                if place < bytes.len() {
                    bytes.remove(place);
                }
            }
            Damage::Insert(place, more) => {
                let place = within(place);
                bytes.splice(place..place, more);
            }
            Damage::Double(place) => {
                let more = bytes[within(place)..].to_vec();
                bytes.extend(more);
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for problem in read_as_everything(&bytes) {
            prop_assert_eq!(&problem["status"], &json!(400));
        }
    }

    #[test]
    fn no_value_that_was_sent_comes_back(body in secret_object()) {
        for problem in read_as_everything(body.as_bytes()) {
            check(&problem)?;
        }
    }

    #[test]
    fn damaged_bodies_are_read_or_refused_without_a_word_of_them(
        body in secret_object(),
        damages in prop::collection::vec(damage(), 1..6),
    ) {
        let bytes = damaged(body.into_bytes(), damages);
        for problem in read_as_everything(&bytes) {
            prop_assert_eq!(&problem["status"], &json!(400));
            prop_assert!(!problem.to_string().contains(SECRET), "{}", problem);
        }
    }

    #[test]
    fn nesting_is_bounded_wherever_it_stands(
        depth in prop_oneof![15 => 1_usize..300, 1 => 300_usize..20_000],
        open in select(vec!["[", "{\"a\":", "{\"context\":", "[{\"steps\":"]),
    ) {
        for bytes in [open.repeat(depth), format!("{{\"query\":{}", open.repeat(depth)), format!("{{\"context\":{}", open.repeat(depth))] {
            for problem in read_as_everything(bytes.as_bytes()) {
                check(&problem)?;
            }
        }
    }
}
