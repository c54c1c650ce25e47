//! `troika rollout`: starts, follows and stops rollouts of a running flags role.

use troika_proto::flags::v1::{
    AbortRolloutRequest, ApproveStepRequest, GetRolloutRequest, ListDecisionsRequest,
    ListRolloutsRequest, PauseRolloutRequest, Plan, ResumeRolloutRequest, Rollout, SetStepRequest,
    StartRolloutRequest, WatchRolloutRequest,
};

use super::author::Signed;
use crate::{
    client::{FlagsTarget, Peer, SHORT, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

mod plan;
mod view;

/// What to do with rollouts. Where no id is given, the flag's newest rollout is meant.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Verb {
    /// Start a rollout with its first step
    #[command(after_help = "\
Examples:
  troika rollout start streaming --candidate v2.3 --reason \"faster first token\"
  troika rollout start streaming --candidate v2.3 --steps 1@10m,10@30m,100@1h --manual
  troika rollout start streaming --candidate v2.3 --dry-run")]
    Start {
        /// The flag to roll out
        flag: String,
        /// What is rolled out, such as a version
        #[arg(long)]
        candidate: String,
        /// Percentages with the shortest time before the next: 1@2h,5@4h,…; the default plan when absent
        #[arg(long, value_parser = plan::steps, value_name = "STEPS")]
        steps: Option<plan::Steps>,
        /// The percentage after a rollback or an abort
        #[arg(long, default_value_t = 0.0, value_name = "PERCENTAGE")]
        rollback_to: f64,
        /// Wait for `approve` before each step
        #[arg(long)]
        manual: bool,
        /// Decide and tell, and leave the flag as it is
        #[arg(long)]
        dry_run: bool,
        /// Samples of the candidate before an advance, 300 when absent
        #[arg(long, value_name = "NUMBER")]
        min_samples: Option<u64>,
        /// Try a candidate again that was rolled back
        #[arg(long)]
        again: bool,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// List rollouts, newest first
    List {
        /// Of this flag; of all when absent
        flag: Option<String>,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// Show how a rollout stands; on a terminal, live until it is over or Ctrl-C
    Status {
        /// The flag or the rollout's id
        rollout: String,
        /// Print it once
        #[arg(long)]
        once: bool,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// List the decisions about a rollout, newest first
    Decisions {
        /// The flag or the rollout's id
        rollout: String,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// Hold the percentage; rolling back is still judged
    Pause {
        /// The flag or the rollout's id
        rollout: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// Go on
    Resume {
        /// The flag or the rollout's id
        rollout: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// Let the next step begin, where the plan waits for a person
    Approve {
        /// The flag or the rollout's id
        rollout: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// Go to a step of the plan; its bake begins anew
    Step {
        /// The flag or the rollout's id
        rollout: String,
        /// The step, from 1
        step: u32,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
    /// End a rollout and set its rollback percentage
    Abort {
        /// The flag or the rollout's id
        rollout: String,
        #[command(flatten)]
        signed: Signed,
        #[command(flatten)]
        role: FlagsTarget,
    },
}

/// Carries the verb out.
///
/// # Errors
/// What the flags role refuses, and when it does not answer.
pub(crate) async fn run(verb: Verb, config: &Config) -> Result<(), Failure> {
    match verb {
        Verb::Start {
            flag,
            candidate,
            steps,
            rollback_to,
            manual,
            dry_run,
            min_samples,
            again,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let plan = Plan {
                steps: steps.map(|steps| steps.0).unwrap_or_default(),
                criteria: min_samples.map(plan::min_samples),
                manual_approval: manual,
                dry_run,
                rollback_percentage: rollback_to,
            };
            let request = StartRolloutRequest {
                flag,
                candidate,
                plan: Some(plan),
                author: Some(signed.author()?),
                override_rejection: again,
            };
            let started = peer.rollouts().start_rollout(within(SHORT, request)).await;
            shown(
                started
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
        Verb::List { flag, role } => {
            let rollouts = list(&role.peer(config)?, flag.unwrap_or_default(), 50).await?;
            view::table(&rollouts)
        }
        Verb::Status {
            rollout,
            once,
            role,
        } => {
            status(
                &role.peer(config)?,
                &rollout,
                once || !output::stdout_is_terminal(),
            )
            .await
        }
        Verb::Decisions {
            rollout,
            limit,
            role,
        } => {
            let peer = role.peer(config)?;
            let id = find(&peer, &rollout).await?.id;
            let request = ListDecisionsRequest {
                id,
                limit: Some(limit),
            };
            let listed = peer.rollouts().list_decisions(within(SHORT, request)).await;
            let listed = listed.map_err(|status| peer.failure(&status))?.into_inner();
            view::decisions(&listed.decisions)
        }
        Verb::Pause {
            rollout,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let (id, author) = (find(&peer, &rollout).await?.id, Some(signed.author()?));
            let request = within(SHORT, PauseRolloutRequest { id, author });
            let paused = peer.rollouts().pause_rollout(request).await;
            shown(
                paused
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
        Verb::Resume {
            rollout,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let (id, author) = (find(&peer, &rollout).await?.id, Some(signed.author()?));
            let request = within(SHORT, ResumeRolloutRequest { id, author });
            let resumed = peer.rollouts().resume_rollout(request).await;
            shown(
                resumed
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
        Verb::Approve {
            rollout,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let (id, author) = (find(&peer, &rollout).await?.id, Some(signed.author()?));
            let request = within(SHORT, ApproveStepRequest { id, author });
            let approved = peer.rollouts().approve_step(request).await;
            shown(
                approved
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
        Verb::Step {
            rollout,
            step,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let step = step
                .checked_sub(1)
                .ok_or_else(|| Failure::new(Exit::Usage, "steps are counted from 1"))?;
            let (id, author) = (find(&peer, &rollout).await?.id, Some(signed.author()?));
            let request = within(SHORT, SetStepRequest { id, step, author });
            let set = peer.rollouts().set_step(request).await;
            shown(
                set.map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
        Verb::Abort {
            rollout,
            signed,
            role,
        } => {
            let peer = role.peer(config)?;
            let (id, author) = (find(&peer, &rollout).await?.id, Some(signed.author()?));
            let request = within(SHORT, AbortRolloutRequest { id, author });
            let aborted = peer.rollouts().abort_rollout(request).await;
            shown(
                aborted
                    .map_err(|status| peer.failure(&status))?
                    .into_inner()
                    .rollout,
            )
        }
    }
}

/// A rollout by its id, or the newest one of a flag.
async fn find(peer: &Peer, named: &str) -> Result<Rollout, Failure> {
    if let Some(newest) = list(peer, named.to_owned(), 1).await?.into_iter().next() {
        return Ok(newest);
    }
    let request = within(
        SHORT,
        GetRolloutRequest {
            id: named.to_owned(),
        },
    );
    let found = peer.rollouts().get_rollout(request).await;
    let found = found.map_err(|status| peer.failure(&status))?.into_inner();
    Ok(found.rollout.unwrap_or_default())
}

async fn list(peer: &Peer, flag: String, limit: u32) -> Result<Vec<Rollout>, Failure> {
    let request = within(
        SHORT,
        ListRolloutsRequest {
            flag,
            limit: Some(limit),
        },
    );
    let listed = peer.rollouts().list_rollouts(request).await;
    Ok(listed
        .map_err(|status| peer.failure(&status))?
        .into_inner()
        .rollouts)
}

async fn status(peer: &Peer, named: &str, once: bool) -> Result<(), Failure> {
    let rollout = find(peer, named).await?;
    if once {
        return output::line(&view::block(&rollout));
    }
    let request = WatchRolloutRequest { id: rollout.id };
    let watched = peer.rollouts().watch_rollout(request).await;
    let mut updates = watched
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    let mut live = crate::live::Live::new();
    while let Some(update) = updates
        .message()
        .await
        .map_err(|status| peer.failure(&status))?
    {
        live.show(&view::block(&update.rollout.unwrap_or_default()));
    }
    Ok(())
}

fn shown(changed: Option<Rollout>) -> Result<(), Failure> {
    output::line(&view::block(&changed.unwrap_or_default()))
}
