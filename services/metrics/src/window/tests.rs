//! See `../window.rs`.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn start() -> SystemTime {
    time(1_800_000_000)
}

fn turn(at: SystemTime, variant: &str, end: End) -> Dealt {
    Dealt {
        started: second(at),
        end,
        first_token: Some(Duration::from_millis(100)),
        arms: vec![("streaming".to_owned(), variant.to_owned())],
    }
}

#[test]
fn turns_count_by_when_they_started_and_not_by_when_they_are_told() {
    let mut window = Window::new(10);
    let now = start() + 60 * SECOND;
    for second in 0..10 {
        assert!(window.add(&turn(start() + second * SECOND, "on", End::Success), now));
    }
    assert!(window.add(&turn(start() + 9 * SECOND, "off", End::Cancelled), now));
    // A second that began at the very moment counts, one that was under way does not.
    for (since, successes) in [(4 * SECOND, 6), (4 * SECOND + SECOND / 2, 5)] {
        let found = window.compare("streaming", "on", "off", start() + since);
        assert_eq!(found.candidate.arm.successes, successes);
    }
    let found = window.compare("streaming", "on", "off", start());
    assert_eq!(found.control.arm.cancelled, 1);
    assert_eq!(found.candidate.latest, Some(start() + 9 * SECOND));
    assert_eq!(found.control.latest, Some(start() + 9 * SECOND));
    assert_eq!(found.candidate.arm.first_token.mean, 100.0);
    let none = window.compare("other", "on", "off", start());
    assert_eq!(none.candidate.arm, Arm::default());
    assert_eq!(none.candidate.latest, None);
}

#[test]
fn an_hour_later_seconds_are_minutes_and_after_two_days_they_are_gone() {
    let mut window = Window::new(10);
    for at in 0..120 {
        let at = start() + at * SECOND;
        assert!(window.add(&turn(at, "on", End::Success), at));
    }
    let now = start() + 2 * BY_SECONDS;
    assert!(window.add(&turn(now, "on", End::Success), now));
    assert_eq!((window.seconds.len(), window.minutes.len()), (1, 2));
    let since = |at| window.compare("streaming", "on", "off", at).candidate.arm;
    assert_eq!(since(start()).successes, 121);
    assert_eq!(since(start()).first_token.count, 121);
    assert_eq!(since(start() + SECOND).successes, 61);

    let later = now + BY_MINUTES + 2 * SECOND;
    assert!(!window.add(&turn(now, "on", End::Success), later));
    assert!(window.add(&turn(later, "on", End::Success), later));
    assert_eq!((window.seconds.len(), window.minutes.len()), (1, 0));
    assert!(!window.add(&turn(later + 2 * AHEAD, "on", End::Success), later));
}

#[test]
fn the_share_that_was_turned_away_is_of_the_same_time() {
    let mut window = Window::new(10);
    window.refused(50, start());
    let at = start() + 5 * SECOND;
    for _ in 0..9 {
        window.add(&turn(at, "on", End::Success), at);
    }
    window.refused(1, start() + 6 * SECOND);
    let overload = |since| window.compare("streaming", "on", "off", since).overload;
    assert!((overload(start() + SECOND) - 0.1).abs() < 1e-12);
    assert!(overload(start()) > 0.8);
}

#[test]
fn no_more_flags_and_variants_are_kept_than_there_may_be_and_old_ones_give_their_place_up() {
    let mut window = Window::new(1);
    let asked = |flag: &str, variant: &str, at| Dealt {
        arms: vec![(flag.to_owned(), variant.to_owned())],
        ..turn(at, "on", End::Success)
    };
    for flag in ["a", "b"] {
        window.add(&asked(flag, "on", start()), start());
    }
    for variant in 0..2 * MOST_VARIANTS {
        window.add(&asked("a", &variant.to_string(), start()), start());
    }
    let found = |window: &Window, flag: &str, variant: &str| {
        window
            .compare(flag, variant, "", start())
            .candidate
            .arm
            .successes
    };
    assert_eq!(
        (found(&window, "a", "on"), found(&window, "b", "on")),
        (1, 0)
    );
    assert_eq!(
        (found(&window, "a", "0"), found(&window, "a", "99")),
        (1, 0)
    );
    let later = start() + BY_SECONDS + 2 * SECOND;
    window.add(&asked("c", "on", later), later);
    let later = later + BY_MINUTES;
    for _ in 0..2 {
        window.add(&asked("b", "on", later), later);
    }
    assert!(found(&window, "b", "on") >= 1);
}

proptest! {
    #[test]
    fn the_order_in_which_turns_are_told_changes_nothing(
        turns in prop::collection::vec((0_u64..3000, any::<bool>(), 0_u8..4), 1..60), since in 0_u64..3000,
    ) {
        let now = start() + Duration::from_secs(3000);
        let add = |window: &mut Window, (at, on, end): &(u64, bool, u8)| {
            let end = [End::Success, End::Failure, End::Critical, End::Cancelled][usize::from(*end)];
            let at = start() + Duration::from_secs(*at);
            window.add(&turn(at, if *on { "on" } else { "off" }, end), now)
        };
        let (mut forth, mut back) = (Window::new(3), Window::new(3));
        for told in &turns {
            prop_assert!(add(&mut forth, told));
        }
        for told in turns.iter().rev() {
            prop_assert!(add(&mut back, told));
        }
        let since = start() + Duration::from_secs(since);
        let (a, b) = (
            forth.compare("streaming", "on", "off", since),
            back.compare("streaming", "on", "off", since),
        );
        for (a, b) in [(a.candidate, b.candidate), (a.control, b.control)] {
            prop_assert_eq!(a.latest, b.latest);
            prop_assert_eq!((a.arm.successes, a.arm.failures, a.arm.critical, a.arm.cancelled), (b.arm.successes, b.arm.failures, b.arm.critical, b.arm.cancelled));
        }
    }
}
