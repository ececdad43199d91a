//! What a camera costs while nobody looks at it, and what a look asks of the allocator.

use allocation_counter::AllocationInfo;
use detect::{
    Gauge, Health, HealthConfig, Scene, SceneConfig, Scratch,
    scene::{Need, Outcome},
};
use domain::{Millis, Picture, Timestamp};
use scenery::{Effect, Painter, street};

/// Most bytes that scene and health may hold of a camera with the usual side stream.
const IDLE: i64 = 122_000;
/// The same while much of its view shows something else than the scene.
const BUSY: i64 = 200_000;

/// What is kept of a camera from look to look, as the program keeps it.
struct View {
    scene: Scene,
    health: Health,
    at: Timestamp,
}

/// What one thread looks with.
#[derive(Default)]
struct Thread {
    scratch: Scratch,
    gauge: Gauge,
}

impl View {
    fn new() -> Self {
        let (scene, health) = (Scene::new(SceneConfig::default()), Health::new(HealthConfig::default()));
        Self { scene, health, at: Timestamp(1_795_406_400_000) }
    }

    fn look(&mut self, picture: &Picture, thread: &mut Thread) -> Outcome {
        self.at = self.at + Millis::secs(10);
        self.health.look(picture, self.at, &mut thread.gauge).expect("sound");
        if !self.health.has_reference() {
            self.health.set_reference(picture, &mut thread.gauge).expect("sound");
        }
        let detect = |_: &Picture, _| Ok(Vec::new());
        self.scene.look(picture, self.at, Need::IfChanged, &mut thread.scratch, detect).expect("a look").outcome
    }
}

/// A quiet street, again and again with another noise.
fn quiet() -> Vec<Picture> {
    let noise: Effect = toml::from_str("noise = 2.0").expect("an effect");
    let painter = Painter::new(Vec::new(), vec![noise], 1).expect("a painter");
    let street = street(704, 576, 1);
    (0..8).map(|n| painter.paint(Millis(n * 10_000), &street)).collect()
}

/// The street with boxes that stand elsewhere in each picture, over a fifth of it.
fn crowded(quiet: &[Picture]) -> Vec<Picture> {
    let crowd = |(n, picture): (usize, &Picture)| {
        let (width, mut luma) = (picture.strides[0], picture.planes[0].to_vec());
        for (i, level) in luma.iter_mut().enumerate() {
            let (column, row) = (i % width / 32, i / width / 32);
            if (column * 7 + row * 3 + n * 2) % 5 == 0 {
                *level = if (i % 7) < 3 { 20 } else { 220 };
            }
        }
        let [_, u, v] = picture.planes.clone();
        Picture { planes: [luma.into(), u, v], ..picture.clone() }
    };
    quiet.iter().enumerate().map(crowd).collect()
}

/// What is held of a view that `looks` looks at `pictures` have left, beside what the thread holds.
fn held(view: &mut Option<View>, looks: usize, pictures: &[Picture], thread: &mut Thread) -> AllocationInfo {
    allocation_counter::measure(|| {
        let view = view.get_or_insert_with(View::new);
        (0..looks).for_each(|n| _ = view.look(&pictures[n % pictures.len()], thread));
    })
}

#[test]
fn a_camera_nobody_looks_at_is_known_in_little_memory() {
    let (quiet, mut thread) = (quiet(), Thread::default());
    let crowded = crowded(&quiet);
    // The thread's own buffers are no camera's.
    held(&mut None, 20, &quiet, &mut thread);
    held(&mut None, 20, &crowded, &mut thread);

    let (mut view, mut bytes) = (None, size_of::<View>() as i64);
    for (what, looks, pictures, most) in [
        ("looked at once", 1, &quiet, IDLE),
        ("learning", 5, &quiet, IDLE),
        ("learnt", 30, &quiet, IDLE),
        ("crowded", 10, &crowded, BUSY),
        ("quiet again", 60, &quiet, IDLE),
    ] {
        bytes += held(&mut view, looks, pictures, &mut thread).bytes_current;
        println!("{what}: {bytes} bytes");
        assert!(bytes <= most, "{what}: {bytes} bytes are held, {most} may be");
        assert!(most == IDLE || bytes > IDLE, "{what}: {bytes} bytes are those of a quiet street");
    }
    assert!(view.is_some_and(|view| view.scene.is_learnt()));
}

#[test]
fn a_look_at_an_unchanged_street_allocates_nothing() {
    let (quiet, mut thread, mut view) = (quiet(), Thread::default(), View::new());
    for picture in quiet.iter().cycle().take(40) {
        view.look(picture, &mut thread);
    }
    let mut outcomes = Vec::with_capacity(8);
    let info = allocation_counter::measure(|| {
        outcomes.extend(quiet.iter().map(|picture| view.look(picture, &mut thread)));
    });
    assert!(outcomes.iter().filter(|outcome| **outcome == Outcome::Unchanged).count() >= 7, "{outcomes:?}");
    assert_eq!(info.count_total, 0, "{info:?}");
}
