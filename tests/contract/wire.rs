//! The wire: statements 1, 3, 4, 6, 7 and 8.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tonic::{
    Code, Request,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::harness::{CONFIG, Client, Stack, queue};
use crate::support::{certificates::Certificates, process};

/// Clients generated from the older forms of the protocol.
mod older {
    #[allow(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        unreachable_pub,
        unused_qualifications,
        reason = "generated code"
    )]
    pub(super) mod keda_2_0 {
        include!(concat!(env!("OUT_DIR"), "/keda-2.0/externalscaler.rs"));
    }

    #[allow(
        clippy::all,
        clippy::pedantic,
        clippy::allow_attributes_without_reason,
        unreachable_pub,
        unused_qualifications,
        reason = "generated code"
    )]
    pub(super) mod keda_2_17 {
        include!(concat!(env!("OUT_DIR"), "/keda-2.17/externalscaler.rs"));
    }
}

/// Calls every method that a generation has, as its KEDA would, and checks the fields that it reads.
macro_rules! every_method_of {
    ($stack:ident, $proto:path, $spec:ident, $value:ident) => {{
        use $proto::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient};
        let mut client = ExternalScalerClient::new($stack.channel().await);
        let newest = queue("md");
        let object = ScaledObjectRef {
            name: newest.name,
            namespace: newest.namespace,
            scaler_metadata: newest.scaler_metadata,
        };
        $stack.ask(client.get_metric_spec(object.clone())).await.unwrap();
        $stack.second().await;
        let spec = client.get_metric_spec(object.clone()).await.unwrap().into_inner().metric_specs.remove(0);
        assert_eq!(spec.$spec.to_string(), "1");
        let request =
            GetMetricsRequest { scaled_object_ref: Some(object.clone()), metric_name: spec.metric_name };
        let value = client.get_metrics(request).await.unwrap().into_inner().metric_values.remove(0);
        assert_eq!(value.$value.to_string(), "7");
        assert!(client.is_active(object.clone()).await.unwrap().into_inner().result);
        let mut stream = client.stream_is_active(object).await.unwrap().into_inner();
        assert!(stream.next().await.unwrap().unwrap().result);
    }};
}

#[tokio::test]
async fn c01_every_generation_of_the_protocol_is_served() {
    let mut stack = Stack::start();
    stack.world.set("md", 7, Some(0));
    every_method_of!(stack, older::keda_2_0, target_size, metric_value);
    every_method_of!(stack, older::keda_2_17, target_size_float, metric_value_float);
    every_method_of!(stack, foresail::scaler::pb, target_size_float, metric_value_float);
}

#[tokio::test]
async fn c03_health_answers_by_its_names_and_reflection_only_by_flag() {
    let stack = Stack::start();
    let mut health = HealthClient::new(stack.channel().await);
    for service in ["", "liveness", "readiness", "externalscaler.ExternalScaler"] {
        let status = health
            .check(HealthCheckRequest { service: service.to_owned() })
            .await
            .unwrap()
            .into_inner()
            .status();
        assert_eq!(status.as_str_name(), "SERVING", "{service:?}");
    }
    let unknown = health.check(HealthCheckRequest { service: "other".to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    assert_eq!(reflected(&stack).await, Err(Code::Unimplemented));
    let stack = Stack::with(&format!("grpc: {{ reflection: true }}\n{CONFIG}"));
    assert!(reflected(&stack).await.unwrap().contains(&"externalscaler.ExternalScaler".to_owned()));
}

async fn reflected(stack: &Stack) -> Result<Vec<String>, Code> {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(stack.channel().await);
    let answer =
        client.server_reflection_info(tokio_stream::iter([request])).await.map_err(|status| status.code())?;
    let message = answer.into_inner().next().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = message else { panic!("{message:?}") };
    Ok(list.service.into_iter().map(|service| service.name).collect())
}

#[tokio::test]
async fn c04_tls_and_mutual_tls_take_those_they_should_and_refuse_the_others() {
    let folder = process::temp_dir();
    let (ours, strangers) = (Certificates::generate(), Certificates::generate());
    let files = ours.write(folder.path());
    let paths = [&files.server, &files.server_key, &files.ca].map(|path| path.display().to_string());
    let [cert, key, ca] = paths;
    let server_only =
        Stack::with(&format!("grpc: {{ tls: {{ cert_file: {cert}, key_file: {key} }} }}\n{CONFIG}"));
    let mutual = Stack::with(&format!(
        "grpc: {{ tls: {{ cert_file: {cert}, key_file: {key}, client_ca_file: {ca} }} }}\n{CONFIG}"
    ));

    let trusting = |certificates: &Certificates| {
        ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&certificates.ca))
            .domain_name("localhost")
    };
    let with_identity = |certificates: &Certificates| {
        let identity = Identity::from_pem(&certificates.client, &certificates.client_key);
        trusting(&ours).identity(identity)
    };
    assert!(spec_over_tls(&server_only, trusting(&ours)).await.is_ok());
    assert!(spec_over_tls(&server_only, trusting(&strangers)).await.is_err(), "a server of another CA");
    assert!(spec_over_tls(&mutual, with_identity(&ours)).await.is_ok());
    assert!(spec_over_tls(&mutual, trusting(&ours)).await.is_err(), "a client without a certificate");
    assert!(spec_over_tls(&mutual, with_identity(&strangers)).await.is_err(), "a client of another CA");
    let mut plain =
        Client::new(Channel::from_shared(format!("http://{}", mutual.address)).unwrap().connect_lazy());
    assert!(plain.get_metric_spec(queue("md")).await.is_err(), "a client without TLS");
}

