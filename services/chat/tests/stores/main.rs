//! The contracts of the stores: one module for each trait, run over every adapter on its real
//! engine; what must happen when an engine refuses or hangs; and MongoDB documents that others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Makes one test of every contract for each store: the embedded file, MongoDB without the declared
/// indexes as an existing database may be, and MongoDB with them.
macro_rules! over_every_store {
    ($($contract:ident),+ $(,)?) => {
        mod embedded {$(
            #[tokio::test]
            async fn $contract() {
                let store = crate::engines::embedded();
                super::$contract(&store.store).await;
            }
        )+}
        mod mongo {$(
            #[tokio::test]
            async fn $contract() {
                let store = crate::engines::mongo().await;
                super::$contract(&store.store).await;
            }
        )+}
        mod mongo_with_indexes {$(
            #[tokio::test]
            async fn $contract() {
                let store = crate::engines::mongo_with_indexes().await;
                super::$contract(&store.store).await;
            }
        )+}
    };
}

mod bots;
mod engines;
mod existing_documents;
mod existing_knowledge;
mod existing_quotas;
mod indexes;
mod knowledge;
mod messages;
mod quota_interleavings;
mod quotas;
mod unreachable;
