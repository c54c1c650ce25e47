//! Quotas in the collections of existing databases: `chatbots` has the limits and what was used, `clientconfigs` the
//! questions before a sign-in, `subscriptions` until when a bot answers. Of ours are, in `chatbots`, `monthly_period` (the
//! month that `monthlyUsed` is of), `quota_held` (tokens of turns under way) and `quota_settled` (turns that were settled
//! without having been held, so that they are settled once); and the collection `quotasessions`.
//!
//! Used and held stand in one document, so that one update decides and holds, however many processes ask. Numbers may
//! be of any type; what is none, or below zero, is no limit, and as what was used it is zero.

use std::{collections::HashMap, time::SystemTime};

use async_trait::async_trait;
use bson::{Bson, Document, RawBsonRef, RawDocument, RawDocumentBuf, doc};
use mongodb::options::ReturnDocument;
use uuid::Uuid;

use super::{
    MongoStore,
    documents::{Fields as _, date, object_id},
    is_duplicate, unavailable,
};
use crate::{
    bots::BotId,
    quota::{
        KEPT, Month, Quota, QuotaStore, Reservation, Reserved, SESSION, Settlement, Terms, Used,
    },
    store::StoreError,
};

mod terms;

const CHATBOTS: &str = "chatbots";
const SESSIONS: &str = "quotasessions";

/// What of a bot's document is about tokens.
fn figures() -> Document {
    doc! {
        "token_limit": 1, "used_tokens": 1, "monthlyLimit": 1, "monthlyUsed": 1, "monthly_period": 1,
    }
}

/// Limits of tokens and what was used, as of a month.
fn read_figures(bot: &RawDocument, month: &Month) -> Quota {
    let of_another_month = bot
        .text("monthly_period")
        .is_some_and(|period| period.as_str() < month.as_str());
    Quota {
        terms: Terms {
            token_limit: bot.whole("token_limit"),
            monthly_limit: bot.whole("monthlyLimit"),
            ..Terms::default()
        },
        used: Used {
            tokens: bot.whole("used_tokens").unwrap_or_default(),
            this_month: bot
                .whole("monthlyUsed")
                .filter(|_| !of_another_month)
                .unwrap_or_default(),
        },
    }
}

/// A bot that has a limit of tokens.
fn limited(bot: BotId) -> Document {
    doc! {
        "_id": object_id(bot),
        "$or": [{ "token_limit": { "$gte": 0 } }, { "monthlyLimit": { "$gte": 0 } }],
    }
}

