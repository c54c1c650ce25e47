//! Calls to other roles: their limit in time, and what their failures become. It must not know what is
//! called; the role's name is for messages and the log.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout};
use tonic::{Code as GrpcCode, Request, Response, Status};
use troika_chassis::{
    channel::reach,
    context::RequestContext,
    error::{Code, Error, tls_alert, transport_cause},
};

/// How much later than a role's own deadline a call is given up: the role's word for it is the better one.
const DEADLINE_SLACK: Duration = Duration::from_millis(500);

/// A role with its client, and how long it may take for a call.
#[derive(Clone)]
pub(crate) struct Peer<C> {
    role: &'static str,
    client: C,
    deadline: Duration,
}

impl<C: Clone> Peer<C> {
    /// Calls `role` through `client`.
    pub(crate) fn new(role: &'static str, client: C, deadline: Duration) -> Self {
        Self {
            role,
            client,
            deadline,
        }
    }

    /// Makes a unary call.
    pub(crate) async fn ask<Q, A, F>(
        &self,
        context: &RequestContext,
        question: Q,
        call: impl Fn(C, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let answer = reach(|| {
            let mut request = self.request(context, question.clone());
            request.set_timeout(self.deadline);
            call(self.client.clone(), request)
        });
        within(self.role, self.deadline, answer).await
    }

    /// Opens a stream and waits for what it tells first, so that whatever goes wrong until then is an error.
    pub(crate) async fn open<Q, A, F>(
        &self,
        context: &RequestContext,
        question: Q,
        call: impl Fn(C, Request<Q>) -> F,
    ) -> Result<(Option<A>, tonic::Streaming<A>), Error>
    where
        Q: Clone,
        F: Future<Output = Result<Response<tonic::Streaming<A>>, Status>>,
    {
        let opening = async {
            let opened =
                reach(|| call(self.client.clone(), self.request(context, question.clone())));
            let mut stream = opened.await?.into_inner();
            let first = stream.message().await?;
            Ok(Response::new((first, stream)))
        };
        within(self.role, self.deadline, opening).await
    }

    fn request<Q>(&self, context: &RequestContext, question: Q) -> Request<Q> {
        let mut request = Request::new(question);
        context.inject_metadata(request.metadata_mut());
        request
    }
}

/// A unary call whose `grpc-timeout` is `deadline`. tonic ends it there too, as "cancelled"; and
/// where neither it nor the role does, the call is given up a little later.
pub(crate) async fn within<T>(
    role: &'static str,
    deadline: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Error> {
    let started = Instant::now();
    match timeout(deadline + DEADLINE_SLACK, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status))
            if status.code() == GrpcCode::Cancelled && started.elapsed() >= deadline =>
        {
            Err(late(role, deadline))
        }
        Ok(Err(status)) => Err(refused(role, &status)),
        Err(_) => Err(late(role, deadline)),
    }
}

/// What is told when `role` has not answered within `after`.
pub(crate) fn late(role: &'static str, after: Duration) -> Error {
    tracing::warn!(role, ?after, "a call was given up");
    Error::new(
        Code::DeadlineExceeded,
        "deadline_exceeded",
        format!(
            "The {role} service did not answer within {} seconds. Please try again.",
            after.as_secs()
        ),
    )
}

/// What is told when `role` refuses, or cannot be reached.
pub(crate) fn refused(role: &'static str, status: &Status) -> Error {
    let mut error = Error::from(status);
    // tonic's word for an answer that is larger than the gateway takes: not the client's fault.
    if status.code() == GrpcCode::OutOfRange && error.reason() == "payload_too_large" {
        error = Error::of(Code::Internal);
    }
    if error.code().http().is_server_error() {
        // The client reads a safe sentence; what the transport said is for the operator.
        tracing::warn!(
            role,
            code = ?status.code(),
            message = status.message(),
            reason = error.reason(),
            cause = transport_cause(status),
            "a role refused or could not be reached"
        );
        if let Some(alert) = tls_alert(status) {
            tracing::error!(
                role,
                alert,
                "a role refuses the connection by TLS: look at tls.cert here and at tls.client_ca there"
            );
        }
    }
    error
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_role_that_never_answers_is_given_up_by_its_name() {
        let error = within("speech", LIMIT, pending::<Result<Response<()>, Status>>())
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "deadline_exceeded");
        assert_eq!(
            error.message(),
            "The speech service did not answer within 3 seconds. Please try again."
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_cancelled_at_the_deadline_was_late_and_before_it_was_not() {
        let cancelled = async |after| {
            within("chat", LIMIT, async move {
                tokio::time::sleep(after).await;
                Err::<Response<()>, _>(Status::cancelled("Timeout expired"))
            })
            .await
            .unwrap_err()
        };
        assert_eq!(cancelled(LIMIT).await.code(), Code::DeadlineExceeded);
        assert_eq!(cancelled(LIMIT / 2).await.code(), Code::Cancelled);
    }

    #[test]
    fn a_status_without_details_becomes_safe_words() {
        let status = Status::unavailable("tcp connect error: 10.0.0.7");
        let error = refused("chat", &status);
        assert_eq!(error.code(), Code::Unavailable);
        assert!(!error.message().contains("10.0.0.7"));
    }

    #[test]
    fn an_answer_that_is_too_large_is_no_fault_of_the_client() {
        let status = Status::out_of_range("decoded message length too large");
        assert_eq!(refused("chat", &status).code(), Code::Internal);
        let own = Error::new(Code::PayloadTooLarge, "text_too_long", "Shorten it.");
        let error = refused("chat", &Status::from(own));
        assert_eq!(error.reason(), "text_too_long");
    }
}
