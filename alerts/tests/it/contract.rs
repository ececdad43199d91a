//! `docs/asyncapi.yaml` is what we say: the document keeps AsyncAPI's rules, its examples keep its schemas, and so does
//! every message that the wire builds.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use alerts::{
    case::{Case, Effect, Event, Judgement, Reason, State, Verdict, VerdictKind},
    clocks::LightTurn,
    deadline::{DeadlineConfig, HolidayYear, Light, ResponseLevel, Stage, WorkCalendar},
    duty::{DutyItem, DutyList, ItemVersion, Words},
    incident::{Further, Sensed},
    platform::{self, Platform, Script},
    recheck::{Found, Outcome, Why},
    routed::{Routed, Superior},
    sensor::{Device, Mapping, Memory, Noted},
    ticket::{Body, Evidence, EvidenceRole, OutgoingMessage, Rendition, Ticket},
    wire::{
        self, Fault, NodeState, Problem, again_messages, case_messages, checked_messages, cleared_messages,
        opening_messages, problem_message, read_platform, vouched_messages,
    },
    zero_report::{Finding, ItemReport, Period, Station, ZeroReport},
};
use domain::{
    Ailment, CameraFault, CameraReport, CameraState, Cell, Codec, DecodeMode, GroundPoint, Millis, ModelRef, Sha256,
    Timestamp,
};
use serde_json::{Value, json};

use crate::fixture::{OPENED_AT, node, piece, ticket};

fn document() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/asyncapi.yaml");
    serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            follow(document, document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere")))
        }
        None => value,
    }
}

/// In the document unknown fields are allowed, for receivers of later versions; we ourselves send none.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") && map.get("type") == Some(&json!("object")) {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

#[track_caller]
fn check(document: &Value, schema: &Value, instance: &Value) {
    let mut root = schema.clone();
    let mut components = document["components"].clone();
    close(&mut components["schemas"]);
    // A `$ref` hides its siblings in draft 7, so the reference goes one level down.
    root = json!({"allOf": [root], "components": components});
    let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&root).unwrap();
    let errors: Vec<_> = validator.iter_errors(instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{instance:#}");
}

/// The one channel whose address fits `topic`.
#[track_caller]
fn channel_of<'a>(document: &'a Value, topic: &str) -> (&'a str, &'a Value) {
    let fits = |address: &str| {
        let (pattern, levels) = (address.split('/'), topic.split('/'));
        pattern.clone().count() == levels.clone().count()
            && pattern.zip(levels).all(|(pattern, level)| match pattern {
                "{district}" => level.len() == 6 && level.bytes().all(|b| b.is_ascii_digit()),
                "{street}" => level.len() == 9 && level.bytes().all(|b| b.is_ascii_digit()),
                "{sha256}" => level.len() == 64,
                named if named.starts_with('{') => !level.is_empty(),
                fixed => fixed == level,
            })
    };
    let channels = document["channels"].as_object().unwrap();
    let mut fitting = channels.iter().filter(|(_, channel)| fits(channel["address"].as_str().unwrap()));
    let (name, channel) = fitting.next().unwrap_or_else(|| panic!("no channel for {topic}"));
    assert!(fitting.next().is_none(), "two channels for {topic}");
    (name, channel)
}

/// Holds a built message to its channel's message.
#[track_caller]
fn check_message(document: &Value, message: &OutgoingMessage) -> String {
    let (name, channel) = channel_of(document, &message.topic);
    let described = follow(document, &channel["messages"][name]);
    assert_eq!(message.content_type, described["contentType"].as_str().unwrap());
    let properties: serde_json::Map<_, _> =
        message.properties.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    assert_eq!(properties.len(), message.properties.len(), "a property twice");
    check(document, &described["headers"], &properties.into());
    assert_eq!(message.expires_after, Some(Millis::secs(86_400)));
    if let Body::Inline(bytes) = &message.body {
        check(document, &described["payload"], &serde_json::from_slice(bytes).unwrap());
    }
    name.to_owned()
}

