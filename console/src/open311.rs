//! A read-only view of tickets as Open311 GeoReport v2 (<https://wiki.open311.org/GeoReport_v2/>), in JSON and XML: services,
//! requests, one request. The standard knows two states; which of ours it is stands in `status_notes`.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alerts::{
    duty::Words,
    kinds::{KINDS, kind_info},
    store::Extract,
    ticket::{EvidenceRole, Rendition, Ticket, TicketState},
};
use axum::{
    Extension,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::{Kind, Millis, TicketId, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    answer::Fault,
    console::{Console, Desk},
    i18n::{Lang, Text},
    params::Params,
    times::rfc3339,
    visit::Visit,
};

/// Without dates, and at most, so much time is answered.
const SPAN: Millis = Millis::mins(90 * 24 * 60);

/// Requests on one page, and at most.
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 1_000;

/// In which form an answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Xml,
}

/// A complaint in the standard's form.
struct Complaint(Form, StatusCode, String);

impl Form {
    /// The name before the ending, and the form that the ending asks for.
    fn of(file: &str) -> Option<(&str, Self)> {
        let (name, ending) = file.rsplit_once('.')?;
        match ending {
            "json" => Some((name, Self::Json)),
            "xml" => Some((name, Self::Xml)),
            _ => None,
        }
    }

    fn answer(self, status: StatusCode, root: &str, each: &str, all: &[Map<String, Value>]) -> Response {
        match self {
            Self::Json => {
                let body = serde_json::to_string_pretty(all).expect("text, numbers and booleans");
                (status, [(header::CONTENT_TYPE, "application/json; charset=utf-8")], body + "\n").into_response()
            }
            Self::Xml => {
                let mut body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<{root}>\n");
                for one in all {
                    let _ = writeln!(body, "  <{each}>");
                    for (name, value) in one {
                        let text = match value {
                            Value::Null => String::new(),
                            Value::String(text) => escaped(text),
                            other => other.to_string(),
                        };
                        let _ = writeln!(body, "    <{name}>{text}</{name}>");
                    }
                    let _ = writeln!(body, "  </{each}>");
                }
                let _ = writeln!(body, "</{root}>");
                (status, [(header::CONTENT_TYPE, "text/xml; charset=utf-8")], body).into_response()
            }
        }
    }
}

/// Text for XML; what XML 1.0 cannot say is left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => {}
            c => out.push(c),
        }
    }
    out
}

