//! Zones looked at by themselves: what is too small in the whole picture is found there, once, and stays found.

use std::collections::BTreeSet;

use bytes::Bytes;
use detect::{CloseUps, DetectConfig, Detectors, Manner};
use domain::{Detection, Label, Picture, Point, Polygon, Rect, STANDING, Timestamp};

use crate::{jpeg, site};

const MODEL: &str = "nanodet-g";

fn detectors() -> Detectors {
    let config = DetectConfig { score_floor: 0.4, ..site::config() };
    Detectors::load(&config, &BTreeSet::from([MODEL.to_owned()]), 1).unwrap().pop().unwrap()
}

fn zone([x0, y0, x1, y1]: [f32; 4]) -> Polygon {
    let corner = |x, y| Point { x, y };
    Polygon::new(vec![corner(x0, y0), corner(x1, y0), corner(x1, y1), corner(x0, y1)]).unwrap()
}

/// `picture`, every second pixel of every second row, in the middle of a grey one of 4 times its sides.
fn far_away(picture: &Picture) -> Picture {
    let (w, h) = (picture.width as usize / 4 * 2, picture.height as usize / 4 * 2);
    let mut far = Picture::uniform(8 * w as u32, 8 * h as u32, [128, 128, 128]);
    far.range = picture.range;
    for (p, n) in [(0, 1), (1, 2), (2, 2)] {
        let (w, h, stride) = (w / n, h / n, far.strides[p]);
        let mut plane = far.planes[p].to_vec();
        for y in 0..h {
            let from = &picture.planes[p][2 * y * picture.strides[p]..];
            let at = (y + 7 * h / 2) * stride + 7 * w / 2;
            plane[at..at + w].iter_mut().zip(from.iter().step_by(2)).for_each(|(to, from)| *to = *from);
        }
        far.planes[p] = Bytes::from(plane);
    }
    far
}

fn look(close_ups: &mut CloseUps, detectors: &mut Detectors, picture: &Picture) -> Vec<Detection> {
    close_ups.look(detectors, &[MODEL.to_owned()], picture, None, Timestamp(0), true).unwrap()
}

#[test]
fn a_close_up_finds_what_is_too_small_in_the_whole_picture() {
    let Some(shared) = site::shared() else { return };
    let mut detectors = detectors();
    let near = jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap();
    let far = far_away(&near);
    let middle = [0.42, 0.42, 0.58, 0.58];
    let whole = look(&mut CloseUps::new(Vec::new(), 2), &mut detectors, &far);
    let seen = look(&mut CloseUps::new(vec![(zone(middle), Manner::Crop)], 2), &mut detectors, &far);
    let people = |found: &[Detection]| found.iter().filter(|d| d.group.as_str() == "person").count();
    assert!(people(&seen) >= 3 && people(&seen) > people(&whole), "{seen:?} against {whole:?}");
    assert!(seen.iter().any(|d| d.group.as_str() == "vehicle"), "{seen:?}");
    // Where the bus is, in the whole picture's coordinates.
    let inside = Rect::from([0.43, 0.43, 0.57, 0.57]);
    assert!(seen.iter().all(|d| d.bbox.intersection(inside).is_some() && d.bbox.width() < 0.15), "{seen:?}");
}

#[test]
fn what_stands_there_is_named_from_nearby() {
    let Some(shared) = site::shared() else { return };
    let mut detectors = detectors();
    let far = far_away(&jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap());
    let label = Label::new(STANDING);
    let stands = Detection {
        class: label.clone(),
        group: label,
        score: 0.5,
        bbox: [0.43, 0.43, 0.57, 0.57].into(),
        mask: None,
        model: None,
    };
    let has = |found: &[Detection], name: &str| found.iter().any(|d| d.group.as_str() == name);
    let mut close_ups = CloseUps::new(Vec::new(), 2);
    close_ups.see([stands.clone()].iter());
    let from_afar = look(&mut close_ups, &mut detectors, &far);
    close_ups.look_at_things_with(vec![MODEL.to_owned()]);
    close_ups.see([stands].iter());
    assert!(close_ups.are_owed());
    let from_nearby = look(&mut close_ups, &mut detectors, &far);
    // The bus is taken for something else from afar.
    assert!(has(&from_nearby, "vehicle") && !has(&from_afar, "vehicle"), "{from_nearby:?}");
    assert!(!has(&from_nearby, "airplane"), "{from_nearby:?}");
}

#[test]
fn what_a_tile_showed_stands_until_its_next_turn_unless_its_pixels_change() {
    let Some(shared) = site::shared() else { return };
    let mut detectors = detectors();
    let near = jpeg::picture(&shared.join("data/media/bus.jpg")).unwrap();
    let far = far_away(&near);
    let mut close_ups = CloseUps::new(vec![(zone([0.1, 0.1, 0.9, 0.9]), Manner::Tiles)], 1);
    let found: Vec<_> = (0..12).map(|_| look(&mut close_ups, &mut detectors, &far)).collect();
    // Each tile has had its turn after four looks; from then on nothing changes any more.
    assert!(!found[3].is_empty(), "{found:?}");
    assert!(found[4..].iter().all(|later| later == &found[3]), "{found:?}");
    // Everything goes at once: so does what tiles showed whose turn it is not.
    let empty = Picture::uniform(far.width, far.height, [128, 128, 128]);
    assert_eq!(look(&mut close_ups, &mut detectors, &empty), []);
}

#[test]
fn all_tiles_have_their_turn_once_the_picture_has_changed() {
    let mut detectors = detectors();
    let names = [MODEL.to_owned()];
    let grey = Picture::uniform(1920, 1080, [128, 128, 128]);
    let mut close_ups = CloseUps::new(vec![(zone([0.0, 0.0, 1.0, 1.0]), Manner::Tiles)], 2);
    close_ups.look(&mut detectors, &names, &grey, None, Timestamp(0), true).unwrap();
    let mut n_looks = 1;
    while close_ups.are_owed() {
        close_ups.look(&mut detectors, &names, &grey, None, Timestamp(0), false).unwrap();
        n_looks += 1;
    }
    assert!((2..=4).contains(&n_looks), "{n_looks}");
    // A picture of another size has other tiles.
    assert_eq!(look(&mut close_ups, &mut detectors, &Picture::uniform(704, 576, [128, 128, 128])), []);
}
