//! Who may make which call, as at the edge: figures of all are open, as they were in the backend before; those of single bots,
//! and sessions, are not.

use troika_identity::{
    Access::{Admin, Anyone, Known, Service},
    Rules,
};

/// One line for each method of the role.
pub const RULES: Rules = &[
    ("troika.metrics.v1.Metrics/Report", Service),
    ("troika.metrics.v1.Metrics/CompareArms", Service),
    ("troika.metrics.v1.Metrics/GetSnapshot", Anyone),
    ("troika.metrics.v1.Metrics/GetSummary", Anyone),
    ("troika.metrics.v1.Metrics/WatchSummary", Admin),
    ("troika.metrics.v1.Metrics/ListEvents", Known),
    ("troika.metrics.v1.Metrics/GetHistory", Admin),
    ("troika.metrics.v1.Metrics/GetHealth", Anyone),
    ("troika.metrics.v1.Metrics/Reset", Admin),
    ("troika.metrics.v1.Alerts/ListAlerts", Admin),
    ("troika.metrics.v1.Alerts/Silence", Admin),
    ("troika.metrics.v1.Alerts/LiftSilence", Admin),
    ("troika.metrics.v1.Alerts/TestAlert", Admin),
    ("troika.audit.v1.Audit/ListEntries", Admin),
    ("troika.audit.v1.Audit/Verify", Admin),
    // Companies are turned away by the service itself.
];
