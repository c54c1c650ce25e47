use super::*;

#[test]
fn reasons_read_as_plain_words_with_their_numbers() {
    let cases = [
        (
            arm(1880, 120),
            1.0,
            "120 of 2000 turns failed (6.00 %): the error rate is at least 3.91 %, above 2.00 %",
        ),
        (
            arm(4925, 75),
            5.0,
            "75 of 5000 turns failed: the error rate may be up to 1.81 % (95 % sure), and must be below 1.00 %",
        ),
        (
            arm(300, 0),
            5.0,
            "0 of 300 turns failed: the error rate may be up to 0.99 % (95 % sure), below 1.00 %",
        ),
        (arm(12, 0), 5.0, "12 turns of at least 300 have ended"),
        (arm(5000, 0), 1.5, "baking for 1h 30m of 4h"),
        (
            slow(400, 2600.0),
            1.0,
            "the first token takes 2600 ms on average of 400 turns: at least 2496 ms, more than 2000 ms",
        ),
        (critical(999, 1, 1), 1.0, "1 critical error in 1000 turns"),
    ];
    for (candidate, hours, message) in cases {
        let decision = look(&of(candidate, arm(50_000, 0)), hours);
        let reason = &decision.reasons[0];
        assert_eq!(reason.message, message);
        assert!(reason.figure.is_some() && reason.threshold.is_some());
    }
}

#[test]
fn an_excuse_tells_of_both_arms() {
    let message = |candidate, control| {
        let decision = look(&of(candidate, control), 1.0);
        assert_eq!(decision.verdict, Verdict::Hold);
        decision.reasons[0].message.clone()
    };
    assert_eq!(
        message(arm(1900, 100), arm(9500, 500)),
        "100 of 2000 turns failed (5.00 %): the error rate is at least 3.13 %, above 2.00 %; control arm: 500 of \
         10000 turns failed, both arms have this fault"
    );
    assert_eq!(
        message(arm(0, 4), arm(1, 0)),
        "4 of 4 turns failed (100.00 %): the error rate is at least 11.72 %, above 2.00 %; control arm: 0 of 1 turn \
         failed, too little to tell whether it has the same fault"
    );
}

#[test]
fn rates_are_told_with_as_many_digits_as_they_need() {
    for (rate, expected) in [
        (0.0, "0.00 %"),
        (1.0, "100.00 %"),
        (0.0213, "2.13 %"),
        (0.0001, "0.01 %"),
        (0.000_004_2, "4.20e-4 %"),
    ] {
        assert_eq!(percent(rate), expected);
    }
}
