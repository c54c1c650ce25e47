//! Something made of files, and made anew when they change. It must not know what.

use std::{sync::Arc, time::Duration};

use prometheus_client::metrics::{counter::Counter, family::Family};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    Purpose, TlsError,
    expiry::Expiry,
    files::{Contents, Files, View},
    material::Material,
};
use crate::meters::Meters;

/// How often the files are looked at. A change that is the same in two looks is taken, so it may have two seconds.
const LOOK: Duration = Duration::from_secs(1);

/// Changes of the files, by what became of them.
pub(super) struct Reloads {
    taken: Counter,
    refused: Counter,
}

impl Reloads {
    pub(super) fn new(purpose: Purpose, meters: &Meters) -> Self {
        let reloads = meters.metric(
            "troika_tls_reloads",
            "Changed certificates, by whether they could be used",
            Family::<[(&'static str, &'static str); 2], Counter>::default,
        );
        let by = |result| {
            let labels = [("purpose", purpose.label), ("result", result)];
            reloads.get_or_create(&labels).clone()
        };
        Self {
            taken: by("taken"),
            refused: by("refused"),
        }
    }
}

/// What is in force. Cloning is cheap; every clone is the same.
pub(super) struct Live<T>(watch::Receiver<Arc<T>>);

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Live<T> {
    pub(super) fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.borrow())
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.same_channel(&other.0)
    }
}

impl Live<Material> {
    /// Makes it, and follows the files until nobody uses it any more.
    pub(super) fn follow(
        files: Files,
        mut expiry: Expiry,
        reloads: Reloads,
        make: impl Fn(View<'_>) -> Result<Material, TlsError> + Send + 'static,
    ) -> Result<Self, TlsError> {
        let contents = files.read();
        let made = make(files.view(&contents))?;
        files.warn_of_open_keys();
        expiry.shown(&made.chain);
        let (tell, told) = watch::channel(Arc::new(made));
        tokio::spawn(following(files, contents, expiry, reloads, make, tell));
        Ok(Self(told))
    }
}

async fn following(
    files: Files,
    mut in_force: Contents,
    mut expiry: Expiry,
    reloads: Reloads,
    make: impl Fn(View<'_>) -> Result<Material, TlsError> + Send + 'static,
    tell: watch::Sender<Arc<Material>>,
) {
    let files = Arc::new(files);
    let purpose = files.purpose.label;
    let mut seen = in_force.clone();
    let mut refused = None;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = tell.closed() => return,
            _ = looks.tick() => {}
        }
        expiry.look();
        let reading = Arc::clone(&files);
        let Ok(now) = tokio::task::spawn_blocking(move || reading.read()).await else {
            continue;
        };
        // What changed since the last look may still be written.
        let settled = now == seen;
        seen = now;
        if !settled {
            continue;
        }
        if seen == in_force {
            if refused.take().is_some() {
                tracing::info!(purpose, "the files are again what is in force");
            }
            continue;
        }
        if refused.as_ref() == Some(&seen) {
            continue;
        }
        match make(files.view(&seen)) {
            Ok(made) => {
                files.warn_of_open_keys();
                expiry.shown(&made.chain);
                tracing::info!(purpose, "new certificates are in force");
                tell.send_replace(Arc::new(made));
                reloads.taken.inc();
                in_force = seen.clone();
                refused = None;
            }
            Err(error) => {
                tracing::error!(
                    purpose,
                    %error,
                    "changed certificates cannot be used: those from before stay in force"
                );
                reloads.refused.inc();
                refused = Some(seen.clone());
            }
        }
    }
}
