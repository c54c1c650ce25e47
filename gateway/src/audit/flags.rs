//! The log of flags in the shape of an audit log. It must not know how flags are decided.

use troika_chassis::{channel::Channel, context::RequestContext};
use troika_proto::{
    audit::v1::ListEntriesRequest,
    flags::v1::{Change, Flag as WireFlag, ListChangesRequest, flags_client::FlagsClient},
};

use super::{AuditEntry, filled};
use crate::{
    call::Peer,
    flags::{read, refused},
    moment::rfc3339,
    problem::Problem,
};

/// Entries of a request that says nothing, and the most that the role tells at once.
const SOME: u32 = 50;
const MOST: u32 = 500;

/// Times that the role is asked for one answer: it does not know actions, which are looked for among its changes.
const LOOKS: usize = 20;

/// Changes of flags, the newest first.
pub(super) async fn list(
    peer: &Peer<FlagsClient<Channel>>,
    context: &RequestContext,
    asked: ListEntriesRequest,
) -> Result<Vec<AuditEntry>, Problem> {
    let wanted = if asked.limit == 0 { SOME } else { asked.limit };
    let all = asked.action.is_empty();
    let mut before = (asked.before > 0).then_some(asked.before);
    let mut entries = Vec::new();
    for _ in 0..LOOKS {
        // A limit that is wrong is the role's to refuse.
        let limit = if all { wanted } else { wanted.max(MOST) };
        let question = ListChangesRequest {
            key: asked.target.clone(),
            before_revision: before,
            limit: Some(limit),
        };
        let told = peer
            .ask(context, question, |mut client, request| async move {
                client.list_changes(request).await
            })
            .await
            .map_err(refused)?;
        let last = told.changes.last().map(|change| change.revision);
        let is_end = told.changes.len() < limit as usize;
        for change in told.changes {
            if (all || action(&change) == asked.action) && entries.len() < wanted as usize {
                entries.push(entry(change)?);
            }
        }
        before = last;
        if all || is_end || entries.len() == wanted as usize {
            break;
        }
    }
    Ok(entries)
}

fn action(change: &Change) -> &'static str {
    match (&change.before, &change.after) {
        (None, _) => "flag.create",
        (_, None) => "flag.delete",
        _ => "flag.update",
    }
}

fn entry(change: Change) -> Result<AuditEntry, Problem> {
    let action = action(&change).to_owned();
    let value = |flag: Option<WireFlag>| -> Result<serde_json::Value, Problem> {
        let flag = flag.map(|flag| read(Some(flag))).transpose()?;
        Ok(serde_json::to_value(flag).unwrap_or_default())
    };
    Ok(AuditEntry {
        number: change.revision,
        time: change.at.map(rfc3339),
        subject: None,
        name: filled(change.author.unwrap_or_default().name),
        role: None,
        action,
        target: change.key,
        before: value(change.before)?,
        after: value(change.after)?,
        request_id: None,
    })
}
