//! Figures over time, from the store: which rollups answer a question, and their sums.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use troika_chassis::error::{Code, Error, Violation};
use troika_proto::metrics::v1::{Dimension as WireDimension, GetHistoryRequest};

use crate::{
    delta::{Part, Resolution, read as parse},
    figures::Figures,
    moment::{HOUR, MINUTE, second},
    slice::{Dimension, Total, Values},
    store::{Store, StoreError},
};

/// Points of one answer.
const MOST_POINTS: u64 = 2000;

/// A question that can be answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Asked {
    from: u64,
    to: u64,
    step: u64,
    resolution: Resolution,
    /// One value of a dimension alone.
    only: Option<(Dimension, String)>,
}

impl Asked {
    /// # Errors
    /// What is wrong with the question.
    pub(crate) fn read(sent: GetHistoryRequest, now: SystemTime) -> Result<Self, Error> {
        let mut wrong = Vec::new();
        let mut complain = |field: &str, kind: &str, message: String| {
            wrong.push(Violation {
                field: field.to_owned(),
                kind: kind.to_owned(),
                message,
            });
        };
        let moment = |sent| SystemTime::try_from(sent).ok().map(second);
        let to = sent.to.map_or(Some(second(now)), moment);
        let from = sent.from.and_then(moment);
        if from.is_none() || to.is_none() || from >= to {
            let message = "from is required, and must be before to".to_owned();
            complain("from", "date.less", message);
        }
        let step = sent.step.and_then(|step| Duration::try_from(step).ok());
        let step = step.unwrap_or_default();
        if step.as_secs() < MINUTE
            || !step.as_secs().is_multiple_of(MINUTE)
            || step.subsec_nanos() > 0
        {
            let message = "step must be whole minutes".to_owned();
            complain("step", "number.multiple", message);
        }
        let (from, to, step) = (
            from.unwrap_or_default(),
            to.unwrap_or_default(),
            step.as_secs().max(1),
        );
        if to.saturating_sub(from) / step > MOST_POINTS {
            let message = format!("step must be longer: there may be {MOST_POINTS} points");
            complain("step", "number.min", message);
        }
        let dimension = super::grpc::dimension(sent.dimension());
        if sent.dimension() != WireDimension::Unspecified && sent.value.is_empty() {
            let message = "value is required with a dimension".to_owned();
            complain("value", "any.required", message);
        }
        if let Some(first) = wrong.first() {
            let message = first.message.clone();
            let error = Error::new(Code::InvalidArgument, "invalid_argument", message);
            return Err(error.with_violations(wrong));
        }
        let kept = Resolution::Minute.kept().unwrap_or_default().as_secs();
        let minutes = from + kept >= second(now) && !step.is_multiple_of(HOUR);
        Ok(Self {
            from: from - from % step,
            to,
            step,
            resolution: if minutes {
                Resolution::Minute
            } else {
                Resolution::Hour
            },
            only: dimension.map(|dimension| (dimension, sent.value)),
        })
    }
}

/// Sums by the beginning of their step. Steps without turns are left out.
///
/// # Errors
/// While the store is away.
pub(crate) async fn read(
    store: &dyn Store,
    asked: &Asked,
) -> Result<BTreeMap<u64, Figures>, StoreError> {
    let part = asked
        .only
        .as_ref()
        .map_or(Part::Total, |(dimension, _)| Part::By(*dimension));
    let rollups = store
        .rollups(asked.resolution, part, asked.from, asked.to)
        .await?;
    let mut points: BTreeMap<u64, Figures> = BTreeMap::new();
    for rollup in rollups {
        let figures = match &asked.only {
            None => parse::<Total>(&rollup.data).map(|total| total.figures),
            Some((_, value)) => {
                parse::<Values>(&rollup.data).and_then(|mut values| values.remove(value))
            }
        };
        if let Some(figures) = figures {
            let at = rollup.at - rollup.at % asked.step;
            points.entry(at).or_default().merge(&figures);
        }
    }
    Ok(points)
}
