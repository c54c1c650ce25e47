//! Turns over stores that hang, without a model: what the suites over the binary cannot hold still.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures::StreamExt as _;
use troika_chassis::{cache::memory::MemoryCache, lifecycle::DrainConfig};
use troika_proto::chat::v1::{FinishReason, turn_event::Event};
use troika_reporting::{Needs, Situation};

use super::*;
use crate::{
    bots::{Access, BotStore, Limits},
    embedder,
    history::{
        Visitor,
        owners::{Owner, OwnerStore},
    },
    knowledge::{self, Chunk, Document, KnowledgeStore, Replaced},
    model, peers,
    question::Unchecked,
    quota::{Quota, QuotaStore, Reservation, Reserved, Settlement, Terms},
};

const BOT: BotId = BotId([7; 12]);

/// Holds one bot, knows nothing, takes every message, and never tells a conversation.
struct Hanging {
    bot: Bot,
}

#[async_trait]
impl BotStore for Hanging {
    async fn create(&self, _: &Bot) -> Result<(), StoreError> {
        Err(StoreError::AlreadyExists)
    }
    async fn get(&self, id: BotId) -> Result<Option<Bot>, StoreError> {
        Ok((id == BOT).then(|| self.bot.clone()))
    }
    async fn update(&self, _: &Bot) -> Result<(), StoreError> {
        Ok(())
    }
    async fn list(&self, _: Option<BotId>, _: usize) -> Result<Vec<Bot>, StoreError> {
        Ok(vec![self.bot.clone()])
    }
    async fn delete(&self, _: BotId) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[async_trait]
impl MessageStore for Hanging {
    async fn append(&self, _: &[Message]) -> Result<(), StoreError> {
        Ok(())
    }
    async fn recent(&self, _: BotId, _: &str, _: usize) -> Result<Vec<Message>, StoreError> {
        std::future::pending().await
    }
}

#[async_trait]
impl OwnerStore for Hanging {
    async fn claim(
        &self,
        _: BotId,
        _: &str,
        owner: Option<&Owner>,
    ) -> Result<Option<Owner>, StoreError> {
        Ok(owner.cloned())
    }
}

#[async_trait]
impl QuotaStore for Hanging {
    async fn quotas(
        &self,
        _: &[BotId],
        _: SystemTime,
    ) -> Result<HashMap<BotId, Quota>, StoreError> {
        Ok(HashMap::new())
    }
    async fn set_terms(&self, _: BotId, _: &Terms) -> Result<(), StoreError> {
        Ok(())
    }
    async fn reserve(&self, _: &Reservation) -> Result<Reserved, StoreError> {
        Ok(Reserved::Unlimited)
    }
    async fn settle(&self, _: &Settlement) -> Result<(), StoreError> {
        Ok(())
    }
    async fn question(&self, _: BotId, _: Uuid, _: SystemTime) -> Result<u32, StoreError> {
        Ok(1)
    }
}

#[async_trait]
impl KnowledgeStore for Hanging {
    async fn replace(&self, _: BotId, _: &str, _: &[Chunk]) -> Result<Replaced, StoreError> {
        Ok(Replaced::default())
    }
    async fn documents(&self, _: BotId) -> Result<Vec<Document>, StoreError> {
        Ok(Vec::new())
    }
    async fn chunks(&self, _: BotId) -> Result<Vec<Chunk>, StoreError> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: BotId, _: Option<&str>) -> Result<u64, StoreError> {
        Ok(0)
    }
    async fn revision(&self, _: BotId) -> Result<u64, StoreError> {
        std::future::pending().await
    }
}

fn turns(limits: Limits, config: Config) -> Arc<Turns> {
    let store = Arc::new(Hanging {
        bot: Bot {
            id: BOT,
            name: "Ada".into(),
            persona: String::new(),
            model: None,
            temperature: None,
            language: "es-MX".into(),
            access: Access::Public,
            active: true,
            allowed_origins: Vec::new(),
            booking_url: None,
            limits,
            company: None,
            created_at: SystemTime::UNIX_EPOCH,
            updated_at: SystemTime::UNIX_EPOCH,
        },
    });
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let drain = Drain::new(DrainConfig::default());
    Arc::new(Turns {
        bots: Arc::new(CachedBots::new(store.clone())),
        messages: store.clone(),
        owners: Owners::new(store.clone(), Duration::from_secs(1)),
        retriever: Arc::new(Retriever::new(
            store.clone(),
            cache,
            None,
            knowledge::Config::default(),
        )),
        in_prompt: 5,
        quotas: Arc::new(Quotas::start(store.clone(), drain.clone())),
        allowances: Allowances::new(
            crate::allowance::Config::default(),
            None,
            &troika_chassis::meters::Meters::new(),
        ),
        room: Room::default(),
        writer: Writer::start(store, drain.clone()),
        ladder: Ladder::new(&model::Config::default(), &embedder::tests::http()),
        tts: Tts::new(&peers::tts::Config::default()).unwrap(),
        flags: Flags::fixed(troika_evaluation::built_in::flags()),
        reporter: reporter(&drain),
        meters: Meters::new(&troika_chassis::meters::Meters::new()),
        running: Running::default(),
        drain,
        config,
    })
}

