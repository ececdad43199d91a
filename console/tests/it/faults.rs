//! What is wrong with cameras, as pages and API tell it, and new references.

use domain::{Ailment, CameraFault, DecodeMode, Millis};
use reqwest::{Method, header::ORIGIN};

use crate::{house::House, street::camera};

async fn street_with_faults() -> House {
    let house = House::open().await;
    let fault = |fault| Ailment { fault, since: house.now - Millis::mins(12) };
    let mut moved = camera("gate-2", "东门", house.now);
    moved.report.ailments = vec![fault(CameraFault::Moved)];
    let mut late = camera("gate-3", "西门", house.now);
    late.report.ailments = vec![fault(CameraFault::KeyframeInterval), fault(CameraFault::Clock)];
    late.report.clock_offset = Some(Millis(-61_500));
    late.report.decode = DecodeMode::AllFrames;
    let mut unstable = camera("gate-4", "后门", house.now);
    unstable.report.ailments = vec![fault(CameraFault::Unstable)];
    for view in [camera("gate-1", "北门", house.now), moved, late, unstable] {
        house.street.cameras.put(view);
    }
    house
}

fn ids(cameras: &serde_json::Value) -> Vec<&str> {
    cameras["cameras"].as_array().expect("a list").iter().map(|c| c["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn cameras_are_found_by_their_fault() {
    let house = street_with_faults().await;
    for (query, expect) in [
        ("", &["gate-1", "gate-2", "gate-3", "gate-4"][..]),
        ("?fault=any", &["gate-2", "gate-3", "gate-4"]),
        ("?fault=unstable", &["gate-4"]),
        ("?fault=moved", &["gate-2"]),
        ("?fault=clock&state=streaming", &["gate-3"]),
        ("?fault=blind", &[]),
    ] {
        assert_eq!(ids(&house.json(&format!("/api/cameras{query}")).await), expect, "{query}");
    }
    let (status, text) = house.status_and_text("/api/cameras?fault=old").await;
    assert_eq!(status, 400);
    assert!(text.contains("any or one of offline, unstable, frozen"), "{text}");
    let page = house.page("/cameras?fault=any&lang=zh").await;
    assert!(page.contains("视角移位") && page.contains("时钟偏差") && !page.contains("北门"), "{page}");
}

#[tokio::test]
async fn a_camera_that_cannot_be_trusted_says_that_its_tickets_are_suspended() {
    let house = street_with_faults().await;
    let page = house.page("/cameras/gate-2?lang=en").await;
    assert!(page.contains("Tickets of this camera are suspended") && page.contains("Moved"), "{page}");
    assert!(house.page("/cameras/gate-2?lang=zh").await.contains("工单已暂停"));
    assert_eq!(house.json("/api/cameras/gate-2").await["tickets_suspended"], true);
    let late = house.json("/api/cameras/gate-3").await;
    assert_eq!((&late["tickets_suspended"], &late["clock_offset_s"]), (&false.into(), &(-61.5).into()));
    assert_eq!((&late["faults"][0]["fault"], &late["decode"]), (&"keyframe_interval".into(), &"all_frames".into()));
    let page = house.page("/cameras/gate-3?lang=en").await;
    assert!(!page.contains("suspended") && page.contains("-61.5 s"), "{page}");
    // What comes and goes shows what there is while it is there.
    for (lang, says) in [("en", "Unstable connection"), ("zh", "频繁掉线")] {
        let page = house.page(&format!("/cameras/gate-4?lang={lang}")).await;
        assert!(page.contains(says) && !page.contains("suspended") && !page.contains("已暂停"), "{page}");
    }
    let well = house.page("/cameras/gate-1?lang=en").await;
    assert!(well.contains("Well") && well.contains("keyframes only"), "{well}");
    // What costs so much more is seen in the list, too.
    for (lang, says) in [("en", "all frames"), ("zh", "全部帧")] {
        for path in ["/cameras/gate-3", "/cameras"] {
            assert!(house.page(&format!("{path}?lang={lang}")).await.contains(says), "{path} {lang}");
        }
    }
}

#[tokio::test]
async fn a_new_reference_is_asked_for_by_form_and_by_program_but_not_by_another_site() {
    let house = street_with_faults().await;
    let here = format!("http://{}", house.address);
    let form = house.ask(Method::POST, "/cameras/gate-2/reference", &[(ORIGIN, &here)]).await;
    assert_eq!((form.status().as_u16(), form.headers()["location"].to_str().expect("ASCII")), (303, "/cameras/gate-2"));
    let program = house.ask(Method::POST, "/api/cameras/gate-3/reference", &[]).await;
    assert_eq!(program.status().as_u16(), 202);
    let answer: serde_json::Value = serde_json::from_str(&program.text().await.expect("a body")).expect("JSON");
    assert_eq!(answer, serde_json::json!({ "camera": "gate-3", "reference": "next_look" }));
    for (path, from, status) in [
        ("/cameras/gate-2/reference", "https://elsewhere.example", 400),
        ("/api/cameras/gate-9/reference", here.as_str(), 404),
        ("/api/cameras/a b/reference", here.as_str(), 400),
    ] {
        assert_eq!(house.ask(Method::POST, path, &[(ORIGIN, from)]).await.status().as_u16(), status, "{path}");
    }
    assert_eq!(house.get("/cameras/gate-2/reference").await.status().as_u16(), 405);
    let asked = house.street.cameras.references_asked.lock().expect("not poisoned").clone();
    assert_eq!(asked.iter().map(ToString::to_string).collect::<Vec<_>>(), ["gate-2", "gate-3"]);
}