/// Tickets with everything, with as little as can be, and of a kind that no table knows.
fn tickets() -> Vec<Ticket> {
    let mut full = ticket(1);
    for (n, role) in [EvidenceRole::FirstSeen, EvidenceRole::Confirming, EvidenceRole::After].into_iter().enumerate() {
        for rendition in [Rendition::Original, Rendition::Clean, Rendition::Annotated] {
            let sha256 = Sha256::of(format!("{n}{rendition:?}").as_bytes());
            let mut piece = piece(role, rendition, sha256, 1_000);
            if role == EvidenceRole::After {
                piece.captured_at = OPENED_AT + Millis::mins(20);
            }
            full.evidence.push(piece);
        }
    }
    full.cleared_at = Some(OPENED_AT + Millis::mins(20));
    let mut bare = ticket(2);
    bare.incident.camera = "gate-2".parse().unwrap();
    bare.camera.place = None;
    bare.zone.name = String::new();
    bare.incident.kind = "lane.elephants".parse().unwrap();
    bare.incident.score_median = f32::NAN;
    (bare.incident.looks, bare.incident.hits) = (0, 0);
    let mut street = ticket(3);
    let place = street.camera.place.as_mut().unwrap();
    place.grid = Cell::try_from("310104007".to_owned()).unwrap();
    (place.lon, place.lat, place.duty_grid, place.address) = (None, None, None, String::new());
    full.route = route(&full, true);
    street.route = route(&street, false);
    let mut digits_alone = ticket(4);
    digits_alone.route = route(&digits_alone, true).map(|mut route| {
        route.task.codes = vec!["GBT30428.2-2013:09-77".parse().unwrap(), "OWN:77".parse().unwrap()];
        (route.task.arrive, route.arrive_due, route.solve_due) = (None, None, None);
        route
    });
    let mut alone = sensed(5);
    alone.incident.camera = "bin-12".parse().unwrap();
    vec![full, bare, street, digits_alone, sensed(6), alone]
}

/// Who answers for a ticket: by an item with everything, or by the built-in kind.
fn route(ticket: &Ticket, by_list: bool) -> Option<Box<Routed>> {
    let item: DutyItem = serde_json::from_value(json!({
        "id": "T-087", "kind": ticket.incident.kind, "place": "310104007",
        "place_name": {"zh": "斜土路街道", "en": "Xietu Road"}, "days": [], "hours": [],
        "name": {"zh": "机动车乱停放", "en": "illegal car parking"},
        "codes": [{"scheme": "CJT214-2007", "code": "05-05"}, {"scheme": "SH-GRID", "code": "机动车乱停放、非机动车乱停放"}],
        "dept": {"zh": "交警", "en": "traffic police"}, "copies": [{"zh": "城管", "en": ""}],
        "steps": [{"zh": "拍照", "en": "photograph"}], "level": 4, "arrive": {"amount": 1, "unit": "work_hour"},
        "solve": {"amount": 4, "unit": "work_hour"}, "photos_open": 1, "photos_close": 2, "until": null,
    }))
    .unwrap();
    let version = ItemVersion { version: 3, from: jiff::civil::date(2015, 1, 1), item };
    let list = DutyList::new(by_list.then_some(version));
    let (kind, at) = (&ticket.incident.kind, ticket.incident.confirmed_at);
    let place = &ticket.camera.place.as_ref().unwrap().grid;
    let (routed, unknown) = Routed::decide(&list, kind, place, at, &calendar()).unwrap();
    assert_eq!((routed.item.is_some(), unknown), (by_list, None));
    Some(Box::new(routed))
}

fn calendar() -> WorkCalendar {
    let year = |year| HolidayYear { year, source: String::new(), holidays: Vec::new() };
    DeadlineConfig::default().calendar(node().timezone, &[year(2015), year(2026)]).unwrap()
}

