//! How far an import is: a bar on a terminal, a line a stage elsewhere. It must not know how documents are
//! sent.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use troika_proto::chat::v1::{ImportProgress, ImportStage};

use crate::output;

/// The progress of one document, on standard error.
pub(super) struct Progress {
    name: String,
    size: u64,
    stage: ImportStage,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins with nothing done. `size` is in bytes.
    pub(super) fn new(name: &str, size: u64) -> Self {
        let name = output::printable(name);
        let bar = output::stderr_is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
            bar.set_style(style(ImportStage::Receiving));
            bar.set_prefix(name.clone());
            bar
        });
        Self {
            name,
            size,
            stage: ImportStage::Unspecified,
            bar,
        }
    }

    /// Shows a step that the role told.
    pub(super) fn step(&mut self, step: &ImportProgress) {
        let stage = step.stage();
        let entered = stage != self.stage;
        self.stage = stage;
        let total = match (stage, step.total) {
            (ImportStage::Receiving, 0) => self.size,
            (_, total) => total,
        };
        match &self.bar {
            Some(bar) => {
                if entered {
                    bar.set_style(style(stage));
                }
                bar.set_length(total);
                bar.set_position(step.completed);
                if entered {
                    bar.set_message(word(stage));
                }
            }
            None if entered => output::aside(&format!("{}: {}", self.name, word(stage))),
            None => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn word(stage: ImportStage) -> &'static str {
    match stage {
        ImportStage::Unspecified => "working",
        ImportStage::Receiving => "sending",
        ImportStage::Extracting => "reading",
        ImportStage::Embedding => "embedding",
        ImportStage::Storing => "storing",
    }
}

fn style(stage: ImportStage) -> ProgressStyle {
    let template = match stage {
        ImportStage::Receiving => "{prefix}  {msg:9} [{bar:30}] {bytes}/{total_bytes}",
        // Nobody knows how much text there will be.
        ImportStage::Unspecified | ImportStage::Extracting => "{prefix}  {msg:9}",
        _ => "{prefix}  {msg:9} [{bar:30}] {pos}/{len} chunks",
    };
    // The templates are literals; a test says that they are right.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_right() {
        for stage in [
            ImportStage::Receiving,
            ImportStage::Extracting,
            ImportStage::Storing,
        ] {
            let bar = ProgressBar::hidden().with_style(style(stage));
            bar.set_message(word(stage));
            bar.tick();
        }
        assert!(
            ProgressStyle::with_template("{prefix}  {msg:9} [{bar:30}] {bytes}/{total_bytes}")
                .is_ok()
        );
        assert!(
            ProgressStyle::with_template("{prefix}  {msg:9} [{bar:30}] {pos}/{len} chunks").is_ok()
        );
    }

    #[test]
    fn every_stage_has_a_word() {
        let stages = [
            ImportStage::Receiving,
            ImportStage::Extracting,
            ImportStage::Embedding,
            ImportStage::Storing,
        ];
        let mut words = stages.map(word).to_vec();
        words.dedup();
        assert_eq!(words.len(), stages.len());
    }
}
