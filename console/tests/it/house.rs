//! A console that listens, and a client that asks it.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use alerts::ticket::{EvidenceRole, Ticket};
use console::{Console, ConsoleError};
use domain::{Millis, Timestamp};
use reqwest::{Client, Response, StatusCode, header};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::street::{Street, add_pictures, camera, paint, street, ticket};

pub(crate) struct House {
    pub(crate) street: Street,
    pub(crate) now: Timestamp,
    pub(crate) address: SocketAddr,
    client: Client,
    cancel: CancellationToken,
    server: JoinSet<Result<(), ConsoleError>>,
}

impl House {
    /// A console over an empty street.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// The same, with something about the console changed.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Console)) -> Self {
        // Only one test of the process can be the first; the others find it done.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut street = street().await;
        change(&mut street.console);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let cancel = CancellationToken::new();
        let mut server = JoinSet::new();
        server.spawn(console::serve(listener, street.console.clone(), cancel.clone()));
        let client =
            Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().expect("a client");
        let now = Timestamp::from(SystemTime::now());
        Self { street, now, address, client, cancel, server }
    }

    /// A camera that streams, and a ticket of it with first-seen and confirming pictures.
    pub(crate) async fn with_a_ticket(&self) -> Ticket {
        let view = camera("gate-2", "斜土路-大木桥路 东北", self.now);
        let still = alerts::jpeg::encode(&paint(64, 48, None, 0), 80).expect("a JPEG");
        self.street.cameras.put_still("gate-2", still.into());
        let mut ticket = ticket(&view, "lane.motor", self.now - Millis::mins(3));
        self.street.cameras.put(view);
        let (first_seen, confirmed_at) = (ticket.incident.first_seen, ticket.incident.confirmed_at);
        add_pictures(&self.street.console, &mut ticket, EvidenceRole::FirstSeen, first_seen);
        add_pictures(&self.street.console, &mut ticket, EvidenceRole::Confirming, confirmed_at);
        self.street.console.store.open_ticket(&ticket, &[]).await.expect("written");
        ticket
    }

    pub(crate) async fn ask(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: &[(header::HeaderName, &str)],
    ) -> Response {
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.send().await.expect("an answer")
    }

    /// Sends a form.
    pub(crate) async fn post(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.client.post(format!("http://{}{path}", self.address)).body(form.to_owned());
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.ask(reqwest::Method::GET, path, &[]).await
    }

    /// The body of a page that is there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.text().await.expect("a body")
    }

    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&self.page(path).await).expect("JSON")
    }

    /// The status and body of an answer, whatever it is.
    pub(crate) async fn status_and_text(&self, path: &str) -> (u16, String) {
        let response = self.get(path).await;
        (response.status().as_u16(), response.text().await.expect("a body"))
    }

    /// Asks the server to end and waits until it has.
    pub(crate) async fn close(mut self) -> Result<(), ConsoleError> {
        self.cancel.cancel();
        timeout(Duration::from_secs(10), self.server.join_next())
            .await
            .expect("ends in time")
            .expect("one task")
            .expect("no panic")
    }
}