/// The example of the domain's own text: four work hours from a Monday afternoon end on Tuesday morning.
#[test]
fn a_ticket_suggests_who_answers_and_by_when() {
    let mut ticket = ticket(1);
    ticket.incident.confirmed_at = Timestamp(1_425_277_267_000);
    ticket.route = route(&ticket, true);
    let messages = opening_messages(&ticket, &node());
    check_message(&document(), &messages[0]);
    let Body::Inline(event) = &messages[0].body else { panic!("a ticket is inline") };
    let event: Value = serde_json::from_slice(event).unwrap();
    assert_eq!(
        event["data"]["suggest"],
        json!({
            "response_level": 4, "task_item": "T-087", "task_version": 3, "dept": "交警", "dept_en": "traffic police",
            "copies": ["城管"], "copies_en": ["城管"], "steps": ["拍照"], "steps_en": ["photograph"], "arrive_limit": "1 wh", "arrive_due": "2015-03-02T15:21:07.000+08:00",
            "solve_limit": "4 wh", "solve_due": "2015-03-03T10:21:07.000+08:00", "photos_open": 1, "photos_close": 2,
            "why_zh": "第T-087条第3版,斜土路街道(310104007),四级(社区),由交警负责",
            "why_en": "item T-087 v3, Xietu Road (310104007), level 4 (community): traffic police",
        })
    );
    assert_eq!(
        event["data"]["event"]["codes"],
        json!([
            {"scheme": "CJT214-2007", "major": "05", "minor": "05", "name": "机动车乱停放"},
            {"scheme": "SH-GRID", "name": "机动车乱停放、非机动车乱停放"},
        ])
    );
}

/// A ticket of a sensor in a camera's zone.
fn sensed(n: u32) -> Ticket {
    let mut ticket = ticket(n);
    ticket.incident.things.clear();
    ticket.incident.sensed = Some(Box::new(Sensed {
        device: "bin-12".parse().unwrap(),
        name: "斜土路 12 号箱".to_owned(),
        measure: "fill".to_owned(),
        unit: "%".to_owned(),
        readings: vec![Noted { at: OPENED_AT, value: 93.5 }],
    }));
    ticket
}

#[test]
fn every_change_of_a_light_keeps_the_contract() {
    let document = document();
    let ticket = ticket(1);
    let (level, due) = (ResponseLevel::Community, Some(OPENED_AT));
    let turn = |number, light, escalated_to, due, stopped_at| LightTurn {
        number,
        clock: if number % 2 == 0 { Stage::Arrive } else { Stage::Solve },
        light,
        due,
        level,
        escalated_to,
        stopped_at,
    };
    for turn in [
        turn(1, Light::Yellow, None, due, None),
        turn(2, Light::Red, level.above(), due, None),
        turn(3, Light::Red, None, due, Some(OPENED_AT)),
        turn(4, Light::Green, None, None, None),
        turn(5, Light::Green, None, due, Some(OPENED_AT)),
    ] {
        let (name, dept) = (Words { zh: "徐汇区".to_owned(), en: String::new() }, Words::default());
        let unit = Superior { code: Some("310104".to_owned()), name: Some(name), dept: Some(dept) };
        let unit = turn.escalated_to.map(|_| &unit);
        let message = wire::light_message(&ticket, &turn, unit, OPENED_AT, &node());
        assert_eq!(check_message(&document, &message), "light");
        assert!(message.topic.ends_with(&format!("/310104007/ticket/{}/light", ticket.id())), "{}", message.topic);
    }
}

#[test]
fn every_zero_report_keeps_the_contract() {
    let document = document();
    let item = |finding| ItemReport {
        id: "Z-09".to_owned(),
        name: Words { zh: "机动车乱停放".to_owned(), en: String::new() },
        finding,
        tickets: if finding == Finding::Found { vec![ticket(1).id()] } else { Vec::new() },
        cameras: 2,
        looks_due: 10,
        looks_done: 9,
        unfit: if finding == Finding::NotProven { vec!["gate-2".parse().unwrap()] } else { Vec::new() },
    };
    let report = ZeroReport {
        station: "XT-01".parse().unwrap(),
        name: Words::default(),
        date: jiff::civil::date(2026, 11, 24),
        from: OPENED_AT,
        to: OPENED_AT + Millis::mins(1_440),
        made_at: OPENED_AT + Millis::mins(1_441),
        late: true,
        items: [Finding::Found, Finding::AllWell, Finding::NotProven, Finding::NotByCamera].map(item).to_vec(),
    };
    let cell = Cell::try_from("310104007003".to_owned()).unwrap();
    for grid in [Some(&cell), None] {
        assert_eq!(check_message(&document, &wire::zero_report_message(&report, grid, &node())), "zeroReport");
        let topic = wire::zero_report_status_topic(grid, &node(), &report.station, report.date);
        assert_eq!(channel_of(&document, &topic).0, "zeroReportStatus");
        let (name, grid) = (report.name.clone(), grid.cloned());
        let station = Station { id: report.station.clone(), name, grid, cameras: BTreeSet::new() };
        let period = Period { from: report.from, to: report.to };
        let missing = wire::zero_report_missing(&station, report.date, period, report.made_at, &node());
        for payload in [missing, wire::zero_report_made(&report, &node())] {
            check_status(&document, &topic, &payload);
        }
    }
}

