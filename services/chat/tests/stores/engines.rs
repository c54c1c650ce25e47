//! Every adapter on its engine, ready to use.

use std::{net::SocketAddr, time::Duration};

use tempfile::TempDir;
use troika_chassis::mongo::{Mongo, MongoConfig};
use troika_chat::store::{embedded::Embedded, indexes, mongo::MongoStore};

use troika_tests::servers::{self, Server};

/// The time limit of a call in the tests of engines that do not answer.
pub(crate) const SHORT: Duration = Duration::from_millis(400);

/// The embedded store and its folder.
pub(crate) struct EmbeddedEngine {
    pub(crate) store: Embedded,
    _folder: TempDir,
}

pub(crate) fn embedded() -> EmbeddedEngine {
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(&folder.path().join("chat.redb")).unwrap();
    EmbeddedEngine {
        store,
        _folder: folder,
    }
}

/// The MongoDB store, its connection and its server.
pub(crate) struct MongoEngine {
    pub(crate) store: MongoStore,
    pub(crate) mongo: Mongo,
    server: Server,
}

impl MongoEngine {
    /// A connection of another process.
    pub(crate) async fn again(&self) -> Mongo {
        let config = mongo_config(([127, 0, 0, 1], self.server.port).into());
        Mongo::connect(&config).await.unwrap()
    }
}

/// An empty database without indexes.
pub(crate) async fn mongo() -> MongoEngine {
    let server = servers::mongodb();
    let config = mongo_config(([127, 0, 0, 1], server.port).into());
    let mongo = Mongo::connect(&config).await.unwrap();
    MongoEngine {
        store: MongoStore::new(mongo.clone()),
        mongo,
        server,
    }
}

/// An empty database with the declared indexes.
pub(crate) async fn mongo_with_indexes() -> MongoEngine {
    let engine = mongo().await;
    let made = indexes::create(&engine.mongo).await.unwrap();
    assert!(made.iter().all(|index| index.present), "{made:?}");
    engine
}

/// A connection to an address where no MongoDB answers.
pub(crate) async fn mongo_at(address: SocketAddr) -> Mongo {
    let config = MongoConfig {
        connect_timeout: SHORT,
        server_selection_timeout: SHORT,
        operation_timeout: SHORT,
        ..mongo_config(address)
    };
    Mongo::connect(&config).await.unwrap()
}

fn mongo_config(address: SocketAddr) -> MongoConfig {
    MongoConfig {
        uri: format!("mongodb://{address}/troika").into(),
        ..MongoConfig::default()
    }
}
