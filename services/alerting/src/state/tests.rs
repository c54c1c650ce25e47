//! See `../state.rs`.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::rule::{Figure, Window};

/// Shows one value for everything.
struct Shows(Option<f64>);

impl Readings for Shows {
    fn read(&self, _: Figure, _: Window) -> Option<Reading> {
        self.0.map(|value| Reading { value, turns: 100 })
    }
}

const REPEAT: Duration = Duration::from_secs(3600);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Above 10 for a minute it fires, below for two minutes it is over.
fn rules() -> BTreeMap<String, Rule> {
    let mut rules = crate::rule::built_in();
    let mut rule = rules.remove("errors").unwrap();
    rule.threshold = 10.0;
    rule.hold = Duration::from_secs(60);
    rule.keep = Duration::from_secs(120);
    BTreeMap::from([("errors".to_owned(), rule)])
}

/// One look a second, with a value of each; what was told, with the second.
fn looks(
    state: &mut State,
    from: u64,
    values: impl IntoIterator<Item = Option<f64>>,
) -> Vec<(u64, News)> {
    static RULES: LazyLock<BTreeMap<String, Rule>> = LazyLock::new(rules);
    let mut told = Vec::new();
    for (second, value) in (from..).zip(values) {
        for notice in state.step(&RULES, &Shows(value), REPEAT, at(second)) {
            told.push((second, notice.news));
        }
    }
    told
}

fn bad(seconds: usize) -> Vec<Option<f64>> {
    vec![Some(50.0); seconds]
}

fn well(seconds: usize) -> Vec<Option<f64>> {
    vec![Some(1.0); seconds]
}

fn silence(alert: &str, until: u64) -> Silence {
    Silence {
        id: format!("{alert} until {until}"),
        alert: alert.to_owned(),
        until: at(until),
        author: "ops".to_owned(),
        reason: String::new(),
    }
}

/// Stretches of bad, good and absent values.
fn weather() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![3 => Just(Some(50.0)), 3 => Just(Some(1.0)), 1 => Just(None)];
    prop::collection::vec((value, 1_usize..200), 1..60).prop_map(|stretches| {
        let stretches = stretches.into_iter();
        stretches
            .flat_map(|(value, seconds)| vec![value; seconds])
            .collect()
    })
}

#[test]
fn it_fires_after_its_time_once_and_is_over_after_its_time_once() {
    let mut state = State::default();
    assert_eq!(looks(&mut state, 0, bad(300)), [(60, News::Firing)]);
    assert_eq!(looks(&mut state, 300, well(300)), [(420, News::Resolved)]);
    assert_eq!(state.alerts()["errors"].phase, Phase::Resolved);
    assert_eq!(looks(&mut state, 600, bad(300)), [(660, News::Firing)]);
}

#[test]
fn a_blip_is_told_nobody_and_flapping_is_one_alert() {
    let mut state = State::default();
    assert_eq!(looks(&mut state, 0, bad(59)), []);
    assert_eq!(looks(&mut state, 59, well(10)), []);
    assert!(state.alerts().is_empty());
    let flapping = (0..20).flat_map(|_| bad(70).into_iter().chain(well(50)));
    let flapping: Vec<_> = flapping.collect();
    assert_eq!(looks(&mut state, 100, flapping), [(160, News::Firing)]);
}

#[test]
fn what_cannot_be_measured_changes_nothing() {
    let mut state = State::default();
    looks(&mut state, 0, bad(61));
    assert_eq!(looks(&mut state, 61, vec![None; 1000]), []);
    assert_eq!(state.alerts()["errors"].phase, Phase::Firing);
}

#[test]
fn a_wait_counts_only_while_the_condition_is_seen_to_hold() {
    let mut state = State::default();
    assert_eq!(looks(&mut state, 0, bad(50)), []);
    assert_eq!(looks(&mut state, 50, vec![None; 1000]), []);
    assert_eq!(looks(&mut state, 1050, bad(60)), []);
    assert_eq!(looks(&mut state, 1110, bad(1)), [(1110, News::Firing)]);
}

#[test]
fn a_blip_after_it_was_over_forgets_neither_that_it_was_nor_to_say_so() {
    let mut state = State::default();
    looks(&mut state, 0, bad(100));
    state.set_silences(vec![silence("", 600)]);
    assert_eq!(looks(&mut state, 100, well(200)), []);
    assert_eq!(looks(&mut state, 300, bad(30)), []);
    assert_eq!(state.alerts()["errors"].phase, Phase::Pending);
    assert_eq!(looks(&mut state, 330, well(300)), [(600, News::Resolved)]);
    let alert = &state.alerts()["errors"];
    assert_eq!((alert.phase, alert.since), (Phase::Resolved, at(220)));
}

#[test]
fn what_an_older_version_stored_is_understood() {
    let stored = r#"{"alerts": {"errors": {"phase": "resolved", "since": {"secs_since_epoch": 1800000000, "nanos_since_epoch": 0},
        "value": 1.0, "well_since": null, "sent_at": null}}, "silences": []}"#;
    let mut state: State = serde_json::from_str(stored).unwrap();
    assert_eq!(looks(&mut state, 10, bad(10)), []);
    assert_eq!(looks(&mut state, 20, well(10)), []);
    let alert = &state.alerts()["errors"];
    assert_eq!((alert.phase, alert.since), (Phase::Resolved, at(0)));
}

