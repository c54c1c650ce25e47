//! Owners of conversations in the embedded database.

use async_trait::async_trait;
use redb::{ReadableTable as _, TableDefinition, WriteTransaction};

use super::{Embedded, make_table};
use crate::{
    bots::BotId,
    history::owners::{Owner, OwnerStore},
    store::StoreError,
};

/// By bot and conversation.
const OWNERS: TableDefinition<'static, (&[u8; 12], &str), &str> =
    TableDefinition::new("session_owners");

pub(super) fn make_tables(transaction: &WriteTransaction) -> Result<(), Box<redb::Error>> {
    make_table(transaction, OWNERS)
}

#[async_trait]
impl OwnerStore for Embedded {
    async fn claim(
        &self,
        bot: BotId,
        session: &str,
        owner: Option<&Owner>,
    ) -> Result<Option<Owner>, StoreError> {
        let session = session.to_owned();
        let found = {
            let session = session.clone();
            self.read(move |transaction| {
                let owners = transaction.open_table(OWNERS)?;
                let found = owners.get((&bot.0, session.as_str()))?;
                Ok(found.map(|owner| Owner(owner.value().to_owned())))
            })
            .await?
        };
        let (None, Some(owner)) = (&found, owner.cloned()) else {
            return Ok(found);
        };
        self.write(move |transaction| {
            let mut owners = transaction.open_table(OWNERS)?;
            let key = (&bot.0, session.as_str());
            // Another turn may have been faster.
            if let Some(first) = owners.get(key)? {
                return Ok(Some(Owner(first.value().to_owned())));
            }
            owners.insert(key, owner.0.as_str())?;
            Ok(Some(owner))
        })
        .await
    }
}
