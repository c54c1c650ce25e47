//! See `../wire.rs`.

use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;

fn full() -> Flag {
    Flag {
        description: "All of it.".to_owned(),
        blacklist: vec!["b".to_owned()],
        whitelist: vec!["w".to_owned()],
        rules: vec![Rule {
            name: "r".to_owned(),
            conditions: vec![Condition {
                attribute: "plan".to_owned(),
                operator: Operator::EndsWith,
                values: vec!["x".to_owned()],
            }],
            variant: None,
            percentage: Some(12.5),
        }],
        ab_test: Some(AbTest {
            enabled: true,
            shares: vec![Share {
                variant: "on".to_owned(),
                weight: 3,
            }],
        }),
        bucketing: Bucketing {
            method: BucketingMethod::LegacyMd5,
            salt: "s".to_owned(),
        },
        schedule: Some(Schedule {
            from: Some(UNIX_EPOCH),
            until: None,
        }),
        revision: 7,
        updated_at: Some(UNIX_EPOCH + Duration::from_secs(5)),
        updated_by: "ops".to_owned(),
        ..Flag::boolean("streaming", "", 33.3)
    }
}

#[test]
fn a_flag_survives_the_wire() {
    for sent in crate::built_in::flags().into_iter().chain([full()]) {
        assert_eq!(flag((&sent).into()).unwrap(), sent);
    }
}

#[test]
fn what_no_flag_can_say_is_told_with_its_field() {
    let mut sent = wire::Flag::from(&full());
    sent.r#type = 0;
    sent.variants[0].value = Some(WireValue {
        kind: Some(Kind::NumberValue(f64::NAN)),
    });
    sent.variants[1].value = None;
    sent.rules[0].conditions[0].operator = 99;
    sent.schedule = Some(wire::Schedule {
        from: Some(Timestamp {
            seconds: i64::MAX,
            nanos: -1,
        }),
        until: None,
    });
    let faults: Vec<String> = flag(sent)
        .unwrap_err()
        .into_iter()
        .map(|fault| fault.field)
        .collect();
    assert_eq!(
        faults,
        [
            "type",
            "variants[0]",
            "variants[1]",
            "rules[0].conditions[0]",
            "schedule.from"
        ]
    );
}

proptest! {
    #[test]
    fn json_survives_the_wire(text in ".{0,20}", whole in -9_007_199_254_740_992_i64..9_007_199_254_740_992, fraction: f64, truth: bool) {
        prop_assume!(fraction.is_finite() && fraction.fract() != 0.0);
        let value = serde_json::json!({ "t": text, "w": whole, "f": fraction, "b": truth, "l": [whole, null], "o": { "x": text } });
        prop_assert_eq!(from_wire_value(&to_wire_value(&value)), Some(value));
    }
}
