//! What the audit log says of bots and their knowledge. Visitors' words are in neither; persona texts are the operators'.

use std::time::SystemTime;

use async_stream::stream;
use futures::Stream;
use serde_json::{Map, Value, json};
use troika_audit::Intent;

use crate::{
    bots::Bot,
    knowledge::importer::{ImportError, Progress},
    quota::Terms,
};

/// What cannot be changed, or changes by itself.
const NO_FIELDS: [&str; 3] = ["id", "created_at", "updated_at"];

/// All fields of a bot that can be changed, by the names that masks have for them.
pub(super) fn bot(bot: &Bot, terms: &Terms) -> Value {
    let mut fields = serde_json::to_value(bot).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| !NO_FIELDS.contains(&name.as_str()));
        let company = fields.remove("company").unwrap_or_default();
        fields.insert("company_id".to_owned(), company);
        fields.insert("quota".to_owned(), quota(terms));
    }
    if let Some(turn) = fields.pointer_mut("/limits/turn") {
        *turn = json!(bot.limits.turn.map(|turn| turn.as_secs_f64()));
    }
    fields
}

fn quota(terms: &Terms) -> Value {
    let ends = terms.subscription_ends.and_then(|ends| {
        let since = ends.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    });
    json!({
        "token_limit": terms.token_limit,
        "monthly_limit": terms.monthly_limit,
        "subscription_ends": ends,
        "free_messages": terms.free_messages,
        "auth_method": terms.auth_method,
    })
}

/// The fields that a mask names, such as `persona` and `limits.turn`.
pub(super) fn fields(bot: &Bot, terms: &Terms, mask: &[String]) -> Value {
    let all = self::bot(bot, terms);
    let named = mask.iter().map(|path| {
        let pointer = format!("/{}", path.replace('.', "/"));
        let value = all.pointer(&pointer).cloned().unwrap_or_default();
        (path.clone(), value)
    });
    Value::Object(named.collect::<Map<_, _>>())
}

/// Documents that are to be deleted: one, or all.
pub(super) fn documents(file_name: Option<&str>) -> Value {
    match file_name {
        Some(name) => json!({ "fileName": name }),
        None => json!({ "documents": "all" }),
    }
}

/// What became of them.
pub(super) fn deleted(chunks: u64) -> Value {
    json!({ "chunksDeleted": chunks })
}

/// An import that is under way. One that ends before anything is stored has changed nothing, however it ends.
pub(super) struct Import {
    intent: Option<Intent>,
    file_name: String,
    stores: bool,
}

impl Import {
    pub(super) fn new(intent: Intent, file_name: String) -> Self {
        Self {
            intent: Some(intent),
            file_name,
            stores: false,
        }
    }

    async fn see(&mut self, progress: &Progress) {
        match progress {
            Progress::Storing { .. } => self.stores = true,
            Progress::Done(summary) => {
                let after = json!({ "fileName": self.file_name, "chunks": summary.chunks });
                if let Some(intent) = self.intent.take() {
                    intent.done(Some(&after)).await;
                }
            }
            _ => {}
        }
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        if let Some(intent) = self.intent.take()
            && !self.stores
        {
            intent.not_done();
        }
    }
}

/// The progress of an import, which is in the audit log before its end is told.
pub(super) fn told(
    mut import: Import,
    progress: impl Stream<Item = Result<Progress, ImportError>> + Send,
) -> impl Stream<Item = Result<Progress, ImportError>> + Send {
    stream! {
        for await step in progress {
            if let Ok(progress) = &step {
                import.see(progress).await;
            }
            yield step;
        }
    }
}

#[cfg(test)]
mod tests;
