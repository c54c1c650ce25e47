//! Chatbots on the wire: bots, their knowledge and their conversations. It checks what was sent, asks
//! the stores and the importer, and tells failures; it decides nothing about them. What changes is in the audit log.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};
use troika_audit::{AuditLog, By};
use troika_chassis::error::{Code, Error};
use troika_identity::{Caller, Refusal, Role};
use troika_proto::chat::v1::{self as wire, chatbots_server::Chatbots};

use crate::{
    bots::{Bot, BotId, BotStore},
    history::MessageStore,
    knowledge::{KnowledgeStore, importer::Importer},
    quota::{Quota, QuotaStore, Terms},
    store::StoreError,
    turn::admission,
};

mod audited;
mod conversion;
mod failures;
mod faults;
mod fields;
mod upload;

pub(in crate::grpc) use fields::bot_id;

use failures::{import_failure, store_failure};
use faults::Faults;

/// Bots of one page: the most, and those of a request that says nothing.
const PAGE_SIZE: (u32, u32) = (200, 50);

/// Messages of one answer: the most, and those of a request that says nothing.
const MESSAGES: (u32, u32) = (200, 10);

/// The service.
pub(crate) struct ChatbotsService {
    bots: Arc<dyn BotStore>,
    quotas: Arc<dyn QuotaStore>,
    knowledge: Arc<dyn KnowledgeStore>,
    messages: Arc<dyn MessageStore>,
    importer: Arc<Importer>,
    audit: AuditLog,
}

impl ChatbotsService {
    /// The service over its stores.
    pub(crate) fn new(
        bots: Arc<dyn BotStore>,
        quotas: Arc<dyn QuotaStore>,
        knowledge: Arc<dyn KnowledgeStore>,
        messages: Arc<dyn MessageStore>,
        importer: Arc<Importer>,
        audit: AuditLog,
    ) -> Self {
        Self {
            bots,
            quotas,
            knowledge,
            messages,
            importer,
            audit,
        }
    }

    /// A bot that the caller may look after: a company its own alone.
    async fn theirs(&self, id: BotId, caller: &Caller) -> Result<Bot, Error> {
        let bot = self.bot(id).await?;
        if caller.role == Role::User && !caller.owns(bot.company.as_deref()) {
            return Err(admission::for_another_company());
        }
        Ok(bot)
    }

    async fn bot(&self, id: BotId) -> Result<Bot, Error> {
        self.bots
            .get(id)
            .await
            .map_err(store_failure)?
            .ok_or_else(failures::no_bot)
    }

    /// Bots with what they may use and used.
    async fn with_quotas(&self, bots: Vec<Bot>) -> Result<Vec<wire::Bot>, Error> {
        let ids: Vec<BotId> = bots.iter().map(|bot| bot.id).collect();
        let mut quotas = self
            .quotas
            .quotas(&ids, now())
            .await
            .map_err(store_failure)?;
        let shown = bots.into_iter().map(|bot| {
            let quota = quotas.remove(&bot.id);
            wire::Bot {
                quota: quota.map(wire::BotQuota::from),
                ..bot.into()
            }
        });
        Ok(shown.collect())
    }

    async fn shown(&self, bot: Bot) -> Result<wire::Bot, Error> {
        Ok(self.with_quotas(vec![bot]).await?.remove(0))
    }

    async fn create(&self, sent: wire::Bot, by: &By) -> Result<wire::Bot, Error> {
        let (bot, terms) = fields::new_bot(&sent, now())?;
        let id = bot.id.to_string();
        let after = audited::bot(&bot, &terms);
        let intent = self.audit.intend(by.change("bot.create", &id), None)?;
        match self.bots.create(&bot).await {
            Ok(()) => {
                let shown = self.bound(bot, &terms).await?;
                intent.done(Some(&after)).await;
                Ok(shown)
            }
            Err(StoreError::AlreadyExists) => {
                intent.not_done();
                let message = "There is a bot with this id. Leave the id out, or update the bot.";
                Err(Error::new(Code::AlreadyExists, "bot_exists", message))
            }
            Err(error) => Err(store_failure(error)),
        }
    }

    /// A new bot with its bounds. One without them might be used by anybody: then there is none.
    async fn bound(&self, bot: Bot, terms: &Terms) -> Result<wire::Bot, Error> {
        if *terms == Terms::default() {
            return Ok(bot.into());
        }
        if let Err(error) = self.quotas.set_terms(bot.id, terms).await {
            if let Err(left) = self.bots.delete(bot.id).await {
                tracing::error!(bot = %bot.id, error = &left as &dyn std::error::Error, "a bot is left without its quota");
            }
            return Err(store_failure(error));
        }
        let quota = Quota {
            terms: terms.clone(),
            ..Quota::default()
        };
        Ok(wire::Bot {
            quota: Some(quota.into()),
            ..bot.into()
        })
    }

