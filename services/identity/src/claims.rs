//! What a token says, in all the words that clients use, and who that makes its bearer.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::caller::{Caller, Role};

/// What a token says, as far as it matters here. No `Debug`: it is personal.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    #[serde(deserialize_with = "word")]
    sub: Option<String>,
    #[serde(deserialize_with = "word")]
    id: Option<String>,
    #[serde(rename = "userId", alias = "user_id", deserialize_with = "word")]
    user_id: Option<String>,
    #[serde(deserialize_with = "word")]
    email: Option<String>,
    #[serde(deserialize_with = "word")]
    phone: Option<String>,
    #[serde(deserialize_with = "word")]
    role: Option<String>,
    #[serde(rename = "chatbotId", alias = "chatbot_id", deserialize_with = "word")]
    chatbot_id: Option<String>,
    #[serde(
        rename = "companyId",
        alias = "company_id",
        alias = "company",
        deserialize_with = "word"
    )]
    company_id: Option<String>,
    /// Seconds since 1970.
    pub(crate) exp: u64,
}

/// A text that says something; a number is one. Other values are nobody's id.
fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Value::Number(number) => Ok(Some(number.to_string())),
        _ => Err(D::Error::custom("an id must be a text or a number")),
    }
}

/// The bearer of a token.
pub(crate) struct Bearer {
    pub(crate) caller: Caller,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
}

/// The token says nothing that makes its bearer somebody.
pub(crate) struct Nobody;

impl Claims {
    /// Visitors say `{userId, phone, chatbotId}`, staff `{id, email, role}`; a role that is not known makes nobody.
    pub(crate) fn bearer(self) -> Result<Bearer, Nobody> {
        let role = match self.role.as_deref() {
            Some("admin") => Role::Admin,
            Some("super_admin" | "superadmin" | "super-admin") => Role::SuperAdmin,
            Some("user" | "company") => Role::User,
            Some("visitor") => Role::Visitor,
            Some(_) => return Err(Nobody),
            None if self.user_id.is_some() || self.chatbot_id.is_some() => Role::Visitor,
            None => return Err(Nobody),
        };
        let own = match role {
            Role::Visitor => self.user_id.or(self.sub).or(self.id),
            _ => self.id.or(self.sub).or(self.user_id),
        };
        // Old tokens of visitors may say their telephone number alone.
        let subject = own
            .or_else(|| self.phone.clone().filter(|_| role == Role::Visitor))
            .or_else(|| self.email.clone())
            .ok_or(Nobody)?;
        let company = match role {
            // The back office gives companies an account: its id is the company's where nothing else is said.
            Role::User => Some(self.company_id.unwrap_or_else(|| subject.clone())),
            _ => self.company_id,
        };
        Ok(Bearer {
            caller: Caller {
                role,
                name: self.email.clone().unwrap_or_else(|| subject.clone()),
                subject,
                chatbot: self.chatbot_id.map(|id| id.to_ascii_lowercase()),
                company,
                session: None,
                origin: None,
                address: None,
            },
            email: self.email,
            phone: self.phone,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bearer(claims: Value) -> Option<Bearer> {
        serde_json::from_value::<Claims>(claims).ok()?.bearer().ok()
    }

    #[test]
    fn tokens_of_the_replaced_backend_are_understood() {
        let visitor = bearer(json!({"userId": 17, "phone": "+4915112345678",
            "chatbotId": "00000000000000000000000A", "exp": 1}))
        .unwrap();
        assert!(visitor.caller.role == Role::Visitor && visitor.caller.subject == "17");
        assert_eq!(
            visitor.caller.chatbot.as_deref(),
            Some("00000000000000000000000a")
        );
        let staff =
            bearer(json!({"id": "s1", "email": "a@b.example", "role": "admin", "exp": 1})).unwrap();
        assert!(staff.caller.is_admin() && staff.caller.name == "a@b.example");
        let company = bearer(json!({"id": "c1", "role": "user", "exp": 1})).unwrap();
        assert!(company.caller.owns(Some("c1")) && !company.caller.owns(Some("c2")));
        assert!(!company.caller.owns(None));
        let of_a_company =
            bearer(json!({"id": "u1", "role": "user", "companyId": "c9", "exp": 1})).unwrap();
        assert!(of_a_company.caller.owns(Some("c9")) && !of_a_company.caller.owns(Some("u1")));
    }

    #[test]
    fn who_is_not_named_or_has_an_unknown_role_is_nobody() {
        for claims in [
            json!({"exp": 1}),
            json!({"sub": "x", "exp": 1}),
            json!({"id": "x", "role": "root", "exp": 1}),
            json!({"id": "x", "role": "Admin", "exp": 1}),
            json!({"id": "x", "role": "service", "exp": 1}),
            json!({"id": {"$ne": 1}, "role": "admin", "exp": 1}),
            json!({"id": ["x"], "role": "admin", "exp": 1}),
            json!({"id": "  ", "role": "admin", "exp": 1}),
        ] {
            assert!(bearer(claims.clone()).is_none(), "{claims}");
        }
    }
}
