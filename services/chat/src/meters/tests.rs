//! What Prometheus reads after turns that are known.

use std::time::Duration;

use troika_proto::metrics::v1::Histogram;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn turn(outcome: Outcome) -> TurnOutcome {
    let millis = |millis| Duration::from_millis(millis).try_into().ok();
    TurnOutcome {
        outcome: outcome.into(),
        endpoint: "query".into(),
        model: "small".into(),
        first_token: millis(420),
        first_audio: millis(900),
        complete: millis(2_400),
        queued: millis(3),
        // 20 ms three times and 1 s once.
        gaps: Some(Histogram {
            index: vec![bucket(20_000), bucket(1_000_000)],
            count: vec![3, 1],
        }),
        prompt_tokens: 100,
        completion_tokens: 5,
        characters: 40,
        audio_chunks: 6,
        retries: 2,
        fallback: true,
        voice_failed: true,
        knowledge: CacheResult::Hit.into(),
        ..TurnOutcome::default()
    }
}

fn bucket(value: u64) -> u32 {
    let mut all = histogram::Histogram::new(7, 32).unwrap();
    all.increment(value).unwrap();
    SparseHistogram::from(&all).index()[0]
}

#[test]
fn a_turn_is_in_every_figure() {
    let process = troika_chassis::meters::Meters::new();
    let meters = Meters::new(&process);
    meters.turn(&turn(Outcome::Success), Some(TRACE.into()));
    meters.refused();
    let text = process.text();
    for line in [
        "troika_turns_total{endpoint=\"query\",outcome=\"success\",kind=\"none\"} 1\n",
        "troika_turns_total{endpoint=\"answer\",outcome=\"failure\",kind=\"other\"} 0\n",
        "troika_first_token_seconds_bucket{le=\"0.4\",endpoint=\"query\"} 0\n",
        "troika_first_token_seconds_bucket{le=\"0.5\",endpoint=\"query\"} 1\n",
        "troika_first_audio_seconds_count{endpoint=\"query\"} 1\n",
        "troika_turn_seconds_sum{endpoint=\"query\",outcome=\"success\"} 2.4\n",
        "troika_turn_queue_seconds_count 1\n",
        "troika_token_gap_seconds_bucket{le=\"0.02\"} 0\n",
        "troika_token_gap_seconds_bucket{le=\"0.03\"} 3\n",
        "troika_token_gap_seconds_count 4\n",
        "troika_tokens_total{model=\"small\",type=\"prompt\"} 100\n",
        "troika_tokens_total{model=\"small\",type=\"completion\"} 5\n",
        "troika_turn_retries_total 2\n",
        "troika_turn_fallbacks_total 1\n",
        "troika_voice_failures_total 1\n",
        "troika_turns_refused_total 1\n",
        "troika_answer_characters_total 40\n",
        "troika_audio_chunks_total 6\n",
        "troika_cache_lookups_total{cache=\"knowledge\",result=\"hit\"} 1\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let open = process.open_metrics();
    assert!(
        open.contains(&format!("# {{trace_id=\"{TRACE}\"}} 0.42 ")),
        "{open}"
    );
}

#[test]
fn labels_are_ours_whatever_is_told() {
    let process = troika_chassis::meters::Meters::new();
    let meters = Meters::new(&process);
    for number in 0..30 {
        let told = TurnOutcome {
            endpoint: format!("endpoint {number}"),
            model: format!("model {number}"),
            ..turn(Outcome::Failure)
        };
        meters.turn(&told, Some("no trace".into()));
    }
    let text = process.text();
    for line in [
        "troika_turns_total{endpoint=\"other\",outcome=\"failure\",kind=\"other\"} 30\n",
        "troika_tokens_total{model=\"other\",type=\"prompt\"} 1000\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!process.open_metrics().contains("trace_id"));
}

#[test]
fn failures_are_told_by_their_kind() {
    for (kind, label) in [
        (FailureKind::Openai, "openai"),
        (FailureKind::Tts, "tts"),
        (FailureKind::Network, "network"),
        (FailureKind::Validation, "validation"),
        (FailureKind::Unspecified, "other"),
    ] {
        let told = TurnOutcome {
            kind: kind.into(),
            ..turn(Outcome::Failure)
        };
        assert_eq!(ended(&told).kind, label);
        let told = TurnOutcome {
            kind: kind.into(),
            ..turn(Outcome::Cancelled)
        };
        assert_eq!(ended(&told).kind, "none");
    }
}

#[test]
fn gaps_that_cannot_be_read_are_left_out() {
    for (index, count) in [
        (vec![5, 3], vec![1, 1]),
        (vec![1], vec![]),
        (vec![9_999], vec![1]),
    ] {
        let told = TurnOutcome {
            gaps: Some(Histogram { index, count }),
            ..turn(Outcome::Success)
        };
        assert_eq!(gaps(&told), []);
    }
}
