//! The pages in both languages over HTTP.

use alerts::{case::Event, store::Ruling, ticket::EvidenceRole, wire::CaseMessages, zero_report::ReportsOwed};
use domain::{CameraState, Millis};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::{
    house::House,
    street::{add_pictures, add_zero_report, camera, ticket},
};

#[track_caller]
fn holds(page: &str, parts: &[&str]) {
    for part in parts {
        assert!(page.contains(part), "{part:?} is not in the page:\n{page}");
    }
}

#[tokio::test]
async fn a_ticket_shows_on_the_first_page_and_on_its_own() {
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    let confirming = t.evidence[5].sha256;
    let page = house.page("/?lang=en").await;
    holds(
        &page,
        &[
            &format!("href=\"/tickets/{}\"", t.id()),
            &format!("src=\"/evidence/{confirming}\""),
            "斜土路-大木桥路 东北",
            "斜土路 1175 号",
            "5 min 10 s",
            "Queued",
            "3 min ago",
            "12.3",
        ],
    );
    let page = house.page(&format!("/tickets/{}?lang=zh", t.id())).await;
    holds(
        &page,
        &[
            "机动车道",
            "首次发现",
            "5 分 10 秒",
            "等待送达",
            "29",
            "0.83 / 0.91",
            "0123456789ab",
            "310104007003012",
            "标注图",
            "没有责任清单,按内置类别:四级(社区),由交警负责",
            "3紧急工作时 · 应于",
            "CJT214-2007:05-05",
        ],
    );
    for e in &t.evidence {
        holds(&page, &[&format!("<code class=\"hash\">{}</code>", e.sha256)]);
    }
    house.close().await.expect("ends cleanly");
}

#[tokio::test]
async fn a_zero_report_shows_what_was_found_and_how_it_is_known() {
    let house = House::open().await;
    holds(&house.page("/zero-report?lang=en").await, &["No zero report", "[zero_report]"]);
    add_zero_report(&house.street).await;
    let page = house.page("/zero-report?lang=zh").await;
    holds(
        &page,
        &[
            "江南新村工作站",
            "迟报",
            "有事：1 件",
            "平安",
            "未证实",
            "由巡查报告",
            "17280 / 25920",
            "2026-11-23 08:00:00",
        ],
    );
    holds(&page, &["href=\"/cameras/gate-9\"", "href=\"/zero-report?date=2026-11-23\""]);
    holds(&house.page("/zero-report?date=2026-11-24&lang=en").await, &["Jiangnan Xincun station", "All well", "Late"]);
    holds(&house.page("/zero-report?date=2026-11-23&lang=en").await, &["No zero report"]);
}

#[tokio::test]
async fn a_station_whose_report_is_missing_is_shown_as_that() {
    let stations = ["XT-01", "XT-02"].map(|id| json!({ "id": id, "grid": "310104007003" }));
    let house = House::open_with(|console| {
        let config = serde_json::from_value(json!({ "stations": stations })).expect("stations");
        console.reports_owed = ReportsOwed::new(&config, console.time_zone.clone());
    })
    .await;
    add_zero_report(&house.street).await;
    // The other has made none yet, and owes that of the last day only.
    let (_, reported) = house.status_and_text("/api/zero-report?date=2026-11-24").await;
    let reported: Value = serde_json::from_str(&reported).expect("JSON");
    assert!(!reported["missing"].as_array().expect("a list").contains(&"XT-01".into()), "{reported}");
    let page = house.page("/zero-report?lang=en").await;
    holds(&page, &["XT-02", "Missing", "marked late"]);
    assert!(!page.contains("Name stations in"), "{page}");
    let next = house.page("/zero-report?date=2999-01-01&lang=en").await;
    assert!(!next.contains("Missing"), "it is not due: {next}");
}

#[tokio::test]
async fn an_empty_street_says_what_to_expect() {
    let house = House::open().await;
    holds(&house.page("/?lang=en").await, &["No tickets yet", "gridwatch cameras import"]);
    holds(&house.page("/cameras?lang=zh").await, &["还没有摄像机"]);
    house.street.cameras.put(camera("a", "", house.now));
    holds(&house.page("/?lang=en").await, &["Watching now: 1 cameras streaming, 1 zones drawn."]);
    house.street.cameras.change(|c| c.report.state = CameraState::Offline);
    holds(&house.page("/?lang=en").await, &["No camera is streaming"]);
    house.street.cameras.change(|c| c.zones.clear());
    holds(&house.page("/?lang=en").await, &["without a zone there will be no ticket"]);
}

