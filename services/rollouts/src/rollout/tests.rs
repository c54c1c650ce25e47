use super::*;
use crate::decide::{ArmFigures, Reason, ReasonCode, Verdict};

const HOUR: Duration = Duration::from_secs(3600);

fn at(hours: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + HOUR * hours
}

fn started(plan: Plan) -> Transition {
    Rollout::start(
        "r1".into(),
        "streaming".into(),
        "v2".into(),
        plan,
        "ann".into(),
        "new engine".into(),
        at(0),
    )
}

fn running() -> Rollout {
    started(Plan::default()).rollout
}

fn decision(rollout: &Rollout, verdict: Verdict, now: SystemTime) -> Decision {
    Decision {
        at: now,
        step: rollout.step,
        verdict,
        reasons: vec![Reason {
            code: ReasonCode::ErrorRate,
            message: "9 of 10 turns failed".into(),
            figure: None,
            threshold: None,
        }],
        candidate: ArmFigures::default(),
        control: ArmFigures::default(),
        overload: 0.0,
        stalled: false,
    }
}

fn judged(rollout: &Rollout, verdict: Verdict, now: SystemTime) -> Transition {
    rollout
        .judge(&decision(rollout, verdict, now), now)
        .unwrap()
}

#[test]
fn a_rollout_begins_with_its_first_step() {
    let Transition {
        rollout,
        set_percentage,
        note,
    } = started(Plan::default());
    assert_eq!(set_percentage, Some(1.0));
    assert_eq!((rollout.state, rollout.step), (State::Running, 0));
    assert_eq!(note, "began with 1 %");
    assert_eq!(rollout.note, note);
}

#[test]
fn it_goes_through_its_steps_and_is_completed() {
    let mut rollout = running();
    let mut set = Vec::new();
    for hour in 1..8 {
        let transition = judged(&rollout, Verdict::Advance, at(hour));
        set.extend(transition.set_percentage);
        rollout = transition.rollout;
        assert_eq!(rollout.step_started_at, at(hour));
    }
    assert_eq!(set, [5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0]);
    let last = judged(&rollout, Verdict::Advance, at(9));
    assert_eq!(last.rollout.state, State::Completed);
    assert_eq!(last.set_percentage, None);
    assert_eq!(last.rollout.ended_at, Some(at(9)));
    assert_eq!(last.rollout.percentage(), 100.0);
}

#[test]
fn holding_and_waiting_change_nothing_but_the_decision() {
    let rollout = running();
    for verdict in [Verdict::Hold, Verdict::Inconclusive] {
        assert_eq!(
            rollout.judge(&decision(&rollout, verdict, at(1)), at(1)),
            None
        );
    }
    let decision = decision(&rollout, Verdict::Hold, at(1));
    assert_eq!(rollout.judged(&decision).last_decision, Some(decision));
}

#[test]
fn a_stall_is_told_once_and_so_is_its_end() {
    let rollout = running();
    let stalled = Decision {
        stalled: true,
        ..decision(&rollout, Verdict::Inconclusive, at(1))
    };
    let transition = rollout.judge(&stalled, at(1)).unwrap();
    assert!(transition.rollout.stalled);
    assert_eq!(transition.rollout.state, State::Running);
    assert_eq!(transition.set_percentage, None);
    assert!(
        transition.note.starts_with("stalled at 1 %: "),
        "{}",
        transition.note
    );
    let rollout = transition.rollout;
    assert_eq!(rollout.judge(&stalled, at(2)), None);
    let again = rollout
        .judge(&decision(&rollout, Verdict::Hold, at(2)), at(2))
        .unwrap();
    assert!(!again.rollout.stalled);
}

#[test]
fn a_fault_rolls_back_whatever_the_state() {
    let running = running();
    let paused = running.pause(at(1)).unwrap().rollout;
    let waiting = judged(&approved_by_hand(), Verdict::Advance, at(1)).rollout;
    for rollout in [running, paused, waiting] {
        let back = judged(&rollout, Verdict::RollBack, at(2));
        assert_eq!(back.rollout.state, State::RolledBack);
        assert_eq!(back.set_percentage, Some(0.0));
        assert_eq!(back.rollout.ended_at, Some(at(2)));
        assert_eq!(back.rollout.percentage(), 0.0);
        assert_eq!(back.note, "rolled back at 1 %: 9 of 10 turns failed");
        assert_eq!(
            back.rollout.last_decision.unwrap().verdict,
            Verdict::RollBack
        );
    }
}

fn approved_by_hand() -> Rollout {
    let plan = Plan {
        manual_approval: true,
        ..Plan::default()
    };
    started(plan).rollout
}

