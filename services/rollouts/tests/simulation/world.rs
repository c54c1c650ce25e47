//! Worlds with a known truth, and rollouts in them: visitors by chance, the real plan, judgement and state
//! machine, a look every few visitors.

use std::time::{Duration, SystemTime};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use troika_rollouts::{
    decide::{Decision, decide_over},
    evidence::{Arm, Evidence, Moments},
    plan::Plan,
    rollout::{Rollout, State},
};

const HOUR: f64 = 3600.0;

/// How turns go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turns {
    pub(crate) error_rate: f64,
    pub(crate) cancelled: f64,
    /// Of the time to the first token: its mean, and the spread of its logarithm.
    pub(crate) first_token_ms: f64,
    pub(crate) tail: f64,
}

impl Turns {
    pub(crate) const WELL: Self = Self {
        error_rate: 0.003,
        cancelled: 0.05,
        first_token_ms: 600.0,
        tail: 0.7,
    };

    pub(crate) fn failing(error_rate: f64) -> Self {
        Self {
            error_rate,
            ..Self::WELL
        }
    }
}

/// A time in which turns go otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    /// Begins half way through the bake of this step.
    pub(crate) step: usize,
    pub(crate) hours: f64,
    pub(crate) candidate: Turns,
    pub(crate) control: Turns,
}

/// A truth.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) turns_per_hour: f64,
    pub(crate) candidate: Turns,
    pub(crate) control: Turns,
    pub(crate) trouble: Option<Trouble>,
    /// How long it is watched.
    pub(crate) hours: f64,
}

impl World {
    pub(crate) fn of(candidate: Turns) -> Self {
        Self {
            plan: Plan::default(),
            turns_per_hour: 6000.0,
            candidate,
            control: Turns::WELL,
            trouble: None,
            hours: 120.0,
        }
    }
}

/// How a rollout went.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) rollout: Rollout,
    /// Samples of the candidate in all, and since its trouble began where there is one.
    pub(crate) samples: u64,
    pub(crate) since_trouble: u64,
    pub(crate) stalled: bool,
    pub(crate) excused: bool,
}

/// One rollout, the same for the same seed.
pub(crate) fn live(world: &World, seed: u64) -> Story {
    let mut chance = SmallRng::seed_from_u64(seed);
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let mut flag = 0.0;
    let mut rollout = Rollout::start(
        "r".into(),
        "streaming".into(),
        "v2".into(),
        world.plan.clone(),
        "simulation".into(),
        String::new(),
        begin,
    );
    flag = rollout.set_percentage.unwrap_or(flag);
    let mut story = Story {
        rollout: rollout.rollout.clone(),
        samples: 0,
        since_trouble: 0,
        stalled: false,
        excused: false,
    };
    let mut source = Source::default();
    let mut trouble_at: Option<SystemTime> = None;
    let mut now = begin;
    while now < begin + Duration::from_secs_f64(world.hours * HOUR) {
        let current = &rollout.rollout;
        let pause = pace(world, flag);
        now += pause;
        let timing = current.timing(now);
        let (mut candidate, mut control) = (world.candidate, world.control);
        if let Some(trouble) = world.trouble {
            if trouble_at.is_none()
                && timing.step >= trouble.step
                && timing.baked * 2 >= timing.bake
            {
                trouble_at = Some(now);
            }
            let lasts = trouble_at.is_some_and(|at| {
                now.duration_since(at).unwrap_or_default().as_secs_f64() < trouble.hours * HOUR
            });
            if lasts {
                (candidate, control) = (trouble.candidate, trouble.control);
            }
        }
        let visitors = poisson(
            &mut chance,
            world.turns_per_hour * pause.as_secs_f64() / HOUR,
        );
        let mut of_candidate = 0;
        for _ in 0..visitors {
            of_candidate += u64::from(chance.random::<f64>() * 100.0 < flag);
        }
        let before = source.now.candidate.samples;
        source.take(
            now,
            &mut chance,
            (of_candidate, &candidate),
            (visitors - of_candidate, &control),
        );
        let new = source.now.candidate.samples - before;
        story.samples += new;
        if world.trouble.is_none() || trouble_at.is_some() {
            story.since_trouble += new;
        }
        let decision = look(current, &source, now);
        story.stalled |= decision.stalled;
        story.excused |= decision
            .reasons
            .iter()
            .any(|reason| matches!(reason.code.name(), "both_arms" | "control_too_small"));
        if let Some(transition) = current.judge(&decision, now) {
            flag = transition.set_percentage.unwrap_or(flag);
            rollout = transition;
        }
        if rollout.rollout.state.is_final() {
            break;
        }
    }
    story.rollout = rollout.rollout;
    story
}

fn look(rollout: &Rollout, source: &Source, now: SystemTime) -> Decision {
    let newest = source.since(rollout.figures_since(now));
    let whole = source.since(rollout.step_started_at);
    decide_over(
        &rollout.plan.criteria,
        Some(&newest),
        Some(&whole),
        &rollout.timing(now),
    )
}

/// About five visitors of the candidate between looks, and no more than five minutes.
fn pace(world: &World, percentage: f64) -> Duration {
    let per_second = world.turns_per_hour / HOUR * percentage / 100.0;
    Duration::from_secs_f64((5.0 / per_second).clamp(60.0, 300.0))
}

