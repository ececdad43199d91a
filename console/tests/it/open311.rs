//! Other systems' views of tickets: Open311 GeoReport v2, and the sixteen columns.

use std::io::Cursor;

use alerts::{
    case::{Event, Verdict, VerdictKind},
    duty::{DutyItem, ItemVersion},
    store::Ruling,
    ticket::EvidenceRole,
    wire::CaseMessages,
};
use calamine::{Reader as _, Xlsx, open_workbook_from_rs};
use domain::Millis;
use reqwest::header;
use serde_json::Value;

use crate::{
    house::House,
    street::{add_pictures, camera, ticket},
};

/// Three tickets of two kinds, the second dispatched, the oldest of them gone, and one from half a year ago.
async fn with_tickets(house: &House) -> Vec<String> {
    let view = camera("gate-2", "斜土路 <东>", house.now);
    let mut ids = Vec::new();
    let ages = [(1, "lane.motor"), (2, "garbage.bagged"), (3, "lane.motor"), (180 * 24 * 60, "lane.motor")];
    for (minutes, kind) in ages {
        let mut t = ticket(&view, kind, house.now - Millis::mins(minutes));
        if let Some(place) = &mut t.camera.place {
            place.address = "=斜土路 \"1175\" 号, <南>".to_owned();
        }
        if minutes == 3 {
            t.case.apply(house.now, Event::Gone).expect("it may go");
            t.follow_case();
        }
        if let Some(route) = &mut t.route {
            route.task.third_dept.zh = "斜土路交警中队".to_owned();
        }
        house.street.console.store.open_ticket(&t, &[]).await.expect("written");
        if minutes == 2 {
            let verdict = Verdict::new(VerdictKind::Dispatched, house.now - Millis::secs(30));
            let ruling = Ruling::plain(t.id(), house.now, Event::Said(verdict));
            house.street.console.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
        }
        ids.push(t.id().to_string());
    }
    house.street.cameras.put(view);
    ids
}

