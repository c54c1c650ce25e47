//! What bots may use, gathered from three collections that others write too, and written so that theirs stays theirs.

use std::{collections::HashMap, time::SystemTime};

use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};

use super::{CHATBOTS, Month, figures, read_figures, whole};
use crate::{
    bots::BotId,
    quota::{Quota, Terms},
    store::{
        StoreError,
        mongo::{
            MongoStore,
            documents::{Fields as _, date, object_id},
            is_duplicate, unavailable,
        },
    },
};

const CLIENT_CONFIGS: &str = "clientconfigs";
const SUBSCRIPTIONS: &str = "subscriptions";
/// Words for a subscription that is in force; so is one that says nothing.
const IN_FORCE: [&str; 3] = ["active", "trial", "trialing"];

/// When a bot's subscription ends; a bot with none that is in force ended long ago.
type Ends = Option<SystemTime>;

/// Documents that name one of the bots, by ObjectId or by text.
fn of(bots: &[BotId]) -> Document {
    let names = bots
        .iter()
        .flat_map(|bot| [Bson::from(object_id(*bot)), Bson::from(bot.to_string())]);
    doc! { "chatbot_id": { "$in": names.collect::<Vec<_>>() } }
}

fn bot_of(document: &RawDocument) -> Option<BotId> {
    match document.value("chatbot_id")? {
        RawBsonRef::ObjectId(id) => Some(BotId(id.bytes())),
        RawBsonRef::String(id) => id.parse().ok(),
        _ => None,
    }
}

fn is_in_force(subscription: &RawDocument) -> bool {
    subscription
        .status()
        .is_none_or(|status| IN_FORCE.contains(&status.as_str()))
}

impl MongoStore {
    pub(super) async fn figures(
        &self,
        bots: &[BotId],
        month: &Month,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        let ids: Vec<_> = bots.iter().map(|bot| object_id(*bot)).collect();
        let found = self
            .all(CHATBOTS, doc! { "_id": { "$in": ids } }, figures(), |bot| {
                let id = bot.value("_id")?.as_object_id()?;
                Some((BotId(id.bytes()), read_figures(bot, month)))
            })
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Free questions and the way to sign in.
    pub(super) async fn sign_ins(
        &self,
        bots: &[BotId],
    ) -> Result<HashMap<BotId, (Option<u32>, Option<String>)>, StoreError> {
        let fields = doc! { "chatbot_id": 1, "free_messages": 1, "auth_method": 1 };
        let found = self
            .all(CLIENT_CONFIGS, of(bots), fields, |config| {
                let terms = (
                    config.small("free_messages"),
                    config.filled_text("auth_method"),
                );
                Some((bot_of(config)?, terms))
            })
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// When the subscriptions end, of bots that have one: the last end of those in force counts.
    pub(super) async fn subscriptions(
        &self,
        bots: &[BotId],
    ) -> Result<HashMap<BotId, Ends>, StoreError> {
        let fields = doc! { "chatbot_id": 1, "end_date": 1, "status": 1 };
        let found = self
            .all(SUBSCRIPTIONS, of(bots), fields, |subscription| {
                let ends = if is_in_force(subscription) {
                    subscription.time("end_date")
                } else {
                    Some(SystemTime::UNIX_EPOCH)
                };
                Some((bot_of(subscription)?, ends))
            })
            .await?;
        let mut all = HashMap::new();
        for (bot, ends) in found.into_iter().flatten() {
            all.entry(bot)
                .and_modify(|last: &mut Ends| {
                    *last = last.zip(ends).map(|(one, other)| one.max(other))
                })
                .or_insert(ends);
        }
        Ok(all)
    }

    async fn all<T>(
        &self,
        collection: &str,
        filter: Document,
        fields: Document,
        read: impl FnMut(&RawDocument) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let documents = self.collection::<RawDocumentBuf>(collection);
        let call = documents.find(filter).projection(fields);
        let mut cursor = self.run(async { call.await }).await.map_err(unavailable)?;
        self.drain(&mut cursor, read).await
    }

    pub(super) async fn write_terms(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError> {
        let change = change([
            ("token_limit", terms.token_limit.map(whole)),
            ("monthlyLimit", terms.monthly_limit.map(whole)),
        ]);
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let call = bots.update_one(doc! { "_id": object_id(bot) }, change);
        let done = self.run(async { call.await }).await.map_err(unavailable)?;
        if done.matched_count == 0 {
            return Err(StoreError::NotFound);
        }
        self.write_sign_in(bot, terms).await?;
        self.write_subscription(bot, terms.subscription_ends).await
    }

    async fn write_sign_in(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError> {
        let said = (terms.free_messages, terms.auth_method.clone());
        let known = self.sign_ins(&[bot]).await?.remove(&bot);
        if known.unwrap_or_default() == said {
            return Ok(());
        }
        let says_anything = terms.free_messages.is_some() || terms.auth_method.is_some();
        let mut change = change([
            (
                "free_messages",
                terms.free_messages.map(|free| whole(free.into())),
            ),
            ("auth_method", terms.auth_method.as_deref().map(Bson::from)),
        ]);
        change.insert("$setOnInsert", doc! { "chatbot_id": object_id(bot) });
        let configs = self.collection::<RawDocumentBuf>(CLIENT_CONFIGS);
        let write = async || {
            let call = configs
                .update_one(of(&[bot]), change.clone())
                .upsert(says_anything);
            self.run(async { call.await }).await
        };
        match write().await {
            // Two that insert at once: the other one was first.
            Err(error) if is_duplicate(&error) => write().await,
            done => done,
        }
        .map(drop)
        .map_err(unavailable)
    }

    /// The subscription that ends last is given the new end; none may end after it.
    async fn write_subscription(&self, bot: BotId, ends: Ends) -> Result<(), StoreError> {
        let known = self.subscriptions(&[bot]).await?.remove(&bot);
        if known.unwrap_or_default() == ends {
            return Ok(());
        }
        let subscriptions = self.collection::<RawDocumentBuf>(SUBSCRIPTIONS);
        if let Some(ends) = ends {
            let later = doc! { "end_date": { "$gt": date(ends) } };
            let mut filter = of(&[bot]);
            filter.insert("$or", vec![later, doc! { "end_date": null }]);
            let call =
                subscriptions.update_many(filter, doc! { "$set": { "end_date": date(ends) } });
            self.run(async { call.await }).await.map_err(unavailable)?;
        }
        let mut change = change([("end_date", ends.map(|ends| date(ends).into()))]);
        let active = doc! { "status": "active" };
        match change.get_document_mut("$set") {
            Ok(set) => set.extend(active),
            Err(_) => drop(change.insert("$set", active)),
        }
        change.insert("$setOnInsert", doc! { "chatbot_id": object_id(bot) });
        let call = subscriptions
            .find_one_and_update(of(&[bot]), change)
            .sort(doc! { "end_date": -1, "_id": -1 })
            .upsert(ends.is_some());
        self.run(async { call.await })
            .await
            .map(drop)
            .map_err(unavailable)
    }
}

/// Sets the fields that have a value, and takes away the others.
fn change<const N: usize>(fields: [(&str, Option<Bson>); N]) -> Document {
    let (mut set, mut unset) = (Document::new(), Document::new());
    for (name, value) in fields {
        match value {
            Some(value) => set.insert(name, value),
            None => unset.insert(name, ""),
        };
    }
    let mut change = Document::new();
    for (operator, fields) in [("$set", set), ("$unset", unset)] {
        if !fields.is_empty() {
            change.insert(operator, fields);
        }
    }
    change
}
