//! See `../ledger.rs`: what is told, restored and learnt adds up.

use proptest::prelude::*;
use troika_proto::metrics::v1::{self as wire, CacheUse, Exposure, TurnOutcome};

use super::*;
use crate::config::Price;

fn start() -> SystemTime {
    time(1_800_000_000)
}

fn at(seconds: u64) -> SystemTime {
    start() + Duration::from_secs(seconds)
}

fn ledger(replica: &str) -> Ledger {
    let mut config = Config {
        max_values: 3,
        ..Config::default()
    };
    let price = Price {
        input: 0.15,
        output: 0.6,
    };
    config.prices.0.insert("gpt".to_owned(), price);
    Ledger::new(&config, replica.to_owned(), start())
}

fn took(milliseconds: u64) -> Option<prost_types::Duration> {
    Duration::from_millis(milliseconds).try_into().ok()
}

fn turn(id: &str, now: SystemTime) -> TurnOutcome {
    TurnOutcome {
        started_at: Some((now - Duration::from_secs(1)).into()),
        outcome: wire::Outcome::Success.into(),
        endpoint: "query".to_owned(),
        chatbot_id: "bot 1".to_owned(),
        language: "en-IN".to_owned(),
        session_id: format!("session of {id}"),
        turn_id: id.to_owned(),
        model: "gpt".to_owned(),
        first_token: took(100),
        complete: took(1000),
        queued: took(2),
        prompt_tokens: 1000,
        completion_tokens: 100,
        words: 5,
        knowledge: wire::CacheResult::Hit.into(),
        exposures: vec![Exposure {
            flag: "streaming".to_owned(),
            variant: "on".to_owned(),
            by_chance: true,
        }],
        ..TurnOutcome::default()
    }
}

fn batch(turns: Vec<TurnOutcome>) -> ReportRequest {
    ReportRequest {
        turns,
        ..ReportRequest::default()
    }
}

fn from(source: &str, number: u64, turns: Vec<TurnOutcome>) -> ReportRequest {
    ReportRequest {
        source: source.to_owned(),
        number,
        state: Some(SourceState {
            role: "chat".to_owned(),
            active_streams: 2,
            ..SourceState::default()
        }),
        ..batch(turns)
    }
}

const SPANS: [Span; 4] = [
    Span::Seconds(60),
    Span::Seconds(300),
    Span::Hour,
    Span::Life,
];

#[test]
fn what_is_told_counts_at_once_in_every_span_and_dimension() {
    let mut ledger = ledger("a");
    let failed = TurnOutcome {
        outcome: wire::Outcome::Failure.into(),
        kind: wire::FailureKind::Openai.into(),
        failure: "model_timeout".to_owned(),
        ..turn("2", start())
    };
    let refused = TurnOutcome {
        kind: wire::FailureKind::Validation.into(),
        ..failed.clone()
    };
    let told = vec![
        turn("1", start()),
        failed,
        TurnOutcome {
            turn_id: "3".to_owned(),
            ..refused
        },
        TurnOutcome {
            outcome: wire::Outcome::Cancelled.into(),
            voice_failed: true,
            ..turn("4", start())
        },
    ];
    let lost = ledger.take(
        ReportRequest {
            refused: 7,
            dropped: 2,
            caches: vec![CacheUse {
                name: "speech".to_owned(),
                hits: 3,
                misses: 1,
            }],
            ..batch(told)
        },
        start(),
    );
    assert_eq!(
        lost,
        Lost {
            unusable: 0,
            dropped: 2
        }
    );
    for beaten in [false, true] {
        for span in SPANS {
            let total = ledger.total(span, start());
            let figures = &total.figures;
            assert_eq!(
                (figures.successes, figures.failures, figures.cancelled),
                (1, 1, 1),
                "{beaten} {span:?}"
            );
            assert_eq!(
                (
                    figures.errors.openai,
                    figures.errors.validation,
                    figures.errors.tts
                ),
                (1, 1, 1)
            );
            assert_eq!((figures.refused, figures.dropped), (7, 2));
            assert_eq!((figures.speech.hits, figures.speech.misses), (3, 1));
            assert_eq!(figures.knowledge.hits, 3);
            // 1000 tokens at 0.15 and 100 at 0.60 for a million, three times.
            assert_eq!(figures.cost, 3 * 210_000);
            assert_eq!(total.sessions.count(), 3);
            assert!((figures.first_token.percentiles().p50 - 100.0).abs() < 0.4);
            let by = |dimension| ledger.by(span, dimension, start());
            assert_eq!(by(Dimension::Endpoint)["query"].turns(), 3);
            assert_eq!(by(Dimension::Outcome)["cancelled"].cancelled, 1);
            assert_eq!(by(Dimension::Variant)["streaming=on"].successes, 1);
            assert_eq!(by(Dimension::Model)["gpt"].failures, 1);
        }
        drop(ledger.beat(at(1)));
    }
    let ends: Vec<_> = ledger.events().map(|event| event.turn.as_str()).collect();
    assert_eq!(ends, ["4", "3", "2", "1"]);
    let arms = ledger.compare("streaming", "on", "off", start() - Duration::from_secs(5));
    assert_eq!(
        (arms.candidate.arm.successes, arms.candidate.arm.failures),
        (1, 1)
    );
}