#[tokio::test]
async fn the_language_follows_the_address_the_cookie_and_the_browser() {
    let house = House::open().await;
    let answer = house.get("/?lang=zh&state=open").await;
    assert_eq!(answer.headers()[header::SET_COOKIE], "lang=zh; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
    let page = answer.text().await.expect("a body");
    holds(&page, &["<html lang=\"zh-CN\">", "href=\"/?state=open&amp;lang=en\""]);
    for (name, value, expect) in [
        (header::COOKIE, "x=1; lang=zh", "<html lang=\"zh-CN\">"),
        (header::ACCEPT_LANGUAGE, "zh-CN,zh;q=0.9,en;q=0.8", "<html lang=\"zh-CN\">"),
        (header::ACCEPT_LANGUAGE, "fr", "<html lang=\"en\">"),
    ] {
        let answer = house.ask(Method::GET, "/", &[(name, value)]).await;
        assert!(answer.headers().get(header::SET_COOKIE).is_none());
        holds(&answer.text().await.expect("a body"), &[expect]);
    }
}

#[tokio::test]
async fn foreign_text_stays_text() {
    const HOSTILE: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&";
    let house = House::open().await;
    let mut view = camera("evil", HOSTILE, house.now);
    view.report.state = CameraState::Offline;
    view.report.error = Some(HOSTILE.into());
    view.zones[0].name = HOSTILE.to_owned();
    if let Some(place) = &mut view.place {
        place.address = HOSTILE.to_owned();
        place.duty_grid = Some(HOSTILE.to_owned());
    }
    let mut t = ticket(&view, "lane.motor", house.now);
    t.incident.reason = HOSTILE.to_owned();
    t.incident.reason_zh = HOSTILE.to_owned();
    t.incident.rule.id = HOSTILE.to_owned();
    t.incident.model.name = HOSTILE.into();
    t.incident.things[0].class = domain::Label::new(HOSTILE);
    add_pictures(&house.street.console, &mut t, EvidenceRole::Confirming, house.now);
    house.street.console.store.open_ticket(&t, &[]).await.expect("written");
    house.street.cameras.put(view);
    let query = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        "/".to_owned(),
        format!("/tickets/{}", t.id()),
        "/cameras".to_owned(),
        "/cameras/evil".to_owned(),
        format!("/?camera={query}"),
        format!("/cameras?q={query}&state=offline"),
        format!("/?state={query}"),
        format!("/cameras/{query}"),
        format!("/{query}"),
    ] {
        let (_, page) = house.status_and_text(&path).await;
        assert!(!page.contains("<script>") && !page.contains("<img src=x"), "{path}:\n{page}");
    }
}

#[tokio::test]
async fn every_answer_is_guarded_and_no_page_needs_another_place() {
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    let ticket_path = format!("/tickets/{}", t.id());
    for path in ["/", &ticket_path, "/cameras", "/cameras/gate-2", "/nothing", "/api/nothing", "/healthz", "/metrics"] {
        let answer = house.get(path).await;
        let headers = answer.headers().clone();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store", "{path}");
        let body = answer.text().await.expect("a body");
        for never in ["http://", "https://", " style=\"", "javascript:", " onclick", "<style", "<script>"] {
            assert!(!body.contains(never), "{path} holds {never:?}");
        }
    }
}

#[tokio::test]
async fn assets_are_named_by_their_content_and_kept_for_good() {
    let house = House::open().await;
    let page = house.page("/").await;
    let mut seen = 0;
    for link in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = house.get(link).await;
        assert_eq!(answer.status(), 200, "{link}");
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
        seen += 1;
    }
    assert!(seen >= 3, "style, script and icon");
    assert_eq!(house.get("/assets/console-000000000000.css").await.status(), 404);
}