impl IntoResponse for Complaint {
    fn into_response(self) -> Response {
        let Self(form, status, description) = self;
        let error = object([("code", json!(status.as_u16())), ("description", json!(description))]);
        form.answer(status, "errors", "error", &[error])
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) async fn collection(
    State(desk): State<Arc<Desk>>,
    Extension(visit): Extension<Visit>,
    Path(file): Path<String>,
) -> Result<Response, Fault> {
    match Form::of(&file) {
        Some(("services", form)) => {
            let known = kinds(&desk).await?;
            Ok(services(form, &known))
        }
        Some(("requests", form)) => {
            let known = kinds(&desk).await?;
            match wanted(&visit.params, visit.now, form, &known) {
                Ok(wanted) => requests(&desk, wanted, form).await,
                Err(complaint) => Ok(complaint.into_response()),
            }
        }
        _ => Err(Fault::NotFound),
    }
}

pub(crate) async fn request(State(desk): State<Arc<Desk>>, Path(file): Path<String>) -> Result<Response, Fault> {
    let Some((id, form)) = Form::of(&file) else { return Err(Fault::NotFound) };
    let Ok(id) = id.parse::<TicketId>() else {
        let text = "service_request_id is not valid: expected a UUID".to_owned();
        return Ok(Complaint(form, StatusCode::BAD_REQUEST, text).into_response());
    };
    let ticket = desk.console.store.ticket(id).await.map_err(Fault::internal)?;
    match ticket {
        Some(ticket) => {
            let one = request_of(&ticket, &desk.console);
            Ok(form.answer(StatusCode::OK, "service_requests", "request", &[one]))
        }
        None => {
            let text = format!("service_request_id {id} was not found");
            Ok(Complaint(form, StatusCode::NOT_FOUND, text).into_response())
        }
    }
}

/// The kinds of cases that there may be, as of so many versions of the responsibility list.
type KnownKinds = (i64, Arc<BTreeSet<Kind>>);

/// The kinds that were worked out last: a list of thousands is not read for each request.
#[derive(Debug, Default)]
pub(crate) struct KindsKnown(Mutex<Option<KnownKinds>>);

impl KindsKnown {
    fn last(&self) -> MutexGuard<'_, Option<KnownKinds>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The kinds of cases that there may be: the built-in ones, and those of the responsibility list. That is read when it has another
/// number of versions than before.
async fn kinds(desk: &Desk) -> Result<Arc<BTreeSet<Kind>>, Fault> {
    let store = &desk.console.store;
    let count = store.duty_version_count().await.map_err(Fault::internal)?;
    if let Some((known, kinds)) = &*desk.kinds.last()
        && *known == count
    {
        return Ok(Arc::clone(kinds));
    }
    let list = store.duty_list().await.map_err(Fault::internal)?;
    let built_in = KINDS.iter().filter_map(|info| info.kind.parse().ok());
    let kinds: Arc<BTreeSet<Kind>> =
        Arc::new(built_in.chain(list.versions().map(|version| version.item.kind.clone())).collect());
    // What came in between is in the list and not in the count: it is read once more.
    *desk.kinds.last() = Some((count, Arc::clone(&kinds)));
    Ok(kinds)
}

fn services(form: Form, kinds: &BTreeSet<Kind>) -> Response {
    let services: Vec<_> = kinds
        .iter()
        .map(|kind| {
            let info = kind_info(kind);
            let name = info.map_or_else(|| kind.to_string(), |info| format!("{} {}", info.name_zh, info.name_en));
            let codes = info.map_or(&[][..], |info| info.codes);
            object([
                ("service_code", json!(kind)),
                ("service_name", json!(name)),
                ("description", json!(codes.iter().map(|code| code.name).collect::<Vec<_>>().join(", "))),
                ("metadata", json!(false)),
                ("type", json!("realtime")),
                ("keywords", json!("")),
                ("group", json!(kind.as_str().split('.').next().unwrap_or_default())),
            ])
        })
        .collect();
    form.answer(StatusCode::OK, "services", "service", &services)
}

/// What a query asks for.
enum Wanted {
    These(Vec<TicketId>),
    Between(Extract),
    /// Both states were ruled out by one another.
    Nothing,
}

fn wanted(params: &Params, now: Timestamp, form: Form, known: &BTreeSet<Kind>) -> Result<Wanted, Complaint> {
    const KNOWN: [&str; 8] = [
        "jurisdiction_id",
        "service_request_id",
        "service_code",
        "start_date",
        "end_date",
        "status",
        "page",
        "page_size",
    ];
    let bad = |text: String| Complaint(form, StatusCode::BAD_REQUEST, text);
    if params.only(&KNOWN).is_err() {
        return Err(bad(format!("the parameters are {}", KNOWN.join(", "))));
    }
    let list = |name: &str| {
        params.get(name).map(|value| value.split(',').map(|part| part.trim().to_owned()).collect::<Vec<_>>())
    };
    // "This overrides all other arguments."
    if let Some(ids) = list("service_request_id") {
        let ids = ids.iter().map(|id| id.parse().map_err(|_| bad(format!("service_request_id {id} is not valid"))));
        return Ok(Wanted::These(ids.collect::<Result<_, _>>()?));
    }
    let kinds = list("service_code").unwrap_or_default();
    let kinds = kinds.iter().map(|code| {
        let kind = code.parse::<Kind>().map_err(|_| bad(format!("service_code {code} is not valid")));
        kind.and_then(|kind| match known.get(&kind) {
            Some(_) => Ok(kind),
            None => Err(Complaint(form, StatusCode::NOT_FOUND, format!("service_code {kind} was not found"))),
        })
    });
    let kinds = kinds.collect::<Result<Vec<_>, _>>()?;
    let date = |name: &str| {
        params.get(name).map_or(Ok(None), |text| {
            let instant = text.parse::<jiff::Timestamp>();
            let instant =
                instant.map_err(|_| bad(format!("{name} {text} is not valid: expected 2026-11-24T00:00:00Z")))?;
            Ok(Some(Timestamp(instant.as_millisecond())))
        })
    };
    let (from, to) = match (date("start_date")?, date("end_date")?) {
        (Some(from), Some(to)) => (from, to.min(from + SPAN)),
        (Some(from), None) => (from, from + SPAN),
        (None, to) => {
            let to = to.unwrap_or(now + Millis(1));
            (to - SPAN, to)
        }
    };
    let states = match list("status") {
        None => Vec::new(),
        Some(words) => {
            if let Some(word) = words.iter().find(|word| !matches!(word.as_str(), "open" | "closed")) {
                return Err(bad(format!("status {word} is not valid: expected open or closed")));
            }
            match (words.iter().any(|word| word == "open"), words.iter().any(|word| word == "closed")) {
                (true, true) => Vec::new(),
                (true, false) => vec![TicketState::Open],
                (false, true) => vec![TicketState::Cleared, TicketState::Ended],
                (false, false) => return Ok(Wanted::Nothing),
            }
        }
    };
    let number = |name: &str, default: u32, most: u32| {
        params.get(name).map_or(Ok(default), |text| {
            let number = text.parse().ok().filter(|n| (1..=most).contains(n));
            number.ok_or_else(|| bad(format!("{name} {text} is not valid: expected a number from 1 to {most}")))
        })
    };
    let (limit, page) = (number("page_size", PAGE, LARGEST_PAGE)?, number("page", 1, 1_000_000)?);
    Ok(Wanted::Between(Extract { from, to, kinds, states, limit, offset: (page - 1).saturating_mul(limit) }))
}

async fn requests(desk: &Desk, wanted: Wanted, form: Form) -> Result<Response, Fault> {
    let store = &desk.console.store;
    let tickets = match wanted {
        Wanted::These(ids) => store.tickets_by_id(&ids).await,
        Wanted::Between(extract) => store.extract(&extract).await,
        Wanted::Nothing => Ok(Vec::new()),
    };
    let tickets = tickets.map_err(Fault::internal)?;
    let requests: Vec<_> = tickets.iter().map(|ticket| request_of(ticket, &desk.console)).collect();
    Ok(form.answer(StatusCode::OK, "service_requests", "request", &requests))
}

fn request_of(ticket: &Ticket, console: &Console) -> Map<String, Value> {
    let (incident, route) = (&ticket.incident, ticket.route.as_deref());
    let at = |moment| json!(rfc3339(moment, &console.time_zone));
    let info = kind_info(&incident.kind);
    let place = ticket.camera.place.as_ref();
    let status = match ticket.state {
        TicketState::Open => "open",
        TicketState::Cleared | TicketState::Ended => "closed",
    };
    let state = Text::from(ticket.case.state());
    let notes = format!("{} {}", state.of(Lang::Zh), state.of(Lang::En));
    let picture = ticket
        .evidence
        .iter()
        .filter(|e| e.rendition == Rendition::Annotated)
        .min_by_key(|e| (e.role != EvidenceRole::Confirming, e.width))
        .map(|picture| format!("/evidence/{}", picture.sha256))
        .map(|path| console.public_url.as_ref().map_or_else(|| path.clone(), |url| url.at(&path)));
    let both = |words: &Words| format!("{} {}", words.zh, words.en).trim().to_owned();
    object([
        ("service_request_id", json!(ticket.id().to_string())),
        ("status", json!(status)),
        ("status_notes", json!(notes)),
        (
            "service_name",
            json!(info.map_or_else(|| incident.kind.to_string(), |i| format!("{} {}", i.name_zh, i.name_en))),
        ),
        ("service_code", json!(incident.kind.as_str())),
        ("description", json!(format!("{} {}", incident.reason_zh, incident.reason).trim())),
        ("agency_responsible", json!(route.map(|route| both(&route.task.dept)))),
        ("service_notice", json!(route.map(|route| route.why.en.clone()))),
        ("requested_datetime", at(incident.confirmed_at)),
        (
            "updated_datetime",
            at(ticket.cleared_at.unwrap_or(ticket.last_seen).max(ticket.case.changed_at().unwrap_or(Timestamp(0)))),
        ),
        ("expected_datetime", ticket.clocks.as_ref().and_then(|clocks| clocks.solve_due()).map_or(Value::Null, at)),
        ("address", json!(place.map(|place| place.address.as_str()).filter(|address| !address.is_empty()))),
        ("address_id", json!(place.map(|place| place.grid.as_str()))),
        ("zipcode", Value::Null),
        ("lat", json!(place.and_then(|place| place.lat))),
        ("long", json!(place.and_then(|place| place.lon))),
        ("media_url", json!(picture)),
    ])
}
