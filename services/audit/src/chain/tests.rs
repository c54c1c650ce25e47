use proptest::prelude::*;

use super::*;

fn recorded(texts: [String; 9], at: u64) -> Recorded {
    let [
        id,
        subject,
        name,
        role,
        action,
        target,
        before,
        after,
        request_id,
    ] = texts;
    Recorded {
        id,
        at,
        subject,
        name,
        role,
        action,
        target,
        before,
        after,
        request_id,
    }
}

fn any_texts() -> impl Strategy<Value = ([String; 9], u64)> {
    (prop::array::uniform9("[ab]{0,2}"), 0..3_u64)
}

/// Kept logs must stay readable: this hash was made by the first version.
#[test]
fn the_hash_of_an_entry_never_changes() {
    let texts = ["1", "2", "3", "4", "5", "6", "7", "8", "9"].map(String::from);
    let hash = Hash::default().next("chat", 1, &recorded(texts, 1_800_000_000_000));
    assert_eq!(
        hash.to_string(),
        "9494d01e1a4bbef090bde0ff84602b099923780fe088b8af1acac6da15eda33f"
    );
    assert_eq!(Hash::read(&hash.to_string()), Some(hash));
    assert_eq!(Hash::read("1234"), None);
}

proptest! {
    #[test]
    fn whatever_differs_has_another_hash(
        one in any_texts(), other in any_texts(), numbers in (1..3_u64, 1..3_u64), logs in ("[ab]{1,2}", "[ab]{1,2}"),
    ) {
        let before = Hash::default();
        let same = one == other && numbers.0 == numbers.1 && logs.0 == logs.1;
        let (one, other) = (recorded(one.0, one.1), recorded(other.0, other.1));
        let (first, second) = (before.next(&logs.0, numbers.0, &one), before.next(&logs.1, numbers.1, &other));
        prop_assert_eq!(first == second, same);
        prop_assert_ne!(first.next(&logs.0, 2, &one), before.next(&logs.0, 2, &one));
    }
}
