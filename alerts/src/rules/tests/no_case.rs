//! What looks like a case and is none: one scene for each class of false alarms that cities and vendors report.

use super::{
    play::{Actor, CLEAR, passers, walker},
    *,
};

fn pavement() -> Zone {
    zone("pavement", ZonePurpose::Pavement, [0.0, 0.45, 1.0, 0.9])
}

#[test]
fn goods_behind_a_shop_window() {
    let within = vec![
        Actor::new("goods", 0.08, 0.08).at(0.0, 0.3, 0.55).until(2_000.0),
        Actor::new("table", 0.12, 0.1).at(0.0, 0.42, 0.56).until(2_000.0),
        // The shopkeeper, behind his counter.
        walker().at(0.0, 0.5, 0.56).until(2_000.0),
    ];
    let zones = [pavement(), zone("shop", ZonePurpose::ShopLine, [0.1, 0.5, 0.9, 0.7])];
    let mut unmasked = Scene::new("", &zones);
    unmasked.run(20, CLEAR, &within);
    assert!(unmasked.kinds().contains(&"shop.overflow"), "{:?}", unmasked.kinds());
    let window = zone("window", ZonePurpose::Indoors, [0.2, 0.2, 0.8, 0.58]);
    let with_passers: Vec<_> = within.into_iter().chain(passers(0.8, 25.0, 1_000.0)).collect();
    Scene::check_script("", &[zones.to_vec(), vec![window]].concat(), 20, &with_passers, &[]);
}
