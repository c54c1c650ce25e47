//! When somebody has to wait, and for how long.

use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;

fn limits() -> TryLimits {
    TryLimits::default()
}

/// One wrong try after another, each as soon as it may be; the waits before them.
fn waits(count: usize) -> Vec<u64> {
    let (mut known, mut now, mut waits) = (None::<Tries>, NOW, Vec::new());
    for _ in 0..count {
        let wait = known.as_ref().and_then(|known| known.wait(now));
        let wait = wait.map_or(0, |wait| wait.as_secs());
        waits.push(wait);
        now += wait * 1000;
        known = Some(Tries::counted(known.as_ref(), 5, &limits(), now));
    }
    waits
}

#[test]
fn after_five_wrong_tries_each_wait_is_twice_the_one_before_up_to_the_longest() {
    assert_eq!(waits(12), [0, 0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900]);
    assert_eq!(waits(60).last(), Some(&900), "however many there were");
}

#[test]
fn what_was_wrong_is_forgotten_after_a_quiet_while() {
    let mut known = None;
    for _ in 0..4 {
        known = Some(Tries::counted(known.as_ref(), 5, &limits(), NOW));
    }
    let known = known.unwrap();
    assert_eq!(known.wrong, 4);
    let soon = Tries::counted(Some(&known), 5, &limits(), NOW + 14 * MINUTE);
    assert_eq!(soon.wait(NOW + 14 * MINUTE), Some(limits().first_wait));
    let late = Tries::counted(Some(&known), 5, &limits(), NOW + 15 * MINUTE);
    assert_eq!((late.wrong, late.wait(NOW + 15 * MINUTE)), (1, None));
    // Not before the wait is over, and then a while.
    assert_eq!(soon.expires, NOW + 29 * MINUTE + 30_000);
}

#[test]
fn a_right_try_takes_back_what_it_counted_and_the_wait_with_it() {
    let mut known = None;
    for _ in 0..5 {
        known = Some(Tries::counted(known.as_ref(), 5, &limits(), NOW));
    }
    let known = known.unwrap();
    assert!(known.wait(NOW).is_some());
    let left = known.without_one().unwrap();
    assert_eq!((left.wrong, left.wait(NOW)), (4, None));
    let one = Tries::counted(None, 5, &limits(), NOW);
    assert!(one.without_one().is_none());
}

#[test]
fn a_network_of_ipv6_is_one_client_and_addresses_of_ipv4_are_many() {
    let key = |text: &str| of_address(text.parse().unwrap());
    assert_eq!(
        key("2001:db8:1:2::1"),
        key("2001:db8:1:2:ffff:ffff:ffff:ffff")
    );
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("192.0.2.7"), key("::ffff:192.0.2.7"));
    assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
    assert_ne!(of_account("192.0.2.7"), key("192.0.2.7"));
    assert!(!key("192.0.2.7").contains("192"));
}

proptest! {
    /// However they are spaced, nobody has more tries than the limit allows without waiting.
    #[test]
    fn between_two_waits_there_are_no_more_tries_than_the_limit(
        gaps in proptest::collection::vec(0..20 * MINUTE, 1..60),
        most in 1_u32..10,
    ) {
        let (mut known, mut now) = (None::<Tries>, NOW);
        let mut made = Vec::new();
        for gap in gaps {
            now += gap;
            if known.as_ref().is_some_and(|known| known.wait(now).is_some()) {
                continue;
            }
            known = Some(Tries::counted(known.as_ref(), most, &limits(), now));
            made.push(now);
        }
        for tries in made.windows(most as usize + 1) {
            let took = tries[tries.len() - 1] - tries[0];
            prop_assert!(took >= 30_000, "{} tries within {took} ms", most + 1);
        }
    }
}
