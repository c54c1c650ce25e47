use super::*;

#[test]
fn the_default_plan_is_the_checklists_and_right() {
    let plan = Plan::default();
    let percentages: Vec<f64> = plan.steps.iter().map(|step| step.percentage).collect();
    assert_eq!(percentages, [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0]);
    assert_eq!(plan.check(), []);
}

#[test]
fn all_faults_are_told_at_once() {
    let mut plan = Plan {
        rollback_percentage: f64::NAN,
        ..Plan::default()
    };
    plan.steps[0].percentage = -1.0;
    plan.steps[2].percentage = 5.0;
    plan.steps[3].bake = Duration::MAX;
    plan.steps[7].percentage = 1e300;
    plan.criteria.rollback_error_rate = f64::INFINITY;
    plan.criteria.min_samples = 0;
    plan.criteria.window = Duration::ZERO;
    let fields: Vec<String> = plan.check().into_iter().map(|fault| fault.field).collect();
    assert_eq!(
        fields,
        [
            "steps[0].percentage",
            "steps[2].percentage",
            "steps[3].bake",
            "steps[7].percentage",
            "rollbackPercentage",
            "criteria.rollbackErrorRate",
            "criteria.minSamples",
            "criteria.window",
        ]
    );
    assert!(
        !Plan {
            steps: Vec::new(),
            ..Plan::default()
        }
        .check()
        .is_empty()
    );
}

#[test]
fn a_plan_survives_its_json_and_what_is_left_out_is_the_default() {
    let plan = Plan::default();
    let json = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    let partial = r#"{"criteria": {"minSamples": 50, "window": "10m"}}"#;
    let partial: Plan = serde_json::from_str(partial).unwrap();
    assert_eq!(partial.criteria.min_samples, 50);
    assert_eq!(partial.steps, plan.steps);
}

#[test]
fn a_plan_has_one_to_fifty_steps() {
    let of = |count: u32| Plan {
        steps: (1..=count)
            .map(|at| Step {
                percentage: f64::from(at),
                bake: Duration::ZERO,
            })
            .collect(),
        ..Plan::default()
    };
    for (count, faults) in [(0, 1), (1, 0), (50, 0), (51, 1), (100, 1)] {
        assert_eq!(of(count).check().len(), faults, "{count} steps");
    }
}

#[test]
fn each_criterion_is_refused_where_it_makes_no_sense() {
    type Change = fn(&mut Criteria);
    let changes: [(Change, &str); 15] = [
        (|c| c.advance_error_rate = 0.03, "advanceErrorRate"),
        (|c| c.advance_error_rate = 0.0, "advanceErrorRate"),
        (|c| c.advance_error_rate = f64::NAN, "advanceErrorRate"),
        (|c| c.rollback_error_rate = f64::NAN, "rollbackErrorRate"),
        (|c| c.advance_success_rate = 0.8, "advanceSuccessRate"),
        (|c| c.rollback_success_rate = -0.5, "rollbackSuccessRate"),
        (|c| c.advance_first_token_ms = 3000.0, "advanceFirstTokenMs"),
        (
            |c| c.rollback_first_token_ms = 1e300,
            "rollbackFirstTokenMs",
        ),
        (
            |c| c.rollback_first_token_ms = f64::NAN,
            "rollbackFirstTokenMs",
        ),
        (|c| c.rollback_overload = 1.0, "rollbackOverload"),
        (|c| c.confidence = 1.0, "confidence"),
        (|c| c.false_rollback = 0.0, "falseRollback"),
        (|c| c.min_samples = 1_000_000_001, "minSamples"),
        (|c| c.window = Duration::MAX, "window"),
        (|c| c.stall_after = Duration::ZERO, "stallAfter"),
    ];
    for (change, field) in changes {
        let mut plan = Plan::default();
        change(&mut plan.criteria);
        let faults = plan.check();
        assert_eq!(faults.len(), 1, "{field}: {faults:?}");
        assert_eq!(faults[0].field, format!("criteria.{field}"));
        assert!(
            faults[0].message.contains("must be"),
            "{}",
            faults[0].message
        );
    }
}

#[test]
fn percentages_and_bakes_are_refused_where_they_make_no_sense() {
    for percentage in [0.0, -1.0, 100.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut plan = Plan::default();
        plan.steps[0].percentage = percentage;
        assert_eq!(plan.check()[0].field, "steps[0].percentage", "{percentage}");
        plan = Plan::default();
        plan.rollback_percentage = percentage;
        assert_eq!(plan.check().is_empty(), percentage == 0.0, "{percentage}");
    }
    let mut plan = Plan::default();
    plan.steps[1].bake = LONGEST + Duration::from_secs(1);
    assert_eq!(plan.check()[0].field, "steps[1].bake");
}
