//! The demo bot: public, knowing troika itself, made on the first start of an embedded store.

use std::time::SystemTime;

use tracing::info;

use crate::{
    bots::{Access, Bot, BotId, BotStore, Limits},
    knowledge::importer::{ImportError, Importer},
    language,
    store::StoreError,
};

/// The demo bot's id: `000000000000000000000001`.
pub const BOT_ID: BotId = BotId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

const PERSONA: &str = "You are the guide to troika, the production backend of a streaming chatbot. You are friendly, \
    precise and brief, and you speak to engineers and operators.";

/// The demo could not be made; the service runs without it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("the demo bot cannot be stored")]
    Store(#[from] StoreError),
    #[error("the demo bot's knowledge cannot be imported")]
    Import(#[from] ImportError),
}

/// Makes the bot and imports its knowledge, unless the store has a bot already.
pub(crate) async fn seed(bots: &dyn BotStore, importer: &Importer) -> Result<(), DemoError> {
    if !bots.list(None, 1).await?.is_empty() {
        return Ok(());
    }
    let now = SystemTime::now();
    let bot = Bot {
        id: BOT_ID,
        name: "Troika guide".into(),
        persona: PERSONA.into(),
        model: None,
        temperature: None,
        language: language::DEFAULT.into(),
        access: Access::Public,
        active: true,
        allowed_origins: Vec::new(),
        booking_url: None,
        limits: Limits::default(),
        company: None,
        created_at: now,
        updated_at: now,
    };
    for (file_name, text) in DOCUMENTS {
        importer
            .import_text(BOT_ID, file_name, text, language::DEFAULT)
            .await?;
    }
    // Last: a start that dies half way is made good by the next one, which finds no bot yet.
    bots.create(&bot).await?;
    info!(bot = %BOT_ID, documents = DOCUMENTS.len(), "made the demo bot");
    Ok(())
}

include!(concat!(env!("OUT_DIR"), "/demo_documents.rs"));

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        knowledge::{self, KnowledgeStore},
        store::embedded::Embedded,
    };

    #[tokio::test]
    async fn a_start_that_died_half_way_is_made_good_by_the_next() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Embedded::open(&folder.path().join("chat.redb")).unwrap();
        let knowledge: Arc<dyn KnowledgeStore> = Arc::new(store.clone());
        let importer = Importer::new(knowledge.clone(), None, knowledge::Config::default());
        let (file_name, text) = DOCUMENTS[0];
        importer
            .import_text(BOT_ID, file_name, text, language::DEFAULT)
            .await
            .unwrap();
        seed(&store, &importer).await.unwrap();
        assert!(store.get(BOT_ID).await.unwrap().is_some());
        let documents = knowledge.documents(BOT_ID).await.unwrap();
        assert_eq!(documents.len(), DOCUMENTS.len());
    }
}
