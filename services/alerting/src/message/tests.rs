//! See `../message.rs`.

use std::time::Duration;

use super::*;

fn notice(name: &str, news: News) -> Notice {
    Notice {
        name: name.to_owned(),
        severity: Severity::Critical,
        news,
        value: 6.254_9,
        threshold: 5.0,
        summary: "Turns fail.".to_owned(),
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    }
}

fn news(notices: Vec<Notice>, left_out: usize) -> Message {
    Message::News { notices, left_out }
}

#[test]
fn the_line_above_says_how_it_stands_now() {
    let (fires, over) = (notice("a", News::Firing), notice("a", News::Resolved));
    let other = notice("b", News::StillFiring);
    for (notices, subject) in [
        (vec![fires.clone()], "[CRITICAL] troika: Turns fail."),
        (vec![fires.clone(), over.clone()], "[RESOLVED] troika: a"),
        (
            vec![over.clone(), fires.clone()],
            "[CRITICAL] troika: Turns fail.",
        ),
        (vec![fires, other], "[CRITICAL] troika: 2 alerts"),
        (
            vec![over, notice("b", News::Resolved)],
            "[RESOLVED] troika: 2 alerts",
        ),
    ] {
        assert_eq!(news(notices, 0).subject(), subject);
    }
}

#[test]
fn a_line_has_what_was_measured_and_since_when() {
    assert_eq!(
        news(vec![notice("a", News::Firing)], 3).text(),
        "critical: a: Turns fail. Measured 6.25, the limit is 5. Since 2027-01-15T08:00:00Z.\n\
         3 older ones are left out: too many came together."
    );
}

#[test]
fn slack_is_shown_the_newest_and_told_of_the_rest() {
    let notices = (0..ATTACHMENTS + 5).map(|number| notice(&number.to_string(), News::Firing));
    let message = news(notices.collect(), 2).slack();
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), ATTACHMENTS);
    assert_eq!(attachments[0]["title"], "5");
    assert_eq!(
        message["text"],
        "[CRITICAL] troika: 25 alerts\n7 older ones are left out: too many came together."
    );
}
