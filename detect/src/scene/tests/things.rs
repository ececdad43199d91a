//! Standing things: what is one, from when to when.

use super::*;

const BAG: Area = [150, 195, 28, 26];
const PERSON: Area = [146, 150, 30, 74];

fn with_bag() -> Canvas {
    Canvas::street().bag(BAG)
}

#[test]
fn a_bag_is_told_once_it_has_stood_for_a_while() {
    for (pace, looks) in [(IDLE, 4), (ACTIVE, 16)] {
        let mut camera = Camera::learnt(&Canvas::street());
        camera.pace = pace;
        check_nothing(&camera.after(looks - 1, &with_bag()));
        check_stands(&camera.after(1, &with_bag()), BAG);
    }
}

#[test]
fn a_bag_stands_for_hours_without_fading_into_the_scene() {
    let mut camera = Camera::learnt(&Canvas::street());
    for n in 0..1080 {
        // The light of the day changes meanwhile.
        let canvas = with_bag().exposed(1.0 - 0.3 * n as f32 / 1080.0, 0.0);
        let found = standing(&camera.look(canvas));
        if n > 5 {
            check_stands(&found, BAG);
        }
    }
    check_nothing(&camera.after(3, &Canvas::street().exposed(0.7, 0.0)));
}

#[test]
fn what_was_there_when_the_scene_was_learnt_is_not_new() {
    let planter = Canvas::street().thing([60, 110, 40, 36], [70.0, -14.0, -10.0]);
    let mut camera = Camera::learnt(&planter);
    check_nothing(&camera.after(60, &planter));
}

#[test]
fn a_bin_that_is_put_elsewhere_is_not_new_and_what_comes_later_is() {
    let bin = |left: usize, top: usize| Canvas::street().thing([left, top, 30, 44], [70.0, -14.0, -10.0]);
    let mut camera = Camera::learnt(&bin(60, 150));
    // Somebody has it in his hands meanwhile.
    camera.after(2, &Canvas::street());
    check_nothing(&camera.after(40, &bin(200, 170)));
    // A bag beside it is new, and so is another bin, which nobody took from anywhere.
    let with_bag = bin(200, 170).bag(BAG);
    check_stands(&camera.after(12, &with_bag), BAG);
    let second = bin(200, 170).thing([280, 170, 30, 44], [70.0, -14.0, -10.0]);
    check_stands(&camera.after(12, &second), [280, 170, 30, 44]);
}

#[test]
fn people_in_front_neither_end_it_nor_change_its_place() {
    for detected in [true, false] {
        let mut camera = Camera::learnt(&Canvas::street());
        camera.after(12, &with_bag());
        for n in 0..40_usize {
            // Somebody else each time, at another place.
            let at = [PERSON[0] + (n * 7) % 19, PERSON[1] + (n * 3) % 11, PERSON[2], PERSON[3]];
            let in_front = n % 4 != 3;
            let canvas = if in_front { with_bag().person(at) } else { with_bag() };
            let found = if in_front && detected { vec![detection("person", at)] } else { Vec::new() };
            check_stands(&standing(&camera.look_with(canvas, &found)), BAG);
        }
        check_stands(&camera.after(1, &with_bag()), BAG);
        check_nothing(&camera.after(3, &Canvas::street()));
    }
}

#[test]
fn it_ends_when_it_is_gone() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_stands(&camera.after(10, &with_bag()), BAG);
    check_nothing(&camera.after(2, &Canvas::street()));
    check_nothing(&camera.after(30, &Canvas::street()));
}

#[test]
fn a_parked_car_that_leaves_is_no_thing_and_one_that_comes_back_is_the_detectors() {
    let car = [100, 150, 90, 45];
    let parked = Canvas::street().car(car);
    let mut camera = Camera::learnt(&parked);
    for _ in 0..60 {
        check_nothing(&camera.after(1, &Canvas::street()));
    }
    for _ in 0..60 {
        let seen = camera.look_with(parked.clone(), &[detection("car", car)]);
        check_nothing(&standing(&seen));
    }
    check_nothing(&camera.after(30, &Canvas::street()));
}

#[test]
fn somebody_who_stands_is_no_thing_and_the_bag_beside_him_is() {
    let person = [240, 120, 30, 74];
    let mut camera = Camera::learnt(&Canvas::street());
    for _ in 0..30 {
        check_nothing(&standing(&camera.look_with(Canvas::street().person(person), &[detection("person", person)])));
    }
    let mut last = Vec::new();
    for _ in 0..10 {
        last = standing(&camera.look_with(with_bag().person(person), &[detection("person", person)]));
    }
    check_stands(&last, BAG);
}

