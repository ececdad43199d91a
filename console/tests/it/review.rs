//! A person decides on a case that waits for one, or what is kept whatever its age.

use alerts::{
    case::{Case, Event, State, Verdict, VerdictKind},
    store::{Ruled, Ruling},
    ticket::Ticket,
    wire::CaseMessages,
};
use domain::Millis;
use reqwest::header;

use crate::{
    house::House,
    street::{camera, ticket},
};

const OURS: &[(&str, &str)] = &[("sec-fetch-site", "same-origin")];

/// A console with a ticket that waits for a person.
async fn with_a_review() -> (House, Ticket) {
    let house = House::open().await;
    let view = camera("gate-2", "斜土路", house.now);
    let mut t = ticket(&view, "lane.motor", house.now - Millis::mins(4));
    house.street.cameras.put(view);
    t.case = Case::begin(t.incident.confirmed_at, Some(house.now + Millis::mins(60))).0;
    house.street.console.store.open_ticket(&t, &[]).await.expect("written");
    (house, t)
}

async fn state(house: &House, t: &Ticket) -> State {
    house.street.console.store.ticket(t.id()).await.expect("read").expect("there").case.state()
}

#[tokio::test]
async fn who_confirms_files_the_ticket_and_is_named() {
    let (house, t) = with_a_review().await;
    let page = format!("/tickets/{}", t.id());
    let shown = house.page(&format!("{page}?lang=zh")).await;
    assert!(shown.contains("待人工核实") && shown.contains("name=\"decision\" value=\"confirm\""), "{shown}");
    assert!(!shown.contains("data-refresh"), "a form does not change under somebody's hands");
    let answer = house.post(&format!("{page}/review"), "decision=confirm&by=%E6%9D%8E%E5%9B%9B", OURS).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()[header::LOCATION]), (303, &page.parse().unwrap()));
    assert_eq!(state(&house, &t).await, State::Filed);
    let queued = house.street.console.store.outbox_next(0, 10).await.expect("read");
    let topics: Vec<_> = queued.iter().map(|q| q.message.topic.rsplit('/').next().expect("some")).collect();
    assert_eq!(topics, ["submit", "state"]);
    let shown = house.page(&format!("{page}?lang=en")).await;
    assert!(shown.contains("<td>李四</td>") && !shown.contains("name=\"decision\""), "{shown}");
}

#[tokio::test]
async fn who_rejects_says_why_and_a_proxys_user_goes_before_the_form() {
    let (house, t) = with_a_review().await;
    let address = format!("/tickets/{}/review", t.id());
    let form = "decision=reject&reason=legal&note=%E6%97%A9%E9%A4%90%E8%BD%A6&by=somebody";
    let answer = house.post(&address, form, &[("sec-fetch-site", "same-origin"), ("x-forwarded-user", "wang")]).await;
    assert_eq!(answer.status(), 303);
    assert_eq!(state(&house, &t).await, State::Rejected);
    let history = house.street.console.store.history(t.id()).await.expect("read");
    let last = &history.last().expect("some").change;
    assert_eq!(last.by.to_string(), "person:wang");
    assert_eq!(last.reason.as_ref().map(ToString::to_string), Some("legal: 早餐车".to_owned()));
    // Somebody else was faster: no harm, the page shows it.
    assert_eq!(house.post(&address, "decision=confirm&by=x", OURS).await.status(), 303);
    assert_eq!(state(&house, &t).await, State::Rejected);
}

