//! OpenFeature's public clients against the flags role: the flagd provider, remote and in process, unchanged.

use std::process::Command;

use serde_json::{Value, json};
use troika_evaluation::{
    context::Visitor,
    flag::{Condition, Flag, FlagType, Operator, Rule, Variant},
};
use troika_proto::flags::v1::{Author, CreateFlagRequest, flags_client::FlagsClient};
use troika_tests::servers::tools;

use crate::{
    callers::Called,
    flags::{author, flags_of, snapshot},
    sandbox,
};

const VISITORS: usize = 300;

async fn create(client: &mut FlagsClient<Called>, author: &Author, flag: &Flag) {
    let request = CreateFlagRequest {
        flag: Some(flag.into()),
        author: Some(author.clone()),
    };
    client.create_flag(request).await.unwrap();
}

fn of_type(key: &str, kind: FlagType, on: Value, off: Value) -> Flag {
    let variant = |name: &str, value: Value| Variant {
        name: name.to_owned(),
        value,
    };
    Flag {
        kind,
        variants: vec![variant("on", on), variant("off", off)],
        ..Flag::boolean(key, "", 100.0)
    }
}

fn condition(attribute: &str, operator: Operator, value: &str) -> Condition {
    Condition {
        attribute: attribute.to_owned(),
        operator,
        values: vec![value.to_owned()],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flagd_provider_decides_as_troika_does_remote_and_in_process() {
    let troika = sandbox().start_role("flags");
    let mut client = flags_of(&troika).await;
    let by = author("tests");
    let split = Flag {
        blacklist: vec!["visitor-7".to_owned()],
        whitelist: vec!["visitor-8".to_owned()],
        ..Flag::boolean("split", "", 37.5)
    };
    let by_plan = Flag {
        rules: vec![Rule {
            name: "adults on gold".to_owned(),
            conditions: vec![
                condition("plan", Operator::StartsWith, "go"),
                condition("age", Operator::GreaterThan, "17"),
                condition("left", Operator::NotIn, "x"),
            ],
            variant: Some("on".to_owned()),
            percentage: None,
        }],
        percentage: 0.0,
        ..of_type("by-plan", FlagType::String, json!("yes"), json!("no"))
    };
    let off = Flag {
        enabled: false,
        ..Flag::boolean("off", "", 100.0)
    };
    for flag in [
        split,
        by_plan,
        off,
        of_type("greeting", FlagType::String, json!("hello"), json!("hi")),
        of_type("limit", FlagType::Number, json!(5), json!(1)),
        of_type(
            "theme",
            FlagType::Object,
            json!({"dark": true, "size": "large"}),
            json!({}),
        ),
    ] {
        create(&mut client, &by, &flag).await;
    }

    let port = troika.flags().rsplit(':').next().unwrap().to_owned();
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/openfeature/flagd.py"
    );
    let visitors = VISITORS.to_string();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(tools().join("venv/bin/python"))
            .args([script, &port, "split", &visitors])
            .output()
            .unwrap()
    });
    let run = run.await.unwrap();
    let answers: Value = serde_json::from_slice(&run.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&run.stderr)));

    let snapshot = snapshot(&mut client).await;
    let expected: Vec<bool> = (0..VISITORS)
        .map(|n| {
            let id = format!("visitor-{n}");
            let visitor = Visitor {
                user_id: Some(&id),
                ..Visitor::default()
            };
            snapshot.evaluate("split", &visitor).unwrap().is_on()
        })
        .collect();
    let let_in = expected.iter().filter(|is_in| **is_in).count();
    assert!((80..145).contains(&let_in), "{let_in} of {VISITORS}");
    for resolver in ["rpc", "in-process"] {
        let said = &answers[resolver];
        assert_eq!(said["said"], json!(expected), "{resolver}");
        for (what, value, error) in [
            ("text", json!("hello"), Value::Null),
            ("number", json!(5.0), Value::Null),
            ("whole", json!(5), Value::Null),
            (
                "object",
                json!({"dark": true, "size": "large"}),
                Value::Null,
            ),
            ("off", json!(false), Value::Null),
            ("rule", json!("yes"), Value::Null),
            ("missing", json!(true), json!("FLAG_NOT_FOUND")),
            ("mistaken", json!(true), json!("TYPE_MISMATCH")),
        ] {
            let found = &said[what];
            let same = found["value"] == value
                || found["value"].as_f64() == value.as_f64().or(Some(f64::NAN));
            assert!(
                same && found["error"] == error,
                "{resolver} {what}: {found}"
            );
        }
    }
}
