//! The process as its container runs it: a user without a name and without any privilege, on a file system that
//! it cannot write, but for its data folder. What it writes, it writes there.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
};

use troika_tests::{
    listener::{answer, only, text},
    sandbox::Sandbox,
};

use super::provider;

/// The number of the container's user and of its group, as k8s/Dockerfile says.
const USER: u32 = 65532;

#[test]
fn the_image_runs_as_this_user_by_its_number_and_has_a_data_folder_alone() {
    let image = include_str!("../../../k8s/Dockerfile");
    let said = |instruction: &str| -> Vec<&str> {
        image
            .lines()
            .filter_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '))
            .collect()
    };
    assert_eq!(said("USER"), [format!("{USER}:{USER}")]);
    assert_eq!(said("VOLUME"), ["/data"]);
    assert!(image.contains("TROIKA_DATA_DIR=/data "));
    // What comes after the user is changed runs as it.
    let (before, after) = image.split_once("\nUSER ").unwrap();
    assert!(before.contains("\nRUN ") && !after.contains("\nRUN "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_writes_nowhere_but_into_its_data_folder() {
    let provider = provider().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let data = tempfile::tempdir().unwrap();
    let places = ["working", "home", "temporary", "cache"].map(|name| elsewhere.path().join(name));
    for place in &places {
        fs::create_dir(place).unwrap();
    }
    let [working, home, temporary, cache] = places.each_ref().map(|place| place.to_str().unwrap());
    let launcher = elsewhere.path().join("launcher");
    program(
        &launcher,
        &format!("cd {working}\nexec {} \"$@\"", env!("CARGO_BIN_EXE_troika")),
    );
    let mut troika = Sandbox::new(launcher)
        .data_in(data.path())
        .provider(&provider)
        .env("HOME", home)
        .env("TMPDIR", temporary)
        .env("XDG_CACHE_HOME", cache)
        .start();
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(only(&events, "complete").data["saved"], true);
    assert_eq!(opened_beside(troika.id(), data.path()), BTreeSet::new());
    troika.signal("TERM");
    assert_eq!(troika.exit(std::time::Duration::from_secs(60)), 0);
    for place in places {
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "{place:?}");
    }
    assert!(data.path().join("chat.redb").is_file());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root, and namespaces: tests/run --long"]
async fn a_user_without_privileges_runs_it_on_a_file_system_that_cannot_be_written() {
    let provider = provider().await;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(USER), Some(USER)).unwrap();
    let launcher = folder.path().join("launcher");
    let inside = folder.path().join("inside");
    let binary = folder.path().join("binary");
    fs::write(&binary, "").unwrap();
    program(
        &launcher,
        &format!(
            "exec unshare --mount --propagation private {} \"$@\"",
            inside.display()
        ),
    );
    program(
        &inside,
        &format!(
            "set -e\n\
             mount --bind {built} {binary}\n\
             mount --bind {data} {data}\n\
             cut -d ' ' -f 5 /proc/self/mountinfo | while read -r place; do mount -o remount,bind,ro \"$place\" 2>/dev/null || true; done\n\
             mount -o remount,bind,rw {data}\n\
             for place in / /tmp /var/tmp {folder}; do if touch \"$place/written\" 2>/dev/null; then echo \"$place can be written\" >&2; exit 70; fi; done\n\
             cd /\n\
             exec setpriv --reuid {USER} --regid {USER} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all {binary} \"$@\"",
            built = env!("CARGO_BIN_EXE_troika"),
            binary = binary.display(),
            data = data.display(),
            folder = folder.path().display(),
        ),
    );
    let mut troika = Sandbox::new(launcher)
        .data_in(&data)
        .provider(&provider)
        .env("HOME", "/nonexistent")
        .start();
    let status = fs::read_to_string(format!("/proc/{}/status", troika.id())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default()
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(field("Uid:"), USER.to_string());
    assert_eq!(field("Gid:"), USER.to_string());
    assert_eq!(field("CapEff:"), "0000000000000000");
    assert_eq!(field("NoNewPrivs:"), "1");
    let events = answer(troika.gateway(), "Q").await;
    assert_eq!(text(&events), "A short answer.");
    assert_eq!(only(&events, "complete").data["saved"], true);
    troika.signal("TERM");
    assert_eq!(troika.exit(std::time::Duration::from_secs(60)), 0);
    assert!(
        !troika.log().contains("Read-only file system"),
        "{}",
        troika.log()
    );
}

/// A shell script that can be run by anybody.
fn program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Files that a process has opened and that lie outside of its data folder.
fn opened_beside(process: u32, data: &Path) -> BTreeSet<PathBuf> {
    let files_of = |process: &str| -> BTreeSet<PathBuf> {
        let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|file| file.is_absolute())
            .collect()
    };
    let known = ["/dev", "/proc", "/sys"];
    // What it was given by who started it is not its own.
    let given = files_of("self");
    files_of(&process.to_string())
        .into_iter()
        .filter(|file| !given.contains(file) && !file.starts_with(data))
        .filter(|file| !known.iter().any(|place| file.starts_with(place)))
        .collect()
}
