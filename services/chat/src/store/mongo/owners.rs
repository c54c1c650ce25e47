//! Owners of conversations in the collection `sessionowners`: one document for each that has one.

use std::time::SystemTime;

use async_trait::async_trait;
use bson::{Document, RawDocumentBuf, doc};
use mongodb::options::ReturnDocument;

use super::{
    MongoStore,
    documents::{Fields as _, date},
    is_duplicate, unavailable,
};
use crate::{
    bots::BotId,
    history::owners::{Owner, OwnerStore},
    store::StoreError,
};

const OWNERS: &str = "sessionowners";

#[async_trait]
impl OwnerStore for MongoStore {
    async fn claim(
        &self,
        bot: BotId,
        session: &str,
        owner: Option<&Owner>,
    ) -> Result<Option<Owner>, StoreError> {
        let owners = self.collection::<RawDocumentBuf>(OWNERS);
        let this = doc! { "_id": format!("{bot}:{session}") };
        let found = match owner {
            None => self.run(async { owners.find_one(this).await }).await,
            Some(owner) => {
                let new: Document =
                    doc! { "$setOnInsert": { "owner": &owner.0, "at": date(SystemTime::now()) } };
                let written = self
                    .run(async {
                        owners
                            .find_one_and_update(this.clone(), new)
                            .upsert(true)
                            .return_document(ReturnDocument::After)
                            .await
                    })
                    .await;
                match written {
                    // Two that insert at once: the other one was first.
                    Err(error) if is_duplicate(&error) => {
                        self.run(async { owners.find_one(this).await }).await
                    }
                    written => written,
                }
            }
        };
        let found = found.map_err(unavailable)?;
        Ok(found
            .and_then(|owner| owner.filled_text("owner"))
            .map(Owner))
    }
}