#[test]
fn every_ticket_keeps_the_contract() {
    let document = document();
    for ticket in tickets() {
        let opening: Vec<_> = opening_messages(&ticket, &node()).iter().map(|m| check_message(&document, m)).collect();
        let cleared: Vec<_> = cleared_messages(&ticket, &node()).iter().map(|m| check_message(&document, m)).collect();
        let after: Vec<_> = ticket.evidence.iter().filter(|e| e.role == EvidenceRole::After).cloned().collect();
        for (result, case_no) in [(Found::Cleared, Some("XH-1")), (Found::StillThere, None), (Found::Unclear, None)] {
            let outcome = Outcome { result, ..outcome() };
            let checked = checked_messages(&ticket, case_no, &outcome, &after, &node());
            let names: Vec<_> = checked.iter().map(|m| check_message(&document, m)).collect();
            assert_eq!(names.last().map(String::as_str), Some("checked"));
            assert_eq!(names.len() - 1, after.iter().filter(|e| e.rendition != Rendition::Original).count());
        }
        // Pictures first; originals stay at home.
        let pictures = |after| {
            let leave = ticket.evidence.iter().filter(|e| e.rendition != Rendition::Original);
            leave.filter(|e| (e.role == EvidenceRole::After) == after).count()
        };
        assert_eq!(opening, [vec!["evidence"; pictures(false)], vec!["ticket"]].concat());
        assert_eq!(cleared, [vec!["evidence"; pictures(true)], vec!["cleared"]].concat());
    }
}

/// Each message that a case's life brings about.
#[test]
fn every_change_of_a_case_keeps_the_contract() {
    let document = document();
    let mut ticket = ticket(1);
    let mut sent = Vec::new();
    let mut number = 0;
    let mut play = |ticket: &mut Ticket, at: i64, event: Event| {
        let effects = ticket.case.apply(OPENED_AT + Millis::mins(at), event).unwrap();
        let numbered: Vec<_> = effects
            .into_iter()
            .map(|effect| {
                number += i64::from(matches!(effect, Effect::Changed(_)));
                (number, effect)
            })
            .collect();
        let messages = case_messages(ticket, &numbered, &node());
        for message in messages.opening.iter().chain(&messages.following) {
            sent.push(check_message(&document, message));
        }
    };
    for (at, kind) in (1..).zip(VerdictKind::ALL) {
        let mut verdict = Verdict::new(kind, OPENED_AT + Millis::mins(at));
        verdict.reason = Some(Reason { code: "weather".to_owned(), note: Some("台风".to_owned()) });
        verdict.due = Some(OPENED_AT + Millis::mins(90));
        (verdict.case_no, verdict.by) = (Some("7".to_owned()), Some("王五".to_owned()));
        play(&mut ticket, at, Event::Said(verdict));
    }
    assert_eq!(sent.iter().filter(|name| *name == "ticketState").count(), sent.len());
    assert_eq!(sent.len(), 10, "all but those that only mark or ask: confirmed, verify_requested");

    ticket.evidence = [Rendition::Original, Rendition::Clean]
        .map(|rendition| piece(EvidenceRole::StillThere, rendition, Sha256::of(format!("{rendition:?}").as_bytes()), 9))
        .to_vec();
    let again: Vec<_> = again_messages(&ticket, Further::StillThere, OPENED_AT, &node())
        .iter()
        .map(|m| check_message(&document, m))
        .collect();
    assert_eq!(again, ["evidence", "ticketEvidence"]);
}