#[test]
fn with_manual_approval_each_step_waits_for_a_person() {
    let mut rollout = approved_by_hand();
    for hour in 1..=8 {
        let waits = judged(&rollout, Verdict::Advance, at(hour));
        assert_eq!(waits.rollout.state, State::AwaitingApproval);
        assert_eq!(waits.set_percentage, None);
        let waits = waits.rollout;
        assert_eq!(
            waits.judge(&decision(&waits, Verdict::Advance, at(hour)), at(hour)),
            None
        );
        let approved = waits.approve(at(hour)).unwrap();
        assert_eq!(
            approved.set_percentage,
            waits
                .plan
                .steps
                .get(hour as usize)
                .map(|step| step.percentage)
        );
        rollout = approved.rollout;
    }
    assert_eq!(rollout.state, State::Completed);
}

#[test]
fn a_dry_run_walks_its_steps_and_sets_nothing() {
    let plan = Plan {
        dry_run: true,
        ..Plan::default()
    };
    let begun = started(plan);
    assert_eq!(begun.set_percentage, None);
    let next = judged(&begun.rollout, Verdict::Advance, at(3));
    assert_eq!((next.rollout.step, next.set_percentage), (1, None));
    let back = judged(&next.rollout, Verdict::RollBack, at(4));
    assert_eq!(
        (back.rollout.state, back.set_percentage),
        (State::RolledBack, None)
    );
    assert_eq!(next.rollout.abort(at(4)).unwrap().set_percentage, None);
    assert_eq!(
        next.rollout.set_step(4, at(4)).unwrap().set_percentage,
        None
    );
}

#[test]
fn paused_time_does_not_count_toward_the_bake() {
    let rollout = running();
    let paused = rollout.pause(at(1)).unwrap();
    assert_eq!(paused.set_percentage, None);
    let paused = paused.rollout;
    assert_eq!(paused.timing(at(5)).baked, HOUR);
    assert_eq!(
        paused.judge(&decision(&paused, Verdict::Advance, at(5)), at(5)),
        None
    );
    let resumed = paused.resume(at(5)).unwrap().rollout;
    assert_eq!(resumed.timing(at(6)).baked, 2 * HOUR);
    assert_eq!(resumed.timing(at(6)).step_age, 6 * HOUR);
    let again = resumed.pause(at(6)).unwrap().rollout;
    let again = again.resume(at(8)).unwrap().rollout;
    assert_eq!(again.timing(at(9)).baked, 3 * HOUR);
    let next = judged(&again, Verdict::Advance, at(9)).rollout;
    assert_eq!(next.timing(at(10)).baked, HOUR);
    assert_eq!(next.timing(at(10)).bake, 4 * HOUR);
}

#[test]
fn a_step_set_by_a_person_bakes_anew() {
    let rollout = running();
    let set = rollout.set_step(3, at(5)).unwrap();
    assert_eq!(set.set_percentage, Some(25.0));
    assert_eq!(set.rollout.timing(at(6)).baked, HOUR);
    let same = set.rollout.set_step(3, at(7)).unwrap();
    assert_eq!(same.rollout.timing(at(8)).baked, HOUR);
    // A look from before that must not end the new bake.
    let before = decision(&same.rollout, Verdict::Advance, at(6));
    assert_eq!(same.rollout.judge(&before, at(8)), None);
    let paused = same.rollout.pause(at(9)).unwrap().rollout;
    let down = paused.set_step(0, at(10)).unwrap();
    assert_eq!(
        (down.rollout.state, down.set_percentage),
        (State::Paused, Some(1.0))
    );
    assert_eq!(down.rollout.timing(at(12)).baked, Duration::ZERO);
    let refused = rollout.set_step(8, at(1)).unwrap_err();
    assert_eq!(refused.code, "rollout_not_allowed");
    assert!(refused.message.contains("0 to 7"), "{refused}");
}

#[test]
fn a_decision_on_another_step_changes_nothing() {
    let first = running();
    let second = judged(&first, Verdict::Advance, at(2)).rollout;
    for verdict in [Verdict::Advance, Verdict::RollBack] {
        assert_eq!(second.judge(&decision(&first, verdict, at(3)), at(3)), None);
    }
}

