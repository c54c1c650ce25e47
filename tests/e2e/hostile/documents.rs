//! Uploads that are made to break their reader: archives and streams that unpack to far more than was sent,
//! nesting without end, files that are none. Each is refused or read within bounds; the role answers on.

mod bombs;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use troika_tests::{listener::DEMO_BOT, sandbox::Sandbox};

use self::bombs::hostile_documents;
use super::{Bound, from_everywhere, provider, visitor::Visitor};

/// How the command ends when a document is refused, or read.
const ANSWERS: [Option<i32>; 2] = [Some(0), Some(2)];

#[tokio::test(flavor = "multi_thread")]
async fn documents_made_to_break_their_reader_are_refused_and_hold_up_nobody() {
    // A sixteenth of what is taken by default; the size of what they unpack to is a multiple of it.
    import_all("4 MiB", 256, 192).await;
}

/// The full size: gigabytes unpacked, by the limits that are set by default.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: tests/run --long"]
async fn documents_that_unpack_to_gigabytes_are_refused_and_hold_up_nobody() {
    import_all("32 MiB", 2048, 768).await;
}

/// Imports documents whose bombs unpack to `bomb` MiB, two at a time.
async fn import_all(limit: &str, bomb: usize, mebibytes: u64) {
    let provider = provider().await;
    let sandbox = from_everywhere(&provider)
        .env("TROIKA_CHAT__KNOWLEDGE__MAX_DOCUMENT", limit)
        .env("TROIKA_CHAT__KNOWLEDGE__EXTRACTION_LIMIT", "20s");
    let troika = sandbox.start();
    super::visitor::answered(troika.gateway()).await;
    let bound = Bound::of(&troika, mebibytes);
    let visitor = Visitor::asks(troika.gateway());
    for two in hostile_documents(bomb).chunks(2) {
        let imports: Vec<_> = two
            .iter()
            .map(|(name, content)| {
                let file = sandbox.data().join(name);
                std::fs::write(&file, content).unwrap();
                let (sandbox, chat) = (sandbox.clone(), troika.chat().to_owned());
                tokio::task::spawn_blocking(move || import(&sandbox, &chat, file))
            })
            .collect();
        for import in imports {
            import.await.unwrap();
        }
    }
    visitor.leaves("hostile documents").await;
    bound.holds("hostile documents");
    troika_tests::until(
        "their readers are gone",
        Duration::from_secs(10),
        async || children(troika.id()).is_empty(),
    )
    .await;
}

/// The processes that a process started and that are still there, dead or alive.
fn children(process: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("children")).ok())
        .flat_map(|children| {
            let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
            pids.collect::<Vec<_>>()
        })
        .collect()
}

fn import(sandbox: &Sandbox, chat: &str, file: PathBuf) {
    let begun = Instant::now();
    let arguments = [
        "knowledge",
        "import",
        DEMO_BOT,
        file.to_str().unwrap(),
        "--addr",
        chat,
    ];
    let output = sandbox.run(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    println!(
        "{name}, {} KiB: exit {:?} after {:?}: {}",
        std::fs::metadata(&file).unwrap().len() >> 10,
        output.status.code(),
        begun.elapsed(),
        told.lines().last().unwrap_or_default()
    );
    // A document that takes its reader longer than it may is refused then, which is told as a deadline.
    let too_long = output.status.code() == Some(3) && told.contains("took longer than");
    assert!(
        ANSWERS.contains(&output.status.code()) || too_long,
        "{name}: {told}"
    );
    assert!(!told.contains("unavailable"), "{name}: {told}");
}
