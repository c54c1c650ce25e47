//! Plans as they are typed: `1@2h,5@4h,100@1d`.

use troika_proto::flags::v1::{Criteria, PlanStep};

/// The steps of a plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Steps(pub(super) Vec<PlanStep>);

/// Reads steps: a percentage, `@`, and the shortest time before the next step.
///
/// # Errors
/// Says which step is wrong.
pub(super) fn steps(text: &str) -> Result<Steps, String> {
    text.split(',')
        .map(step)
        .collect::<Result<_, _>>()
        .map(Steps)
}

fn step(text: &str) -> Result<PlanStep, String> {
    let wrong = || format!("`{}` is no step: write it as 5@4h", text.trim());
    let (percentage, bake) = text.trim().split_once('@').ok_or_else(wrong)?;
    let bake = humantime::parse_duration(bake.trim()).map_err(|_| wrong())?;
    Ok(PlanStep {
        percentage: percentage
            .trim_end_matches('%')
            .trim()
            .parse()
            .map_err(|_| wrong())?,
        bake: Some(prost_types::Duration::try_from(bake).map_err(|_| wrong())?),
    })
}

/// The default criteria with another number of samples.
pub(super) fn min_samples(samples: u64) -> Criteria {
    Criteria {
        min_samples: Some(samples),
        ..Criteria::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_percentages_with_times() {
        let Steps(steps) = steps("1@2h, 5%@90m,100@0s").unwrap();
        let read: Vec<_> = steps
            .iter()
            .map(|step| (step.percentage, step.bake.unwrap().seconds))
            .collect();
        assert_eq!(read, [(1.0, 7200), (5.0, 5400), (100.0, 0)]);
    }

    #[test]
    fn what_is_no_step_is_named() {
        for wrong in ["", "5", "5@", "@4h", "x@4h", "5@later", "1@2h,,5@4h"] {
            assert!(steps(wrong).unwrap_err().contains("is no step"), "{wrong}");
        }
    }
}