#[test]
fn windows_let_go_of_what_is_older_and_life_does_not() {
    let mut ledger = ledger("a");
    for second in [0, 100, 250, 1000] {
        let now = at(second);
        ledger.take(batch(vec![turn(&second.to_string(), now)]), now);
        drop(ledger.beat(now));
    }
    let successes = |span| ledger.total(span, at(1000)).figures.successes;
    assert_eq!(SPANS.map(successes), [1, 1, 4, 4]);
    drop(ledger.beat(at(3 * 3600)));
    let successes = |span| ledger.total(span, at(3 * 3600)).figures.successes;
    assert_eq!(SPANS.map(successes), [0, 0, 0, 4]);
}

#[test]
fn a_batch_and_a_turn_count_once_however_often_they_are_told() {
    let mut ledger = ledger("a");
    for _ in 0..3 {
        ledger.take(from("chat 1", 1, vec![turn("1", start())]), start());
    }
    ledger.take(from("chat 1", 2, vec![turn("2", start())]), start());
    ledger.take(from("chat 2", 1, vec![turn("3", start())]), start());
    // The edge lost a turn that chat has told.
    ledger.take(from("gateway", 1, vec![turn("3", start())]), start());
    assert_eq!(ledger.total(Span::Life, start()).figures.successes, 3);
    assert_eq!(ledger.sources(start()).len(), 3);
    assert!(ledger.sources(at(6)).is_empty(), "silent for more than 5 s");
}

#[test]
fn beyond_the_most_values_there_is_only_other() {
    let mut ledger = ledger("a");
    for bot in 0..10 {
        let told = TurnOutcome {
            chatbot_id: format!("bot {bot}"),
            ..turn(&bot.to_string(), start())
        };
        ledger.take(batch(vec![told]), start());
    }
    drop(ledger.beat(start()));
    let by = ledger.by(Span::Hour, Dimension::Bot, start());
    assert_eq!(by.len(), 4);
    assert_eq!(by["other"].successes, 7);
}

#[test]
fn a_record_that_cannot_be_costs_only_itself() {
    let mut ledger = ledger("a");
    let good = turn("good", start());
    let bad = [
        TurnOutcome {
            started_at: None,
            ..turn("1", start())
        },
        TurnOutcome {
            outcome: 99,
            ..turn("2", start())
        },
        TurnOutcome {
            complete: Some(prost_types::Duration {
                seconds: -5,
                nanos: 0,
            }),
            ..turn("3", start())
        },
        TurnOutcome {
            exposures: vec![good.exposures[0].clone(); 1000],
            ..turn("4", start())
        },
        TurnOutcome {
            chatbot_id: "x".repeat(1000),
            ..turn("5", start())
        },
        turn("6", start() - Duration::from_secs(2 * 3600)),
        turn("7", start() + Duration::from_secs(3600)),
    ];
    let lost = ledger.take(batch(bad.into_iter().chain([good]).collect()), start());
    assert_eq!(lost.unusable, 7);
    assert_eq!(ledger.total(Span::Life, start()).figures.turns(), 1);
}

