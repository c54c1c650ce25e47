//! Who may make which call. An admin may ask for the first account; whether it is the first is looked at by the service.

use troika_identity::{
    Access::{Admin, Service, SuperAdmin},
    Rules,
};

/// One line for each method.
pub const RULES: Rules = &[
    ("troika.accounts.v1.Accounts/SignIn", Service),
    ("troika.accounts.v1.Accounts/CheckAccount", Service),
    ("troika.accounts.v1.Accounts/CreateAccount", Admin),
    ("troika.accounts.v1.Accounts/UpdateAccount", SuperAdmin),
    ("troika.accounts.v1.Accounts/ListAccounts", SuperAdmin),
    ("troika.accounts.v1.Accounts/DeleteAccount", SuperAdmin),
    // Addresses of all who run the system stand in it, as they do in the list of accounts.
    ("troika.audit.v1.Audit/ListEntries", SuperAdmin),
    ("troika.audit.v1.Audit/Verify", SuperAdmin),
];