/// What two cameras see: each picture goes under its own camera, and the place is the problem's.
#[test]
fn a_ticket_of_two_cameras_keeps_the_contract() {
    let document = document();
    let mut ticket = ticket(1);
    for (crs, x, y) in [("EPSG:4326", 121.459_312_345, 31.189_604), ("local:square", 12.345, -3.0)] {
        ticket.incident.ground = Some(GroundPoint { crs: crs.to_owned().try_into().unwrap(), x, y });
        let opening = opening_messages(&ticket, &node());
        assert_eq!(opening.iter().map(|m| check_message(&document, m)).collect::<Vec<_>>(), ["ticket"]);
        let Body::Inline(event) = &opening[0].body else { panic!("an event") };
        let event: serde_json::Value = serde_json::from_slice(event).unwrap();
        let place = &event["data"]["place"];
        assert_eq!(place["position_of"] == "problem", crs == "EPSG:4326", "{place}");
        assert_eq!(place["local"]["x"] == 12.3, crs != "EPSG:4326", "{place}");
    }
    let other = Some("31010400001320000124".parse().unwrap());
    let picture = piece(EvidenceRole::OtherView, Rendition::Clean, Sha256::of(b"other"), 9);
    ticket.evidence = vec![Evidence { camera: other, ..picture }];
    let messages = again_messages(&ticket, Further::OtherView, OPENED_AT, &node());
    let names: Vec<_> = messages.iter().map(|m| check_message(&document, m)).collect();
    assert_eq!(names, ["evidence", "ticketEvidence"]);
    assert!(messages[0].topic.contains("/31010400001320000124/evidence/"), "{}", messages[0].topic);
}

#[test]
fn what_a_sensor_adds_to_a_camera_s_ticket_keeps_the_contract() {
    let document = document();
    let (mut ticket, bin) = (ticket(1), sensed(2));
    for picture in [None, Some(piece(EvidenceRole::StillThere, Rendition::Clean, Sha256::of(b"bin"), 9))] {
        ticket.evidence = picture.into_iter().collect();
        let messages = vouched_messages(&ticket, &bin.incident, &node());
        let names: Vec<_> = messages.iter().map(|m| check_message(&document, m)).collect();
        assert_eq!(names.last().map(String::as_str), Some("ticketEvidence"));
        assert_eq!(names.len(), ticket.evidence.len() + 1);
        let Some(Body::Inline(event)) = messages.last().map(|m| &m.body) else { panic!("an event") };
        let event: Value = serde_json::from_slice(event).unwrap();
        assert_eq!(
            (&event["data"]["reason"], &event["data"]["sensor"]["device"]),
            (&"sensor".into(), &"bin-12".into())
        );
        assert_eq!(event["data"]["ticket_id"], ticket.id().to_string());
    }
}

#[test]
fn a_reviewed_ticket_keeps_the_contract() {
    let document = document();
    let mut ticket = ticket(1);
    let (case, begun) = Case::begin(OPENED_AT, Some(OPENED_AT + Millis::mins(60)));
    ticket.case = case;
    ticket.evidence = vec![piece(EvidenceRole::Confirming, Rendition::Clean, Sha256::of(b"street"), 6)];
    let begun: Vec<_> = (1..).zip(begun).collect();
    let pending = case_messages(&ticket, &begun, &node());
    assert!(pending.opening.is_empty());
    let names: Vec<_> = pending.following.iter().map(|m| check_message(&document, m)).collect();
    assert_eq!(names, ["evidence", "lead", "ticketState"], "its picture goes before it");
    let Body::Inline(lead) = &pending.following[1].body else { panic!("an event") };
    let lead: Value = serde_json::from_slice(lead).unwrap();
    assert_eq!(lead["data"]["review"]["until"], node().rfc3339(OPENED_AT + Millis::mins(60)));
    let yes = Event::Reviewed { judgement: Judgement::Confirmed, by: "李四".to_owned() };
    let effects = ticket.case.apply(OPENED_AT + Millis::mins(5), yes).unwrap();
    let filed = case_messages(&ticket, &(3..).zip(effects).collect::<Vec<_>>(), &node());
    let names: Vec<_> = filed.opening.iter().chain(&filed.following).map(|m| check_message(&document, m)).collect();
    assert_eq!(names, ["evidence", "ticket", "ticketState"]);
}

#[test]
fn every_problem_keeps_the_contract() {
    let document = document();
    let fault = Fault { reason: "not_json", message: "the payload is no JSON".to_owned() };
    let problem = Problem::of("grid/v1/310104/x", b"\xff\x00 garbage", fault, OPENED_AT);
    let (topic, payload) = problem_message(3, &problem, &node());
    check_status(&document, &topic, &payload);
}

