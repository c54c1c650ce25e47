use std::{collections::HashMap, sync::Mutex};

use troika_identity::SignedSession;

use super::*;

/// Owners in memory; away when there is no map.
struct Store(Mutex<Option<HashMap<(BotId, String), Owner>>>);

#[async_trait]
impl OwnerStore for Store {
    async fn claim(
        &self,
        bot: BotId,
        session: &str,
        owner: Option<&Owner>,
    ) -> Result<Option<Owner>, StoreError> {
        let mut owners = self.0.lock().unwrap();
        let owners = owners
            .as_mut()
            .ok_or_else(|| StoreError::unavailable("away"))?;
        let key = (bot, session.to_owned());
        if let (Some(owner), false) = (owner, owners.contains_key(&key)) {
            owners.insert(key.clone(), owner.clone());
        }
        Ok(owners.get(&key).cloned())
    }
}

fn store() -> Arc<Store> {
    Arc::new(Store(Mutex::new(Some(HashMap::new()))))
}

fn owners(store: &Arc<Store>) -> Owners {
    Owners::new(store.clone(), Duration::from_secs(1))
}

fn known(role: Role, subject: &str) -> Caller {
    Caller {
        role,
        subject: subject.to_owned(),
        ..Caller::default()
    }
}

fn signed(session: Uuid) -> Caller {
    signed_at(BOT, session)
}

fn signed_at(bot: BotId, session: Uuid) -> Caller {
    Caller {
        session: Some(SignedSession {
            bot: bot.to_string(),
            id: session.to_string(),
        }),
        ..Caller::default()
    }
}

const BOT: BotId = BotId([1; 12]);

#[tokio::test]
async fn a_conversation_is_its_owners_alone_in_every_process() {
    let store = store();
    let session = Uuid::new_v4();
    let ada = known(Role::Visitor, "ada");
    let one = owners(&store);
    assert!(one.admit(BOT, session, &ada).await.unwrap());
    for process in [&one, &owners(&store)] {
        assert!(process.admit(BOT, session, &ada).await.unwrap());
        for stranger in [
            known(Role::Visitor, "bob"),
            known(Role::User, "ada"),
            known(Role::Admin, "root"),
            Caller::default(),
            signed(session),
        ] {
            let refused = process.admit(BOT, session, &stranger).await.unwrap_err();
            assert_eq!(refused.reason(), "session_not_yours");
        }
    }
    // The same id at another bot is another conversation.
    assert!(
        one.admit(BotId([2; 12]), session, &known(Role::Visitor, "bob"))
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn who_shows_nothing_can_go_on_until_somebody_shows_the_signed_session() {
    let store = store();
    let session = Uuid::new_v4();
    let nobody = Caller::default();
    let (one, other) = (owners(&store), owners(&store));
    assert!(one.admit(BOT, session, &nobody).await.unwrap());
    assert!(one.admit(BOT, session, &nobody).await.unwrap());
    assert!(other.admit(BOT, session, &signed(session)).await.unwrap());
    assert!(other.admit(BOT, session, &nobody).await.is_err());
    assert!(
        other
            .admit(BOT, session, &signed(Uuid::new_v4()))
            .await
            .is_err()
    );
    // Another process hears of it within seconds.
    one.free.invalidate_all();
    assert!(one.admit(BOT, session, &nobody).await.is_err());
}

#[tokio::test]
async fn who_signs_in_keeps_the_conversation_of_before() {
    let store = store();
    let session = Uuid::new_v4();
    let owners = owners(&store);
    assert!(
        owners
            .admit(BOT, session, &Caller::default())
            .await
            .unwrap()
    );
    let ada = known(Role::Visitor, "ada");
    assert!(owners.admit(BOT, session, &ada).await.unwrap());
    assert!(
        owners
            .admit(BOT, session, &Caller::default())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn while_the_store_is_away_nobody_is_refused_and_nothing_is_told() {
    let store = Arc::new(Store(Mutex::new(None)));
    let owners = owners(&store);
    let session = Uuid::new_v4();
    assert!(
        !owners
            .admit(BOT, session, &Caller::default())
            .await
            .unwrap()
    );
    assert!(!owners.admit(BOT, session, &signed(session)).await.unwrap());
}

#[tokio::test]
async fn a_session_that_was_signed_for_another_bot_opens_nothing_here() {
    let store = store();
    let session = Uuid::new_v4();
    let owners = owners(&store);
    assert!(owners.admit(BOT, session, &signed(session)).await.unwrap());
    let forged = signed_at(BotId([2; 12]), session);
    let refused = owners.admit(BOT, session, &forged).await.unwrap_err();
    assert_eq!(refused.reason(), "session_not_yours");
    assert!(owners.admit(BOT, session, &signed(session)).await.unwrap());
}