#[test]
fn while_it_fires_people_are_reminded() {
    let mut state = State::default();
    let told = looks(&mut state, 0, bad(2 * 3600 + 100));
    assert_eq!(
        told,
        [
            (60, News::Firing),
            (3660, News::StillFiring),
            (7260, News::StillFiring)
        ]
    );
}

#[test]
fn silence_keeps_it_from_being_told_and_afterwards_it_is() {
    let mut state = State::default();
    state.set_silences(vec![silence("errors", 200), silence("another", 10_000)]);
    assert_eq!(looks(&mut state, 0, bad(300)), [(200, News::Firing)]);
    state.set_silences(vec![silence("", 10_000)]);
    assert_eq!(looks(&mut state, 300, well(300)), []);
    state.set_silences(Vec::new());
    assert_eq!(looks(&mut state, 600, well(1)), [(600, News::Resolved)]);
}

#[test]
fn who_takes_over_tells_nobody_twice() {
    let mut state = State::default();
    looks(&mut state, 0, bad(100));
    let stored = serde_json::to_string(&state).unwrap();
    let mut other = State::default();
    other.take_over(serde_json::from_str(&stored).unwrap());
    assert_eq!(other, state);
    assert_eq!(looks(&mut other, 100, bad(300)), []);
    assert_eq!(looks(&mut other, 400, well(200)), [(520, News::Resolved)]);
}

#[test]
fn every_built_in_rule_can_fire_and_can_be_over() {
    let rules = crate::rule::built_in();
    let mut state = State::default();
    let mut told = BTreeMap::<String, Vec<News>>::new();
    for second in 0..4000 {
        // Below is worse where fewer is.
        let value = if second < 2000 { 1e6 } else { 0.0 };
        for (name, rule) in &rules {
            let below = rule.comparison == crate::rule::Comparison::Below;
            let value = if below { 1e6 - value } else { value };
            let one = BTreeMap::from([(name.clone(), rule.clone())]);
            let mut single = State::default();
            single
                .alerts
                .extend(state.alerts.remove(name).map(|alert| (name.clone(), alert)));
            for notice in single.step(&one, &Shows(Some(value)), REPEAT, at(second)) {
                told.entry(notice.name).or_default().push(notice.news);
            }
            state.alerts.append(&mut single.alerts);
        }
    }
    for name in rules.keys() {
        assert_eq!(told[name], [News::Firing, News::Resolved], "{name}");
    }
}

proptest! {
    #[test]
    fn it_never_fires_early_and_resolves_only_what_fired(values in weather()) {
        let mut state = State::default();
        let told = looks(&mut state, 0, values.clone());
        let mut firing = false;
        for (second, news) in told {
            match news {
                News::Firing => {
                    prop_assert!(!firing);
                    firing = true;
                    let before = &values[second as usize - 60..=second as usize];
                    prop_assert!(before.iter().all(|value| *value == Some(50.0)));
                }
                News::StillFiring => prop_assert!(firing),
                News::Resolved => {
                    prop_assert!(firing);
                    firing = false;
                    let before = &values[second as usize - 120..=second as usize];
                    prop_assert!(before.iter().all(|value| *value != Some(50.0)));
                    prop_assert_eq!(values[second as usize], Some(1.0));
                }
            }
        }
    }

    #[test]
    fn flapping_is_told_no_more_often_than_its_times_allow(
        stretches in prop::collection::vec((1_usize..150, 1_usize..150), 1..60)
    ) {
        let values = stretches.into_iter();
        let values: Vec<_> = values
            .flat_map(|(ill, good)| bad(ill).into_iter().chain(well(good)))
            .collect();
        // One round takes a minute to fire and two to be over.
        let most = 2 * (values.len() / 180 + 1) + values.len() / REPEAT.as_secs() as usize;
        prop_assert!(looks(&mut State::default(), 0, values).len() <= most);
    }

    #[test]
    fn a_silent_alert_is_never_told_and_what_is_told_is_in_order(
        values in weather(),
        silences in prop::collection::btree_map(0_u64..6000, 1_u64..900, 0..12),
    ) {
        let (mut state, mut silent_until, mut firing) = (State::default(), 0, false);
        for (second, value) in (0..).zip(values) {
            if let Some(seconds) = silences.get(&second) {
                silent_until = silent_until.max(second + seconds);
                state.set_silences(vec![silence("errors", silent_until)]);
            }
            for (_, news) in looks(&mut state, second, [value]) {
                prop_assert!(second >= silent_until);
                prop_assert_eq!(firing, news != News::Firing);
                firing = news != News::Resolved;
            }
        }
    }

    #[test]
    fn who_takes_over_at_any_moment_goes_on_as_the_one_before_would_have(
        values in weather(),
        moment in any::<prop::sample::Index>(),
    ) {
        let moment = moment.index(values.len());
        let mut alone = State::default();
        let whole = looks(&mut alone, 0, values.clone());
        let mut first = State::default();
        let mut told = looks(&mut first, 0, values[..moment].iter().copied());
        let stored = serde_json::to_string(&first).unwrap();
        let mut second = State::default();
        second.take_over(serde_json::from_str(&stored).unwrap());
        told.extend(looks(&mut second, moment as u64, values[moment..].iter().copied()));
        prop_assert_eq!(told, whole);
        prop_assert_eq!(second, alone);
    }
}