#[tokio::test]
async fn what_is_wrong_or_foreign_changes_nothing() {
    let (house, t) = with_a_review().await;
    let address = format!("/tickets/{}/review", t.id());
    let foreign = [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(house.post(&address, "decision=confirm&by=x", &foreign[..1]).await.status(), 403);
    assert_eq!(house.post(&address, "decision=confirm&by=x", &foreign[1..]).await.status(), 403);
    let long = format!("decision=confirm&by={}", "x".repeat(101));
    for form in ["", "decision=confirm", "decision=eat&by=x", "decision=reject&by=x", &long] {
        assert_eq!(house.post(&address, form, OURS).await.status(), 400, "{form}");
    }
    assert_eq!(house.post(&address, &"x".repeat(20_000), OURS).await.status(), 413);
    assert_eq!(house.post("/tickets/77/review", "decision=confirm&by=x", OURS).await.status(), 400);
    let unknown = "/tickets/0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a/review";
    assert_eq!(house.post(unknown, "decision=confirm&by=x", OURS).await.status(), 404);
    assert_eq!(house.get(&address).await.status(), 405);
    assert_eq!(state(&house, &t).await, State::PendingReview);
}

#[tokio::test]
async fn the_list_shows_and_filters_where_cases_stand() {
    let (house, t) = with_a_review().await;
    let other = house.with_a_ticket().await;
    let mut verdict = Verdict::new(VerdictKind::Dispatched, house.now);
    verdict.dept = Some("斜土街道城管中队".to_owned());
    let ruling = Ruling::plain(other.id(), house.now, Event::Said(verdict));
    let ruled = house.street.console.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    assert!(matches!(ruled, Ruled::Applied { .. }));
    let pending = house.page("/?case=pending_review&lang=en").await;
    assert!(pending.contains(&t.id().to_string()) && !pending.contains(&other.id().to_string()));
    let dispatched = house.page("/?case=dispatched&lang=zh").await;
    assert!(dispatched.contains(&other.id().to_string()) && !dispatched.contains(&t.id().to_string()));
    let shown = house.page(&format!("/tickets/{}?lang=zh", other.id())).await;
    assert!(shown.contains("斜土街道城管中队") && shown.contains("已派遣") && shown.contains("办理过程"));
}

#[tokio::test]
async fn a_ticket_is_kept_and_released_with_a_name_and_a_reason() {
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    let (page, address) = (format!("/tickets/{}", t.id()), format!("/tickets/{}/hold", t.id()));
    assert!(house.page(&format!("{page}?lang=zh")).await.contains(&format!("href=\"{address}\"")));
    let form = house.page(&format!("{address}?lang=zh")).await;
    assert!(form.contains("保留此案件") && form.contains("value=\"hold\"") && !form.contains("data-refresh"), "{form}");
    for wrong in [
        "",
        "decision=hold&by=x",
        "decision=hold&reason=x",
        "decision=eat&by=x&reason=y",
        "decision=hold&by=x&reason=+",
    ] {
        assert_eq!(house.post(&address, wrong, OURS).await.status(), 400, "{wrong}");
    }
    let foreign = [("sec-fetch-site", "cross-site")];
    assert_eq!(house.post(&address, "decision=hold&by=x&reason=y", &foreign).await.status(), 403);
    let unknown = "/tickets/0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a/hold";
    assert_eq!(house.post(unknown, "decision=hold&by=x&reason=y", OURS).await.status(), 404);
    let holds = || async { house.street.console.store.holds(t.id()).await.expect("read") };
    assert_eq!(holds().await, []);

    let proxied = [("sec-fetch-site", "same-origin"), ("x-forwarded-user", "wang")];
    let answer = house.post(&address, "decision=hold&by=somebody&reason=lawsuit", &proxied).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()[header::LOCATION]), (303, &page.parse().unwrap()));
    // Somebody else was faster: no harm.
    assert_eq!(house.post(&address, "decision=hold&by=li&reason=too", OURS).await.status(), 303);
    let held = holds().await;
    assert_eq!((held.len(), held[0].by.as_str(), held[0].reason.as_str()), (1, "wang", "lawsuit"));
    let form = house.page(&format!("{address}?lang=en")).await;
    assert!(form.contains("value=\"release\"") && form.contains("wang: lawsuit"), "{form}");
    assert_eq!(house.post(&address, "decision=release&by=li&reason=settled", OURS).await.status(), 303);
    let released = holds().await[0].released.clone().expect("released");
    assert_eq!((released.by.as_str(), released.reason.as_str()), ("li", "settled"));
}