#[test]
fn a_bag_of_which_half_has_a_name_is_one_thing() {
    // A small one: neither half is enough of a thing by itself.
    let (bag, top) = ([150, 195, 11, 11], [150, 195, 11, 5]);
    let mut camera = Camera::learnt(&Canvas::street());
    let mut last = Vec::new();
    for _ in 0..30 {
        last = standing(&camera.look_with(Canvas::street().bag(bag), &[detection("fire hydrant", top)]));
    }
    let [thing] = &last[..] else { panic!("{last:?}") };
    assert!(thing.bbox.iou(bbox(bag)) > 0.35, "{:?} is not at {:?}, in whole cells", thing.bbox, bbox(bag));
}

#[test]
fn traffic_never_stands() {
    let mut camera = Camera::learnt(&Canvas::street());
    for n in 0..120_usize {
        let canvas = Canvas::street().car([(n * 37) % 250, 150, 90, 45]).person([(n * 13) % 330, 100, 14, 40]);
        check_nothing(&standing(&camera.look(canvas)));
    }
}

#[test]
fn shadows_are_no_things() {
    for (to, blur) in [(0.7, 1.0), (0.6, 12.0), (0.55, 30.0)] {
        let mut camera = Camera::learnt(&Canvas::street());
        let shadow = Canvas::street().shadow([120, 150, 70, 40], to, blur);
        for _ in 0..30 {
            check_nothing(&standing(&camera.look(shadow.clone())));
        }
    }
}

#[test]
fn a_thing_is_found_in_the_shadow_and_under_any_exposure() {
    let mut camera = Camera::learnt(&Canvas::street());
    let mut last = Vec::new();
    for n in 0..20 {
        let canvas = with_bag().shadow([0, 100, 352, 188], 0.7, 40.0).exposed([1.0, 0.8, 1.15][n / 7], 5.0);
        last = standing(&camera.look(canvas));
    }
    check_stands(&last, BAG);
}

#[test]
fn a_thing_is_found_from_a_shaking_pole() {
    let mut camera = Camera::learnt(&Canvas::street());
    let mut told = 0;
    for n in 0..30 {
        let canvas = with_bag().moved([3, -2, 0, 4, -4][n % 5], [1, 3, -3, 0, 2][n % 5]);
        let found = standing(&camera.look(canvas));
        if n > 5 {
            check_stands(&found, BAG);
            told += 1;
        }
    }
    assert_eq!(told, 24);
    check_nothing(&camera.after(3, &Canvas::street()));
}

#[test]
fn after_a_gap_it_stands_where_it_stood() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_stands(&camera.after(6, &with_bag()), BAG);
    camera.at = camera.at + Millis::mins(120);
    check_stands(&camera.after(1, &with_bag()), BAG);
    camera.at = camera.at + Millis::mins(120);
    check_nothing(&camera.after(2, &Canvas::street()));
}

#[test]
fn a_gap_alone_is_no_standing() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_nothing(&camera.after(1, &with_bag()));
    camera.at = camera.at + Millis::mins(60);
    check_nothing(&camera.after(1, &with_bag()));
}

#[test]
fn infrared_light_ends_nothing_that_stands() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_stands(&camera.after(6, &with_bag()), BAG);
    let night = || with_bag().infrared();
    let relearns: Vec<_> = (0..3).filter_map(|_| camera.look(night()).relearn).collect();
    assert_eq!(relearns, [super::super::Relearn::Colour]);
    for _ in 0..60 {
        check_stands(&camera.after(1, &night()), BAG);
    }
    assert!(camera.scene.is_learnt());
    check_nothing(&camera.after(12, &Canvas::street().infrared()));
    let second = [250, 160, 30, 28];
    check_stands(&camera.after(8, &Canvas::street().bag(second).infrared()), second);
}

/// Looks at which a new camera learns `canvas`, of which it is told that a bag stands in it.
fn told_of_a_bag(canvas: &Canvas) -> Camera {
    let told = Camera::learnt(&Canvas::street()).after(6, &with_bag());
    check_stands(&told, BAG);
    let mut camera = Camera::new();
    camera.scene.expect(told);
    while !camera.scene.is_learnt() {
        let seen = camera.look(canvas.clone());
        assert!(seen.learning);
        check_nothing(&standing(&seen));
    }
    camera
}

