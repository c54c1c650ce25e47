//! Imports into the embedded store, with and without an endpoint for embeddings.

use std::{future, io};

use tempfile::TempDir;

use super::*;
use crate::{
    embedder::tests::{Behaviour, Endpoint, client},
    store::embedded::Embedded,
};

const BOT: BotId = BotId([1; 12]);
const LONG: Duration = Duration::from_secs(20);

struct Room {
    importer: Importer,
    store: Embedded,
    _folder: TempDir,
}

fn room(embedder: Option<Embedder>, config: Config) -> Room {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(&folder.path().join("chat.redb")).unwrap();
    let importer = Importer::new(Arc::new(store.clone()), embedder.map(Arc::new), config);
    Room {
        importer,
        store,
        _folder: folder,
    }
}

/// Small chunks, so that little text makes many.
fn small() -> Config {
    Config {
        chunk_words: 4,
        overlap_words: 1,
        ..Config::default()
    }
}

fn upload(file_name: &str) -> Upload {
    let format = Format::of_file(file_name).unwrap();
    Upload {
        bot: BOT,
        file_name: file_name.into(),
        format,
        language: "en-IN".into(),
    }
}

fn words(from: usize, to: usize) -> String {
    (from..to)
        .map(|n| format!("word{n}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[tokio::test]
async fn an_import_tells_its_stages_and_stores_the_chunks_in_order() {
    let (_endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let room = room(Some(client(address, LONG)), small());
    let pieces = stream::iter([
        Ok(Bytes::from("word0 word1 wo")),
        Ok(Bytes::from("rd2 word3 word4 word5")),
    ]);
    let steps: Vec<_> = room
        .importer
        .import(upload("a.txt"), pieces)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        steps,
        [
            Progress::Receiving { bytes: 0 },
            Progress::Extracting,
            Progress::Embedding {
                completed: 0,
                total: 2
            },
            Progress::Storing { total: 2 },
            Progress::Done(Summary {
                chunks: 2,
                duplicates: 0,
                embedded: 2,
                warnings: vec![]
            }),
        ],
    );
    let chunks = room.store.chunks(BOT).await.unwrap();
    let contents: Vec<&str> = chunks.iter().map(|chunk| chunk.content.as_str()).collect();
    assert_eq!(contents, [words(0, 4), words(3, 6)]);
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.embedding.as_ref().unwrap().model == "text-embedding-3-small")
    );
}

#[tokio::test]
async fn only_chunks_that_are_new_are_embedded() {
    let (endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let room = room(Some(client(address, LONG)), small());
    room.importer
        .import_text(BOT, "a.txt", &words(0, 7), "en-IN")
        .await
        .unwrap();
    let again = room
        .importer
        .import_text(BOT, "a.txt", &words(0, 10), "en-IN")
        .await
        .unwrap();
    assert_eq!(
        again,
        Summary {
            chunks: 3,
            duplicates: 2,
            embedded: 3,
            warnings: vec![]
        }
    );
    assert_eq!(
        endpoint.requests(),
        [vec![words(0, 4), words(3, 7)], vec![words(6, 10)]]
    );
}

#[tokio::test]
async fn a_chunk_said_twice_is_stored_and_embedded_once() {
    let (endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let room = room(
        Some(client(address, LONG)),
        Config {
            chunk_words: 2,
            overlap_words: 0,
            ..Config::default()
        },
    );
    let summary = room
        .importer
        .import_text(BOT, "a.txt", "one two one two", "en-IN")
        .await
        .unwrap();
    assert_eq!(
        summary,
        Summary {
            chunks: 2,
            duplicates: 1,
            embedded: 2,
            warnings: vec![]
        }
    );
    assert_eq!(endpoint.requests(), [["one two"]]);
}

#[tokio::test]
async fn without_embeddings_chunks_are_stored_with_a_warning_and_embedded_by_the_next_import() {
    let (endpoint, address) = Endpoint::start(Behaviour::Fails(401)).await;
    let room = room(Some(client(address, LONG)), small());
    let summary = room
        .importer
        .import_text(BOT, "a.txt", &words(0, 7), "en-IN")
        .await
        .unwrap();
    assert_eq!((summary.chunks, summary.embedded), (2, 0));
    assert!(
        summary.warnings[0].starts_with("2 of 2 new chunks were stored without embeddings"),
        "{summary:?}"
    );
    assert!(summary.warnings[0].contains("401"));
    endpoint.behave(Behaviour::Good);
    let summary = room
        .importer
        .import_text(BOT, "a.txt", &words(0, 7), "en-IN")
        .await
        .unwrap();
    assert_eq!(
        summary,
        Summary {
            chunks: 2,
            duplicates: 2,
            embedded: 2,
            warnings: vec![]
        }
    );
    assert!(
        room.store
            .chunks(BOT)
            .await
            .unwrap()
            .iter()
            .all(|chunk| chunk.embedding.is_some())
    );
}

#[tokio::test]
async fn chunks_of_another_model_are_kept_and_told() {
    let (_endpoint, address) = Endpoint::start(Behaviour::Good).await;
    let room = room(Some(client(address, LONG)), small());
    let chunk = Chunk {
        hash: chunks::content_hash("one two"),
        content: "one two".into(),
        file_name: "a.txt".into(),
        position: 0,
        language: "en-IN".into(),
        embedding: Some(Embedding {
            model: "older".into(),
            vector: [1.0].into(),
        }),
        imported_at: SystemTime::UNIX_EPOCH,
    };
    room.store.replace(BOT, "a.txt", &[chunk]).await.unwrap();
    let summary = room
        .importer
        .import_text(BOT, "a.txt", "one two", "en-IN")
        .await
        .unwrap();
    assert!(
        summary.warnings[0].starts_with("1 known chunks carry embeddings of another model"),
        "{summary:?}"
    );
}

#[tokio::test]
async fn a_document_that_cannot_be_read_changes_nothing() {
    let room = room(None, small());
    room.importer
        .import_text(BOT, "a.txt", &words(0, 7), "en-IN")
        .await
        .unwrap();
    let broken = room.importer.import_text(BOT, "a.txt", " ", "en-IN").await;
    assert!(matches!(
        broken,
        Err(ImportError::Document(DocumentError::Empty))
    ));
    assert_eq!(room.store.chunks(BOT).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_document_that_never_ends_is_refused_at_the_limit() {
    let room = room(
        None,
        Config {
            max_document: ByteSize::kib(64),
            ..Config::default()
        },
    );
    let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[b'a'; 1024])));
    let steps: Result<Vec<_>, _> = room
        .importer
        .import(upload("a.txt"), endless)
        .unwrap()
        .try_collect()
        .await;
    assert!(matches!(
        steps,
        Err(ImportError::Document(DocumentError::TooLarge(_)))
    ));
}

#[tokio::test]
async fn receiving_is_told_as_it_goes_on() {
    let room = room(None, Config::default());
    let pieces = stream::iter((0..3).map(|_| Ok(Bytes::from(vec![b'a'; 300 << 10]))));
    let steps: Vec<_> = room
        .importer
        .import(upload("a.txt"), pieces)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let received: Vec<u64> = steps
        .iter()
        .filter_map(|step| {
            if let Progress::Receiving { bytes } = step {
                Some(bytes >> 10)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(received, [0, 300, 600, 900]);
}

#[tokio::test]
async fn a_sender_that_falls_silent_is_not_waited_for() {
    let room = room(
        None,
        Config {
            upload_silence: Duration::from_millis(50),
            ..Config::default()
        },
    );
    let steps: Result<Vec<_>, _> = room
        .importer
        .import(upload("a.txt"), stream::pending())
        .unwrap()
        .try_collect()
        .await;
    assert!(matches!(steps, Err(ImportError::Stalled(_))));
}

#[tokio::test]
async fn a_sender_that_breaks_off_leaves_everything_as_it_was() {
    let room = room(None, small());
    let gone: Box<dyn Error + Send + Sync> = io::Error::from(io::ErrorKind::ConnectionReset).into();
    let pieces = stream::iter([Ok(Bytes::from_static(b"half of")), Err(gone)]);
    let steps: Result<Vec<_>, _> = room
        .importer
        .import(upload("a.txt"), pieces)
        .unwrap()
        .try_collect()
        .await;
    assert!(matches!(steps, Err(ImportError::Upload(_))));
    assert_eq!(room.store.revision(BOT).await.unwrap(), 0);
}

#[tokio::test]
async fn more_imports_than_allowed_are_refused_until_one_ends() {
    let room = room(
        None,
        Config {
            concurrent_imports: 1,
            ..Config::default()
        },
    );
    let waiting = stream::once(future::pending());
    let running = room.importer.import(upload("a.txt"), waiting).unwrap();
    assert!(matches!(
        room.importer.import_text(BOT, "b.txt", "b", "").await,
        Err(ImportError::TooMany(1))
    ));
    drop(running);
    assert!(
        room.importer
            .import_text(BOT, "b.txt", "b", "")
            .await
            .is_ok()
    );
}
