//! See `../flagd.rs`. That a public client decides alike is shown over the real wire, in the suites over the binary.

use super::*;
use crate::flag::Bucketing;

#[test]
fn what_flagd_cannot_say_is_left_out() {
    let legacy = |percentage| Flag {
        bucketing: Bucketing {
            method: BucketingMethod::LegacyMd5,
            salt: String::new(),
        },
        ..Flag::boolean("old", "", percentage)
    };
    assert_eq!(definition(&legacy(50.0)), None);
    assert!(definition(&legacy(0.0)).is_some());
    assert!(
        definition(&Flag {
            enabled: false,
            ..legacy(50.0)
        })
        .is_some()
    );
    let document = document(&[legacy(50.0), Flag::boolean("new", "", 50.0)]);
    let flags = document["flags"].as_object().unwrap();
    assert_eq!(flags.keys().collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_flag_that_is_switched_off_says_its_off_variant_and_not_the_codes_default() {
    let off = definition(&Flag {
        enabled: false,
        ..Flag::boolean("a", "", 100.0)
    })
    .unwrap();
    assert_eq!(off["state"], "ENABLED");
    assert_eq!(off["defaultVariant"], "off");
    assert!(off.get("targeting").is_none());
}

#[test]
fn a_percentage_is_a_fractional_split_of_a_hundred_thousand() {
    let flag = definition(&Flag::boolean("a", "", 12.345)).unwrap();
    let split = &flag["targeting"]["if"][0]["if"][1]["fractional"];
    assert_eq!(split[0]["cat"][0], "a");
    assert_eq!(split[1], json!(["on", 12_345]));
    assert_eq!(split[2], json!(["off", 87_655]));
}
