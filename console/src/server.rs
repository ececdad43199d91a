//! The routes, what every answer has in common, and the server itself.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    answer::{Fault, dress},
    api, assets, camera_page, cameras,
    console::{Console, Desk},
    download, duty_page, evidence, figures_page, health, hold, open311, problems, review, sensors, ticket_page,
    tickets,
    visit::Visit,
    zero_page,
};

/// Long enough for a page of a large fleet on a busy machine, short of what a browser waits for.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The largest form that is read, in bytes.
const LARGEST_FORM: usize = 16 << 10;

/// How long answers under way may take after the end was asked for.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// A server that could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// The listening socket failed.
    #[error("console: the listening socket failed: {0}")]
    Socket(#[source] io::Error),
}

/// Tells the metrics recorder what this crate's metrics mean.
pub fn describe_metrics() {
    describe_counter!("gridwatch_console_requests_total", "Requests answered by the console, by class of status");
    describe_histogram!(
        "gridwatch_console_request_seconds",
        metrics::Unit::Seconds,
        "Time from a request to the head of its answer"
    );
}

/// The console's pages and API.
pub fn router(console: Console) -> Router {
    let desk = Arc::new(Desk::new(console));
    Router::new()
        .route("/", get(tickets::list))
        .route("/tickets/{id}", get(ticket_page::show))
        .route("/tickets/{id}/review", post(review::decide).layer(DefaultBodyLimit::max(LARGEST_FORM)))
        .route("/tickets/{id}/hold", get(hold::show).post(hold::decide).layer(DefaultBodyLimit::max(LARGEST_FORM)))
        .route("/cameras", get(cameras::list))
        .route("/cameras/{id}", get(camera_page::show))
        .route("/cameras/{id}/latest.jpg", get(camera_page::latest))
        .route("/cameras/{id}/reference.jpg", get(camera_page::reference_picture))
        .route("/cameras/{id}/reference", post(camera_page::take_reference))
        .route("/api/cameras/{id}/reference", post(api::take_reference))
        .route("/sensors", get(sensors::list))
        .route("/export/figures.csv", get(figures_page::csv))
        .route("/export/{file}", get(download::cases))
        .route("/open311/v2/{file}", get(open311::collection))
        .route("/open311/v2/requests/{file}", get(open311::request))
        .route("/zero-report", get(zero_page::show))
        .route("/api/zero-report", get(zero_page::api))
        .route("/duty", get(duty_page::list))
        .route("/duty/{item}", get(duty_page::show))
        .route("/api/duty", get(duty_page::api_list))
        .route("/api/duty/{item}", get(duty_page::api_item))
        .route("/figures", get(figures_page::show))
        .route("/problems", get(problems::list))
        .route("/api/problems", get(problems::api))
        .route("/api/figures", get(figures_page::api))
        .route("/evidence/{sha256}", get(evidence::bytes))
        .route("/api/tickets", get(api::tickets))
        .route("/api/tickets/{id}", get(api::ticket))
        .route("/api/tickets/{id}/history", get(api::history))
        .route("/api/cameras", get(api::cameras))
        .route("/api/cameras/{id}", get(api::camera))
        .route("/api/reload", post(api::reload))
        .route("/healthz", get(health::healthz))
        .route("/metrics", get(health::metrics))
        .route("/assets/{name}", get(assets::asset))
        .fallback(async || Fault::NotFound)
        .method_not_allowed_fallback(async || Fault::MethodNotAllowed)
        .layer(middleware::from_fn(around))
        .with_state(desk)
}

/// Serves the console until `cancel`, then lets answers under way end.
///
/// # Errors
/// When the listening socket fails.
pub async fn serve(listener: TcpListener, console: Console, cancel: CancellationToken) -> Result<(), ConsoleError> {
    if let Ok(address) = listener.local_addr() {
        info!(%address, "console listening");
    }
    let server = axum::serve(listener, router(console)).with_graceful_shutdown(cancel.clone().cancelled_owned());
    let deadline = async {
        cancel.cancelled().await;
        tokio::time::sleep(DRAIN_WITHIN).await;
    };
    tokio::select! {
        ended = server => ended.map_err(ConsoleError::Socket)?,
        () = deadline => warn!("console: answers under way were cut off at shutdown"),
    }
    info!("console ended");
    Ok(())
}

/// What goes around every answer: the visit on the way in; the dress of faults, headers and metrics on the way out.
async fn around(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let visit = Visit::new(request.uri(), request.headers());
    request.extensions_mut().insert(visit.clone());
    let response = match timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            warn!(path = %visit.path, "a request was given up: no answer in time");
            Fault::Busy.into_response()
        }
    };
    let mut response = dress(response, &visit);
    guard(response.headers_mut());
    address_language(response.headers_mut(), &visit);
    let class = match response.status().as_u16() {
        ..400 => "ok",
        400..500 => "client_error",
        _ => "server_error",
    };
    counter!("gridwatch_console_requests_total", "status" => class).increment(1);
    histogram!("gridwatch_console_request_seconds").record(started.elapsed());
    response
}

/// Nothing but our own files may run, show or be framed, even if foreign text slipped through unescaped.
fn guard(headers: &mut HeaderMap) {
    const HEADERS: [(HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Pages differ by language; a language that was asked for is remembered for a year.
fn address_language(headers: &mut HeaderMap, visit: &Visit) {
    let is_page = headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return;
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    if visit.remember_lang {
        let cookie = format!("lang={}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly", visit.lang.code());
        headers.insert(header::SET_COOKIE, cookie.parse().expect("a language code is plain ASCII"));
    }
}