/// Tells nobody.
fn reporter(drain: &Drain) -> Reporter {
    let situation = Situation::new("chat", Needs::default(), || 0);
    Reporter::start(
        &troika_reporting::Config::default(),
        situation,
        &troika_chassis::meters::Meters::new(),
        drain.clone(),
    )
    .unwrap()
}

fn question() -> Question {
    Question::try_from(Unchecked {
        query: "Why?".into(),
        chatbot_id: BOT.to_string(),
        ..Unchecked::default()
    })
    .unwrap()
}

async fn ask(turns: &Arc<Turns>) -> Result<impl Stream<Item = Event> + Send + use<>, Error> {
    let request = RequestContext::from_extensions(&Default::default());
    let question = question();
    let treatment = turns.treatment(&question);
    let started = turns.start(question, treatment, request).await?;
    Ok(started.events.map(|event| event.event.unwrap()))
}

/// A context that is waited for much longer than any turn of these tests.
fn patient() -> Config {
    Config {
        context: Duration::from_secs(1000),
        ..Config::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_turn_holds_while_it_waits_for_history_and_knowledge() {
    let limits = Limits {
        turn: Some(Duration::from_secs(3)),
        ..Limits::default()
    };
    let turns = turns(limits, patient());
    let began = tokio::time::Instant::now();
    let events: Vec<Event> = ask(&turns).await.unwrap().collect().await;
    assert!(began.elapsed() < Duration::from_secs(4));
    let [
        Event::Connected(_),
        Event::Status(_),
        Event::Error(failure),
        Event::Close(_),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(failure.code, "turn_timeout");
}

#[tokio::test(start_paused = true)]
async fn stop_is_heard_while_a_turn_waits_for_history_and_knowledge() {
    let turns = turns(Limits::default(), patient());
    let mut events = Box::pin(ask(&turns).await.unwrap());
    let Some(Event::Connected(connected)) = events.next().await else {
        panic!("not connected")
    };
    let session = connected.session_id.parse().unwrap();
    let stopped = turns.running.stop(
        &running::Target::Session(session),
        &troika_identity::Caller::default(),
    );
    assert_eq!(stopped.unwrap(), 1);
    let events: Vec<Event> = events.collect().await;
    let [
        Event::Status(_),
        Event::Complete(complete),
        Event::Close(close),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(complete.finish_reason(), FinishReason::Stopped);
    assert_eq!(close.reason, "stopped");
}

#[tokio::test(start_paused = true)]
async fn what_is_late_costs_the_context_and_is_told() {
    let turns = turns(Limits::default(), Config::default());
    let events: Vec<Event> = ask(&turns).await.unwrap().collect().await;
    let warnings: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Warning(warning) => Some(warning.code.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(warnings, ["history_unavailable", "knowledge_unavailable"]);
    let complete = events.iter().find_map(|event| match event {
        Event::Complete(complete) => Some(complete),
        _ => None,
    });
    assert_eq!(complete.unwrap().language, "es-ES");
}

#[tokio::test(start_paused = true)]
async fn a_full_process_refuses_before_it_reads_and_takes_the_next_when_one_has_left() {
    let config = Config {
        max_running: 1,
        ..patient()
    };
    let turns = turns(Limits::default(), config);
    let first = ask(&turns).await.unwrap();
    let refused = ask(&turns).await.err().unwrap();
    assert_eq!(refused.reason(), "too_many_turns");
    drop(first);
    assert!(ask(&turns).await.is_ok());
}

fn said(turn: Uuid, sender: Sender, content: &str) -> Message {
    Message {
        bot: BOT,
        session: "s".into(),
        turn: Some(turn),
        sender,
        content: content.into(),
        time: SystemTime::UNIX_EPOCH,
        tokens: None,
        outcome: None,
        visitor: Visitor::default(),
    }
}

#[test]
fn a_prompt_takes_the_newest_messages_from_a_visitors_on_and_never_the_question_itself() {
    let (before, now) = (Uuid::new_v4(), Uuid::new_v4());
    let messages = vec![
        said(before, Sender::User, "one"),
        said(before, Sender::Bot, "two"),
        said(before, Sender::User, "three"),
        said(before, Sender::Bot, "  "),
        said(before, Sender::Bot, "four"),
        said(now, Sender::User, "now"),
    ];
    let taken = |most| -> Vec<String> {
        conversation(messages.clone(), now, most)
            .into_iter()
            .map(|message| message.content)
            .collect()
    };
    assert_eq!(taken(10), ["one", "two", "three", "four"]);
    assert_eq!(taken(3), ["three", "four"]);
    assert_eq!(taken(1), Vec::<String>::new());
    assert_eq!(taken(0), Vec::<String>::new());
}