#[test]
fn what_a_state_does_not_allow_is_refused() {
    let running = running();
    let paused = running.pause(at(1)).unwrap().rollout;
    let waiting = judged(&approved_by_hand(), Verdict::Advance, at(1)).rollout;
    let aborted = running.abort(at(1)).unwrap();
    assert_eq!(aborted.set_percentage, Some(0.0));
    let aborted = aborted.rollout;
    let back = judged(&running, Verdict::RollBack, at(1)).rollout;
    let completed = Rollout {
        state: State::Completed,
        ..running.clone()
    };
    // pause, resume, abort, approve, set_step
    for (rollout, allowed) in [
        (&running, [true, false, true, false, true]),
        (&paused, [false, true, true, false, true]),
        (&waiting, [true, false, true, true, true]),
        (&aborted, [false; 5]),
        (&back, [false; 5]),
        (&completed, [false; 5]),
    ] {
        let tried = [
            rollout.pause(at(2)),
            rollout.resume(at(2)),
            rollout.abort(at(2)),
            rollout.approve(at(2)),
            rollout.set_step(0, at(2)),
        ];
        for (at, (tried, allowed)) in tried.into_iter().zip(allowed).enumerate() {
            assert_eq!(tried.is_ok(), allowed, "{:?}, {at}", rollout.state);
            if let Err(refused) = tried {
                assert_eq!(refused.code, "rollout_not_allowed");
                assert!(refused.message.contains("it must be"), "{refused}");
            }
        }
        if rollout.state.is_final() {
            for verdict in [Verdict::Advance, Verdict::RollBack, Verdict::Hold] {
                assert_eq!(
                    rollout.judge(&decision(rollout, verdict, at(2)), at(2)),
                    None
                );
            }
        }
    }
}

#[test]
fn a_flag_has_one_rollout_at_a_time() {
    let running = running();
    let start = |previous: &[Rollout], flag: &str, candidate: &str, over: bool| {
        Rollout::may_start(previous.iter(), flag, candidate, over).map_err(|refused| refused.code)
    };
    assert_eq!(start(&[], "streaming", "v2", false), Ok(()));
    let now = [running.clone()];
    assert_eq!(start(&now, "streaming", "v3", true), Err("rollout_running"));
    assert_eq!(start(&now, "voice", "v2", false), Ok(()));
    let ended = [running.abort(at(1)).unwrap().rollout];
    assert_eq!(start(&ended, "streaming", "v2", false), Ok(()));
}

#[test]
fn a_candidate_that_was_rolled_back_is_not_tried_again_by_itself() {
    let of = |state: State, hour: u32| Rollout {
        state,
        started_at: at(hour),
        ..running()
    };
    let start = |previous: &[Rollout], candidate: &str, over: bool| {
        Rollout::may_start(previous.iter(), "streaming", candidate, over)
            .map_err(|refused| refused.code)
    };
    let back = of(State::RolledBack, 1);
    let rejected = Err("candidate_rejected");
    assert_eq!(start(std::slice::from_ref(&back), "v2", false), rejected);
    assert_eq!(start(std::slice::from_ref(&back), "v2", true), Ok(()));
    assert_eq!(start(std::slice::from_ref(&back), "v3", false), Ok(()));
    // Trying it and stopping by hand proves nothing; going through all steps does. In any order.
    let stopped = of(State::Aborted, 2);
    let through = of(State::Completed, 3);
    assert_eq!(
        start(&[stopped.clone(), back.clone()], "v2", false),
        rejected
    );
    assert_eq!(
        start(&[through, back.clone(), stopped], "v2", false),
        Ok(())
    );
    let mut dry = back;
    dry.plan.dry_run = true;
    assert_eq!(start(&[dry], "v2", false), Ok(()));
}

#[test]
fn a_clock_that_is_set_back_stands_still() {
    let rollout = running();
    let timing = rollout.timing(at(0) - HOUR);
    assert_eq!(
        (timing.baked, timing.step_age),
        (Duration::ZERO, Duration::ZERO)
    );
    assert_eq!(rollout.figures_since(at(0) - HOUR), at(0));
}

#[test]
fn figures_never_begin_before_the_step_and_never_earlier_than_the_window() {
    let rollout = judged(&running(), Verdict::Advance, at(2)).rollout;
    assert_eq!(rollout.figures_since(at(2)), at(2));
    assert_eq!(rollout.figures_since(at(3)), at(2) + HOUR / 2);
    assert_eq!(rollout.figures_since(at(9) + HOUR / 3), at(8) + HOUR / 2);
}

#[test]
fn a_rollout_survives_its_json() {
    let rollout = judged(&running(), Verdict::Advance, at(3)).rollout;
    let rollout = rollout.pause(at(4)).unwrap().rollout;
    let json = serde_json::to_string(&rollout).unwrap();
    assert_eq!(serde_json::from_str::<Rollout>(&json).unwrap(), rollout);
    for part in [
        r#""stepStartedAt":""#,
        r#""bake":"2h""#,
        r#""state":"paused""#,
    ] {
        assert!(json.contains(part), "{json}");
    }
}

#[test]
fn names_are_those_of_the_wire() {
    for state in [
        State::Running,
        State::Paused,
        State::AwaitingApproval,
        State::Completed,
        State::RolledBack,
        State::Aborted,
    ] {
        let json = serde_json::to_string(&state).unwrap();
        assert_eq!(json, format!("\"{}\"", state.name()));
    }
}
