//! An account as it is shown: rows for people, JSON for scripts. It must not know where accounts come from.

use serde::Serialize;
use troika_proto::accounts::v1::{Account, AccountRole};

/// An account in the names of its JSON.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    id: String,
    email: String,
    role: &'static str,
    enabled: bool,
    revision: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in: Option<String>,
}

impl From<Account> for View {
    fn from(account: Account) -> Self {
        let role = match account.role() {
            AccountRole::Admin => "admin",
            AccountRole::SuperAdmin => "super_admin",
            AccountRole::Unspecified => "unknown",
        };
        Self {
            role,
            id: account.id,
            email: account.email,
            enabled: account.enabled,
            revision: account.revision,
            created_at: account.created_at.map(|time| time.to_string()),
            last_sign_in: account.last_sign_in.map(|time| time.to_string()),
        }
    }
}

impl View {
    /// The columns of a list.
    pub(super) const HEADER: [&'static str; 6] = [
        "Address",
        "Role",
        "May sign in",
        "Last sign-in",
        "Created",
        "Id",
    ];

    /// One row of a list.
    pub(super) fn row(&self) -> Vec<String> {
        vec![
            self.email.clone(),
            self.role.replace('_', " "),
            if self.enabled { "yes" } else { "no" }.to_owned(),
            self.last_sign_in
                .clone()
                .unwrap_or_else(|| "never".to_owned()),
            self.created_at.clone().unwrap_or_default(),
            self.id.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn json_has_the_names_of_the_contract_and_no_empty_values() {
        let account = Account {
            id: "1".into(),
            email: "ada@shop.example".into(),
            role: AccountRole::SuperAdmin.into(),
            enabled: true,
            created_at: Some(Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            revision: 1,
            last_sign_in: None,
        };
        assert_eq!(
            serde_json::to_value(View::from(account)).unwrap(),
            json!({
                "id": "1", "email": "ada@shop.example", "role": "super_admin", "enabled": true, "revision": 1,
                "createdAt": "1970-01-01T00:00:00Z",
            })
        );
    }

    #[test]
    fn a_row_fits_its_header() {
        assert_eq!(
            View::from(Account::default()).row().len(),
            View::HEADER.len()
        );
    }
}
