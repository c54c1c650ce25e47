//! See `../evaluate.rs`.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::{
    context::Visitor,
    flag::{AbTest, Bucketing, Rule, Schedule, Share},
    snapshot::Snapshot,
};

fn flag(percentage: f64) -> Flag {
    Flag::boolean("streaming", "", percentage)
}

fn session(id: &str) -> Visitor<'_> {
    Visitor {
        session_id: Some(id),
        ..Visitor::default()
    }
}

fn said(flag: &Flag, context: &impl Context) -> (String, Step) {
    let compiled = Compiled::new(flag.clone()).unwrap();
    let evaluation = compiled.decide(context, SystemTime::now, &mut Silent);
    (evaluation.variant.name.clone(), evaluation.decided_by)
}

fn rule(conditions: Vec<Condition>, variant: Option<&str>, percentage: Option<f64>) -> Rule {
    Rule {
        name: String::new(),
        conditions,
        variant: variant.map(ToOwned::to_owned),
        percentage,
    }
}

fn condition(attribute: &str, operator: Operator, values: &[&str]) -> Condition {
    Condition {
        attribute: attribute.to_owned(),
        operator,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

/// Each step wins over all that come after it.
#[test]
fn the_order_is_kill_switch_schedule_blacklist_whitelist_rules_ab_test_percentage() {
    let id = "user-1";
    let mut flag = Flag {
        enabled: false,
        schedule: Some(Schedule {
            from: None,
            until: Some(SystemTime::UNIX_EPOCH),
        }),
        blacklist: vec![id.to_owned()],
        whitelist: vec![id.to_owned()],
        rules: vec![rule(
            vec![condition("sessionId", Operator::In, &[id])],
            Some("on"),
            None,
        )],
        ab_test: Some(AbTest {
            enabled: true,
            shares: vec![Share {
                variant: "on".to_owned(),
                weight: 1,
            }],
        }),
        ..flag(0.0)
    };
    let expect = |flag: &Flag, variant: &str, step| {
        assert_eq!(said(flag, &session(id)), (variant.to_owned(), step));
    };
    expect(&flag, "off", Step::KillSwitch);
    flag.enabled = true;
    expect(&flag, "off", Step::Schedule);
    flag.schedule = None;
    expect(&flag, "off", Step::Blacklist);
    flag.blacklist.clear();
    expect(&flag, "on", Step::Whitelist);
    flag.whitelist.clear();
    expect(&flag, "on", Step::Rule(0));
    flag.rules.clear();
    expect(&flag, "on", Step::AbTest);
    flag.ab_test = None;
    expect(&flag, "off", Step::Nobody);
    flag.percentage = 100.0;
    expect(&flag, "on", Step::Everybody);
    flag.percentage = 50.0;
    assert_eq!(said(&flag, &session(id)).1, Step::Percentage);
    assert_eq!(
        said(&flag, &Visitor::default()),
        ("off".to_owned(), Step::NoIdentifier)
    );
}

#[test]
fn the_identifier_is_the_user_else_the_session_else_the_address_else_the_bot() {
    let listed = Flag {
        whitelist: vec!["wanted".to_owned()],
        ..flag(0.0)
    };
    let visitor = |user, session, ip, bot| Visitor {
        user_id: user,
        session_id: session,
        ip,
        chatbot_id: bot,
        language: None,
    };
    let (x, wanted) = (Some("x"), Some("wanted"));
    for (context, is_let_in) in [
        (visitor(wanted, x, x, x), true),
        (visitor(x, wanted, x, x), false),
        (visitor(None, wanted, x, x), true),
        (visitor(Some(""), wanted, x, x), true),
        (visitor(None, None, wanted, x), true),
        (visitor(None, None, None, wanted), true),
        (visitor(None, None, None, None), false),
    ] {
        assert_eq!(said(&listed, &context).0 == "on", is_let_in, "{context:?}");
    }
}

#[test]
fn a_quarter_of_a_hundred_thousand_is_a_quarter_and_stays_in_at_a_half() {
    let ids: Vec<String> = (0..100_000).map(|n| format!("visitor-{n}")).collect();
    let let_in = |percentage: f64| -> Vec<bool> {
        let snapshot = Snapshot::new(1, [flag(percentage)]);
        let on = |id: &String| {
            snapshot
                .evaluate("streaming", &session(id))
                .unwrap()
                .is_on()
        };
        ids.iter().map(on).collect()
    };
    let count = |is_in: &[bool]| is_in.iter().filter(|is_in| **is_in).count();
    let (nobody, quarter, half, all) = (let_in(0.0), let_in(25.0), let_in(50.0), let_in(100.0));
    assert_eq!(count(&nobody), 0);
    assert_eq!(count(&all), 100_000);
    assert!(
        (24_500..=25_500).contains(&count(&quarter)),
        "{}",
        count(&quarter)
    );
    assert!(
        quarter
            .iter()
            .zip(&half)
            .all(|(quarter, half)| !quarter || *half)
    );
    assert_eq!(let_in(25.0), quarter);
}

#[test]
fn flags_are_salted_apart_and_the_old_bucket_is_the_same_for_all() {
    let ids: Vec<String> = (0..10_000).map(|n| format!("visitor-{n}")).collect();
    let both = |bucketing: Bucketing| {
        let flags = ["a", "b"].map(|key| {
            Compiled::new(Flag {
                bucketing: bucketing.clone(),
                ..Flag::boolean(key, "", 50.0)
            })
            .unwrap()
        });
        let same = |id: &&String| {
            let [a, b] = &flags;
            a.bucket(id) / 50_000 == b.bucket(id) / 50_000
        };
        ids.iter().filter(same).count()
    };
    assert!((4_500..5_500).contains(&both(Bucketing::default())));
    let legacy = Bucketing {
        method: BucketingMethod::LegacyMd5,
        ..Bucketing::default()
    };
    assert_eq!(both(legacy), 10_000);
    let salted = Bucketing {
        salt: "spring".to_owned(),
        ..Bucketing::default()
    };
    assert_eq!(both(salted), 10_000);
}

#[test]
fn the_old_bucket_lets_in_whom_the_old_backend_let_in() {
    // user-1 falls into 19, abc into 72.
    let old = |percentage| Flag {
        bucketing: Bucketing {
            method: BucketingMethod::LegacyMd5,
            ..Bucketing::default()
        },
        ..flag(percentage)
    };
    for (id, bucket) in [("user-1", 19.0), ("abc", 72.0)] {
        assert_eq!(said(&old(bucket), &session(id)).0, "off");
        assert_eq!(said(&old(bucket + 1.0), &session(id)).0, "on");
    }
}

#[test]
fn conditions_hold_as_their_operators_say() {
    let context: Map<String, serde_json::Value> = json!({
        "plan": "gold", "age": 42, "beta": true, "tags": ["a"], "nothing": null, "version": "2.5",
    })
    .as_object()
    .unwrap()
    .clone();
    let holds = |attribute: &str, operator, values: &[&str]| {
        super::holds(&condition(attribute, operator, values), &context)
    };
    for (attribute, operator, values, expected) in [
        ("plan", Operator::In, &["silver", "gold"][..], true),
        ("plan", Operator::NotIn, &["silver"], true),
        ("plan", Operator::NotIn, &["gold"], false),
        ("plan", Operator::StartsWith, &["go"], true),
        ("plan", Operator::EndsWith, &["go"], false),
        ("plan", Operator::Contains, &["ol"], true),
        ("age", Operator::In, &["42"], true),
        ("age", Operator::LessThan, &["43"], true),
        ("age", Operator::GreaterThan, &["42"], false),
        ("version", Operator::GreaterThan, &["2.4"], true),
        ("beta", Operator::In, &["true"], true),
        ("beta", Operator::LessThan, &["2"], false),
        ("tags", Operator::Present, &[], true),
        ("tags", Operator::Contains, &["a"], false),
        ("nothing", Operator::Absent, &[], true),
        ("__proto__", Operator::Present, &[], false),
        ("missing", Operator::NotIn, &["x"], true),
        ("missing", Operator::LessThan, &["1"], false),
    ] {
        assert_eq!(
            holds(attribute, operator, values),
            expected,
            "{attribute} {operator:?} {values:?}"
        );
    }
}

#[test]
fn a_rule_with_a_percentage_lets_in_a_part_of_those_it_is_for() {
    let flag = Flag {
        rules: vec![rule(
            vec![condition("language", Operator::In, &["hi-IN"])],
            None,
            Some(30.0),
        )],
        ..flag(0.0)
    };
    let on = |language| {
        let ids = (0..10_000).map(|n| format!("visitor-{n}"));
        ids.filter(|id| {
            let visitor = Visitor {
                language: Some(language),
                ..session(id)
            };
            said(&flag, &visitor).0 == "on"
        })
        .count()
    };
    assert!((2_800..3_200).contains(&on("hi-IN")));
    assert_eq!(on("en-IN"), 0);
}

#[test]
fn an_ab_test_deals_by_weight() {
    let flag = Flag {
        ab_test: Some(AbTest {
            enabled: true,
            shares: vec![
                Share {
                    variant: "on".to_owned(),
                    weight: 9,
                },
                Share {
                    variant: "off".to_owned(),
                    weight: 1,
                },
            ],
        }),
        ..flag(0.0)
    };
    let ids = (0..10_000).map(|n| format!("visitor-{n}"));
    let on = ids.filter(|id| said(&flag, &session(id)).0 == "on").count();
    assert!((8_800..9_200).contains(&on), "{on}");
}

#[test]
fn a_schedule_opens_and_closes_to_the_moment() {
    let (from, until) = (
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + Duration::from_secs(10),
    );
    let flag = Flag {
        schedule: Some(Schedule {
            from: Some(from),
            until: Some(until),
        }),
        ..flag(100.0)
    };
    let snapshot = Snapshot::new(1, [flag]);
    let on = |now| {
        snapshot
            .explain("streaming", &session("x"), now)
            .unwrap()
            .evaluation
            .is_on()
    };
    assert!(on(from) && on(until - Duration::from_secs(1)));
    assert!(!on(until) && !on(from - Duration::from_secs(1)));
}

#[test]
fn an_explanation_ends_with_what_decided_and_tells_the_bucket() {
    let snapshot = Snapshot::new(1, [flag(50.0)]);
    let explained = snapshot
        .explain("streaming", &session("abc"), SystemTime::now())
        .unwrap();
    let last = explained.steps.last().unwrap();
    assert!(last.decided && last.step == explained.evaluation.decided_by);
    assert!(
        explained
            .steps
            .iter()
            .filter(|finding| finding.decided)
            .count()
            == 1
    );
    assert_eq!(explained.identifier_from, Some("sessionId"));
    assert_eq!(
        explained.bucket.unwrap() < 50.0,
        explained.evaluation.is_on()
    );
}

proptest! {
    #[test]
    fn raising_a_percentage_never_removes_anyone(id in ".{1,40}", low in 0.0..=100.0_f64, more in 0.0..=100.0_f64, legacy: bool) {
        let high = (low + more).min(100.0);
        let method = if legacy { BucketingMethod::LegacyMd5 } else { BucketingMethod::Fractional };
        let at = |percentage| Flag {
            bucketing: Bucketing { method, ..Bucketing::default() },
            ..flag(percentage)
        };
        let on = |percentage| said(&at(percentage), &session(&id)).0 == "on";
        prop_assert!(!on(low) || on(high));
    }

    #[test]
    fn evaluating_and_explaining_agree(id in ".{0,20}", percentage in 0.0..=100.0_f64, listed: bool) {
        let flag = Flag {
            whitelist: if listed { vec![id.clone()] } else { Vec::new() },
            ..flag(percentage)
        };
        let snapshot = Snapshot::new(1, [flag]);
        let context = session(&id);
        let evaluated = snapshot.evaluate("streaming", &context).unwrap();
        let explained = snapshot.explain("streaming", &context, SystemTime::now()).unwrap();
        prop_assert_eq!(evaluated, explained.evaluation);
    }
}
