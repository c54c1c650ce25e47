//! Who may live with whom: the crates' table of docs/ARCHITECTURE.md, asserted over `cargo metadata`.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate with the crates of this workspace it may be built from. Nothing uses the binary.
const MAY_USE: [(&str, &[&str]); 18] = [
    ("troika-proto", &[]),
    ("troika-chassis", &[]),
    ("troika-sentences", &[]),
    ("troika-rollouts", &[]),
    ("troika-evaluation", &["troika-proto", "troika-chassis"]),
    ("troika-reporting", &["troika-proto", "troika-chassis"]),
    ("troika-alerting", &["troika-chassis"]),
    ("troika-identity", &["troika-proto", "troika-chassis"]),
    ("troika-limits", &["troika-chassis"]),
    (
        "troika-audit",
        &["troika-proto", "troika-chassis", "troika-identity"],
    ),
    (
        "troika-accounts",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-identity",
            "troika-audit",
        ],
    ),
    (
        "troika-chat",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-sentences",
            "troika-evaluation",
            "troika-reporting",
            "troika-identity",
            "troika-limits",
            "troika-audit",
        ],
    ),
    (
        "troika-tts",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-sentences",
            "troika-evaluation",
            "troika-reporting",
            "troika-identity",
            "troika-limits",
        ],
    ),
    (
        "troika-flags",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-evaluation",
            "troika-rollouts",
            "troika-identity",
        ],
    ),
    (
        "troika-metrics",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-reporting",
            "troika-alerting",
            "troika-identity",
            "troika-audit",
        ],
    ),
    (
        "troika-gateway",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-evaluation",
            "troika-reporting",
            "troika-identity",
            "troika-limits",
        ],
    ),
    ("troika-tests", &[]),
    (
        "troika",
        &[
            "troika-proto",
            "troika-chassis",
            "troika-evaluation",
            "troika-chat",
            "troika-tts",
            "troika-flags",
            "troika-metrics",
            "troika-gateway",
            "troika-identity",
            "troika-limits",
            "troika-accounts",
        ],
    ),
];

/// The edge reaches data through services only.
const DRIVERS: [&str; 4] = ["mongodb", "redb", "fred", "bson"];

#[test]
fn every_crate_uses_only_what_its_room_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let members: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    assert_eq!(members, known, "a new crate states here what it may use");
    for package in &metadata.packages {
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| package.name == *name)
            .unwrap();
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
        {
            let name = dependency.name.as_str();
            assert!(
                !members.contains(name) || allowed.contains(&name),
                "{} must not use {name}",
                package.name
            );
            assert!(
                package.name != "troika-gateway" || !DRIVERS.contains(&name),
                "the gateway must not use {name}"
            );
        }
    }
}