#[tokio::test]
async fn a_clients_mistake_is_named_and_ours_is_not() {
    let house = House::open().await;
    house.street.cameras.put(camera("broken", "", house.now));
    house.street.cameras.put_still("broken", Vec::new().into());
    for (path, status, says) in [
        ("/tickets/77", 400, "&quot;77&quot; is not understood: expected a ticket's id, a UUID"),
        ("/tickets/0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a", 404, "There is nothing at this address"),
        ("/cameras/none", 404, "There is nothing at this address"),
        ("/cameras/none/latest.jpg", 404, "There is nothing at this address"),
        ("/cameras?page=0", 400, "expected a page's number, from 1"),
        ("/cameras?state=asleep", 400, "expected one of streaming, offline"),
        ("/?kind=a%2Fb", 400, "expected a kind such as lane.motor"),
        ("/?before=x", 400, "expected a ticket's id"),
        ("/cameras/broken/latest.jpg", 500, "The error is in the log"),
    ] {
        let (got, page) = house.status_and_text(path).await;
        assert_eq!(got, status, "{path}");
        holds(&page, &[says]);
        assert!(!page.contains("secret detail"), "{path}");
    }
    let answer = house.ask(Method::POST, "/", &[]).await;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()[header::ALLOW], "GET,HEAD");
    assert_eq!(house.ask(Method::HEAD, "/", &[]).await.status(), 200);
    house.street.console.store.close().await;
    let (status, page) = house.status_and_text("/?lang=zh").await;
    assert_eq!(status, 500);
    holds(&page, &["服务器出错"]);
    let folder = house.street.folder.path().to_str().expect("text");
    assert!(!page.contains(folder) && !page.contains("database"), "{page}");
}

#[tokio::test]
async fn a_cameras_page_draws_its_zones_over_its_latest_picture() {
    let house = House::open().await;
    house.with_a_ticket().await;
    let page = house.page("/cameras/gate-2?lang=en").await;
    holds(
        &page,
        &[
            "src=\"/cameras/gate-2/latest.jpg?of=",
            "viewBox=\"0 0 704 576\"",
            "points=\"56.3,564.5 295.7,241.9 422.4,241.9 506.9,564.5\"",
            "Traffic lane",
            "北侧机动车道",
            "704×576",
        ],
    );
    let answer = house.get("/cameras/gate-2/latest.jpg").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "image/jpeg");
    assert!(answer.bytes().await.expect("a body").starts_with(&[0xff, 0xd8]));
    let mut view = camera("dark", "", house.now);
    view.report.state = CameraState::Offline;
    view.report.error = Some("no route to host".into());
    view.report.since = house.now - Millis::mins(90);
    view.report.last_keyframe_at = None;
    house.street.cameras.put(view);
    let page = house.page("/cameras/dark?lang=en").await;
    holds(&page, &["no route to host", "90 min ago", "the camera has sent no keyframe"]);
    assert_eq!(house.get("/cameras/dark/latest.jpg").await.status(), 404);
}

#[tokio::test]
async fn a_cleared_and_delivered_ticket_says_so_and_stands_still() {
    let house = House::open().await;
    let mut t = house.with_a_ticket().await;
    let id = t.id();
    assert!(house.page(&format!("/tickets/{id}")).await.contains("data-refresh"));
    t.evidence.clear();
    add_pictures(&house.street.console, &mut t, EvidenceRole::After, house.now);
    let store = &house.street.console.store;
    let ruling = Ruling { evidence: &t.evidence, ..Ruling::plain(id, house.now, Event::Gone) };
    store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("cleared");
    let page = house.page(&format!("/tickets/{id}?lang=en")).await;
    holds(&page, &["Cleared at", "Last seen", "<h3>After"]);
    assert!(!page.contains("None yet"));
}

#[tokio::test]
async fn a_ticket_with_too_few_pictures_says_so() {
    let house = House::open().await;
    let few = house.with_a_ticket().await;
    assert!(!house.page(&format!("/tickets/{}?lang=en", few.id())).await.contains("Too few pictures"));
    let mut ticket = ticket(&camera("gate-3", "东门", house.now), "lane.motor", house.now - Millis::mins(2));
    let task = &mut ticket.route.as_mut().expect("a built-in kind").task;
    (task.photos_open, task.photos_close) = (3, 2);
    let store = &house.street.console.store;
    // A moment apart in the minute as well, for another light.
    for n in [2, 1] {
        add_pictures(&house.street.console, &mut ticket, EvidenceRole::Further, house.now - Millis(60_001 * n));
    }
    store.open_ticket(&ticket, &[]).await.expect("written");
    let path = format!("/tickets/{}", ticket.id());
    let page = house.page(&format!("{path}?lang=en")).await;
    holds(&page, &["Too few pictures to open: 3 are needed, there are 2.", "<h3>Further"]);
    assert!(!page.contains("to close:"), "it is not gone yet");
    assert_eq!(page.matches("<h3>Further").count(), 2, "each look by itself");
    let ruling = Ruling { evidence: &[], ..Ruling::plain(ticket.id(), house.now, Event::Gone) };
    store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("cleared");
    holds(
        &house.page(&format!("{path}?lang=zh")).await,
        &["立案照片不足：应有 3 张，实有 2 张。", "结案照片不足：应有 2 张，实有 0 张。"],
    );
}
