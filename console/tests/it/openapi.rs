//! Holds what the API answers to what `docs/openapi.yaml` says.

use std::collections::BTreeSet;

use domain::{Ailment, CameraFault, CameraState, Millis};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    house::House,
    street::{add_duty, add_problems, add_zero_report, camera, ticket},
};

fn document() -> Value {
    serde_yaml_ng::from_str(include_str!("../../../docs/openapi.yaml")).expect("the document is YAML")
}

/// The value at the end of `$ref`, or `value` itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).expect("the reference leads somewhere"),
        None => value,
    }
}

/// Asks `path` and holds the answer to what the document says of `template`.
async fn check(house: &House, document: &Value, template: &str, path: &str, status: u16) {
    let item = &document["paths"][template];
    let (method, operation) =
        if item["post"].is_object() { (Method::POST, &item["post"]) } else { (Method::GET, &item["get"]) };
    let answer = house.ask(method, path, &[]).await;
    assert_eq!(answer.status().as_u16(), status, "{path}");
    let response = resolved(document, &operation["responses"][status.to_string()]);
    assert!(response.is_object(), "{template} does not document {status}");
    let media_type =
        answer.headers()[header::CONTENT_TYPE].to_str().expect("ASCII").split(';').next().expect("one").to_owned();
    let body = answer.bytes().await.expect("a body");
    if response["content"].is_null() {
        return;
    }
    let content = &response["content"][&media_type];
    assert!(content.is_object(), "{template} does not document {media_type}");
    if content["schema"].is_null() {
        return;
    }
    let schema = json!({ "$ref": content["schema"]["$ref"], "components": document["components"] });
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let errors: Vec<String> = validator.iter_errors(&body).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{path}: {errors:#?}\n{body:#}");
}

#[tokio::test]
async fn the_api_answers_as_its_document_says() {
    let document = document();
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    // As bare as a camera and a ticket can be.
    let mut bare = camera("bare", "", house.now);
    bare.report.state = CameraState::Waiting;
    bare.report.ailments = vec![Ailment { fault: CameraFault::Offline, since: house.now }];
    bare.reference = None;
    bare.report.codec = None;
    bare.report.size = None;
    bare.report.keyframe_interval = None;
    bare.report.last_keyframe_at = None;
    bare.report.last_look_at = None;
    bare.place = None;
    bare.zones.clear();
    let mut odd = ticket(&bare, "own.kind", house.now - Millis::mins(9));
    odd.delivered_at = Some(house.now);
    odd.cleared_at = Some(house.now);
    house.street.console.store.open_ticket(&odd, &[]).await.expect("written");
    house.street.cameras.put(bare);
    add_zero_report(&house.street).await;
    add_problems(&house.street, house.now, 3).await;
    add_duty(&house.street, house.now).await;
    let unknown = "0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a";
    let asked: &[(&str, String, u16)] = &[
        ("/api/tickets", "/api/tickets".to_owned(), 200),
        ("/api/tickets", "/api/tickets?limit=1".to_owned(), 200),
        ("/api/tickets", format!("/api/tickets?before={}&camera=bare&kind=own.kind&state=open", t.id()), 200),
        ("/api/tickets", "/api/tickets?case=filed".to_owned(), 200),
        ("/api/tickets", "/api/tickets?case=eaten".to_owned(), 400),
        ("/api/tickets", "/api/tickets?limit=0".to_owned(), 400),
        ("/api/tickets", "/api/tickets?stat=open".to_owned(), 400),
        ("/api/tickets", "/api/tickets?camera=a%2Fb".to_owned(), 400),
        ("/api/tickets/{id}", format!("/api/tickets/{}", t.id()), 200),
        ("/api/tickets/{id}", format!("/api/tickets/{}", odd.id()), 200),
        ("/api/tickets/{id}", "/api/tickets/77".to_owned(), 400),
        ("/api/tickets/{id}", format!("/api/tickets/{unknown}"), 404),
        ("/api/tickets/{id}/history", format!("/api/tickets/{}/history", t.id()), 200),
        ("/api/tickets/{id}/history", "/api/tickets/77/history".to_owned(), 400),
        ("/api/tickets/{id}/history", format!("/api/tickets/{unknown}/history"), 404),
        ("/api/cameras", "/api/cameras".to_owned(), 200),
        ("/api/cameras", "/api/cameras?q=gate&state=streaming&page=1&limit=1".to_owned(), 200),
        ("/api/cameras", "/api/cameras?state=asleep".to_owned(), 400),
        ("/api/cameras/{id}", "/api/cameras/bare".to_owned(), 200),
        ("/api/cameras/{id}", "/api/cameras/gate-2".to_owned(), 200),
        ("/api/cameras/{id}", "/api/cameras/a*b".to_owned(), 400),
        ("/api/cameras/{id}", "/api/cameras/none".to_owned(), 404),
        ("/export/cases.csv", "/export/cases.csv".to_owned(), 200),
        ("/export/cases.csv", "/export/cases.csv?from=yesterday".to_owned(), 400),
        ("/export/cases.xlsx", "/export/cases.xlsx?from=2026-11-01&to=2026-11-30".to_owned(), 200),
        ("/export/figures.csv", "/export/figures.csv?from=2026-11-01&to=2026-11-30".to_owned(), 200),
        ("/export/figures.csv", "/export/figures.csv?street=31".to_owned(), 400),
        ("/api/figures", "/api/figures".to_owned(), 200),
        ("/api/figures", "/api/figures?from=2026-11-01&to=2026-11-30&kind=own.kind&street=310104007".to_owned(), 200),
        ("/api/figures", "/api/figures?from=2026-11-30&to=2026-11-01".to_owned(), 400),
        ("/api/problems", "/api/problems".to_owned(), 200),
        ("/api/problems", "/api/problems?before=2&limit=1".to_owned(), 200),
        ("/api/problems", "/api/problems?before=first".to_owned(), 400),
        ("/open311/v2/services.json", "/open311/v2/services.json".to_owned(), 200),
        ("/open311/v2/requests.json", "/open311/v2/requests.json?jurisdiction_id=310104".to_owned(), 200),
        (
            "/open311/v2/requests.json",
            "/open311/v2/requests.json?status=open,closed&page=2&page_size=1".to_owned(),
            200,
        ),
        ("/open311/v2/requests.json", "/open311/v2/requests.json?status=lost".to_owned(), 400),
        ("/open311/v2/requests.json", "/open311/v2/requests.json?service_code=lane.elephants".to_owned(), 404),
        ("/open311/v2/requests/{id}.json", format!("/open311/v2/requests/{}.json", t.id()), 200),
        ("/open311/v2/requests/{id}.json", format!("/open311/v2/requests/{unknown}.json"), 404),
        ("/open311/v2/requests/{id}.json", "/open311/v2/requests/77.json".to_owned(), 400),
        ("/api/zero-report", "/api/zero-report".to_owned(), 200),
        ("/api/zero-report", "/api/zero-report?date=2026-11-24".to_owned(), 200),
        ("/api/zero-report", "/api/zero-report?date=today".to_owned(), 400),
        ("/api/duty", "/api/duty".to_owned(), 200),
        ("/api/duty", "/api/duty?date=2026-11-24&kind=lane.motor&q=police".to_owned(), 200),
        ("/api/duty", "/api/duty?date=today".to_owned(), 400),
        ("/api/duty/{item}", "/api/duty/S-101".to_owned(), 200),
        ("/api/duty/{item}", "/api/duty/S-103?date=2026-11-24".to_owned(), 200),
        ("/api/duty/{item}", "/api/duty/S-103?day=2026-11-24".to_owned(), 400),
        ("/api/duty/{item}", "/api/duty/none".to_owned(), 404),
        ("/cameras/{id}/latest.jpg", "/cameras/gate-2/latest.jpg".to_owned(), 200),
        ("/cameras/{id}/latest.jpg", "/cameras/bare/latest.jpg".to_owned(), 404),
        ("/cameras/{id}/reference.jpg", "/cameras/gate-2/reference.jpg".to_owned(), 200),
        ("/cameras/{id}/reference.jpg", "/cameras/bare/reference.jpg".to_owned(), 404),
        ("/api/cameras", "/api/cameras?fault=any".to_owned(), 200),
        ("/api/cameras/{id}/reference", "/api/cameras/gate-2/reference".to_owned(), 202),
        ("/api/cameras/{id}/reference", "/api/cameras/a*b/reference".to_owned(), 400),
        ("/api/cameras/{id}/reference", "/api/cameras/none/reference".to_owned(), 404),
        ("/evidence/{sha256}", format!("/evidence/{}", t.evidence[0].sha256), 200),
        ("/evidence/{sha256}", format!("/evidence/{}", t.evidence[1].sha256), 200),
        ("/evidence/{sha256}", "/evidence/77".to_owned(), 400),
        ("/api/reload", "/api/reload".to_owned(), 200),
        ("/healthz", "/healthz".to_owned(), 200),
        ("/metrics", "/metrics".to_owned(), 200),
    ];
    for (template, path, status) in asked {
        check(&house, &document, template, path, *status).await;
    }
    let documented: BTreeSet<&str> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    assert_eq!(documented, asked.iter().map(|(template, ..)| *template).collect(), "every path is asked");
    house.street.console.store.close().await;
    check(&house, &document, "/healthz", "/healthz", 503).await;
}

#[tokio::test]
async fn the_document_names_the_parameters_that_the_api_takes() {
    let document = document();
    let house = House::open().await;
    for path in ["/api/tickets", "/api/cameras", "/api/figures", "/api/problems", "/api/duty"] {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let mut documented: Vec<&str> = parameters.iter().map(|p| p["name"].as_str().expect("a name")).collect();
        let (_, problem) = house.status_and_text(&format!("{path}?no-such-parameter=1")).await;
        let problem: Value = serde_json::from_str(&problem).expect("a problem document");
        let detail = problem["detail"].as_str().expect("a detail");
        let mut taken: Vec<&str> = detail.rsplit("parameters are ").next().expect("a list").split(", ").collect();
        documented.sort_unstable();
        taken.sort_unstable();
        assert_eq!(documented, taken, "{path}");
    }
}

#[tokio::test]
async fn a_reload_is_refused_with_its_reason_and_never_asked_for_by_another_site() {
    let (document, house) = (document(), House::open().await);
    check(&house, &document, "/api/reload", "/api/reload", 400).await;
    let body = house.ask(Method::POST, "/api/reload", &[]).await.text().await.expect("a body");
    assert!(body.contains("cameras.gate.stream: has no source"), "{body}");
    house.with_a_ticket().await;
    let own = format!("http://{}", house.address);
    for (origin, status) in [(own.as_str(), 200), ("http://elsewhere.example", 400), ("null", 400)] {
        let answer = house.ask(Method::POST, "/api/reload", &[(header::ORIGIN, origin)]).await;
        assert_eq!(answer.status().as_u16(), status, "{origin}");
    }
}
