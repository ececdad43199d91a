//! The responsibility list over HTTP.

use crate::{
    house::House,
    street::{add_duty, duty_item},
};

#[track_caller]
fn check(page: &str, there: &[&str], not_there: &[&str]) {
    for part in there {
        assert!(page.contains(part), "{part:?} is not in the page:\n{page}");
    }
    for part in not_there {
        assert!(!page.contains(part), "{part:?} is in the page:\n{page}");
    }
}

#[tokio::test]
async fn an_empty_list_says_how_to_import_one() {
    let house = House::open().await;
    let page = house.page("/duty?lang=en").await;
    check(&page, &["href=\"/duty\" aria-current=\"page\"", "gridwatch duty import", "duty-xuhui-sample.csv"], &[]);
    check(&house.page("/duty?lang=zh").await, &["责任清单", "还没有责任清单"], &[]);
    assert_eq!(house.json("/api/duty").await["items"], serde_json::json!([]));
}

#[tokio::test]
async fn the_items_in_force_on_a_day_are_listed_and_found() {
    let house = House::open().await;
    add_duty(&house.street, house.now).await;
    let page = house.page("/duty?date=2026-11-20&lang=zh").await;
    let there =
        ["斜土路街道", "310104007", "周六 周日 22:00-06:00", "城管中队", "四级(社区)", "30分钟", "3紧急工作时", "v1"];
    check(
        &page,
        &[&there[..], &["2026-01-01", "href=\"/duty/S-102?date=2026-11-20\"", "任何地点"]].concat(),
        &["S-103"],
    );
    let later = house.page("/duty?date=2026-12-01&lang=en").await;
    check(&later, &["S-101", "6 work hours", "v2", "anywhere", "always", "S-103"], &["S-102", "3 urgent hours"]);
    // Before the first item began, and with what no item is about.
    for path in ["/duty?date=2025-01-01&lang=en", "/duty?q=elephant&lang=en", "/duty?kind=lane.elephants&lang=en"] {
        check(&house.page(path).await, &["No item matches"], &["gridwatch duty import", "href=\"/duty/S-"]);
    }
    for (query, found) in [
        ("kind=lane.motor", &["S-102"][..]),
        ("q=s-10", &["S-101", "S-102"]),
        ("q=%E6%96%9C%E5%9C%9F", &["S-102"]),
        ("q=POLICE", &["S-102"]),
        ("q=01-02", &["S-101"]),
        ("kind=lane.motor&q=garbage", &[]),
    ] {
        let answer = house.json(&format!("/api/duty?date=2026-11-20&{query}")).await;
        let ids = answer["items"].as_array().expect("items").iter().map(|item| item["item"]["id"].clone());
        assert_eq!(ids.collect::<Vec<_>>(), found, "{query}");
    }
    let (status, _) = house.status_and_text("/duty?date=someday").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn an_item_shows_all_of_it_and_where_each_version_came_from() {
    let house = House::open().await;
    add_duty(&house.street, house.now).await;
    let page = house.page("/duty/S-101?date=2026-12-01&lang=en").await;
    let there = [
        "In force",
        "garbage.exposed",
        "CJT214-2007:01-02",
        "<ol><li>remove</li>",
        "street office",
        "1 / 2",
        "list-2026.csv",
        "mended.csv",
        "id=\"v2\"",
        "4 work hours → 6 work hours",
        "<span class=\"muted\">third-level unit</span> – → 江南新村站",
        "New item",
        "href=\"/api/duty/S-101?date=2026-12-01\"",
    ];
    check(&page, &there, &["Not yet in force"]);
    // The version of the day is the one that is shown.
    let before = house.page("/duty/S-101?date=2026-11-20&lang=zh").await;
    check(&before, &["<dd><code>S-101</code> v1</dd>", "4工作时 → 6工作时", "生效中"], &["已失效"]);
    check(&house.page("/duty/S-102?date=2026-12-01&lang=en").await, &["No longer in force", "2026-11-30"], &[]);
    check(&house.page("/duty/S-103?date=2026-11-20&lang=en").await, &["Not yet in force"], &[]);
    let history = house.json("/api/duty/S-101?date=2026-11-20").await;
    assert_eq!((&history["in_force"], &history["versions"][1]["source"]), (&1.into(), &"mended.csv".into()));
    for (path, status) in
        [("/duty/none", 404), ("/duty/a%00b", 404), ("/duty/S-101?date=x", 400), ("/api/duty/none", 404)]
    {
        assert_eq!(house.status_and_text(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn what_a_list_says_stays_text() {
    const HOSTILE: &str = "\"><script>alert(1)</script>/ &'?#";
    let house = House::open().await;
    let mut item = duty_item(HOSTILE, "lane.motor");
    let task = &mut item.task;
    for words in [&mut item.place_name, &mut task.name, &mut task.dept, &mut task.third_dept] {
        HOSTILE.clone_into(&mut words.zh);
    }
    task.steps = vec![task.name.clone()];
    task.copies = vec![task.name.clone()];
    let first = alerts::duty::ItemVersion { version: 1, from: jiff::civil::date(2026, 1, 1), item };
    let mut second = first.clone();
    second.version = 2;
    second.item.task.dept.zh += HOSTILE;
    house.street.console.store.add_duty_versions(&[first, second], HOSTILE, house.now).await.expect("written");
    let page = house.page("/duty?date=2026-11-20").await;
    check(&page, &["&lt;script&gt;"], &["<script>"]);
    let (_, rest) = page.split_once("href=\"/duty/").expect("a link to the item");
    let (link, _) = rest.split_once('"').expect("its end");
    check(&house.page(&format!("/duty/{link}")).await, &["&lt;script&gt;", "id=\"v2\""], &["<script>"]);
    let query = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for path in [
        format!("/duty/{query}"),
        format!("/duty?q={query}"),
        format!("/duty?kind={query}"),
        format!("/duty?date={query}"),
    ] {
        check(&house.status_and_text(&path).await.1, &[], &["<script>"]);
    }
}
