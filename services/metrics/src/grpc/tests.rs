//! See `../grpc.rs`.

use troika_proto::metrics::v1::Exposure;

use super::*;

fn service() -> MetricsService {
    MetricsService {
        window: Arc::new(Mutex::new(Window::new(10))),
        drain: Drain::default(),
    }
}

fn outcome(variant: &str, by_chance: bool) -> TurnOutcome {
    TurnOutcome {
        started_at: Some(SystemTime::now().into()),
        outcome: wire::Outcome::Success.into(),
        exposures: vec![Exposure {
            flag: "streaming".to_owned(),
            variant: variant.to_owned(),
            by_chance,
        }],
        ..TurnOutcome::default()
    }
}

async fn compared(service: &MetricsService) -> CompareArmsResponse {
    let request = CompareArmsRequest {
        flag: "streaming".to_owned(),
        since: Some((SystemTime::now() - Duration::from_secs(60)).into()),
        candidate: "on".to_owned(),
        control: "off".to_owned(),
    };
    let answer = service.compare_arms(Request::new(request)).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn what_is_reported_is_compared_and_what_was_no_chance_is_not() {
    let service = service();
    service.take(ReportRequest {
        turns: vec![
            outcome("on", true),
            outcome("on", true),
            outcome("off", true),
            outcome("on", false),
        ],
        ..ReportRequest::default()
    });
    let CompareArmsResponse {
        candidate,
        control,
        overload,
    } = compared(&service).await;
    assert_eq!(candidate.unwrap().successes, 2);
    assert_eq!(control.unwrap().successes, 1);
    assert_eq!(overload, 0.0);
}

#[tokio::test]
async fn a_record_that_cannot_be_costs_only_itself() {
    let service = service();
    let good = outcome("on", true);
    let duration = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    let bad = [
        TurnOutcome {
            started_at: None,
            ..good.clone()
        },
        TurnOutcome {
            outcome: 99,
            ..good.clone()
        },
        TurnOutcome {
            first_token: duration(-5),
            ..good.clone()
        },
        TurnOutcome {
            exposures: vec![good.exposures[0].clone(); 1000],
            ..good.clone()
        },
        TurnOutcome {
            started_at: Some(prost_types::Timestamp {
                seconds: i64::MAX,
                nanos: -1,
            }),
            ..good.clone()
        },
    ];
    service.take(ReportRequest {
        turns: bad.into_iter().chain([good]).collect(),
        ..ReportRequest::default()
    });
    assert_eq!(compared(&service).await.candidate.unwrap().successes, 1);
}

#[tokio::test]
async fn a_question_without_a_time_or_a_flag_is_refused() {
    let service = service();
    let status = service
        .compare_arms(Request::new(CompareArmsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
}
