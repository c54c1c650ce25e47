//! What the edge must know of a bot: whose pages may show it. Asked of chat, and remembered for a moment.

use std::time::Duration;

use moka::future::Cache;
use troika_chassis::{channel::Channel, context::RequestContext};
use troika_proto::chat::v1::{
    DescribeBotRequest, DescribeBotResponse, chat_stream_client::ChatStreamClient,
};

use crate::call::Peer;

/// A change of a bot is seen after this long.
const FRESH: Duration = Duration::from_secs(5);
/// How long a page waits for chat.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bots that are remembered.
const REMEMBERED: u64 = 10_000;

/// Bots, as chat describes them. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Bots {
    chat: Peer<ChatStreamClient<Channel>>,
    known: Cache<String, Option<DescribeBotResponse>>,
    frame_anywhere: bool,
}

impl Bots {
    /// Asks chat over `channel`.
    pub(crate) fn new(channel: Channel, frame_anywhere: bool) -> Self {
        Self {
            chat: Peer::new("chat", ChatStreamClient::new(channel), PATIENCE),
            known: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(FRESH)
                .build(),
            frame_anywhere,
        }
    }

    /// Whose pages may show a bot's page, as a policy says it: this host's, and those that the bot names.
    pub(crate) async fn frame_ancestors(&self, bot: &str) -> String {
        let bot = self.describe(bot).await;
        let origins = bot.map(|bot| bot.allowed_origins).unwrap_or_default();
        let mut ancestors = "'self'".to_owned();
        // An item that could end the policy's word is none.
        for origin in origins.iter().filter(|origin| is_plain(origin)) {
            ancestors.push(' ');
            ancestors.push_str(origin);
        }
        if origins.is_empty() && self.frame_anywhere {
            "*".to_owned()
        } else {
            ancestors
        }
    }

    /// A bot; `None` for one that there is not, and while chat is away.
    async fn describe(&self, bot: &str) -> Option<DescribeBotResponse> {
        if bot.len() != 24 || !bot.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let asked = DescribeBotRequest {
            chatbot_id: bot.to_owned(),
        };
        // On the gateway's own behalf: whose page it is, is no secret.
        let own = RequestContext::new();
        let describing = async {
            let answer = self
                .chat
                .ask(&own, asked, |mut client, request| async move {
                    client.describe_bot(request).await
                });
            answer.await.ok()
        };
        self.known.get_with(bot.to_owned(), describing).await
    }
}

fn is_plain(origin: &str) -> bool {
    !origin.is_empty()
        && origin
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":/.-_*[]".contains(&byte))
}
