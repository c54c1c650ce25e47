//! Thousands of rollouts in worlds whose truth is known, and what became of them:
//! `cargo run --release -p troika-rollouts --example simulate [ROLLOUTS_OF_EACH_TRUTH]`
//!
//! The default plan, 6000 turns an hour where nothing else is said, 0.3 % errors in the control arm, five days at
//! most, a look every one to five minutes. Times to the first token are log-normal; those of slow worlds have a
//! heavy tail. Samples to a rollback count from the beginning of the trouble.
#![allow(clippy::print_stdout)]

use std::sync::Mutex;

use comfy_table::Table;

#[path = "../tests/simulation/world.rs"]
mod world;
#[path = "../tests/simulation/worlds.rs"]
mod worlds;

use world::{Story, World, live};
use worlds::Truth;

const SEED: u64 = 20_261_123;

fn main() {
    let rollouts = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(100);
    let mut table = Table::new();
    table.set_header([
        "truth",
        "reached 100 %",
        "false rollback",
        "missed rollback",
        "held",
        "stalled",
        "samples to rollback: median",
        "p95",
        "step",
    ]);
    for truth in worlds::all() {
        let stories = tell(&truth.world, rollouts);
        table.add_row(row(&truth, &stories));
    }
    println!("{rollouts} rollouts of each truth, seed {SEED}");
    println!("{table}");
}

fn tell(world: &World, rollouts: u64) -> Vec<Story> {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let stories = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let stories = &stories;
            scope.spawn(move || {
                for seed in (thread..rollouts).step_by(threads as usize) {
                    let story = live(world, SEED + seed);
                    if let Ok(mut stories) = stories.lock() {
                        stories.push(story);
                    }
                }
            });
        }
    });
    stories.into_inner().unwrap_or_default()
}

fn row(truth: &Truth, stories: &[Story]) -> Vec<String> {
    let share = |holds: &dyn Fn(&Story) -> bool| {
        let count = stories.iter().filter(|story| holds(story)).count();
        format!(
            "{:.1} %",
            100.0 * count as f64 / stories.len().max(1) as f64
        )
    };
    let absent = || "–".to_owned();
    let told = |applies: bool, holds: &dyn Fn(&Story) -> bool| {
        if applies { share(holds) } else { absent() }
    };
    let back: Vec<&Story> = stories.iter().filter(|story| story.rolled_back()).collect();
    let mut samples: Vec<u64> = back.iter().map(|story| story.since_trouble).collect();
    samples.sort_unstable();
    let quantile = |share: f64| {
        let at = (share * samples.len() as f64) as usize;
        samples.get(at).map_or_else(absent, u64::to_string)
    };
    let mut steps: Vec<usize> = back.iter().map(|story| story.rollout.step + 1).collect();
    steps.sort_unstable();
    let step = match (steps.first(), steps.last()) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) => format!("{first}–{last}"),
        _ => absent(),
    };
    let is_held = |story: &Story| !story.rollout.state.is_final();
    vec![
        truth.name.to_owned(),
        share(&Story::completed),
        told(!truth.deserves_rollback, &Story::rolled_back),
        told(truth.deserves_rollback, &|story| !story.rolled_back()),
        share(&is_held),
        share(&|story| story.stalled),
        quantile(0.5),
        quantile(0.95),
        step,
    ]
}