    async fn update(
        &self,
        request: wire::UpdateBotRequest,
        caller: &Caller,
        by: &By,
    ) -> Result<wire::Bot, Error> {
        let sent = request.bot.unwrap_or_default();
        let mask = request.update_mask.unwrap_or_default().paths;
        // The shape of the request is told before anything is read.
        let id = fields::checked_update(&sent, &mask)?;
        if fields::names_admins_fields(&mask) && matches!(caller.role, Role::User | Role::Visitor) {
            return Err(Refusal::AdminRequired.into());
        }
        let mut bot = self.theirs(id, caller).await?;
        let mut quota = self.quota(id).await?;
        let before = (
            audited::fields(&bot, &quota.terms, &mask),
            quota.terms.clone(),
        );
        fields::update((&mut bot, &mut quota.terms), &sent, &mask, now())?;
        let intent = self
            .audit
            .intend(by.change("bot.update", &id.to_string()), Some(&before.0))?;
        match self.bots.update(&bot).await {
            Ok(()) => {}
            Err(StoreError::NotFound) => {
                intent.not_done();
                return Err(failures::no_bot());
            }
            Err(error) => return Err(store_failure(error)),
        }
        if quota.terms != before.1 {
            let set = self.quotas.set_terms(id, &quota.terms).await;
            set.map_err(store_failure)?;
        }
        let after = audited::fields(&bot, &quota.terms, &mask);
        intent.done(Some(&after)).await;
        Ok(wire::Bot {
            quota: (quota != Quota::default()).then(|| quota.into()),
            ..bot.into()
        })
    }

    async fn quota(&self, bot: BotId) -> Result<Quota, Error> {
        let mut found = self
            .quotas
            .quotas(&[bot], now())
            .await
            .map_err(store_failure)?;
        Ok(found.remove(&bot).unwrap_or_default())
    }

    /// A page of bots; of a company's bots alone where a company asks.
    async fn list(
        &self,
        request: wire::ListBotsRequest,
        caller: &Caller,
    ) -> Result<wire::ListBotsResponse, Error> {
        let mut faults = Faults::default();
        let size = faults.count("page_size", request.page_size, PAGE_SIZE);
        let mut after = faults.page_token(&request.page_token);
        faults.none()?;
        let mut bots = Vec::new();
        loop {
            // One more than asked for tells whether there is a further page.
            let found = self.bots.list(after, size + 1).await;
            let found = found.map_err(store_failure)?;
            let last = found.len() <= size;
            after = found.last().map(|bot| bot.id);
            bots.extend(
                found
                    .into_iter()
                    .filter(|bot| caller.role != Role::User || caller.owns(bot.company.as_deref())),
            );
            if last || bots.len() > size {
                break;
            }
        }
        let further = bots.len() > size;
        bots.truncate(size);
        let last = bots.last().filter(|_| further);
        let next_page_token = last.map(|bot| bot.id.to_string()).unwrap_or_default();
        Ok(wire::ListBotsResponse {
            bots: self.with_quotas(bots).await?,
            next_page_token,
        })
    }

    /// Knowledge goes first: were the bot gone and its knowledge not, nothing could name it any more.
    async fn delete(&self, id: BotId, by: &By) -> Result<u64, Error> {
        let bot = self.bot(id).await?;
        let before = audited::bot(&bot, &self.quota(id).await?.terms);
        let target = id.to_string();
        let intent = self
            .audit
            .intend(by.change("bot.delete", &target), Some(&before))?;
        let chunks = self
            .knowledge
            .delete(id, None)
            .await
            .map_err(store_failure)?;
        if self.bots.delete(id).await.map_err(store_failure)? {
            intent.done(None).await;
            return Ok(chunks);
        }
        // Somebody else deleted it meanwhile. Where its knowledge was not gone yet, that is told as what it is: half a change.
        if chunks == 0 {
            intent.not_done();
        }
        Err(failures::no_bot())
    }

    async fn delete_documents(
        &self,
        request: wire::DeleteKnowledgeRequest,
        caller: &Caller,
        by: &By,
    ) -> Result<u64, Error> {
        let id = fields::bot_id("chatbot_id", &request.chatbot_id)?;
        let bot = self.theirs(id, caller).await?;
        let file_name = (!request.file_name.is_empty()).then_some(request.file_name.as_str());
        let (target, before) = (bot.id.to_string(), audited::documents(file_name));
        let intent = self
            .audit
            .intend(by.change("knowledge.delete", &target), Some(&before))?;
        let chunks = self
            .knowledge
            .delete(bot.id, file_name)
            .await
            .map_err(store_failure)?;
        if chunks == 0 {
            intent.not_done();
        } else {
            intent.done(Some(&audited::deleted(chunks))).await;
        }
        Ok(chunks)
    }

    /// Conversations outlive their bot: only where there is neither is the bot unknown.
    async fn conversation(
        &self,
        request: wire::ListMessagesRequest,
        caller: &Caller,
    ) -> Result<Vec<wire::Message>, Error> {
        let mut faults = Faults::default();
        let bot = faults.bot_id("chatbot_id", &request.chatbot_id);
        faults.session_id("session_id", &request.session_id);
        let limit = faults.count("limit", request.limit, MESSAGES);
        let bot = faults.with(bot)?;
        if caller.role == Role::User {
            self.theirs(bot, caller).await?;
        }
        let messages = self
            .messages
            .recent(bot, &request.session_id, limit)
            .await
            .map_err(store_failure)?;
        if messages.is_empty() {
            self.bot(bot).await?;
        }
        Ok(messages.into_iter().map(wire::Message::from).collect())
    }
}