/// What the document shows of sensors, the mapping reads.
#[test]
fn the_examples_of_readings_are_read() {
    let document = document();
    let devices =
        "[[devices]]\nid = \"bin-12\"\nmeasure = \"fill\"\n[[devices]]\nid = \"smoke-1\"\nmeasure = \"smoke\"\n";
    let mapping = Mapping::new(&toml::from_str(devices).unwrap()).unwrap();
    let mut values = Vec::new();
    for example in document["components"]["messages"]["sensorReading"]["examples"].as_array().unwrap() {
        let payload = &example["payload"];
        let (device, measure) = if payload.is_boolean() { ("smoke-1", "smoke") } else { ("bin-12", "fill") };
        let topic = format!("sensor/v1/310104/310104007/{device}/{measure}");
        assert_eq!(channel_of(&document, &topic).0, "sensorReading");
        mapping.read(&[0], &topic, payload.to_string().as_bytes(), OPENED_AT, |_, read| {
            let reading = read.unwrap_or_else(|refused| panic!("{payload}: {refused:?}"));
            assert_eq!(reading.remark, None, "{payload}");
            values.push(reading.value);
        });
    }
    assert_eq!(values, [93.5, 1.0, 93.5, 0.0]);
}

/// What the document shows of the platform's side, the node reads.
#[test]
fn the_examples_of_the_platform_are_understood() {
    let document = document();
    for (name, channel) in [("acknowledgement", "ack"), ("verdict", "verdict")] {
        for example in document["components"]["messages"][name]["examples"].as_array().unwrap() {
            let ticket = example["payload"]["data"]["ticket_id"].as_str().unwrap();
            let topic = format!("grid/v1/310104/310104007/ticket/{ticket}/{channel}");
            assert_eq!(channel_of(&document, &topic).0, name);
            let heard = read_platform(&topic, example["payload"].to_string().as_bytes(), &node()).unwrap();
            assert_eq!(heard.ticket.to_string(), ticket);
        }
    }
    let verdicts = &document["components"]["schemas"]["Verdict"]["properties"]["verdict"]["enum"];
    assert_eq!(*verdicts, json!(VerdictKind::ALL.map(VerdictKind::as_str)));
    assert_eq!(document["components"]["schemas"]["CaseState"]["enum"], json!(State::ALL.map(State::as_str)));
}

#[test]
fn one_picture_under_two_roles_is_sent_once_and_named_twice() {
    let mut ticket = ticket(1);
    for role in [EvidenceRole::FirstSeen, EvidenceRole::Confirming] {
        ticket.evidence.push(piece(role, Rendition::Clean, Sha256::of(b"still"), 5));
    }
    let messages = opening_messages(&ticket, &node());
    assert_eq!(messages.len(), 2);
    let Body::Inline(event) = &messages[1].body else { panic!("the ticket is last") };
    let event: Value = serde_json::from_slice(event).unwrap();
    assert_eq!(event["data"]["evidence"].as_array().unwrap().len(), 2);
    assert_eq!(event["data"]["detection"]["objects"][0]["box"], json!([176, 288, 352, 432]));
}

fn outcome() -> Outcome {
    let began_at = OPENED_AT + Millis::mins(20);
    let checked_at = began_at + Millis::mins(2);
    Outcome { result: Found::Cleared, why: Why::Clear, looks: 5, clear_looks: 5, began_at, checked_at }
}

#[test]
fn a_thing_that_another_model_saw_names_that_model() {
    let mut ticket = ticket(1);
    let other = ModelRef { name: "garbage-net".into(), sha256: Sha256::of(b"other weights") };
    let mut bag = ticket.incident.things[0].clone();
    ticket.incident.things[0].model = Some(Arc::new(ticket.incident.model.clone()));
    bag.model = Some(Arc::new(other.clone()));
    ticket.incident.things.push(bag);
    let messages = opening_messages(&ticket, &node());
    check_message(&document(), &messages[0]);
    let Body::Inline(event) = &messages[0].body else { panic!("a ticket is inline") };
    let event: Value = serde_json::from_slice(event).unwrap();
    let objects = &event["data"]["detection"]["objects"];
    assert_eq!(objects[0].get("model"), None);
    assert_eq!(objects[1]["model"], json!({ "id": "garbage-net", "sha256": other.sha256 }));
}

