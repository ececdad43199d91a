//! HTTP GET from tests.

use std::net::SocketAddr;

/// Status and body of `path`.
pub fn get(server: SocketAddr, path: &str) -> (u16, Vec<u8>) {
    // reqwest builds its TLS client for plain HTTP too.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let answer = reqwest::get(format!("http://{server}{path}")).await.expect("an answer");
        (answer.status().as_u16(), answer.bytes().await.expect("a body").to_vec())
    })
}

pub fn get_text(server: SocketAddr, path: &str) -> (u16, String) {
    let (status, body) = get(server, path);
    (status, String::from_utf8_lossy(&body).into_owned())
}

pub fn get_json(server: SocketAddr, path: &str) -> serde_json::Value {
    serde_json::from_slice(&get(server, path).1).expect("JSON")
}

/// The value of a metric with exactly these labels (as they are written), if it is there.
pub fn metric(server: SocketAddr, name_and_labels: &str) -> Option<f64> {
    let (_, text) = get_text(server, "/metrics");
    text.lines().find_map(|line| line.strip_prefix(name_and_labels)?.trim().parse().ok())
}
