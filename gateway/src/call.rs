//! Calls to other roles with a limit in time. It must not know which role is called.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout};
use tonic::{Code, Response, Status};

use crate::problem::{self, Problem};

/// How much later than a role's own deadline a call is given up: the role's word for it is the better one.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// A unary call whose `grpc-timeout` is `deadline`. tonic ends it there too, as "cancelled"; and
/// where neither it nor the role does, the call is given up a little later.
pub(crate) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<Response<T>, Problem> {
    let started = Instant::now();
    match timeout(deadline + DEADLINE_SLACK, call).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(status)) if status.code() == Code::Cancelled && started.elapsed() >= deadline => {
            Err(problem::deadline_exceeded(deadline))
        }
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(problem::deadline_exceeded(deadline)),
    }
}
