//! Rollouts as they are shown to people at a terminal.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;
use troika_proto::flags::v1::{ArmFigures, Criteria, Decision, Rollout, RolloutState, Verdict};

use crate::{exit::Failure, output};

/// A table of rollouts.
pub(super) fn table(rollouts: &[Rollout]) -> Result<(), Failure> {
    output::table(
        &[
            "Id",
            "Flag",
            "Candidate",
            "State",
            "At",
            "Started",
            "Last change",
        ],
        rollouts.iter().map(|rollout| {
            vec![
                rollout.id.clone(),
                rollout.flag.clone(),
                rollout.candidate.clone(),
                state(rollout).to_owned(),
                format!("{} %", rollout.percentage),
                when(rollout.started_at),
                rollout.note.clone(),
            ]
        }),
    )
}

/// A table of decisions.
pub(super) fn decisions(decisions: &[Decision]) -> Result<(), Failure> {
    output::table(
        &["When", "Step", "Verdict", "Errors", "First token", "Why"],
        decisions.iter().map(|decision| {
            let candidate = decision.candidate.unwrap_or_default();
            vec![
                when(decision.at),
                (decision.step + 1).to_string(),
                verdict(decision).to_owned(),
                rate(&candidate),
                first_token(&candidate),
                reasons(decision).join("; "),
            ]
        }),
    )
}

/// One rollout on several lines: the steps, the figures against their limits, the last decision.
pub(super) fn block(rollout: &Rollout) -> String {
    let mut lines = vec![format!(
        "{}  {} {}  {} %{}",
        rollout.flag,
        output::printable(&rollout.candidate),
        state(rollout),
        rollout.percentage,
        if rollout.stalled { "  STALLED" } else { "" },
    )];
    let plan = rollout.plan.clone().unwrap_or_default();
    let steps: Vec<String> = plan
        .steps
        .iter()
        .enumerate()
        .map(|(at, step)| match at.cmp(&(rollout.step as usize)) {
            std::cmp::Ordering::Less => format!("{}✓", step.percentage),
            std::cmp::Ordering::Equal => format!("[{}]", step.percentage),
            std::cmp::Ordering::Greater => step.percentage.to_string(),
        })
        .collect();
    lines.push(format!("  steps       {}", steps.join("  ")));
    if let Some(bake) = plan
        .steps
        .get(rollout.step as usize)
        .and_then(|step| step.bake)
        && let Ok(bake) = Duration::try_from(bake)
        && rollout.ended_at.is_none()
    {
        lines.push(format!(
            "  this step   since {}, at least {}",
            when(rollout.step_started_at),
            humantime::format_duration(bake)
        ));
    }
    if let Some(decision) = &rollout.last_decision {
        lines.extend(figures(decision, &plan.criteria.unwrap_or_default()));
        lines.push(format!("  {:<14}{}", verdict(decision), when(decision.at)));
        lines.extend(
            reasons(decision)
                .iter()
                .map(|reason| format!("              {reason}")),
        );
    }
    if !rollout.note.is_empty() {
        lines.push(format!(
            "  last change {}",
            output::printable(&rollout.note)
        ));
    }
    lines.push(format!("  id          {}", rollout.id));
    lines.join("\n")
}

fn figures(decision: &Decision, criteria: &Criteria) -> Vec<String> {
    let (candidate, control) = (
        decision.candidate.unwrap_or_default(),
        decision.control.unwrap_or_default(),
    );
    let percent =
        |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{:.1} %", 100.0 * rate));
    let ms = |limit: Option<f64>| limit.map_or_else(String::new, |limit| format!("{limit:.0} ms"));
    let row = |name: &str, candidate: String, control: String, below: String, above: String| {
        format!("  {name:<12}{candidate:>14}{control:>14}{below:>14}{above:>14}")
    };
    vec![
        row(
            "",
            "candidate".into(),
            "control".into(),
            "go on below".into(),
            "back above".into(),
        ),
        row(
            "errors",
            rate(&candidate),
            rate(&control),
            percent(criteria.advance_error_rate),
            percent(criteria.rollback_error_rate),
        ),
        row(
            "first token",
            first_token(&candidate),
            first_token(&control),
            ms(criteria.advance_first_token_ms),
            ms(criteria.rollback_first_token_ms),
        ),
        row(
            "samples",
            samples(&candidate).to_string(),
            samples(&control).to_string(),
            criteria
                .min_samples
                .map_or_else(String::new, |samples| format!("({samples})")),
            String::new(),
        ),
    ]
}

fn samples(arm: &ArmFigures) -> u64 {
    arm.successes + arm.failures
}

fn rate(arm: &ArmFigures) -> String {
    arm.error_rate
        .map_or_else(|| "–".to_owned(), |rate| format!("{:.2} %", 100.0 * rate))
}

fn first_token(arm: &ArmFigures) -> String {
    arm.first_token_ms
        .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.0} ms"))
}

fn reasons(decision: &Decision) -> Vec<String> {
    decision
        .reasons
        .iter()
        .map(|reason| output::printable(&reason.message))
        .collect()
}

fn verdict(decision: &Decision) -> &'static str {
    match decision.verdict() {
        Verdict::Advance => "advance",
        Verdict::Hold => "hold",
        Verdict::RollBack => "roll back",
        Verdict::Inconclusive => "inconclusive",
        Verdict::Unspecified => "unknown",
    }
}

fn state(rollout: &Rollout) -> &'static str {
    match rollout.state() {
        RolloutState::Running => "running",
        RolloutState::Paused => "paused",
        RolloutState::AwaitingApproval => "awaits approval",
        RolloutState::Completed => "completed",
        RolloutState::RolledBack => "rolled back",
        RolloutState::Aborted => "aborted",
        RolloutState::Unspecified => "unknown",
    }
}

fn when(at: Option<Timestamp>) -> String {
    at.and_then(|at| SystemTime::try_from(at).ok())
        .map(|at| humantime::format_rfc3339_seconds(at).to_string())
        .unwrap_or_default()
}