/// The time in milliseconds, as stores keep it: what a change answers is what is read later.
fn now() -> SystemTime {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(since.as_millis() as u64)
}

#[tonic::async_trait]
impl Chatbots for ChatbotsService {
    type ImportKnowledgeStream =
        Pin<Box<dyn Stream<Item = Result<wire::ImportKnowledgeResponse, Status>> + Send>>;

    async fn create_bot(
        &self,
        request: Request<wire::CreateBotRequest>,
    ) -> Result<Response<wire::CreateBotResponse>, Status> {
        let by = By::of(request.extensions());
        let sent = request.into_inner().bot.unwrap_or_default();
        let bot = self.create(sent, &by).await?;
        Ok(Response::new(wire::CreateBotResponse { bot: Some(bot) }))
    }

    async fn get_bot(
        &self,
        request: Request<wire::GetBotRequest>,
    ) -> Result<Response<wire::GetBotResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let id = fields::bot_id("id", &request.into_inner().id)?;
        let bot = self.theirs(id, &caller).await?;
        Ok(Response::new(wire::GetBotResponse {
            bot: Some(self.shown(bot).await?),
        }))
    }

    async fn update_bot(
        &self,
        request: Request<wire::UpdateBotRequest>,
    ) -> Result<Response<wire::UpdateBotResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let by = By::of(request.extensions());
        let bot = self.update(request.into_inner(), &caller, &by).await?;
        Ok(Response::new(wire::UpdateBotResponse { bot: Some(bot) }))
    }

    async fn list_bots(
        &self,
        request: Request<wire::ListBotsRequest>,
    ) -> Result<Response<wire::ListBotsResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let listed = self.list(request.into_inner(), &caller).await?;
        Ok(Response::new(listed))
    }

    async fn delete_bot(
        &self,
        request: Request<wire::DeleteBotRequest>,
    ) -> Result<Response<wire::DeleteBotResponse>, Status> {
        let by = By::of(request.extensions());
        let id = fields::bot_id("id", &request.into_inner().id)?;
        let chunks_deleted = self.delete(id, &by).await?;
        Ok(Response::new(wire::DeleteBotResponse { chunks_deleted }))
    }

    async fn import_knowledge(
        &self,
        request: Request<Streaming<wire::ImportKnowledgeRequest>>,
    ) -> Result<Response<Self::ImportKnowledgeStream>, Status> {
        let by = By::of(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let mut parts = request.into_inner();
        let header = upload::header(&mut parts, self.importer.upload_silence()).await?;
        let mut upload = fields::upload(&header)?;
        let bot = self.theirs(upload.bot, &caller).await?;
        if upload.language.is_empty() {
            upload.language = bot.language;
        }
        let (target, file_name) = (upload.bot.to_string(), upload.file_name.clone());
        let intent = self
            .audit
            .intend(by.change("knowledge.import", &target), None)
            .map_err(Error::from)?;
        let import = audited::Import::new(intent, file_name);
        let progress = self
            .importer
            .import(upload, upload::pieces(parts))
            .map_err(import_failure)?;
        let progress = audited::told(import, progress);
        let responses = progress.map(|step| match step {
            Ok(progress) => Ok(wire::ImportKnowledgeResponse::from(progress)),
            Err(error) => Err(Status::from(import_failure(error))),
        });
        Ok(Response::new(Box::pin(responses)))
    }

    async fn list_knowledge(
        &self,
        request: Request<wire::ListKnowledgeRequest>,
    ) -> Result<Response<wire::ListKnowledgeResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let id = fields::bot_id("chatbot_id", &request.into_inner().chatbot_id)?;
        let bot = self.theirs(id, &caller).await?;
        let documents = self
            .knowledge
            .documents(bot.id)
            .await
            .map_err(store_failure)?;
        let documents = documents.into_iter().map(wire::Document::from).collect();
        Ok(Response::new(wire::ListKnowledgeResponse { documents }))
    }

    async fn delete_knowledge(
        &self,
        request: Request<wire::DeleteKnowledgeRequest>,
    ) -> Result<Response<wire::DeleteKnowledgeResponse>, Status> {
        let by = By::of(request.extensions());
        let caller = Caller::from_extensions(request.extensions());
        let request = request.into_inner();
        let chunks_deleted = self.delete_documents(request, &caller, &by).await?;
        Ok(Response::new(wire::DeleteKnowledgeResponse {
            chunks_deleted,
        }))
    }

    async fn list_messages(
        &self,
        request: Request<wire::ListMessagesRequest>,
    ) -> Result<Response<wire::ListMessagesResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let messages = self.conversation(request.into_inner(), &caller).await?;
        Ok(Response::new(wire::ListMessagesResponse { messages }))
    }
}

#[cfg(test)]
mod tests;
