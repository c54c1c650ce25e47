//! The rules together.

use proptest::prelude::*;

use super::*;

#[test]
fn rules_uncover_work_for_each_other() {
    for (text, expected) in [
        ("&lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("| **Plan** | [Price](https://a.b) |", "Plan, Price"),
        (r"\*not bold\*", "not bold"),
        ("- **[Docs](https://a.b)** 🎉", "Docs"),
        ("> ## `cargo fmt`!", "cargo fmt!"),
        (
            "**Price:** ₹1,234.56 (approx.)",
            "Price: ₹1,234.56 (approx.)",
        ),
        ("[SUGGESTIONS: a | b", ""),
        ("⭐⭐⭐ — !", ""),
    ] {
        assert_eq!(speakable(text), expected, "{text}");
    }
}

#[test]
fn markup_nested_without_end_is_stable_too() {
    for unit in [
        "&amp;", "&", "<<b>", "[", "](", "\\", "*_", "&lt;", "- ", "www.", "![", "a://",
    ] {
        let text = format!("x{}y", unit.repeat(200));
        let said = speakable(&text);
        assert_eq!(speakable(&said), said, "{unit}");
    }
    let entities = format!("x &{}lt;b> y", "amp;".repeat(50));
    assert_eq!(speakable(&speakable(&entities)), speakable(&entities));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_said_is_plain_and_stable(text in crate::segmenter::tests::text()) {
        let said = speakable(&text);
        crate::segmenter::tests::assert_plain(&said)?;
        prop_assert_eq!(speakable(&said), said);
    }
}
