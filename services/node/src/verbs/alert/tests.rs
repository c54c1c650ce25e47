//! Alerts, silences and tests in words.

use super::*;

const AT: Timestamp = Timestamp {
    seconds: 1_800_000_000,
    nanos: 111_695_058,
};
const IN_WORDS: &str = "2027-01-15T08:00:00Z";

#[test]
fn an_alert_says_what_was_measured_and_whether_it_is_silenced() {
    let mut alert = Alert {
        name: "many_errors".to_owned(),
        severity: "critical".to_owned(),
        state: AlertState::Firing.into(),
        since: Some(AT),
        value: 6.25,
        threshold: 5.0,
        summary: "More than 5 % of turns fail.".to_owned(),
        ..Alert::default()
    };
    assert_eq!(
        row(&alert),
        [
            "many_errors",
            "critical",
            "firing",
            IN_WORDS,
            "6.25",
            "5.00",
            "More than 5 % of turns fail."
        ]
    );
    alert.silenced = true;
    assert_eq!(row(&alert)[2], "firing, silenced");
    for (state, word) in [
        (AlertState::Pending, "pending"),
        (AlertState::Resolved, "resolved"),
    ] {
        let alert = Alert {
            state: state.into(),
            ..Alert::default()
        };
        assert_eq!(row(&alert)[2], word);
    }
}

#[test]
fn a_silence_without_a_name_is_for_all() {
    let mut silence = ActiveSilence {
        id: "s-1".to_owned(),
        alert: String::new(),
        until: Some(AT),
        author: "kim".to_owned(),
        reason: "known".to_owned(),
    };
    assert_eq!(
        silence_row(silence.clone()),
        ["s-1", "all", IN_WORDS, "kim", "known"]
    );
    silence.alert = "many_errors".to_owned();
    assert_eq!(silence_row(silence)[1], "many_errors");
}

#[test]
fn what_became_of_a_test_cannot_steer_the_terminal() {
    let mut delivery = Delivery {
        receiver: "email".to_owned(),
        delivered: true,
        problem: String::new(),
    };
    assert_eq!(became(&delivery), "email: delivered");
    delivery.delivered = false;
    delivery.problem = "refused\u{1b}[2J".to_owned();
    assert_eq!(became(&delivery), "email: NOT delivered: refused[2J");
}
