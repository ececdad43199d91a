//! From a reading at a broker to a ticket with the picture of the look that it asked for.

use std::{fs, time::Duration};

use crate::support::{
    http,
    mosquitto::Mosquitto,
    publisher::Publisher,
    site::{self, Site},
    subscriber::Subscriber,
    wait_for,
};

#[test]
fn smoke_is_a_ticket_with_a_picture_of_the_place() {
    let clips = tempfile::tempdir().expect("a folder");
    let driving = site::driving(clips.path());
    let cameras = site::serve(&[("gate", &driving)], None);
    let broker = Mosquitto::start();
    let platform = Subscriber::connect(broker.address, None);
    let mut site = Site::new(&broker.url());
    site.camera("gate", &format!("main = \"{}\"", cameras.url("gate")));
    site.config();
    // As `gridwatch sensors import` brings them on board.
    let csv = site.path("sensors.csv");
    fs::write(&csv, "id,measure,name,camera,zone\nsmoke-1,smoke,门厅烟感,gate,kerb\n").expect("written");
    let config = site.path("gridwatch.toml");
    let write = gridwatch::cameras::Write::Commit;
    gridwatch::commands::sensors::run_import(&config, &csv, None, write).expect("imported");
    site.include("sensors/*.toml");
    let mut program = site.start();
    wait_for("the sensors are listened to", Duration::from_secs(60), || {
        let heard = http::metric(site.console, "gridwatch_sensor_listening{source=\"default\"}");
        heard.filter(|heard| *heard >= 1.0)
    });
    wait_for("the camera is looked at", Duration::from_secs(60), || {
        http::metric(site.console, "gridwatch_looks_total").filter(|looks| *looks >= 1.0)
    });
    let device = Publisher::start(broker.address, "smoke-detector");
    device.publish("sensor/v1/310104/310104007/smoke-1/smoke", "{\"value\": true, \"battery\": 88}");
    let ticket = platform.wait_for_tickets(1, Duration::from_secs(60)).remove(0);
    let data = &ticket["data"];
    assert_eq!((&data["event"]["type"], &data["case_source"]), (&"fire.smoke".into(), &"物联感知上报".into()));
    assert_eq!((&data["sensor"]["device"], &data["sensor"]["readings"][0]["value"]), (&"smoke-1".into(), &1.0.into()));
    assert_eq!(data["camera"]["zone_id"], "kerb");
    assert_eq!(data["place"]["unit_grid"], "310104007003012");
    assert!(data["detection"].is_null());
    assert!(data["evidence"].as_array().is_some_and(|e| !e.is_empty()), "no picture: {data:#}");
    let id = data["ticket_id"].as_str().expect("an id");
    let (status, page) = http::get_text(site.console, &format!("/tickets/{id}?lang=zh"));
    assert!(status == 200 && page.contains("烟雾报警") && page.contains("门厅烟感 报告"), "{page}");
    // What devices said last is told to the page now and then.
    wait_for("the page to show what the device said", Duration::from_secs(60), || {
        let (status, page) = http::get_text(site.console, "/sensors?lang=en");
        (status == 200 && page.contains("门厅烟感") && page.contains("88 %")).then_some(())
    });
    assert!(program.stop().success());
}