async fn spec_over_tls(stack: &Stack, tls: ClientTlsConfig) -> Result<(), String> {
    let endpoint =
        Channel::from_shared(format!("https://{}", stack.address)).unwrap().tls_config(tls).unwrap();
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    let answer = Client::new(channel).get_metric_spec(queue("md")).await;
    answer.map(drop).map_err(|status| status.to_string())
}

#[tokio::test]
async fn c06_five_thousand_streams_on_one_connection_and_calls_still_go_through() {
    let mut stack = Stack::start();
    stack.world.set("md", 1, Some(0));
    stack.value(&queue("md")).await.unwrap();
    let mut client = stack.client().await;
    let mut streams = Vec::new();
    for _ in 0..5000 {
        streams.push(client.stream_is_active(queue("md")).await.unwrap().into_inner());
    }
    for stream in &mut streams {
        assert!(stream.next().await.unwrap().unwrap().result);
    }
    assert!(client.is_active(queue("md")).await.unwrap().into_inner().result);
    assert!(stack.metrics.text().contains("foresail_grpc_streams{method=\"StreamIsActive\"} 5000"));
}

#[tokio::test]
async fn c07_a_ref_whose_backend_never_answers_gets_unavailable_and_does_not_hang() {
    let stack = Stack::start();
    // Nobody works the engine here: the first sample never comes.
    let started = Instant::now();
    let status = stack.client().await.is_active(queue("md")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("first sample"), "{}", status.message());
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn c07_a_ref_whose_workload_was_not_seen_yet_gets_unavailable_within_a_second_too() {
    let mut stack =
        Stack::with(&format!("{CONFIG}kubernetes: {{ addresses: [\"foresail.foresail:6000\"] }}\n"));
    stack.see_nothing();
    stack.world.set("md", 2, Some(0));
    let started = Instant::now();
    let status = stack.active(&queue("md")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("has not been seen in Kubernetes"), "{}", status.message());
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(2500), "{took:?}");
    stack.seconds(3).await;
    assert!(stack.active(&queue("md")).await.unwrap(), "then it is answered without it");
}

#[tokio::test]
async fn c08_a_clients_deadline_and_its_cancellation_are_honoured() {
    let stack = Stack::start();
    let mut client = stack.client().await;
    let mut request = Request::new(queue("md"));
    request.set_timeout(Duration::from_millis(50));
    let status = client.is_active(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded), "{status:?}");

    let cancelled = tokio::time::timeout(Duration::from_millis(50), client.is_active(queue("md"))).await;
    assert!(cancelled.is_err(), "it waits for a first sample");
    assert!(client.get_metric_spec(queue("md")).await.is_ok(), "the connection lives on");
}
