//! A block of text that is drawn over itself.

use indicatif::{ProgressBar, ProgressStyle};

/// What is on the terminal now; stays there when dropped.
pub(crate) struct Live(ProgressBar);

impl Live {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        // A style without a placeholder would be a mistake of ours; the default shows the text, too.
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    pub(crate) fn show(&mut self, block: &str) {
        self.0.set_message(block.to_owned());
        self.0.tick();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
