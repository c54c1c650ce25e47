//! What every adapter says, and how soon, when its engine refuses connections or takes them and never
//! answers. The same for the embedded file's disk is tested beside the file.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use troika_chat::{
    bots::BotStore,
    history::MessageStore,
    knowledge::KnowledgeStore,
    quota::{QuotaStore, Terms},
    store::{StoreError, indexes, mongo::MongoStore},
};
use troika_tests::servers;

use crate::{
    bots::bot,
    engines::{self, SHORT},
    knowledge::chunk,
    messages::{BOT, message},
    quotas::{reservation, settlement},
};

/// The time limit of a call and some for a busy machine.
const IN_TIME: Duration = SHORT.saturating_mul(4);

/// Asserts that a call says "unavailable" within its time limit.
async fn unavailable<T>(what: &str, call: impl Future<Output = Result<T, StoreError>>) {
    let begun = Instant::now();
    match call.await {
        Err(StoreError::Unavailable(_)) => {}
        Err(error) => panic!("{what}: {error:?}"),
        Ok(_) => panic!("{what} succeeded without a server"),
    }
    assert!(
        begun.elapsed() < IN_TIME,
        "{what} took {:?}",
        begun.elapsed()
    );
}

async fn bots_are_unavailable(address: SocketAddr) {
    let store = MongoStore::new(engines::mongo_at(address).await);
    unavailable("create", store.create(&bot(1))).await;
    unavailable("get", store.get(BOT)).await;
    unavailable("update", store.update(&bot(1))).await;
    unavailable("list", store.list(None, 10)).await;
    unavailable("delete", BotStore::delete(&store, BOT)).await;
}

async fn messages_are_unavailable(address: SocketAddr) {
    let store = MongoStore::new(engines::mongo_at(address).await);
    unavailable("append", store.append(&[message("question", 1)])).await;
    unavailable("recent", store.recent(BOT, "session", 10)).await;
}

async fn knowledge_is_unavailable(address: SocketAddr) {
    let store = MongoStore::new(engines::mongo_at(address).await);
    unavailable(
        "replace",
        store.replace(BOT, "a.txt", &[chunk("one", "a.txt", 0)]),
    )
    .await;
    unavailable("documents", store.documents(BOT)).await;
    unavailable("chunks", store.chunks(BOT)).await;
    unavailable("delete", KnowledgeStore::delete(&store, BOT, None)).await;
    unavailable("revision", store.revision(BOT)).await;
}

async fn quotas_are_unavailable(address: SocketAddr) {
    let store = MongoStore::new(engines::mongo_at(address).await);
    let now = SystemTime::now();
    let turn = reservation(1, now);
    unavailable("quotas", store.quotas(&[BOT], now)).await;
    unavailable("set_terms", store.set_terms(BOT, &Terms::default())).await;
    unavailable("reserve", store.reserve(&turn)).await;
    unavailable("settle", store.settle(&settlement(&turn, 1))).await;
    unavailable("question", store.question(BOT, turn.turn, now)).await;
}

async fn indexes_are_unavailable(address: SocketAddr) {
    let mongo = engines::mongo_at(address).await;
    unavailable("inspect", indexes::inspect(&mongo)).await;
    unavailable("create", indexes::create(&mongo)).await;
}

macro_rules! on_both {
    ($($behaviour:ident),+ $(,)?) => {
        mod when_refused {$(
            #[tokio::test]
            async fn $behaviour() {
                super::$behaviour(troika_tests::servers::refusing()).await;
            }
        )+}
        mod when_never_answered {$(
            #[tokio::test]
            async fn $behaviour() {
                let listener = troika_tests::servers::hanging();
                super::$behaviour(listener.local_addr().unwrap()).await;
            }
        )+}
    };
}

on_both!(
    bots_are_unavailable,
    messages_are_unavailable,
    knowledge_is_unavailable,
    quotas_are_unavailable,
    indexes_are_unavailable,
);

#[tokio::test]
async fn what_an_unreachable_server_is_said_to_be_holds_no_content() {
    let store = MongoStore::new(engines::mongo_at(servers::refusing()).await);
    let error = store
        .append(&[message("a visitor's secret", 1)])
        .await
        .unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(!told.contains("secret"), "{told}");
}
