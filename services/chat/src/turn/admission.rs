//! Who may ask which bot. Pure: what is known of bot and caller comes in as arguments.

use troika_chassis::{
    error::{Code, Error},
    origin::Origins,
};
use troika_identity::{Caller, Role};

use crate::bots::{Access, Bot};

/// Lets a caller ask a bot.
///
/// # Errors
/// Why not: the bot is switched off, private, another visitor's or another company's.
pub(crate) fn admit(bot: &Bot, caller: &Caller) -> Result<(), Error> {
    if !bot.active {
        return Err(Error::new(
            Code::PermissionDenied,
            "bot_inactive",
            "This chatbot is switched off.",
        ));
    }
    // Browsers tell the page's origin; who is no browser tells none.
    let shown_by = caller.origin.as_deref();
    if shown_by.is_some_and(|origin| !Origins::read(&bot.allowed_origins).admit(origin)) {
        return Err(Error::new(
            Code::PermissionDenied,
            "origin_not_allowed",
            "This chatbot may not be shown on this page. Its owner can add the page's origin to the bot.",
        ));
    }
    if caller.is_admin() || caller.role == Role::Service {
        return Ok(());
    }
    let own = bot.id.to_string();
    if caller.chatbot.as_ref().is_some_and(|bot| *bot != own) {
        return Err(for_another_bot());
    }
    if let (Some(company), Some(owner)) = (&caller.company, &bot.company)
        && company != owner
    {
        return Err(for_another_company());
    }
    if bot.access == Access::Public {
        return Ok(());
    }
    match caller.role {
        Role::Anonymous => Err(Error::new(
            Code::Unauthenticated,
            "auth_required",
            "This chatbot is private: a token is needed.",
        )),
        Role::Visitor if caller.chatbot.is_none() => Err(for_another_bot()),
        Role::User if !caller.owns(bot.company.as_deref()) => Err(for_another_company()),
        _ => Ok(()),
    }
}

fn for_another_bot() -> Error {
    Error::new(
        Code::PermissionDenied,
        "token_for_other_bot",
        "The token is for another chatbot.",
    )
}

/// A company's token at a bot that is not its own.
pub(crate) fn for_another_company() -> Error {
    Error::new(
        Code::PermissionDenied,
        "token_for_other_company",
        "The token is for another company's chatbots.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bots::{BotId, tests::named};

    fn bot(access: Access, company: Option<&str>) -> Bot {
        Bot {
            id: BotId([1; 12]),
            access,
            company: company.map(str::to_owned),
            ..named("a")
        }
    }

    fn caller(role: Role, chatbot: Option<u8>, company: Option<&str>) -> Caller {
        Caller {
            role,
            subject: "s".to_owned(),
            chatbot: chatbot.map(|bot| BotId([bot; 12]).to_string()),
            company: company.map(str::to_owned),
            ..Caller::default()
        }
    }

    #[test]
    fn tokens_are_bound_to_what_they_name() {
        use Access::{Private, Public};
        use Role::{Admin, Anonymous, Service, SuperAdmin, User, Visitor};
        let (own, other) = (Some(1), Some(2));
        for (role, chatbot, company, access, owner, expected) in [
            (Anonymous, None, None, Public, None, ""),
            (Anonymous, None, None, Public, Some("c"), ""),
            (Anonymous, None, None, Private, None, "auth_required"),
            (Visitor, own, None, Public, Some("c"), ""),
            (Visitor, own, None, Private, Some("c"), ""),
            (Visitor, other, None, Public, None, "token_for_other_bot"),
            (Visitor, other, None, Private, None, "token_for_other_bot"),
            (Visitor, None, None, Public, None, ""),
            (Visitor, None, None, Private, None, "token_for_other_bot"),
            (
                Visitor,
                own,
                Some("d"),
                Public,
                Some("c"),
                "token_for_other_company",
            ),
            (User, None, Some("c"), Private, Some("c"), ""),
            (User, None, Some("c"), Public, Some("c"), ""),
            (User, None, Some("c"), Public, None, ""),
            (
                User,
                None,
                Some("c"),
                Private,
                None,
                "token_for_other_company",
            ),
            (
                User,
                None,
                Some("d"),
                Public,
                Some("c"),
                "token_for_other_company",
            ),
            (
                User,
                None,
                Some("d"),
                Private,
                Some("c"),
                "token_for_other_company",
            ),
            (Admin, None, None, Private, Some("c"), ""),
            (SuperAdmin, None, None, Private, Some("c"), ""),
            (Service, None, None, Private, Some("c"), ""),
        ] {
            let caller = caller(role, chatbot, company);
            let outcome = admit(&bot(access, owner), &caller);
            let reason = outcome.err().map(|error| error.reason().to_owned());
            let what = format!("{role:?} {chatbot:?} {company:?} {access:?} {owner:?}");
            assert_eq!(reason.unwrap_or_default(), expected, "{what}");
        }
    }

    #[test]
    fn a_bot_is_asked_from_the_pages_that_it_names() {
        let bot = Bot {
            allowed_origins: vec!["https://shop.example".to_owned()],
            ..bot(Access::Public, None)
        };
        for (origin, lets_in) in [
            (None, true),
            (Some("https://shop.example"), true),
            (Some("https://evil.example"), false),
            (Some("null"), false),
        ] {
            let caller = Caller {
                origin: origin.map(str::to_owned),
                ..Caller::default()
            };
            assert_eq!(admit(&bot, &caller).is_ok(), lets_in, "{origin:?}");
        }
    }

    #[test]
    fn a_bot_that_is_off_answers_nobody() {
        let off = Bot {
            active: false,
            ..bot(Access::Public, None)
        };
        let error = admit(&off, &caller(Role::Admin, None, None)).unwrap_err();
        assert_eq!(error.reason(), "bot_inactive");
    }
}