#[test]
fn every_state_keeps_the_contract() {
    let document = document();
    let place = ticket(1).camera.place;
    let states = [
        CameraState::Waiting,
        CameraState::Connecting,
        CameraState::Streaming,
        CameraState::Offline,
        CameraState::Ended,
    ];
    for (state, known) in states.into_iter().flat_map(|state| [(state, true), (state, false)]) {
        let report = CameraReport {
            id: "gate-2".parse().unwrap(),
            state,
            since: OPENED_AT,
            error: known.then(|| "no packet for 10s".into()),
            codec: known.then_some(Codec::Jpeg),
            size: known.then_some((1920, 1080)),
            keyframe_interval: known.then_some(Millis(1_960)),
            decode: if known { DecodeMode::AllFrames } else { DecodeMode::Keyframes },
            last_keyframe_at: None,
            last_look_at: known.then_some(OPENED_AT),
            look_interval: Millis::secs(10),
            looks: 1,
            reconnects: 0,
            ailments: CameraFault::ALL
                .map(|fault| Ailment { fault, since: OPENED_AT })
                .into_iter()
                .filter(|_| known)
                .collect(),
            clock_offset: known.then_some(Millis(-61_500)),
        };
        let topic = wire::camera_status_topic(place.as_ref().filter(|_| known), &node(), &report.id);
        check_status(&document, &topic, &wire::camera_status(&report, &node()).payload());
    }
    for state in ["waiting", "ok", "battery_low", "stuck", "out_of_range", "silent"] {
        let device: Device = serde_json::from_value(json!({"id": "bin-12", "measure": "fill"})).unwrap();
        let bare: Memory = serde_json::from_value(json!({"health": {"state": state}})).unwrap();
        let full: Memory = serde_json::from_value(json!({
            "latest": {"fill": {"at": OPENED_AT, "value": 93.5}},
            "health": {"state": state, "since": OPENED_AT, "seen_at": OPENED_AT, "battery": 17.0},
        }))
        .unwrap();
        for (memory, place) in [(bare, None), (full, place.as_ref())] {
            let topic = wire::sensor_status_topic(place, &node(), &device.id);
            check_status(&document, &topic, &wire::sensor_status(&device, &memory, &node()));
        }
    }
    for state in [NodeState::Online, NodeState::Stopped(OPENED_AT), NodeState::Lost] {
        let status = wire::node_status(&node(), state, OPENED_AT);
        check_status(&document, &wire::node_status_topic(&node().id), &status.payload());
    }
}

#[track_caller]
fn check_status(document: &Value, topic: &str, payload: &[u8]) {
    let (name, channel) = channel_of(document, topic);
    let described = follow(document, &channel["messages"][name]);
    check(document, &described["payload"], &serde_json::from_slice(payload).unwrap());
}

#[test]
fn the_examples_keep_their_schemas() {
    let document = document();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} has no example");
        for example in examples {
            for part in ["headers", "payload"].into_iter().filter(|part| !example[part].is_null()) {
                check(&document, &message[part], &example[part]);
            }
        }
    }
}

/// The structural rules of AsyncAPI 3.0 for the parts that we use.
#[test]
fn the_document_keeps_the_rules_of_asyncapi() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    for server in document["servers"].as_object().unwrap().values() {
        assert!(server["host"].is_string() && server["protocol"].is_string());
    }
    let allowed = ["asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations", "components"];
    assert!(document.as_object().unwrap().keys().all(|key| allowed.contains(&key.as_str())));
    every_reference_leads_somewhere(&document, &document);
    for (name, channel) in document["channels"].as_object().unwrap() {
        let address = channel["address"].as_str().unwrap();
        let in_address: BTreeSet<_> =
            address.split('/').filter_map(|level| level.strip_prefix('{')?.strip_suffix('}')).collect();
        let described: BTreeSet<_> = channel["parameters"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(in_address, described, "parameters of {name}");
        assert!(!channel["messages"].as_object().unwrap().is_empty(), "{name}");
    }
    let mut operated = BTreeSet::new();
    for (name, operation) in document["operations"].as_object().unwrap() {
        assert!(matches!(operation["action"].as_str(), Some("send" | "receive")), "{name}");
        let channel = operation["channel"]["$ref"].as_str().unwrap();
        assert!(channel.starts_with("#/channels/"), "{name}");
        operated.insert(channel.to_owned());
        for message in operation["messages"].as_array().unwrap() {
            // A message of an operation refers to its channel's, not to the components'.
            assert!(message["$ref"].as_str().unwrap().starts_with(&format!("{channel}/messages/")), "{name}");
        }
        let bindings = follow(&document, &operation["bindings"]);
        assert_eq!(bindings["mqtt"]["qos"], 1, "{name}");
        let retained = channel.ends_with("Status");
        assert_eq!(bindings["mqtt"]["retain"], retained, "{name}: only states are retained");
    }
    assert_eq!(operated.len(), document["channels"].as_object().unwrap().len(), "a channel without operation");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::draft7::meta::is_valid(schema), "{name} is no JSON Schema");
        let properties = schema["properties"].as_object();
        for required in schema["required"].as_array().into_iter().flatten() {
            let required = required.as_str().unwrap();
            assert!(properties.is_some_and(|p| p.contains_key(required)), "{name} requires unknown {required}");
        }
    }
}

