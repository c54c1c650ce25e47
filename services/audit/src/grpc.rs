//! The log on the wire: read and verified by those who may, and written by nobody.

use std::time::Duration;

use tonic::{Request, Response, Status};
use troika_chassis::error::{Code, Error};
use troika_identity::{Access, Caller, Refusal, Role};
use troika_proto::audit::v1::{
    Entry as WireEntry, ListEntriesRequest, ListEntriesResponse, VerifyRequest, VerifyResponse,
    audit_server::{Audit, AuditServer},
};

use crate::{
    log::AuditLog,
    store::{StoreError, Stored, Wanted},
};

/// Entries of one answer: the most, and those of a request that says nothing.
const MOST: u32 = 500;
const SOME: u32 = 50;

/// When to come back to a store that is away.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// What stands in the place of an entry that cannot be read.
const UNREADABLE: &str = "unreadable";

/// Who reads a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Admins, and processes of this system.
    Admins,
    /// Those who may change accounts.
    SuperAdmins,
}

impl Readers {
    fn admit<T>(self, request: &Request<T>) -> Result<(), Error> {
        let caller = Caller::from_extensions(request.extensions());
        match self {
            Self::Admins if caller.is_admin() || caller.role == Role::Service => Ok(()),
            Self::Admins => Err(Refusal::AdminRequired.into()),
            Self::SuperAdmins => Ok(Access::SuperAdmin.admit(&caller, false)?),
        }
    }
}

/// The service over a log.
pub struct AuditService {
    log: AuditLog,
    readers: Readers,
}

/// The service of a log, for the servers of its role.
pub fn server(log: AuditLog, readers: Readers) -> AuditServer<AuditService> {
    AuditServer::new(AuditService { log, readers })
}

#[tonic::async_trait]
impl Audit for AuditService {
    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        self.readers.admit(&request)?;
        let asked = request.into_inner();
        let limit = match asked.limit {
            0 => SOME,
            limit if limit <= MOST => limit,
            _ => return Err(too_many().into()),
        };
        let filled = |text: String| (!text.is_empty()).then_some(text);
        let wanted = Wanted {
            before: (asked.before > 0).then_some(asked.before),
            target: filled(asked.target),
            action: filled(asked.action),
        };
        let found = self.log.list(&wanted, limit as usize).await.map_err(away)?;
        Ok(Response::new(ListEntriesResponse {
            entries: found.into_iter().map(told).collect(),
        }))
    }

    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        self.readers.admit(&request)?;
        let verified = self.log.verify().await.map_err(away)?;
        if let Some(first) = verified.first_broken {
            tracing::error!(first, "the audit log was changed behind its back");
        }
        Ok(Response::new(VerifyResponse {
            entries: verified.entries,
            first_broken: verified.first_broken.unwrap_or_default(),
        }))
    }
}

fn told(stored: Stored) -> WireEntry {
    let Some(entry) = stored.entry else {
        return WireEntry {
            number: stored.number,
            action: UNREADABLE.to_owned(),
            ..WireEntry::default()
        };
    };
    let said = entry.recorded;
    WireEntry {
        number: entry.number,
        time: Some(said.time().into()),
        subject: said.subject,
        name: said.name,
        role: said.role,
        action: said.action,
        target: said.target,
        before: said.before,
        after: said.after,
        request_id: said.request_id,
        hash: entry.hash.to_string(),
    }
}

fn too_many() -> Error {
    let message = format!("limit must be from 1 to {MOST}");
    Error::new(Code::InvalidArgument, "invalid_argument", message.clone()).with_violation(
        "limit",
        message,
        "number.max",
    )
}

fn away(error: StoreError) -> Error {
    let message = "The audit log cannot be read right now. Please try again in a moment.";
    Error::new(Code::Unavailable, "audit_unavailable", message)
        .with_retry_after(RETRY_AFTER)
        .with_source(error)
}

#[cfg(test)]
mod tests;
