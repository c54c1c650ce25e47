//! See `../check.rs`.

use super::*;
use crate::flag::{Share, Variant};

fn fields(flag: &Flag) -> Vec<String> {
    check(flag).into_iter().map(|fault| fault.field).collect()
}

#[test]
fn the_flags_of_the_product_are_right() {
    for flag in crate::built_in::flags() {
        assert_eq!(fields(&flag), [""; 0], "{}", flag.key);
    }
}

#[test]
fn keys_are_plain_names() {
    for good in ["streaming", "a", "new-checkout.v2", "A_b"] {
        assert!(is_key(good), "{good}");
    }
    let long = "k".repeat(MAX_NAME + 1);
    for bad in [
        "",
        "__proto__",
        "-x",
        "1st",
        "a b",
        "a/b",
        "ключ",
        "a\0",
        long.as_str(),
    ] {
        assert!(!is_key(bad), "{bad}");
    }
}

#[test]
fn percentages_are_numbers_from_0_to_100() {
    for good in [0.0, 0.001, 25.0, 100.0] {
        assert!(percentage("percentage", good).is_ok());
    }
    for bad in [
        -0.001,
        100.001,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e300,
    ] {
        let fault = percentage("percentage", bad).unwrap_err();
        assert_eq!(fault.message, "percentage must be a number from 0 to 100");
    }
}

#[test]
fn all_faults_are_told_at_once_with_their_fields() {
    let mut flag = Flag::boolean("__proto__", &"d".repeat(2000), f64::NAN);
    flag.variants = vec![
        Variant {
            name: "on".to_owned(),
            value: Value::Bool(true),
        },
        Variant {
            name: "on".to_owned(),
            value: Value::String("no".to_owned()),
        },
    ];
    flag.blacklist = vec![String::new()];
    flag.rules = vec![Rule {
        name: "r".to_owned(),
        conditions: vec![Condition {
            attribute: "age".to_owned(),
            operator: Operator::LessThan,
            values: vec!["NaN".to_owned()],
        }],
        variant: Some("none".to_owned()),
        percentage: None,
    }];
    flag.ab_test = Some(AbTest {
        enabled: false,
        shares: vec![Share {
            variant: "none".to_owned(),
            weight: 0,
        }],
    });
    assert_eq!(
        fields(&flag),
        [
            "key",
            "description",
            "variants[1]",
            "variants[1]",
            "offVariant",
            "blacklist",
            "percentage",
            "rules[0].conditions[0]",
            "rules[0].variant",
            "abTest.shares[0].variant",
            "abTest.shares",
        ]
    );
}

#[test]
fn too_much_is_refused() {
    let long = Flag {
        whitelist: vec!["x".to_owned(); MAX_LISTED + 1],
        ..Flag::boolean("a", "", 0.0)
    };
    assert_eq!(fields(&long), ["whitelist"]);
    let mut heavy = Flag::boolean("a", "", 0.0);
    heavy.kind = crate::flag::FlagType::String;
    for variant in &mut heavy.variants {
        variant.value = Value::String("x".repeat(MAX_VALUE));
    }
    assert_eq!(fields(&heavy), ["variants[0]", "variants[1]"]);
}

#[test]
fn unknown_fields_of_json_are_refused() {
    let flag = Flag::boolean("a", "", 0.0);
    let mut json = serde_json::to_value(&flag).unwrap();
    assert_eq!(serde_json::from_value::<Flag>(json.clone()).unwrap(), flag);
    json["percent"] = 50.into();
    assert!(serde_json::from_value::<Flag>(json).is_err());
}

#[test]
fn a_value_that_is_nested_deeply_and_a_reserved_key_are_refused() {
    let mut flag = Flag::boolean("changes", "", 0.0);
    assert_eq!(fields(&flag), ["key"]);
    flag.key = "deep".to_owned();
    flag.kind = crate::flag::FlagType::Object;
    let nested = |depth| {
        (0..depth).fold(
            serde_json::json!(1),
            |inner, _| serde_json::json!({ "a": inner }),
        )
    };
    for (depth, faults) in [(DEEPEST - 1, 0), (DEEPEST, 2)] {
        for variant in &mut flag.variants {
            variant.value = nested(depth);
        }
        assert_eq!(fields(&flag).len(), faults, "{depth}");
    }
}
