//! Health and metrics over HTTP.

use std::time::Duration;

use domain::CameraState;
use reqwest::header;

use crate::{house::House, street::camera};

async fn check(house: &House, status: u16, expect: &str, reasons: &[&str]) {
    let (got, body) = house.status_and_text("/healthz").await;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((got, body["status"].as_str()), (status, Some(expect)), "{body}");
    assert_eq!(body["reasons"], serde_json::json!(reasons));
}

#[tokio::test]
async fn health_tells_what_is_away_and_fails_only_with_the_database() {
    let house = House::open().await;
    check(&house, 200, "ok", &[]).await;
    house.street.cameras.put(camera("a", "", house.now));
    house.street.cameras.put(camera("b", "", house.now));
    check(&house, 200, "ok", &[]).await;
    house.street.cameras.change(|c| c.report.state = CameraState::Offline);
    check(&house, 200, "degraded", &["no camera is streaming"]).await;
    house.street.vitals.lock().expect("not poisoned").broker_connected = false;
    check(&house, 200, "degraded", &["no camera is streaming", "the broker is not connected"]).await;
    house.street.cameras.change(|c| c.report.state = CameraState::Streaming);
    check(&house, 200, "degraded", &["the broker is not connected"]).await;
    house.street.console.store.close().await;
    check(&house, 503, "failing", &["the database does not answer", "the broker is not connected"]).await;
}

#[tokio::test]
async fn looks_that_come_too_seldom_are_told_in_figures_and_words() {
    let house = House::open().await;
    for lang in ["en", "zh"] {
        let page = house.page(&format!("/cameras?lang={lang}")).await;
        assert!(page.contains("1.9 ") && !page.contains("warn notice"), "{page}");
    }
    {
        let mut vitals = house.street.vitals.lock().expect("not poisoned");
        let looks = vitals.looks.as_mut().expect("measured");
        (looks.achieved, looks.stretch) = (Duration::from_secs(25), 2.5);
    }
    for (lang, notice) in [
        ("en", "looks come every 25.0 s instead of 10.0 s (stretched by 2.5)"),
        ("zh", "每 25.0 秒查看一次，应为每 10.0 秒一次（间隔拉长至 2.5 倍）"),
    ] {
        let page = house.page(&format!("/cameras?lang={lang}")).await;
        assert!(page.contains(notice), "{page}");
    }
    let (_, body) = house.status_and_text("/healthz").await;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let expect = serde_json::json!({
        "due": 120, "done": 118, "lag_p50": 0.3, "lag_p99": 1.9, "interval_wanted": 10.0, "interval": 25.0, "stretch": 2.5,
    });
    assert_eq!(body["looks"], expect);
    house.close().await.expect("ends cleanly");
}

#[tokio::test]
async fn sections_that_wait_for_a_restart_are_told_on_every_page() {
    let house = House::open().await;
    assert!(!house.page("/?lang=en").await.contains("warn notice"));
    house.street.vitals.lock().expect("not poisoned").restart = vec!["mqtt", "rules"];
    for (lang, notice) in [("en", "taken in at a restart: mqtt, rules"), ("zh", "重启后才生效的部分：mqtt, rules")]
    {
        let page = house.page(&format!("/cameras?lang={lang}")).await;
        assert!(page.contains(notice), "{page}");
    }
    check(&house, 200, "ok", &[]).await;
    let (_, body) = house.status_and_text("/healthz").await;
    let body: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(body["restart_needed"], serde_json::json!(["mqtt", "rules"]));
    house.close().await.expect("ends cleanly");
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let house = House::open().await;
    let answer = house.get("/metrics").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().await.expect("a body").contains("gridwatch_looks_total 7"));
}
