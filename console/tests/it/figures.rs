//! The platform's figures as page, JSON and CSV.

use alerts::{
    case::{Answer, Event, Reason, Verdict, VerdictKind},
    store::Ruling,
    ticket::Ticket,
    wire::CaseMessages,
};
use domain::{Millis, Timestamp};
use reqwest::header;

use crate::{
    house::House,
    street::{camera, ticket},
};

async fn happen(house: &House, ticket: &Ticket, at: Timestamp, event: Event) {
    let ruling = Ruling::plain(ticket.id(), at, event);
    house.street.console.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
}

fn said(kind: VerdictKind, at: Timestamp, reason: Option<&str>) -> Event {
    Event::Said(Verdict { reason: reason.map(Reason::new), ..Verdict::new(kind, at) })
}

/// Four cases of today: one closed, one rejected as a false alarm, one that the platform knew, one that nobody answered; and
/// one from half a year ago.
async fn with_cases(house: &House) {
    let views = [camera("gate-2", "斜土路 <东>", house.now), camera("gate-3", "", house.now)];
    let ages = [(9, 0, "lane.motor"), (8, 1, "vendor.stall"), (7, 0, "lane.motor"), (6, 0, "lane.motor")];
    let mut tickets = Vec::new();
    for (hours, camera, kind) in ages {
        let t = ticket(&views[camera], kind, house.now - Millis::mins(hours * 60));
        house.street.console.store.open_ticket(&t, &[]).await.expect("written");
        tickets.push(t);
    }
    let old = ticket(&views[0], "lane.motor", house.now - Millis::mins(180 * 24 * 60));
    house.street.console.store.open_ticket(&old, &[]).await.expect("written");
    let ago = |hours: i64| house.now - Millis::mins(hours * 60);
    happen(house, &tickets[0], ago(8), said(VerdictKind::Dispatched, ago(8), None)).await;
    happen(house, &tickets[0], ago(6), said(VerdictKind::Handled, ago(6), None)).await;
    happen(house, &tickets[0], ago(5), said(VerdictKind::Closed, ago(5), None)).await;
    happen(house, &tickets[1], ago(5), said(VerdictKind::Rejected, ago(5), Some("<b>"))).await;
    happen(house, &tickets[2], ago(4), Event::Acknowledged { answer: Answer::Duplicate, case_no: None }).await;
    for view in views {
        house.street.cameras.put(view);
    }
}

#[tokio::test]
async fn the_page_shows_rates_and_a_dash_where_there_is_no_case() {
    let house = House::open().await;
    let page = house.page("/figures?lang=en").await;
    assert!(page.contains("Closing rate</dt><dd>-</dd>"), "{page}");
    with_cases(&house).await;
    let page = house.page("/figures?lang=zh").await;
    for part in [
        "考核指标",
        "结案率</dt><dd>",
        "斜土路街道",
        "斜土路 &lt;东&gt;",
        "&lt;b&gt;",
        "误报率",
        "立案至派遣",
        "反复发生的地点",
        "href=\"/export/figures.csv\"",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(page.contains("误报率</dt><dd>50.00 %</dd>"), "{page}");
    let none = house.page("/figures?street=310104008&lang=en").await;
    assert!(none.contains("Found</dt><dd>0</dd>") && none.contains("value=\"310104008\" selected"), "{none}");
    for (query, says) in [
        ("from=2026-11-24&to=2026-11-01", "it is after 2026-11-01"),
        ("street=31", "nine digits"),
        ("days=7", "the parameters are from, to, kind, street"),
    ] {
        let (status, page) = house.status_and_text(&format!("/figures?{query}")).await;
        assert!(status == 400 && page.contains(says), "{query}: {page}");
    }
}

#[tokio::test]
async fn json_and_csv_say_the_same_and_follow_the_filter() {
    let house = House::open().await;
    with_cases(&house).await;
    let all = house.json("/api/figures").await;
    assert_eq!((all["all"]["received"].as_u64(), all["all"]["filed"].as_u64()), (Some(4), Some(4)));
    let rate = |share: &serde_json::Value| (share["count"].as_u64(), share["of"].as_u64());
    assert_eq!(rate(&all["all"]["false_alarms"]), (Some(1), Some(2)));
    // Whoever speaks of a ticket has answered it.
    assert_eq!(rate(&all["all"]["proactive"]), (Some(2), Some(3)));
    assert_eq!(all["all"]["repeats"]["rate"], serde_json::Value::Null);
    assert_eq!((&all["recurring"][0]["camera"], &all["recurring"][0]["cases"]), (&"gate-2".into(), &3.into()));
    assert_eq!((&all["hours"][1]["stage"], &all["hours"][1]["median"]), (&"dispatched".into(), &1.0.into()));
    let vendors = house.json("/api/figures?kind=vendor.stall&street=310104007").await;
    assert_eq!(vendors["all"]["received"], 1);
    assert_eq!((&vendors["by_reason"][0]["reason"], &vendors["by_reason"][0]["rate"]), (&"<b>".into(), &1.0.into()));
    assert_eq!(house.json("/api/figures?street=310104008").await["all"]["received"], 0);

    let answer = house.get("/export/figures.csv?kind=vendor.stall").await;
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"figures.csv\"");
    let text = answer.text().await.expect("a body");
    assert!(text.contains("all,,received,1,,\n") && text.contains("camera,gate-3,false_alarms,1,1,1.0000"), "{text}");
}
