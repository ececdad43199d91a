//! The page of messages that nobody understands.

use domain::Millis;

use crate::{house::House, street::add_problems};

#[tokio::test]
async fn what_nobody_understands_is_shown_counted_and_paged() {
    let house = House::open().await;
    let page = house.page("/problems?lang=en").await;
    assert!(
        page.contains("Every message of the platform was understood") && !page.contains("class=\"count\""),
        "{page}"
    );
    // The older ones came more than a day ago.
    add_problems(&house.street, house.now - Millis::mins(25 * 60), 51).await;
    add_problems(&house.street, house.now, 3).await;
    let page = house.page("/problems?lang=zh").await;
    for part in [
        "not_json",
        "the payload is no JSON: key must be a string",
        "ticket/0190f6c2-7b1e-7c3a-9d55-1f2e3d4c5b6a/verdict",
        "{&quot;n&quot;: 0, &lt;b&gt;",
        "ff007f",
        "<span class=\"count\" title=\"最近 24 小时\">3</span>",
    ] {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(house.page("/").await.contains("class=\"count\""), "beside the navigation of all pages");
    let (mut path, mut seen) = ("/problems".to_owned(), 0);
    loop {
        let page = house.page(&path).await;
        seen += page.matches("<tr id=\"p").count();
        let Some(next) = page.split("rel=\"next\" href=\"").nth(1) else { break };
        path = next.split('"').next().expect("an end").replace("&amp;", "&");
    }
    assert_eq!(seen, 54);
    let json = house.json("/api/problems?limit=1").await;
    assert_eq!(
        (&json["problems"][0]["number"], &json["problems"][0]["payload_text"]),
        (&54.into(), &"{\"n\": 0, <b>".into())
    );
    assert_eq!(json["next"], "/api/problems?limit=1&before=54");
    let binary = house.json("/api/problems?limit=1&before=53").await;
    assert_eq!(
        (&binary["problems"][0]["payload_text"], &binary["problems"][0]["payload_hex"]),
        (&serde_json::Value::Null, &"ff007f".into())
    );
}
