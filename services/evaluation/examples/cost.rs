//! Prints what asking a flag costs: nanoseconds and allocations. `cargo run --release -p troika-evaluation
//! --example cost`

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::{hint::black_box, time::Instant};

use troika_evaluation::{
    bucket::BUCKETS,
    context::Visitor,
    flag::{Bucketing, BucketingMethod, Condition, Flag, Operator, Rule},
    follow::Flags,
};

const ROUNDS: u32 = 2_000_000;

fn main() {
    let listed = (0..10_000).map(|n| format!("listed-{n}")).collect();
    let legacy = Bucketing {
        method: BucketingMethod::LegacyMd5,
        ..Bucketing::default()
    };
    let rule = Rule {
        name: "hindi".to_owned(),
        conditions: vec![Condition {
            attribute: "language".to_owned(),
            operator: Operator::In,
            values: vec!["hi-IN".to_owned()],
        }],
        variant: None,
        percentage: Some(50.0),
    };
    let flag = |percentage| Flag::boolean("streaming", "", percentage);
    let cases = [
        (
            "switched off",
            Flag {
                enabled: false,
                ..flag(50.0)
            },
        ),
        ("100 %", flag(100.0)),
        ("25 %, fractional", flag(25.0)),
        (
            "25 %, md5",
            Flag {
                bucketing: legacy,
                ..flag(25.0)
            },
        ),
        (
            "25 %, a list of 10 000",
            Flag {
                whitelist: listed,
                ..flag(25.0)
            },
        ),
        (
            "a rule that applies",
            Flag {
                rules: vec![rule],
                ..flag(25.0)
            },
        ),
    ];
    let visitor = Visitor {
        session_id: Some("0b0f5a3e-9d3e-4c9b-8f6e-2f6d1f0c7a11"),
        language: Some("hi-IN"),
        ..Visitor::default()
    };
    println!("{BUCKETS} buckets, {ROUNDS} rounds each");
    println!("{:<26}{:>12}{:>14}", "", "ns", "allocations");
    for (name, flag) in cases {
        let flags = Flags::fixed([flag]);
        let ask = || black_box(flags.is_on(black_box("streaming"), black_box(&visitor)));
        let allocations = allocation_counter::measure(|| {
            for _ in 0..1000 {
                ask();
            }
        });
        let began = Instant::now();
        for _ in 0..ROUNDS {
            ask();
        }
        let each = began.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
        println!("{name:<26}{each:>12.1}{:>14}", allocations.count_total);
    }
}
