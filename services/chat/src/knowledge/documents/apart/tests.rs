//! The parent's side, with scripts in the place of the program that reads. The real one is in the suites over the binary.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Instant};

use tempfile::TempDir;

use super::*;

const LIMIT: ByteSize = ByteSize::mib(1);
const TIME: Duration = Duration::from_secs(1);

/// A program that does this, knows its own folder as `$here`, and takes whatever it is called with.
fn program(script: &str) -> (TempDir, super::super::Reader) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program");
    let here = folder.path().display();
    fs::write(&path, format!("#!/bin/sh\nhere={here}\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let reader = super::super::Reader::new(TIME, LIMIT).apart(&path, LIMIT);
    (folder, reader)
}

async fn read(reader: &super::super::Reader) -> Result<String, DocumentError> {
    // Longer than a pipe holds: who never reads it must not hold up its sender for ever.
    reader.read(Format::Csv, vec![b'x'; 1 << 20].into()).await
}

fn says(told: &Told) -> String {
    let bytes = postcard::to_stdvec(told).unwrap();
    let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}'")
}

#[tokio::test]
async fn it_says_what_it_read_or_why_not() {
    let (_folder, reader) = program(&says(&Told::Text("Good.".into())));
    assert_eq!(read(&reader).await.unwrap(), "Good.");
    let (_folder, reader) = program(&says(&Told::Encrypted));
    assert!(matches!(read(&reader).await, Err(DocumentError::Encrypted)));
    let (_folder, reader) = program(&says(&Told::Malformed("it is bent".into())));
    let error = read(&reader).await.unwrap_err();
    assert_eq!(error.reason(), "document_malformed");
    assert!(error.to_string().contains("it is bent"), "{error}");
}

#[tokio::test]
async fn one_that_dies_or_talks_nonsense_is_a_document_that_cannot_be_read() {
    for script in ["kill -SEGV $$", "exit 3", "echo nonsense", ""] {
        let (_folder, reader) = program(script);
        let error = read(&reader).await.unwrap_err();
        assert_eq!(error.reason(), "document_malformed", "{script}");
    }
}

#[tokio::test]
async fn one_that_hangs_is_killed_at_its_limit() {
    let (folder, reader) = program("echo $$ > $here/pid; exec /bin/sleep 600");
    let began = Instant::now();
    assert!(matches!(
        read(&reader).await,
        Err(DocumentError::TooSlow(_))
    ));
    assert!(began.elapsed() < TIME * 3, "{:?}", began.elapsed());
    let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    for _ in 0..500 {
        if !process.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} is still there", process.display());
}

#[tokio::test]
async fn it_knows_nothing_of_the_environment() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let (folder, reader) = program("/usr/bin/env > $here/known; exit 1");
    assert!(read(&reader).await.is_err());
    let known = fs::read_to_string(folder.path().join("known")).unwrap();
    assert!(known.contains("RAYON_NUM_THREADS=1"), "{known}");
    assert!(!known.contains("CARGO"), "{known}");
}

#[tokio::test]
async fn without_a_program_nobody_reads_and_text_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let reader = super::super::Reader::new(TIME, LIMIT).apart(&missing, LIMIT);
    assert_eq!(
        read(&reader).await.unwrap_err().reason(),
        "document_reader_missing"
    );
    let text = reader.read(Format::Text, "Good.".into()).await;
    assert_eq!(text.unwrap(), "Good.");
}
