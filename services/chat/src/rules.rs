//! Who may make which call. What a caller may do to which bot is looked at where the bot is known.

use troika_identity::{
    Access::{Admin, Anyone, Staff},
    Rules,
};

/// One line for each method of the role.
pub const RULES: Rules = &[
    ("troika.chat.v1.ChatStream/Query", Anyone),
    ("troika.chat.v1.ChatStream/Answer", Anyone),
    ("troika.chat.v1.ChatStream/Stop", Anyone),
    ("troika.chat.v1.ChatStream/DescribeBot", Anyone),
    ("troika.chat.v1.Chatbots/CreateBot", Admin),
    ("troika.chat.v1.Chatbots/GetBot", Staff),
    ("troika.chat.v1.Chatbots/UpdateBot", Staff),
    ("troika.chat.v1.Chatbots/ListBots", Staff),
    ("troika.chat.v1.Chatbots/DeleteBot", Admin),
    ("troika.chat.v1.Chatbots/ImportKnowledge", Staff),
    ("troika.chat.v1.Chatbots/ListKnowledge", Staff),
    ("troika.chat.v1.Chatbots/DeleteKnowledge", Staff),
    ("troika.chat.v1.Chatbots/ListMessages", Staff),
    ("troika.audit.v1.Audit/ListEntries", Admin),
    ("troika.audit.v1.Audit/Verify", Admin),
    // Companies are turned away by the service itself.
];