fn every_reference_leads_somewhere(document: &Value, value: &Value) {
    match value {
        Value::Object(map) => {
            follow(document, value);
            map.values().for_each(|v| every_reference_leads_somewhere(document, v));
        }
        Value::Array(items) => items.iter().for_each(|v| every_reference_leads_somewhere(document, v)),
        _ => {}
    }
}

/// All that the reference platform says of tickets as we send them, each word with all that it may carry.
#[test]
fn what_the_reference_platform_says_keeps_the_contract() {
    const SCRIPT: &str = r#"
        [[plans]]
        kinds = ["lane.fire"]
        ack = { result = "rejected", reason = "not_responsible", note = "外区" }

        [[plans]]
        kinds = ["lane.works"]
        ack = { result = "duplicate", note = "已有此案" }

        [[plans]]
        kinds = ["lane.goods"]
        steps = [{ verdict = "rejected", reason = "false_alarm", note = "绿化带" }]

        [[plans]]
        ack = { after = "1s" }
        steps = [
            { verdict = "confirmed", by = "李四" },
            { verdict = "dispatched", dept = "斜土街道城管中队", due = "4h" },
            { verdict = "handling" },
            { verdict = "returned", reason = "not_responsible", note = "属外区" },
            { verdict = "suspended", reason = "weather" },
            { verdict = "resumed" },
            { verdict = "extended", reason = "weather", due = "8h" },
            { verdict = "supervised", note = "督办" },
            { verdict = "verify_requested" },
            { verdict = "handled" },
            { verdict = "closed" },
        ]
    "#;
    let document = document();
    let script: Script = toml::from_str(SCRIPT).unwrap();
    script.check().unwrap();
    let mut platform = Platform::new(script, "contract", node().timezone);
    for (n, kind) in (1..).zip(["lane.motor", "lane.fire", "lane.works", "lane.goods"]) {
        let mut ticket = ticket(n);
        ticket.incident.kind = kind.parse().unwrap();
        for message in opening_messages(&ticket, &node()) {
            let Body::Inline(event) = &message.body else { continue };
            platform.hear(platform::read(&message.topic, event).transpose().unwrap(), OPENED_AT);
        }
    }
    let mut words = BTreeSet::new();
    while let Some(at) = platform.wakes_at() {
        assert!(at < OPENED_AT + Millis::mins(60), "it comes to an end");
        while let Some(say) = platform.say(at) {
            let (name, channel) = channel_of(&document, &say.topic);
            let described = follow(&document, &channel["messages"][name]);
            let payload: Value = serde_json::from_slice(&say.payload).unwrap();
            check(&document, &described["payload"], &payload);
            let (verdict, result) = (&payload["data"]["verdict"], &payload["data"]["result"]);
            words.insert(verdict.as_str().or(result.as_str()).unwrap().to_owned());
        }
    }
    let all = [
        "accepted",
        "closed",
        "confirmed",
        "dispatched",
        "duplicate",
        "extended",
        "handled",
        "handling",
        "rejected",
        "resumed",
        "returned",
        "supervised",
        "suspended",
        "verify_requested",
    ];
    assert_eq!(words, all.map(ToOwned::to_owned).into(), "every word that the document knows");
}
