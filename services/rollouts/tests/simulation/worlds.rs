//! The truths that are simulated, and whether a rollback is what they deserve.

use super::world::{Trouble, Turns, World};

pub(crate) struct Truth {
    pub(crate) name: &'static str,
    pub(crate) deserves_rollback: bool,
    pub(crate) world: World,
}

fn good(name: &'static str, world: World) -> Truth {
    Truth {
        name,
        deserves_rollback: false,
        world,
    }
}

fn bad(name: &'static str, world: World) -> Truth {
    Truth {
        deserves_rollback: true,
        ..good(name, world)
    }
}

fn failing(error_rate: f64) -> World {
    World::of(Turns::failing(error_rate))
}

fn slow(first_token_ms: f64) -> Turns {
    Turns {
        first_token_ms,
        tail: 1.2,
        ..Turns::WELL
    }
}

/// Of a good candidate, from half way through a step on.
fn trouble(step: usize, hours: f64, candidate: Turns, control: Turns) -> World {
    World {
        trouble: Some(Trouble {
            step: step - 1,
            hours,
            candidate,
            control,
        }),
        ..failing(0.001)
    }
}

fn outage(step: usize, hours: f64, turns: Turns) -> World {
    trouble(step, hours, turns, turns)
}

fn visited(turns_per_hour: f64, hours: f64) -> World {
    World {
        turns_per_hour,
        hours,
        ..failing(0.001)
    }
}

pub(crate) fn all() -> Vec<Truth> {
    let (fail, well) = (Turns::failing, Turns::WELL);
    let cancelling = Turns {
        cancelled: 0.3,
        ..fail(0.001)
    };
    let forever = 1000.0;
    vec![
        good("0.1 % errors", failing(0.001)),
        good("0.5 % errors", failing(0.005)),
        good("1.5 % errors, between the limits", failing(0.015)),
        good("2 % errors, at the limit", failing(0.02)),
        bad("3 % errors", failing(0.03)),
        bad("5 % errors", failing(0.05)),
        bad("10 % errors", failing(0.10)),
        bad("50 % errors", failing(0.50)),
        good(
            "first token 1500 ms, between the limits",
            World::of(slow(1500.0)),
        ),
        good("first token 2000 ms, at the limit", World::of(slow(2000.0))),
        bad("first token 2500 ms", World::of(slow(2500.0))),
        bad(
            "5 % errors from step 3 on",
            trouble(3, forever, fail(0.05), well),
        ),
        bad(
            "5 % errors from step 7 (90 %) on",
            trouble(7, forever, fail(0.05), well),
        ),
        bad(
            "50 % errors from step 7 (90 %) on",
            trouble(7, forever, fail(0.5), well),
        ),
        good("step 3: both arms fail for 1 h", outage(3, 1.0, fail(1.0))),
        good(
            "step 3: 10 % of both arms fail for 5 h",
            outage(3, 5.0, fail(0.1)),
        ),
        good(
            "step 5: 10 % of both arms fail for 5 h",
            outage(5, 5.0, fail(0.1)),
        ),
        good(
            "step 7 (90 %): both arms fail for 1 h",
            outage(7, 1.0, fail(1.0)),
        ),
        good(
            "step 7 (90 %): 10 % of both arms fail for 5 h",
            outage(7, 5.0, fail(0.1)),
        ),
        good(
            "step 3: both arms slow for 3 h",
            outage(3, 3.0, slow(4000.0)),
        ),
        good(
            "step 7 (90 %): both arms slow for 3 h",
            outage(7, 3.0, slow(4000.0)),
        ),
        good("30 % cancelled, 0.1 % errors", World::of(cancelling)),
        good("60000 turns an hour, 0.1 % errors", visited(60_000.0, 60.0)),
        good("300 turns an hour, 0.1 % errors", visited(300.0, 400.0)),
        good("no visitors", visited(0.0, 120.0)),
    ]
}