fn whole(number: u64) -> Bson {
    Bson::Int64(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The number of a field, zero where there is none.
fn number(field: &str) -> Document {
    doc! { "$cond": [{ "$isNumber": field }, { "$max": [field, 0_i64] }, 0_i64] }
}

/// The list of a field, empty where there is none.
fn list(field: &str) -> Document {
    doc! { "$cond": [{ "$isArray": field }, field, []] }
}

/// Those of a list for which something holds; each is called `$$each` in it.
fn those(list: impl Into<Bson>, hold: Document) -> Document {
    doc! { "$filter": { "input": list.into(), "as": "each", "cond": hold } }
}

/// What is held, without what was forgotten by everybody.
fn held(at: SystemTime) -> Document {
    let long_over = doc! { "$gt": ["$$each.until", date(at - KEPT)] };
    those(list("$quota_held"), long_over)
}

/// What was used in a month. Without a period of ours the figure is taken for this month's, once and for all.
fn used_in(month: &Month) -> Document {
    doc! { "$cond": [is_of_before(month), 0_i64, number("$monthlyUsed")] }
}

fn is_of_before(month: &Month) -> Document {
    doc! { "$and": [
        { "$eq": [{ "$type": "$monthly_period" }, "string"] },
        { "$lt": ["$monthly_period", month.as_str()] },
    ] }
}

fn is_of_after(month: &Month) -> Document {
    doc! { "$and": [
        { "$eq": [{ "$type": "$monthly_period" }, "string"] },
        { "$gt": ["$monthly_period", month.as_str()] },
    ] }
}

fn later_month(month: &Month) -> Document {
    doc! { "$cond": [is_of_after(month), "$monthly_period", month.as_str()] }
}

/// Tokens of a list of what is held.
fn sum(held: Document) -> Document {
    doc! { "$sum": { "$map": { "input": held, "as": "each", "in": "$$each.tokens" } } }
}

fn within(limit: &str, used: impl Into<Bson>, held: Document, tokens: u64) -> Document {
    let sum = doc! { "$add": [used.into(), held, whole(tokens)] };
    doc! { "$or": [
        { "$not": [{ "$isNumber": limit }] },
        { "$lt": [limit, 0] },
        { "$lte": [sum, limit] },
    ] }
}

/// The update that holds tokens where they are within the limits. Its first stage brings the document up to date.
fn holding(reservation: &Reservation) -> Vec<Document> {
    let Reservation {
        turn,
        tokens,
        at,
        until,
        ..
    } = reservation;
    let turn = turn.to_string();
    let month = Month::of(*at);
    let up_to_date = doc! { "$set": {
        "monthlyUsed": used_in(&month),
        "monthly_period": later_month(&month),
        "quota_held": held(*at),
    } };
    let live = || doc! { "$gt": ["$$each.until", date(*at)] };
    let this_month = doc! { "$and": [live(), { "$eq": ["$$each.month", "$monthly_period"] }] };
    let turns = doc! { "$map": { "input": "$quota_held", "as": "each", "in": "$$each.turn" } };
    let fits = doc! { "$and": [
        { "$not": [{ "$in": [&turn, turns] }] },
        within("$token_limit", number("$used_tokens"), sum(those("$quota_held", live())), *tokens),
        within("$monthlyLimit", "$monthlyUsed", sum(those("$quota_held", this_month)), *tokens),
    ] };
    let this = doc! {
        "turn": turn, "tokens": whole(*tokens), "month": "$monthly_period", "until": date(*until),
    };
    let decide = doc! { "$set": { "quota_held": {
        "$cond": [fits, { "$concatArrays": ["$quota_held", [this]] }, "$quota_held"],
    } } };
    vec![up_to_date, decide]
}

/// The update that adds what a turn used and holds nothing for it.
fn settling(settlement: &Settlement) -> Vec<Document> {
    let Settlement {
        turn,
        tokens,
        month,
        at,
        ..
    } = settlement;
    let turn = turn.to_string();
    let tokens = whole(*tokens);
    // A turn that began last month does not burden this one.
    let this_month = doc! { "$cond": [
        is_of_after(month),
        number("$monthlyUsed"),
        { "$add": [used_in(month), tokens.clone()] },
    ] };
    let others = doc! { "$and": [
        { "$ne": ["$$each.turn", &turn] },
        { "$gt": ["$$each.until", date(*at - KEPT)] },
    ] };
    let mut set = doc! {
        "used_tokens": { "$add": [number("$used_tokens"), tokens] },
        "monthlyUsed": this_month,
        "monthly_period": later_month(month),
        "quota_held": those(list("$quota_held"), others),
    };
    if !settlement.held {
        let recent = doc! { "$gt": ["$$each.at", date(*at - KEPT)] };
        let this = doc! { "turn": turn, "at": date(*at) };
        set.insert(
            "quota_settled",
            doc! { "$concatArrays": [those(list("$quota_settled"), recent), [this]] },
        );
    }
    vec![doc! { "$set": set }]
}

#[async_trait]
impl QuotaStore for MongoStore {
    async fn quotas(
        &self,
        bots: &[BotId],
        now: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        let month = Month::of(now);
        let (mut quotas, sign_ins, subscriptions) = futures::try_join!(
            self.figures(bots, &month),
            self.sign_ins(bots),
            self.subscriptions(bots),
        )?;
        for (bot, (free_messages, auth_method)) in sign_ins {
            let terms = &mut quotas.entry(bot).or_default().terms;
            (terms.free_messages, terms.auth_method) = (free_messages, auth_method);
        }
        for (bot, ends) in subscriptions {
            quotas.entry(bot).or_default().terms.subscription_ends = ends;
        }
        quotas.retain(|_, quota| *quota != Quota::default());
        Ok(quotas)
    }

    async fn set_terms(&self, bot: BotId, terms: &Terms) -> Result<(), StoreError> {
        self.write_terms(bot, terms).await
    }

    async fn reserve(&self, reservation: &Reservation) -> Result<Reserved, StoreError> {
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let turn = reservation.turn.to_string();
        let mut fields = figures();
        // Of what is held, this turn's alone: others may be thousands.
        fields.insert("quota_held", doc! { "$elemMatch": { "turn": &turn } });
        let call = bots
            .find_one_and_update(limited(reservation.bot), holding(reservation))
            .projection(fields)
            .return_document(ReturnDocument::After);
        let found = self.run(async { call.await }).await.map_err(unavailable)?;
        let Some(found) = found else {
            return Ok(Reserved::Unlimited);
        };
        let quota = read_figures(&found, &Month::of(reservation.at));
        let holds = found
            .value("quota_held")
            .and_then(RawBsonRef::as_array)
            .is_some_and(|held| {
                held.into_iter().flatten().any(|held| {
                    held.as_document()
                        .and_then(|held| held.text("turn"))
                        .is_some_and(|held| held == turn)
                })
            });
        Ok(if holds {
            Reserved::Held(quota)
        } else {
            Reserved::Exhausted(quota)
        })
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let bots = self.collection::<RawDocumentBuf>(CHATBOTS);
        let turn = settlement.turn.to_string();
        let this = doc! { "_id": object_id(settlement.bot), "quota_held.turn": &turn };
        let call = if settlement.tokens == 0 {
            let gone = doc! { "$pull": { "quota_held": { "turn": &turn } } };
            bots.update_one(this, gone)
        } else if settlement.held {
            bots.update_one(this, settling(settlement))
        } else {
            let mut unsettled = limited(settlement.bot);
            unsettled.insert("quota_settled.turn", doc! { "$ne": &turn });
            bots.update_one(unsettled, settling(settlement))
        };
        self.run(async { call.await })
            .await
            .map(drop)
            .map_err(unavailable)
    }

    async fn question(
        &self,
        bot: BotId,
        session: Uuid,
        now: SystemTime,
    ) -> Result<u32, StoreError> {
        let sessions = self.collection::<RawDocumentBuf>(SESSIONS);
        let count = async || {
            let call = sessions
                .find_one_and_update(
                    doc! { "_id": format!("{bot}:{session}") },
                    doc! {
                        "$inc": { "asked": 1_i64 },
                        "$setOnInsert": { "expires_at": date(now + SESSION) },
                    },
                )
                .upsert(true)
                .return_document(ReturnDocument::After);
            self.run(async { call.await }).await
        };
        let counted = match count().await {
            // Two that insert at once: the other one was first.
            Err(error) if is_duplicate(&error) => count().await,
            counted => counted,
        };
        let counted = counted.map_err(unavailable)?;
        counted
            .and_then(|counted| counted.small("asked"))
            .ok_or_else(|| StoreError::unavailable("MongoDB did not tell what it counted"))
    }
}
