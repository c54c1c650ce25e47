//! The truths that are simulated, and whether a rollback is what they deserve.

use super::world::{Trouble, Turns, World};

pub(crate) fn all() -> Vec<(World, bool)> {
    let slow = |first_token_ms| Turns {
        first_token_ms,
        tail: 1.2,
        ..Turns::WELL
    };
    let failing = Turns::failing;
    let trouble = |step, hours, candidate, control| {
        Some(Trouble {
            step,
            hours,
            candidate,
            control,
        })
    };
    let well = |name| World::of(name, failing(0.001));
    let outage = |name, step, error_rate, hours| World {
        trouble: trouble(step, hours, failing(error_rate), failing(error_rate)),
        ..well(name)
    };
    vec![
        (well("0.1 % errors"), false),
        (World::of("0.5 % errors", failing(0.005)), false),
        (
            World::of("1.5 % errors (between the limits)", failing(0.015)),
            false,
        ),
        (World::of("2 % errors (at the limit)", failing(0.02)), false),
        (World::of("3 % errors", failing(0.03)), true),
        (World::of("5 % errors", failing(0.05)), true),
        (World::of("10 % errors", failing(0.10)), true),
        (World::of("50 % errors", failing(0.50)), true),
        (
            World::of("first token 1500 ms, heavy tail", slow(1500.0)),
            false,
        ),
        (
            World::of(
                "first token 2000 ms (at the limit), heavy tail",
                slow(2000.0),
            ),
            false,
        ),
        (
            World::of("first token 2500 ms, heavy tail", slow(2500.0)),
            true,
        ),
        (
            World {
                trouble: trouble(2, 1000.0, failing(0.05), Turns::WELL),
                ..well("5 % errors from step 3 on")
            },
            true,
        ),
        (
            World {
                trouble: trouble(6, 1000.0, failing(0.05), Turns::WELL),
                ..well("5 % errors from step 7 on")
            },
            true,
        ),
        (
            World {
                trouble: trouble(6, 1000.0, failing(0.50), Turns::WELL),
                ..well("50 % errors from step 7 on")
            },
            true,
        ),
        (
            outage("outage of both arms, all fail, step 3", 2, 1.0, 1.0),
            false,
        ),
        (
            outage(
                "outage of both arms, 10 % fail for 5 h, step 3",
                2,
                0.10,
                5.0,
            ),
            false,
        ),
        (
            outage(
                "outage of both arms, 10 % fail for 5 h, step 5",
                4,
                0.10,
                5.0,
            ),
            false,
        ),
        (
            outage("outage of both arms, all fail, step 7 (90 %)", 6, 1.0, 1.0),
            false,
        ),
        (
            outage(
                "outage of both arms, 10 % fail for 5 h, step 7 (90 %)",
                6,
                0.10,
                5.0,
            ),
            false,
        ),
        (
            World {
                trouble: trouble(2, 3.0, slow(4000.0), slow(4000.0)),
                ..well("both arms slow for 3 h, step 3")
            },
            false,
        ),
        (
            World {
                trouble: trouble(6, 3.0, slow(4000.0), slow(4000.0)),
                ..well("both arms slow for 3 h, step 7 (90 %)")
            },
            false,
        ),
        (
            World::of(
                "30 % cancelled, 0.1 % errors",
                Turns {
                    cancelled: 0.3,
                    ..failing(0.001)
                },
            ),
            false,
        ),
        (
            World {
                turns_per_hour: 60_000.0,
                hours: 60.0,
                ..well("0.1 % errors, 60000 turns an hour")
            },
            false,
        ),
        (
            World {
                turns_per_hour: 300.0,
                hours: 400.0,
                ..well("0.1 % errors, 300 turns an hour")
            },
            false,
        ),
        (
            World {
                turns_per_hour: 0.0,
                ..well("no visitors")
            },
            false,
        ),
    ]
}
