//! For machines that watch this one: is it doing its job, and in which figures.
//!
//! `/healthz` answers 503 only where the process cannot do its job at all (the database does not answer), so that a supervisor
//! that restarts on 503 does not restart over a camera or a broker that is away; those are told as `degraded`.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{CameraState, NodeId};
use serde::Serialize;
use tokio::time::timeout;
use tracing::error;

use crate::{
    answer::json,
    console::{Desk, LookVitals, Vitals},
};

/// A healthy database counts in milliseconds; one that takes longer than this is as good as gone.
const STORE_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Degraded,
    Failing,
}

#[derive(Serialize)]
struct HealthOut {
    status: Status,
    node: NodeId,
    reasons: Vec<&'static str>,
    store_reachable: bool,
    broker_connected: bool,
    cameras: CamerasOut,
    looks: Option<LooksOut>,
    messages_queued: Option<u64>,
    messages_refused: Option<u64>,
    restart_needed: Vec<&'static str>,
}

#[derive(Serialize)]
struct CamerasOut {
    total: usize,
    streaming: usize,
}

/// Over the last minute; times in seconds.
#[derive(Serialize)]
struct LooksOut {
    due: u64,
    done: u64,
    lag_p50: f64,
    lag_p99: f64,
    interval_wanted: f64,
    interval: f64,
    stretch: f64,
}

impl From<LookVitals> for LooksOut {
    fn from(looks: LookVitals) -> Self {
        Self {
            due: looks.due,
            done: looks.done,
            lag_p50: looks.lag_p50.as_secs_f64(),
            lag_p99: looks.lag_p99.as_secs_f64(),
            interval_wanted: looks.wanted.as_secs_f64(),
            interval: looks.achieved.as_secs_f64(),
            stretch: looks.stretch,
        }
    }
}

pub(crate) async fn healthz(State(desk): State<Arc<Desk>>) -> Response {
    let console = &desk.console;
    let counts = match timeout(STORE_ANSWERS_WITHIN, console.store.counts()).await {
        Ok(Ok(counts)) => Some(counts),
        Ok(Err(error)) => {
            error!(%error, "health: the database does not answer");
            None
        }
        Err(_) => {
            error!(within = ?STORE_ANSWERS_WITHIN, "health: the database does not answer in time");
            None
        }
    };
    let cameras = console.fleet.cameras();
    let streaming = cameras.iter().filter(|c| c.report.state == CameraState::Streaming).count();
    let Vitals { broker_connected, looks, restart, .. } = (console.vitals)();
    let mut reasons = Vec::new();
    if counts.is_none() {
        reasons.push("the database does not answer");
    }
    if !cameras.is_empty() && streaming == 0 {
        reasons.push("no camera is streaming");
    }
    if !broker_connected {
        reasons.push("the broker is not connected");
    }
    if counts.is_some_and(|c| c.refused_messages > 0) {
        reasons.push("the broker refused messages for good");
    }
    let status = match (&counts, reasons.is_empty()) {
        (None, _) => Status::Failing,
        (Some(_), true) => Status::Ok,
        (Some(_), false) => Status::Degraded,
    };
    let code = if status == Status::Failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let out = HealthOut {
        status,
        node: console.node.clone(),
        reasons,
        store_reachable: counts.is_some(),
        broker_connected,
        cameras: CamerasOut { total: cameras.len(), streaming },
        looks: looks.map(LooksOut::from),
        messages_queued: counts.map(|c| c.queued_messages),
        messages_refused: counts.map(|c| c.refused_messages),
        restart_needed: restart,
    };
    json(code, &out)
}

pub(crate) async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (desk.console.metrics)()).into_response()
}
