//! The judgement in worlds whose truth is known. The table of the example `simulate` is the same, larger.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use troika_rollouts::{
    plan::{Plan, Step},
    rollout::State,
};

#[path = "simulation/world.rs"]
mod world;

use world::{Story, Trouble, Turns, World, live};

const SEED: u64 = 7;

/// Three short steps.
fn short(candidate: Turns) -> World {
    let step = |percentage| Step {
        percentage,
        bake: Duration::from_secs(3600),
    };
    World {
        plan: Plan {
            steps: vec![step(10.0), step(50.0), step(100.0)],
            ..Plan::default()
        },
        turns_per_hour: 6000.0,
        hours: 8.0,
        ..World::of(candidate)
    }
}

fn stories(world: &World, count: u64) -> Vec<Story> {
    (0..count).map(|seed| live(world, SEED + seed)).collect()
}

fn rolled_back(stories: &[Story]) -> usize {
    stories.iter().filter(|story| story.rolled_back()).count()
}

/// Of so many, what a chance of one in a hundred may come to: three standard deviations above its mean.
fn one_in_a_hundred(count: usize) -> usize {
    let mean = count as f64 * 0.01;
    (mean + 3.0 * (mean * 0.99).sqrt()).floor() as usize
}

#[test]
fn a_good_candidate_goes_all_the_way() {
    let stories = stories(&short(Turns::failing(0.001)), 40);
    assert!(stories.iter().all(Story::completed));
}

#[test]
fn half_a_per_cent_of_errors_is_not_rolled_back() {
    let stories = stories(&short(Turns::failing(0.005)), 60);
    assert!(rolled_back(&stories) <= one_in_a_hundred(60));
    assert!(stories.iter().filter(|story| story.completed()).count() > 50);
}

#[test]
fn at_the_very_limit_rollbacks_are_as_rare_as_was_accepted() {
    let mut world = short(Turns::failing(0.02));
    world.plan.steps.truncate(1);
    world.hours = 5.0;
    let stories = stories(&world, 200);
    let back = rolled_back(&stories);
    assert!(back <= one_in_a_hundred(200), "{back}");
    // Twice what an advance allows is shown to be below it by chance alone.
    let completed = stories.iter().filter(|story| story.completed()).count();
    assert!(completed <= one_in_a_hundred(200), "{completed}");
}

#[test]
fn a_first_token_at_the_very_limit_is_rolled_back_as_rarely() {
    let at_the_limit = Turns {
        first_token_ms: 2000.0,
        tail: 1.2,
        ..Turns::WELL
    };
    let mut world = short(at_the_limit);
    world.plan.steps.truncate(1);
    world.hours = 5.0;
    let stories = stories(&world, 100);
    let back = rolled_back(&stories);
    assert!(back <= one_in_a_hundred(100), "{back}");
    assert!(!stories.iter().any(Story::completed));
}

#[test]
fn a_bad_candidate_is_always_rolled_back_and_soon() {
    for (rate, most) in [(0.05, 3000), (0.10, 600), (0.50, 60)] {
        for story in stories(&short(Turns::failing(rate)), 60) {
            assert!(story.rolled_back(), "{rate}: {:?}", story.rollout.state);
            assert_eq!(story.rollout.step, 0, "{rate}");
            assert!(story.samples < most, "{rate}: {}", story.samples);
        }
    }
}

#[test]
fn a_slow_candidate_is_always_rolled_back() {
    let slow = Turns {
        first_token_ms: 2500.0,
        tail: 1.2,
        ..Turns::WELL
    };
    for story in stories(&short(slow), 40) {
        assert!(story.rolled_back(), "{:?}", story.rollout.state);
        assert!(story.samples < 5000, "{}", story.samples);
    }
}

#[test]
fn errors_that_begin_late_are_rolled_back_too() {
    let mut world = short(Turns::failing(0.001));
    world.trouble = Some(Trouble {
        step: 1,
        hours: 100.0,
        candidate: Turns::failing(0.05),
        control: Turns::WELL,
    });
    for story in stories(&world, 40) {
        assert!(story.rolled_back(), "{:?}", story.rollout.state);
        assert!(story.since_trouble < 6000, "{}", story.since_trouble);
    }
}

#[test]
fn an_outage_of_both_arms_is_held_and_then_it_goes_on() {
    for (step, error_rate) in [(0, 1.0), (0, 0.1), (1, 1.0), (1, 0.1)] {
        let mut world = short(Turns::failing(0.001));
        world.hours = 12.0;
        world.trouble = Some(Trouble {
            step,
            hours: 1.0,
            candidate: Turns::failing(error_rate),
            control: Turns::failing(error_rate),
        });
        let stories = stories(&world, 20);
        assert_eq!(rolled_back(&stories), 0, "step {step}, {error_rate}");
        assert!(
            stories
                .iter()
                .all(|story| story.excused && story.completed())
        );
    }
}

#[test]
fn without_visitors_a_rollout_stays_and_is_told_to_be_stalled() {
    let mut world = short(Turns::WELL);
    world.turns_per_hour = 0.0;
    let story = live(&world, SEED);
    assert_eq!(
        (story.rollout.state, story.rollout.step),
        (State::Running, 0)
    );
    assert!(story.stalled);
}

#[test]
fn cancelled_turns_change_nothing_but_the_pace() {
    let candidate = Turns {
        cancelled: 0.3,
        ..Turns::failing(0.001)
    };
    let stories = stories(&short(candidate), 20);
    assert!(stories.iter().all(Story::completed));
}