async fn ids(house: &House, query: &str) -> Vec<String> {
    let (_, text) = house.status_and_text(&format!("/open311/v2/requests.json{query}")).await;
    let all: Vec<Value> = serde_json::from_str(&text).expect("a list");
    all.iter().map(|one| one["service_request_id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn requests_are_found_as_the_standard_has_it() {
    let house = House::open().await;
    let all = with_tickets(&house).await;
    assert_eq!(ids(&house, "").await, all[..3], "newest first, ninety days where no date is given");
    assert_eq!(ids(&house, "?service_code=garbage.bagged").await, all[1..2]);
    assert_eq!(ids(&house, "?status=open").await, all[..2]);
    assert_eq!(ids(&house, "?status=closed").await, all[2..3]);
    assert_eq!(ids(&house, "?status=closed,open&page_size=2&page=2").await, all[2..3]);
    assert_eq!(ids(&house, "?end_date=1970-01-02T00:00:00Z").await, [""; 0]);
    // It overrides all others.
    let asked = format!("?service_request_id={},{}&status=closed", all[3], all[0]);
    assert_eq!(ids(&house, &asked).await, [all[0].clone(), all[3].clone()]);
    let (_, text) = house.status_and_text(&format!("/open311/v2/requests/{}.json", all[0])).await;
    let one: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(one[0]["agency_responsible"], "交警 traffic police");
    assert_eq!(one[0]["expected_datetime"].as_str().map(str::len), Some(29));
    assert_eq!((&one[0]["lat"], &one[0]["long"]), (&31.1896.into(), &121.4593.into()));
    let (status, text) = house.status_and_text("/open311/v2/requests.json?state=open").await;
    assert!(status == 400 && text.contains("\"code\": 400") && text.contains("service_code"), "{status} {text}");
}

#[tokio::test]
async fn xml_says_the_same_and_keeps_foreign_text_apart() {
    let house = House::open().await;
    let all = with_tickets(&house).await;
    let answer = house.get("/open311/v2/requests.xml").await;
    assert!(answer.headers()[header::CONTENT_TYPE].to_str().expect("ASCII").starts_with("text/xml"));
    let text = answer.text().await.expect("a body");
    assert!(text.starts_with("<?xml") && text.matches("<request>").count() == 3, "{text}");
    assert!(text.contains("1175\" 号, &lt;南&gt;") && !text.contains("<南>"), "{text}");
    let (_, one) = house.status_and_text(&format!("/open311/v2/requests/{}.xml", all[0])).await;
    assert!(one.contains(&format!("<service_request_id>{}</service_request_id>", all[0])), "{one}");
    let (status, none) = house.status_and_text("/open311/v2/requests/77.xml").await;
    assert!(status == 400 && none.contains("<errors>") && none.contains("<code>400</code>"), "{none}");
    let (_, services) = house.status_and_text("/open311/v2/services.xml").await;
    assert!(services.contains("<service_code>lane.motor</service_code>"), "{services}");
}

#[tokio::test]
async fn kinds_of_the_citys_own_list_are_services() {
    let house = House::open().await;
    let (status, _) = house.status_and_text("/open311/v2/requests.json?service_code=lane.elephants").await;
    assert_eq!(status, 404);
    let item: DutyItem = serde_json::from_value(serde_json::json!({
        "id": "T-087", "kind": "lane.elephants", "place": null, "place_name": {"zh": "", "en": ""}, "days": [], "hours": [],
        "name": {"zh": "大象", "en": "elephants"}, "codes": [], "dept": {"zh": "动物园", "en": "zoo"}, "copies": [], "steps": [],
        "level": 4, "arrive": null, "solve": {"amount": 3.0, "unit": "work_hour"}, "photos_open": 1, "photos_close": 1, "until": null,
    }))
    .expect("an item");
    let version = ItemVersion { version: 1, from: jiff::civil::date(2026, 11, 1), item };
    house.street.console.store.add_duty_versions(&[version], "list.csv", house.now).await.expect("written");
    let (_, services) = house.status_and_text("/open311/v2/services.json").await;
    assert!(services.contains("lane.elephants") && services.contains("lane.motor"), "{services}");
    assert_eq!(ids(&house, "?service_code=lane.elephants").await, [""; 0]);
}

#[tokio::test]
async fn cases_are_exported_in_the_platforms_columns() {
    let house = House::open().await;
    let all = with_tickets(&house).await;
    let answer = house.get("/export/cases.csv").await;
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"cases.csv\"");
    let text = answer.text().await.expect("a body");
    let lines: Vec<_> = text.trim_start_matches('\u{feff}').lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("案件状态,任务号,案件来源,发现时间,流转方向,案件属性,案件大类"), "{text}");
    assert_eq!(lines[0].split(',').count(), 16);
    let expect = format!("已立案,{},视频上报,", all[0]);
    assert!(
        lines[1].starts_with(&expect)
            && lines[1].contains("四级(社区),事件,街面秩序,机动车乱停放、非机动车乱停放,机动车乱停放,斜土路街道"),
        "{text}"
    );
    assert!(lines[1].contains("\"'=斜土路 \"\"1175\"\" 号, <南>\""), "a formula is made text: {text}");
    let sent = jiff::Timestamp::from_millisecond(house.now.0 - 30_000).expect("a time");
    let sent = sent.to_zoned(house.street.console.time_zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
    assert!(lines[1].contains(",xh-03,,交警,斜土路交警中队,"), "nobody was sent: {text}");
    assert!(lines[2].starts_with("已派遣,") && lines[2].contains(&format!(",xh-03,{sent},")), "{text}");
    assert!(lines[3].starts_with("自行消除,") && lines[3].ends_with(','), "nobody has closed it: {text}");
    let workbook = house.get("/export/cases.xlsx").await.bytes().await.expect("a body");
    let mut workbook: Xlsx<_> = open_workbook_from_rs(Cursor::new(workbook)).expect("a workbook");
    let sheet = workbook.worksheet_range("案件").expect("its sheet");
    // The same cells; what CSV must defuse is text by its type here.
    let mut csv = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let mut of_csv = vec![csv.headers().expect("a header").clone()];
    of_csv.extend(csv.records().map(|record| record.expect("a record")));
    let of_sheet: Vec<Vec<String>> = sheet.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect();
    let defused = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    assert_eq!(of_sheet, of_csv.iter().map(|row| row.iter().map(defused).collect()).collect::<Vec<Vec<_>>>());
    assert_eq!(house.status_and_text("/export/cases.pdf").await.0, 404);
}

#[tokio::test]
async fn a_pictures_address_is_absolute_where_the_consoles_is_known() {
    for (public_url, before) in [(None, ""), (Some("https://grid.example/gw/"), "https://grid.example/gw")] {
        let house = House::open_with(|console| {
            console.public_url = public_url.map(|url| url.to_owned().try_into().expect("an address"));
        })
        .await;
        let mut t = ticket(&camera("gate-2", "", house.now), "lane.motor", house.now);
        add_pictures(&house.street.console, &mut t, EvidenceRole::Confirming, house.now);
        house.street.console.store.open_ticket(&t, &[]).await.expect("written");
        let (_, text) = house.status_and_text(&format!("/open311/v2/requests/{}.json", t.id())).await;
        let one: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(one[0]["media_url"], format!("{before}/evidence/{}", t.evidence[2].sha256));
    }
}
