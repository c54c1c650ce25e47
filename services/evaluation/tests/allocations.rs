//! Asking a boolean flag allocates nothing, whichever step decides.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use troika_evaluation::{
    context::Visitor,
    flag::{Bucketing, BucketingMethod, Flag},
    follow::Flags,
};

#[test]
fn asking_a_boolean_flag_allocates_nothing() {
    let flag = |percentage| Flag::boolean("streaming", "", percentage);
    let legacy = Bucketing {
        method: BucketingMethod::LegacyMd5,
        ..Bucketing::default()
    };
    let session = "0b0f5a3e-9d3e-4c9b-8f6e-2f6d1f0c7a11";
    let visitor = Visitor {
        session_id: Some(session),
        ..Visitor::default()
    };
    for flag in [
        flag(0.0),
        flag(25.0),
        flag(100.0),
        Flag {
            enabled: false,
            ..flag(25.0)
        },
        Flag {
            whitelist: vec![session.to_owned()],
            ..flag(25.0)
        },
        Flag {
            bucketing: legacy,
            ..flag(25.0)
        },
    ] {
        let flags = Flags::fixed([flag.clone()]);
        flags.is_on("streaming", &visitor);
        let allocations = allocation_counter::measure(|| {
            flags.is_on("streaming", &visitor);
        });
        assert_eq!(allocations.count_total, 0, "{flag:?}");
    }
}
