//! `troika bots`: bots of a running chat role, as tables for people and JSON for scripts.

use troika_proto::chat::v1::{
    Bot, CreateBotRequest, DeleteBotRequest, GetBotRequest, ListBotsRequest, UpdateBotRequest,
};

use self::{
    fields::{Clearable, Fields},
    view::View,
};
use crate::{
    client::{self, Peer, Target, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod fields;
mod view;

/// Bots fetched with one call.
const PAGE: u32 = 50;

/// What to do with bots.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Make a bot and print it
    #[command(after_help = "\
Examples:
  troika bots create --name \"Shop guide\" --persona-file persona.txt --language en-US
  troika bots create --name Support --access private --model gpt-4o --temperature 0.2 --json")]
    Create {
        /// What visitors call it
        #[arg(long)]
        name: String,
        /// Its id: 24 hex digits; made when absent
        #[arg(long)]
        id: Option<String>,
        #[command(flatten)]
        fields: Box<Fields>,
        #[command(flatten)]
        common: Common,
    },
    /// List all bots
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show one bot
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Change what is named, and leave the rest as it is
    #[command(after_help = "\
Examples:
  troika bots update 000000000000000000000001 --temperature 0.2 --booking-url https://book.example
  troika bots update 000000000000000000000001 --origin https://shop.example --origin https://blog.example
  troika bots update 000000000000000000000001 --clear model --clear booking-url")]
    Update {
        /// Its id
        id: String,
        /// What visitors call it
        #[arg(long)]
        name: Option<String>,
        /// Take a value away, so that the service's default is in force again
        #[arg(long, value_name = "FIELD")]
        clear: Vec<Clearable>,
        #[command(flatten)]
        fields: Box<Fields>,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a bot with everything it knows; its conversations stay
    Delete {
        /// Its id
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
        #[command(flatten)]
        common: Common,
    },
}

/// What every verb about bots takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Carries the verb out.
///
/// # Errors
/// What the chat role refuses, and when it does not answer.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::Create {
            name,
            id,
            fields,
            common,
        } => {
            let chat = common.target.chat(config)?;
            let bot = fields.bot(id.unwrap_or_default(), name)?;
            let request = within(client::SHORT, CreateBotRequest { bot: Some(bot) });
            let created = chat
                .bots()
                .create_bot(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            print(created.into_inner().bot, common.json)
        }
        Verb::List { common } => list(&common.target.chat(config)?, common.json).await,
        Verb::Show { id, common } => {
            let chat = common.target.chat(config)?;
            let request = within(client::SHORT, GetBotRequest { id });
            let bot = chat
                .bots()
                .get_bot(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            print(bot.into_inner().bot, common.json)
        }
        Verb::Update {
            id,
            name,
            clear,
            fields,
            common,
        } => {
            let chat = common.target.chat(config)?;
            let update_mask = fields.mask(name.is_some(), &clear)?;
            let bot = fields.bot(id, name.unwrap_or_default())?;
            let request = within(
                client::SHORT,
                UpdateBotRequest {
                    bot: Some(bot),
                    update_mask: Some(update_mask),
                },
            );
            let updated = chat
                .bots()
                .update_bot(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            print(updated.into_inner().bot, common.json)
        }
        Verb::Delete { id, yes, common } => {
            let chat = common.target.chat(config)?;
            if !yes {
                confirm(&id)?;
            }
            let request = within(client::SHORT, DeleteBotRequest { id: id.clone() });
            let deleted = chat
                .bots()
                .delete_bot(request)
                .await
                .map_err(|status| chat.failure(&status))?;
            let chunks = deleted.into_inner().chunks_deleted;
            if common.json {
                output::json(&serde_json::json!({"id": id, "chunksDeleted": chunks}))
            } else {
                output::line(&format!("deleted {id} and {chunks} chunks of knowledge"))
            }
        }
    }
}

async fn list(chat: &Peer, json: bool) -> Result<(), Failure> {
    let mut bots = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = within(
            client::SHORT,
            ListBotsRequest {
                page_size: PAGE,
                page_token,
            },
        );
        let page = chat
            .bots()
            .list_bots(request)
            .await
            .map_err(|status| chat.failure(&status))?
            .into_inner();
        bots.extend(page.bots.into_iter().map(View::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if json {
        return output::json(&bots);
    }
    if bots.is_empty() {
        output::aside("there are no bots; `troika bots create --name NAME` makes one");
    }
    output::table(&View::HEADER, bots.iter().map(View::row))
}

fn print(bot: Option<Bot>, json: bool) -> Result<(), Failure> {
    let bot = bot.map(View::from).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            "the chat role answered without the bot: it is of another version",
        )
    })?;
    if json {
        output::json(&bot)
    } else {
        output::table(&["Field", "Value"], bot.fields())
    }
}

fn confirm(id: &str) -> Result<(), Failure> {
    if !output::stdin_is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            format!("deleting {id} cannot be undone: confirm it with --yes"),
        ));
    }
    output::aside_piece(&format!(
        "Delete {} and everything it knows? [y/N] ",
        output::printable(id)
    ));
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::new(Exit::Failed, "nothing was deleted"))
    }
}
