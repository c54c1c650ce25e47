//! Pages of other hosts that operators let ask.

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};
use url::Url;

/// The `[gateway.cors]` section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Origins whose pages may ask every bot, and the routes for admins with a sign-in: `https://ops.example`.
    pub origins: Vec<String>,
    /// Whether pages of any host may show a bot that names no origins.
    pub frame_anywhere: bool,
}

impl Validate for Cors {
    fn validate(&self, problems: &mut Problems) {
        for origin in &self.origins {
            let right = Url::parse(origin).is_ok_and(|url| {
                url.origin().is_tuple() && url.origin().ascii_serialization() == *origin
            });
            problems.check(
                right,
                "origins",
                "must be origins as browsers write them, such as https://ops.example or http://localhost:3000",
            );
        }
    }
}