impl Story {
    pub(crate) fn rolled_back(&self) -> bool {
        self.rollout.state == State::RolledBack
    }

    pub(crate) fn completed(&self) -> bool {
        self.rollout.state == State::Completed
    }
}

/// Sums up to a time; figures since a time are differences of them.
#[derive(Clone, Copy, Default)]
struct Sums {
    samples: u64,
    failures: u64,
    cancelled: u64,
    count: u64,
    sum: f64,
    squares: f64,
}

#[derive(Clone, Copy, Default)]
struct Both {
    candidate: Sums,
    control: Sums,
}

#[derive(Default)]
struct Source {
    /// The sums after each look, by time.
    past: Vec<(SystemTime, Both)>,
    now: Both,
    latest: Option<SystemTime>,
}

impl Source {
    fn take(
        &mut self,
        now: SystemTime,
        chance: &mut SmallRng,
        candidate: (u64, &Turns),
        control: (u64, &Turns),
    ) {
        if candidate.0 > 0 {
            self.latest = Some(now);
        }
        self.now.candidate.add(chance, candidate.0, candidate.1);
        self.now.control.add_roughly(chance, control.0, control.1);
        self.past.push((now, self.now));
    }

    fn since(&self, time: SystemTime) -> Evidence {
        let before = self.past.partition_point(|(at, _)| *at <= time);
        let before = match before {
            0 => Both::default(),
            at => self.past[at - 1].1,
        };
        Evidence {
            candidate: self.now.candidate.without(&before.candidate),
            control: self.now.control.without(&before.control),
            overload: 0.0,
            latest: self.latest.filter(|latest| *latest > time),
        }
    }
}

impl Sums {
    fn add(&mut self, chance: &mut SmallRng, turns: u64, how: &Turns) {
        for _ in 0..turns {
            if chance.random::<f64>() < how.cancelled {
                self.cancelled += 1;
                continue;
            }
            self.samples += 1;
            if chance.random::<f64>() < how.error_rate {
                self.failures += 1;
                continue;
            }
            let time = how.first_token(normal(chance));
            self.count += 1;
            self.sum += time;
            self.squares += time * time;
        }
    }

    /// A hundred times as many turns as of the candidate: sums by their limit law.
    fn add_roughly(&mut self, chance: &mut SmallRng, turns: u64, how: &Turns) {
        if turns < 200 {
            return self.add(chance, turns, how);
        }
        let cancelled = binomial(chance, turns, how.cancelled);
        let samples = turns - cancelled;
        let failures = binomial(chance, samples, how.error_rate);
        let count = samples - failures;
        let mean = how.first_token_ms;
        let variance = mean * mean * ((how.tail * how.tail).exp() - 1.0);
        let n = count as f64;
        let sum = (n * mean + (n * variance).sqrt() * normal(chance)).max(0.0);
        self.samples += samples;
        self.failures += failures;
        self.cancelled += cancelled;
        self.count += count;
        self.sum += sum;
        self.squares += n * variance + sum * sum / n.max(1.0);
    }

    fn without(&self, before: &Self) -> Arm {
        let (samples, failures) = (
            self.samples - before.samples,
            self.failures - before.failures,
        );
        let count = self.count - before.count;
        let n = count as f64;
        let (sum, squares) = (self.sum - before.sum, self.squares - before.squares);
        let mean = if count > 0 { sum / n } else { 0.0 };
        let variance = if count > 1 {
            ((squares - n * mean * mean) / (n - 1.0)).max(0.0)
        } else {
            0.0
        };
        Arm {
            successes: samples - failures,
            failures,
            cancelled: self.cancelled - before.cancelled,
            critical: 0,
            first_token: Moments {
                count,
                mean_ms: mean.max(0.0),
                variance,
            },
            first_token_p95_ms: None,
        }
    }
}

impl Turns {
    /// Log-normal: many short, a few very long.
    fn first_token(&self, normal: f64) -> f64 {
        self.first_token_ms * (self.tail * normal - self.tail * self.tail / 2.0).exp()
    }
}

/// Box and Muller's.
fn normal(chance: &mut SmallRng) -> f64 {
    let (u, v): (f64, f64) = (chance.random(), chance.random());
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

fn binomial(chance: &mut SmallRng, n: u64, p: f64) -> u64 {
    let mean = n as f64 * p;
    if mean > 50.0 && n as f64 - mean > 50.0 {
        let drawn = mean + (mean * (1.0 - p)).sqrt() * normal(chance);
        return (drawn.round().max(0.0) as u64).min(n);
    }
    if mean < 10.0 {
        return poisson(chance, mean).min(n);
    }
    (0..n).filter(|_| chance.random::<f64>() < p).count() as u64
}

fn poisson(chance: &mut SmallRng, mean: f64) -> u64 {
    if mean > 50.0 {
        return (mean + mean.sqrt() * normal(chance)).round().max(0.0) as u64;
    }
    let end = (-mean).exp();
    let (mut count, mut product) = (0, chance.random::<f64>());
    while product > end {
        count += 1;
        product *= chance.random::<f64>();
    }
    count
}
