//! How a request can fail and what the client is told: its own mistake precisely, ours not at all.

use std::{error::Error, fmt::Display, sync::Arc};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::html;
use serde::Serialize;
use tracing::error;

use crate::{i18n::Text, layout, visit::Visit};

/// A request that gets no ordinary answer.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Nothing is at this address.
    NotFound,
    /// The client's mistake, in words for the client.
    BadRequest(String),
    /// A method that the address has not.
    MethodNotAllowed,
    /// A decision that another site's page sent.
    Foreign,
    /// No time or no room at the moment.
    Busy,
    /// Ours; the text is for the log only.
    Internal(Arc<dyn Error + Send + Sync>),
}

impl Fault {
    /// The client wrote `what` where something else was `expected`.
    pub(crate) fn bad(what: impl Display, expected: impl Display) -> Self {
        let what: String = what.to_string().chars().take(120).collect();
        Self::BadRequest(format!("\"{what}\" is not understood: {expected}"))
    }

    /// An error of ours.
    pub(crate) fn internal(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(error))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Fault {
    /// A bare answer that carries the fault along; `dress` makes a page or a problem document of it, since only the
    /// request knows the language and whether a program asks.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize)]
struct Problem {
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Gives a failed request its body and its line in the log.
pub(crate) fn dress(mut response: Response, visit: &Visit) -> Response {
    let Some(fault) = response.extensions_mut().remove::<Fault>() else { return response };
    if let Fault::Internal(error) = &fault {
        let mut chain = error.to_string();
        let mut cause = error.source();
        while let Some(c) = cause {
            chain.push_str(": ");
            chain.push_str(&c.to_string());
            cause = c.source();
        }
        error!(error = %chain, path = %visit.path, "request failed");
    }
    let (status, lang) = (fault.status(), visit.lang);
    let (title, text) = match &fault {
        Fault::NotFound => (Text::NotFoundTitle, Text::NotFoundWhy.of(lang).to_owned()),
        Fault::BadRequest(detail) => (Text::BadRequestTitle, detail.clone()),
        Fault::MethodNotAllowed => (Text::MethodTitle, Text::MethodWhy.of(lang).to_owned()),
        Fault::Foreign => (Text::ForeignTitle, Text::ForeignWhy.of(lang).to_owned()),
        Fault::Busy => (Text::BusyTitle, Text::BusyWhy.of(lang).to_owned()),
        Fault::Internal(_) => (Text::InternalTitle, Text::InternalWhy.of(lang).to_owned()),
    };
    let mut dressed = if visit.is_api() {
        let detail = if let Fault::BadRequest(detail) = fault { Some(detail) } else { None };
        let problem = Problem { title: status.canonical_reason().unwrap_or("error"), status: status.as_u16(), detail };
        ([(header::CONTENT_TYPE, "application/problem+json")], json_text(&problem)).into_response()
    } else {
        layout::bare(
            visit,
            title.of(lang),
            &html! {
                h1 { (title.of(lang)) }
                p { (text) }
                p { a href="/" { (Text::BackHome.of(lang)) } }
            },
        )
        .into_response()
    };
    *dressed.status_mut() = status;
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        dressed.headers_mut().insert(header::ALLOW, allow);
    }
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE) {
        dressed.headers_mut().insert(header::RETRY_AFTER, axum::http::HeaderValue::from_static("5"));
    }
    dressed
}

/// `value` as JSON with an end of line.
fn json_text(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("the API's types hold nothing that JSON cannot");
    text.push('\n');
    text
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], json_text(value)).into_response()
}