#[test]
fn a_reset_begins_anew_but_rollouts_and_history_go_on() {
    let mut ledger = ledger("a");
    ledger.take(batch(vec![turn("1", start())]), start());
    drop(ledger.beat(start()));
    ledger.take(batch(vec![turn("2", at(1))]), at(1));
    ledger.reset(micros(at(1)));
    for span in SPANS {
        assert_eq!(
            ledger.total(span, at(1)).figures,
            crate::figures::Figures::default()
        );
    }
    assert_eq!(ledger.events().count(), 0);
    let arms = ledger.compare("streaming", "on", "off", start() - Duration::from_secs(60));
    assert_eq!(arms.candidate.arm.successes, 2);
    ledger.take(batch(vec![turn("3", at(2))]), at(2));
    let beat = ledger.beat(at(2));
    let successes = |resolution| {
        let rollup = beat
            .rollups
            .iter()
            .find(|rollup| rollup.resolution == resolution && rollup.part == Part::Total);
        part_of_slice(Part::Total, &rollup.unwrap().data, 3)
            .total
            .figures
            .successes
    };
    assert_eq!(successes(Resolution::Life), 1);
    assert_eq!(successes(Resolution::Minute), 2);
}

/// Everything that beats gave to the store, as it would be found there.
#[derive(Default)]
struct Found {
    rollups: Vec<Rollup>,
    deltas: Vec<Delta>,
}

impl Found {
    fn keep(&mut self, beat: Beat) {
        for rollup in beat.rollups {
            self.rollups.retain(|kept| {
                (kept.resolution, kept.part, kept.at, &kept.replica)
                    != (rollup.resolution, rollup.part, rollup.at, &rollup.replica)
            });
            self.rollups.push(rollup);
        }
        self.deltas.push(beat.delta);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Two replicas are told different turns; one dies and comes back at some moment, with what it had stored.
    #[test]
    fn replicas_know_the_same_and_a_restart_changes_nothing(
        told in prop::collection::vec((0_u64..400, any::<bool>(), 0_u64..5000), 1..40), dies in 0_u64..400, same in any::<bool>(),
    ) {
        let mut told = told;
        told.sort_unstable();
        let (mut a, mut b) = (ledger("a"), ledger("b"));
        let mut found = Found::default();
        let epoch = a.epoch();
        for second in 0..400 {
            let now = at(second);
            for (place, (_, to_a, first_token)) in told.iter().enumerate().filter(|(_, told)| told.0 == second) {
                let outcome = TurnOutcome {
                    first_token: took(*first_token),
                    ..turn(&place.to_string(), now)
                };
                let ledger = if *to_a { &mut a } else { &mut b };
                ledger.take(batch(vec![outcome]), now);
            }
            let beat = a.beat(now);
            b.learn(beat.delta.clone(), now);
            found.keep(beat);
            let beat = b.beat(now);
            a.learn(beat.delta.clone(), now);
            found.keep(beat);
            if second == dies {
                a = ledger(if same { "a" } else { "c" });
                a.restore(Some(epoch), found.rollups.clone(), found.deltas.clone(), now);
            }
        }
        let now = at(399);
        for span in SPANS {
            let (in_a, in_b) = (a.total(span, now), b.total(span, now));
            prop_assert_eq!(in_a.figures, in_b.figures, "{:?}", span);
            prop_assert_eq!(in_a.sessions.count(), in_b.sessions.count());
        }
        prop_assert_eq!(b.total(Span::Life, now).figures.successes, told.len() as u64);
        let since = start() - Duration::from_secs(10);
        let (in_a, in_b) = (a.compare("streaming", "on", "", since), b.compare("streaming", "on", "", since));
        prop_assert_eq!(in_a.candidate.arm.successes, told.len() as u64);
        prop_assert_eq!(in_b.candidate.arm.successes, told.len() as u64);
        // What the store holds is the same again.
        let mut minutes = 0;
        for rollup in found.rollups.iter().filter(|it| it.resolution == Resolution::Minute && it.part == Part::Total) {
            minutes += part_of_slice(Part::Total, &rollup.data, 3).total.figures.successes;
        }
        prop_assert_eq!(minutes, told.len() as u64);
    }
}