#[test]
fn what_stood_before_a_restart_stands_after_it() {
    let mut camera = told_of_a_bag(&with_bag());
    for _ in 0..60 {
        let seen = camera.look(with_bag());
        assert!(!seen.learning);
        check_stands(&standing(&seen), BAG);
    }
    check_nothing(&camera.after(3, &Canvas::street()));
    check_stands(&camera.after(6, &with_bag()), BAG);
}

#[test]
fn what_went_during_a_restart_is_gone_after_it() {
    let mut camera = told_of_a_bag(&Canvas::street());
    check_nothing(&camera.after(3, &Canvas::street()));
    check_stands(&camera.after(6, &with_bag()), BAG);
}

#[test]
fn what_stands_does_so_in_another_resolution() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_stands(&camera.after(6, &with_bag()), BAG);
    let mut large = |canvas: &Canvas| {
        camera.at = camera.at + IDLE;
        camera.n += 1;
        let picture = doubled(&canvas.clone().noisy(4.0, camera.n).picture());
        let detect = |_: &Picture, _| Ok(Vec::new());
        let seen = camera.scene.look(&picture, camera.at, Need::IfChanged, &mut camera.scratch, detect);
        seen.expect("a look")
    };
    assert_eq!(large(&with_bag()).relearn, Some(super::super::Relearn::Size));
    (0..20).for_each(|_| _ = large(&with_bag()));
    let seen = large(&with_bag());
    assert!(!seen.learning);
    check_stands(&standing(&seen), BAG);
    (0..3).for_each(|_| _ = large(&Canvas::street()));
    check_nothing(&standing(&large(&Canvas::street())));
}

/// The picture in four times as many pixels.
fn doubled(picture: &Picture) -> Picture {
    let plane = |bytes: &[u8], width: usize| -> Bytes {
        let row = |row: &[u8]| row.iter().flat_map(|x| [*x, *x]).collect::<Vec<u8>>();
        bytes.chunks(width).flat_map(|bytes| [row(bytes), row(bytes)].concat()).collect::<Vec<u8>>().into()
    };
    let [y, u, v] = &picture.planes;
    Picture {
        width: 2 * picture.width,
        height: 2 * picture.height,
        planes: [plane(y, WIDTH), plane(u, WIDTH / 2), plane(v, WIDTH / 2)],
        strides: [2 * WIDTH, WIDTH, WIDTH],
        ..picture.clone()
    }
}

#[test]
fn another_view_that_is_waited_out_leaves_what_stands() {
    let mut camera = Camera::learnt(&Canvas::street());
    check_stands(&camera.after(6, &with_bag()), BAG);
    let turned = Canvas::street().moved(90, 60).each(|x, y, _| [200.0 * grain(x / 9, y / 9, 3), 9.0, 9.0]);
    camera.scene.keep_view(true);
    assert!((0..30).all(|_| camera.look(turned.clone()).relearn.is_none()));
    camera.scene.keep_view(false);
    check_stands(&camera.after(2, &with_bag()), BAG);
    check_nothing(&camera.after(3, &Canvas::street()));
}

#[test]
fn another_view_is_learnt_anew() {
    let mut camera = Camera::learnt(&Canvas::street());
    let turned = Canvas::street()
        .moved(90, 60)
        .each(|x, y, p| if x < 200 { p } else { [200.0 * grain(x / 9, y / 9, 3), 9.0, 9.0] });
    let relearns: Vec<_> = (0..8).filter_map(|_| camera.look(turned.clone()).relearn).collect();
    assert_eq!(relearns, [super::super::Relearn::View]);
    camera.after(15, &turned);
    check_nothing(&camera.after(30, &turned));
    check_stands(&camera.after(6, &turned.clone().bag(BAG)), BAG);
}

#[test]
fn the_planes_of_nv12_are_read_alike() {
    let interleave = |picture: &Picture| {
        let pairs = picture.planes[1].iter().zip(picture.planes[2].iter()).flat_map(|(u, v)| [*u, *v]);
        let planes = [picture.planes[0].clone(), pairs.collect::<Vec<u8>>().into(), Bytes::new()];
        Picture { format: PixelFormat::Nv12, planes, strides: [WIDTH, WIDTH, 0], ..picture.clone() }
    };
    let mut samplers = [Sampler::default(), Sampler::default()];
    let picture = with_bag().car([100, 150, 90, 45]).picture();
    samplers[0].sample(&picture, super::super::Shift::default());
    samplers[1].sample(&interleave(&picture), super::super::Shift::default());
    assert_eq!(samplers[0].cells, samplers[1].cells);
}
