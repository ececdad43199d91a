//! The averages against those of COCO's own evaluation (`models/tools/eval_goldens.py`).

use std::collections::BTreeMap;

use detect::eval::{Found, Judged, Truth, evaluate};
use serde_json::Value;

#[test]
fn averages_are_those_of_the_reference() {
    let golden: Value = serde_json::from_str(include_str!("fixtures/coco_eval.json")).unwrap();
    let mut pictures: BTreeMap<u64, Judged> = BTreeMap::new();
    let entries = |key: &str| golden[key].as_array().unwrap().clone();
    let number = |entry: &Value, key: &str| entry[key].as_u64().unwrap();
    let bbox = |entry: &Value| -> [f64; 4] { serde_json::from_value(entry["bbox"].clone()).unwrap() };
    for truth in entries("truths") {
        pictures.entry(number(&truth, "image_id")).or_default().truths.push(Truth {
            class: number(&truth, "category_id") as usize,
            bbox: bbox(&truth),
            area: truth["area"].as_f64().unwrap(),
            crowd: number(&truth, "iscrowd") == 1,
        });
    }
    for found in entries("found") {
        pictures.entry(number(&found, "image_id")).or_default().found.push(Found {
            class: number(&found, "category_id") as usize,
            bbox: bbox(&found),
            score: found["score"].as_f64().unwrap(),
        });
    }
    let mean = evaluate(3, &pictures.into_values().collect::<Vec<_>>()).mean;
    let ours = [
        ("ap", mean.ap),
        ("ap50", mean.ap50),
        ("ap75", mean.ap75),
        ("small", mean.small),
        ("medium", mean.medium),
        ("large", mean.large),
        ("recall", mean.recall),
    ];
    for (name, ours) in ours {
        let reference = golden["result"][name].as_f64().unwrap();
        assert!(ours.is_some_and(|ours| (ours - reference).abs() < 1e-9), "{name}: {ours:?}, not {reference}");
    }
}
