//! What the edge knows of a bot: whose pages may show it. Asked of chat and kept for a moment. While chat does not say,
//! nothing is known, and whoever asks goes on to chat, which holds everybody to the same rule itself. It must not know
//! what a bot answers.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use moka::future::Cache;
use tokio::time::timeout;
use troika_chassis::{
    channel::Channel,
    context::RequestContext,
    error::{Code, Error},
    origin::Origins,
};
use troika_proto::chat::v1::{DescribeBotRequest, chat_stream_client::ChatStreamClient};

use crate::{call::Peer, cors::Page, problem::Problem};

/// A change of a bot is seen after this long at the latest.
const FRESH: Duration = Duration::from_secs(5);

/// Bots remembered.
const CAPACITY: u64 = 10_000;

/// The longest that anybody waits for what chat knows.
const PATIENCE: Duration = Duration::from_millis(500);

/// Digits of a bot's id.
const ID: usize = 24;

/// Knows bots. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Bots {
    chat: Peer<ChatStreamClient<Channel>>,
    known: Cache<String, Option<Arc<Known>>>,
}

/// What the edge knows of a bot.
pub(crate) struct Known {
    /// Whose pages may show it and ask it.
    pub(crate) origins: Origins,
}

impl Bots {
    /// Asks chat over `channel`.
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            chat: Peer::new("chat", ChatStreamClient::new(channel), PATIENCE),
            known: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(FRESH)
                .build(),
        }
    }

    /// What is known of a bot. `None` when there is none of that id, or chat does not say. Many who ask at the same
    /// time make one call.
    pub(crate) async fn get(&self, id: &str, context: &RequestContext) -> Option<Arc<Known>> {
        let id = id.trim();
        if id.len() != ID || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let id = id.to_ascii_lowercase();
        let asked = self.ask(id.clone(), context);
        timeout(PATIENCE, self.known.try_get_with(id, asked))
            .await
            .ok()?
            .ok()?
    }

    async fn ask(&self, id: String, context: &RequestContext) -> Result<Option<Arc<Known>>, Error> {
        let question = DescribeBotRequest { chatbot_id: id };
        let described = self
            .chat
            .ask(context, question, |mut client, request| async move {
                client.describe_bot(request).await
            })
            .await;
        match described {
            Ok(bot) => Ok(Some(Arc::new(Known {
                origins: Origins::read(&bot.allowed_origins),
            }))),
            // That there is none is knowledge too.
            Err(error) if error.code() == Code::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Holds a page to the list of the bot that it asks.
    ///
    /// # Errors
    /// When the bot lists origins, and not the page's.
    pub(crate) async fn admit(
        &self,
        page: &Page,
        bot: &str,
        context: &RequestContext,
    ) -> Result<(), Problem> {
        let Some(origin) = page.foreign() else {
            return Ok(());
        };
        match self.get(bot, context).await {
            Some(known) if !known.origins.admit(origin) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                crate::cors::NOT_ALLOWED,
                "This bot does not answer on pages of this origin. Its owner can add the origin to the bot's allowed origins.",
            )),
            _ => Ok(()),
        }
    }
}
