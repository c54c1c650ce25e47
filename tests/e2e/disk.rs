//! The disk under the embedded store: it is full, it hangs. An answer costs no disk; what could not be
//! kept is told, and the store gets well with the disk.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use troika_tests::{
    listener::{answer, only, text, warnings},
    provider::{Provider, Reply},
    sandbox::{Sandbox, Troika},
    until,
};

/// A sandbox whose processes get an error, and not a signal, for writing past their limit: as on a full
/// disk, and without root.
fn on_a_limited_disk(folder: &Path) -> Sandbox {
    let script = folder.join("troika");
    let text = format!(
        "#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_troika")
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    Sandbox::new(script)
}

/// Files may have so many bytes from now on.
fn limit(troika: &Troika, bytes: &str) {
    let set = Command::new("prlimit")
        .args(["--pid", &troika.id().to_string()])
        .arg(format!("--fsize={bytes}:"))
        .status();
    assert!(set.unwrap().success());
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_the_history_and_not_the_answer_and_is_noticed_when_it_has_room_again() {
    let provider = Provider::start([Reply::tokens(["An answer."])]).await;
    let folder = tempfile::tempdir().unwrap();
    let troika = on_a_limited_disk(folder.path()).provider(&provider).start();
    let before = answer(troika.gateway(), "Before").await;
    assert_eq!(only(&before, "complete").data["saved"], true);

    limit(&troika, "1");
    let begun = Instant::now();
    let events = answer(troika.gateway(), "Full").await;
    assert_eq!(text(&events), "An answer.");
    assert_eq!(only(&events, "complete").data["saved"], false);
    assert!(
        warnings(&events).contains(&"history_not_saved"),
        "{:?}",
        warnings(&events)
    );
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );

    limit(&troika, "unlimited");
    until(
        "answers are saved again",
        Duration::from_secs(30),
        async || {
            let events = answer(troika.gateway(), "Room").await;
            only(&events, "complete").data["saved"] == true
        },
    )
    .await;
}

/// A file system of its own, frozen while this lives.
struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze", self.0.to_str().unwrap()]);
    }
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Lazily: a failing test may still have files open there.
        run("umount", &["--lazy", self.0.to_str().unwrap()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs root: it mounts a file system and freezes it; tests/run --long runs it"]
async fn a_disk_that_hangs_costs_the_history_and_not_the_answer() {
    let provider = Provider::start([Reply::tokens(["An answer."])]).await;
    let folder = tempfile::tempdir().unwrap();
    let (image, data) = (folder.path().join("image"), folder.path().join("data"));
    std::fs::create_dir(&data).unwrap();
    let (image, at) = (image.to_str().unwrap(), data.to_str().unwrap());
    run("truncate", &["-s", "64M", image]);
    run("mkfs.ext4", &["-q", "-F", image]);
    run("mount", &["-o", "loop", image, at]);
    let mounted = Mounted(&data);
    let troika = crate::sandbox().data_in(&data).provider(&provider).start();
    let before = answer(troika.gateway(), "Before").await;
    assert_eq!(only(&before, "complete").data["saved"], true);

    run("fsfreeze", &["--freeze", at]);
    let frozen = Frozen(&data);
    for query in ["Frozen", "Still frozen"] {
        let begun = Instant::now();
        let events = answer(troika.gateway(), query).await;
        assert_eq!(text(&events), "An answer.");
        assert_eq!(only(&events, "complete").data["saved"], false);
        assert!(warnings(&events).contains(&"history_not_saved"));
        // Two seconds for the store to say that it cannot, one for the context.
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    drop(frozen);
    until(
        "answers are saved again",
        Duration::from_secs(30),
        async || {
            let events = answer(troika.gateway(), "Thawed").await;
            only(&events, "complete").data["saved"] == true
        },
    )
    .await;
    drop(troika);
    drop(mounted);
}
