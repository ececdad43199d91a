//! One look: a decoded picture of a camera in, a [`Look`] for alerts out. Nothing here knows where pictures come from
//! or reads a clock, so a recording is looked at exactly as a live camera is.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use alerts::incident::{Zone, ZonePurpose};
use detect::{
    CloseUps, DetectConfig, DetectError, Detectors, Gauge, Health, HealthConfig, Manner, Scene, SceneConfig, Scratch,
    scene::{Need, Outcome, Seen},
};
use domain::{Ailment, CameraFault, CameraId, Detection, Frame, Look, LookSource, Picture, Polygon, Timestamp};
use ingest::{Occasion, StreamConfig};
use metrics::counter;
use tracing::info;

use crate::config::CameraConfig;

/// The models that look at the pictures of `camera`, the first of them leading.
fn models_of<'a>(config: &'a DetectConfig, camera: &'a CameraConfig) -> Vec<&'a String> {
    if let Some(models) = own_models(camera) {
        return models.iter().collect();
    }
    let for_garbage = |zone: &Zone| matches!(zone.purpose, ZonePurpose::GarbagePoint | ZonePurpose::Bin);
    let garbage = Some(&config.garbage_model)
        .filter(|model| !model.is_empty() && **model != config.model && camera.zones.iter().any(for_garbage));
    std::iter::once(&config.model).chain(garbage).collect()
}

/// The models that look at what stands in the zones of `camera` by itself: its own, and the one for garbage wherever garbage is
/// looked for, for that costs little there.
fn models_of_things<'a>(config: &'a DetectConfig, camera: &'a CameraConfig) -> Vec<&'a String> {
    if !config.standing.enabled || !config.standing.close_ups || camera.zones.iter().all(|zone| !is_watched(zone)) {
        return Vec::new();
    }
    let mut models = models_of(config, camera);
    let garbage = &config.garbage_model;
    if own_models(camera).is_none() && !garbage.is_empty() && !models.contains(&garbage) {
        models.push(garbage);
    }
    models
}

/// Every model that looks at `camera`, whether at the picture or at what stands there; some twice.
fn all_models_of<'a>(config: &'a DetectConfig, camera: &'a CameraConfig) -> impl Iterator<Item = &'a String> {
    models_of(config, camera).into_iter().chain(models_of_things(config, camera))
}

/// The models that a camera names itself.
fn own_models(camera: &CameraConfig) -> Option<&Vec<String>> {
    camera.models.as_ref().filter(|models| !models.is_empty())
}

/// Whether it matters what stands in a zone.
fn is_watched(zone: &Zone) -> bool {
    !matches!(zone.purpose, ZonePurpose::Indoors | ZonePurpose::Surroundings)
}

/// Share of what stands there that must lie in a zone for it to be looked at.
const WITHIN: f32 = 0.3;

/// Every model that some camera needs, and the one for those that are still to come.
#[must_use]
pub fn models(config: &DetectConfig, cameras: &[CameraConfig]) -> BTreeSet<String> {
    cameras.iter().flat_map(|camera| all_models_of(config, camera)).chain([&config.model]).cloned().collect()
}

/// What one thread needs to look.
pub struct Looker {
    detectors: Detectors,
    scratch: Scratch,
    gauge: Gauge,
    sights: Sights,
}

/// How each camera is looked at and what is known of its view, for all lookers of one [`Looker::load`]; clones are the same.
#[derive(Clone)]
pub struct Sights {
    config: Arc<DetectConfig>,
    /// The models that are open.
    models: Arc<BTreeSet<String>>,
    by_camera: Arc<RwLock<HashMap<CameraId, Arc<Sight>>>>,
}

/// A camera that needs a model which is not open.
#[derive(Debug, thiserror::Error)]
#[error("cameras.{camera}: the running gridwatch has not opened \"{model}\"; restart it to take that model in")]
pub struct ModelNotOpen {
    camera: CameraId,
    model: String,
}

impl Sights {
    /// Whether these cameras can be looked at with the models that are open.
    ///
    /// # Errors
    /// Names the first that cannot.
    pub fn check(&self, cameras: &[CameraConfig]) -> Result<(), ModelNotOpen> {
        let missing = cameras.iter().find_map(|camera| {
            let model = all_models_of(&self.config, camera).find(|model| !self.models.contains(*model))?;
            Some(ModelNotOpen { camera: camera.id.clone(), model: model.clone() })
        });
        missing.map_or(Ok(()), Err)
    }

    /// Makes these the cameras from now on. What is known of a view stays with a camera whose picture, models and close-ups
    /// stay, however it is connected to.
    pub fn set(&self, cameras: &[CameraConfig]) {
        let mut by_camera = self.by_camera.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *by_camera);
        for camera in cameras {
            let next = Sight::new(&self.config, camera);
            let sight = match before.remove(&camera.id) {
                Some(sight) if sight.is_like(&next) => {
                    sight.lock().watch(&self.config, camera);
                    sight
                }
                // It is looked at otherwise, and what stands there stands on.
                Some(sight) => {
                    let standing = sight.lock().scene.standing().cloned().collect();
                    next.lock().scene.expect(standing);
                    Arc::new(next)
                }
                None => Arc::new(next),
            };
            by_camera.insert(camera.id.clone(), sight);
        }
    }

    /// Tells cameras that were not looked at yet what stands in their views from before.
    pub fn expect(&self, standing: HashMap<CameraId, Vec<Detection>>) {
        for (camera, things) in standing {
            if let Some(sight) = self.get(&camera) {
                sight.lock().scene.expect(things);
            }
        }
    }

    /// Has the next look's picture taken as the camera's reference, whatever it shows; whether there is such a camera.
    pub fn take_reference(&self, camera: &CameraId) -> bool {
        let Some(sight) = self.get(camera) else { return false };
        sight.asked().wanted = Wanted::TakeAnew;
        true
    }

    /// When the camera's reference was taken, where there is one.
    #[must_use]
    pub fn reference_taken_at(&self, camera: &CameraId) -> Option<Timestamp> {
        self.get(camera).and_then(|sight| sight.asked().taken)
    }

    fn get(&self, camera: &CameraId) -> Option<Arc<Sight>> {
        self.by_camera.read().unwrap_or_else(PoisonError::into_inner).get(camera).cloned()
    }
}

/// What came of a look.
#[derive(Debug)]
pub struct Looked {
    /// What was seen.
    pub look: Look,
    /// What is wrong with its pictures.
    pub ailments: Vec<Ailment>,
    /// Whether this look's picture is the camera's reference from now on, and to be kept.
    pub reference: ReferenceOf,
    /// Whether a picture of the camera's main stream would tell more of what stands there.
    pub wants_main: bool,
}

/// Whether a look gave a camera's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceOf {
    /// It did.
    ThisLook,
    /// There is an older one, or none yet.
    Another,
}

/// How a camera is looked at, and what is known of its view by whichever thread looked last. The lock is held during a
/// look, of which a camera has one at a time.
struct Sight {
    stream: StreamConfig,
    models: Vec<String>,
    close_ups: Vec<(Polygon, Manner)>,
    scene: SceneConfig,
    health: HealthConfig,
    view: Mutex<View>,
    reference: Mutex<Asked>,
}

struct View {
    close_ups: CloseUps,
    /// The zones in which it matters what stands there.
    watched: Vec<Polygon>,
    scene: Scene,
    health: Health,
}

/// Whether something stands in one of these zones.
fn stands_in(zones: &[Polygon], thing: &Detection) -> bool {
    let foot = thing.bbox.foot();
    zones.iter().any(|zone| zone.contains(foot) || zone.share_of(thing.bbox) >= WITHIN)
}

/// What is asked of a camera's reference. Not behind the view's lock, which is held as long as a look takes.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// When the reference was taken.
    taken: Option<Timestamp>,
    wanted: Wanted,
}

impl Asked {
    const NOTHING: Self = Self { taken: None, wanted: Wanted::FromEarlier };
}

/// What is to become of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// It may have been kept from an earlier run.
    FromEarlier,
    /// The next look's picture.
    TakeAnew,
    /// The first picture of a camera that is well and whose scene is learnt, unless there is one.
    WhenWell,
}

impl View {
    /// Has what stands in the camera's zones looked at by itself.
    fn watch(&mut self, config: &DetectConfig, camera: &CameraConfig) {
        self.close_ups.look_at_things_with(models_of_things(config, camera).into_iter().cloned().collect());
        self.watched = camera.zones.iter().filter(|zone| is_watched(zone)).map(|zone| zone.polygon.clone()).collect();
    }
}

impl Sight {
    fn new(config: &DetectConfig, camera: &CameraConfig) -> Self {
        let close_up = |zone: &Zone| Some((zone.polygon.clone(), *camera.close_ups.get(&zone.id)?));
        let zones: Vec<_> = camera.zones.iter().filter_map(close_up).collect();
        let close_ups = CloseUps::new(zones.clone(), config.close_ups_per_look);
        let (scene, health) = (Scene::new(config.scene()), Health::new(config.health.clone()));
        let mut view = View { close_ups, watched: Vec::new(), scene, health };
        view.watch(config, camera);
        Self {
            stream: camera.stream.clone(),
            models: models_of(config, camera).into_iter().cloned().collect(),
            close_ups: zones,
            scene: config.scene(),
            health: config.health.clone(),
            view: Mutex::new(view),
            reference: Mutex::new(Asked::NOTHING),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.stream.shows_like(&other.stream) && self.models == other.models && self.close_ups == other.close_ups
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.reference.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(|poisoned| {
            // Half a look may be in the scene; what a panic left of the close-ups is no worse than what the last look did.
            self.view.clear_poison();
            let mut view = poisoned.into_inner();
            view.scene = Scene::new(self.scene.clone());
            view.health = Health::new(self.health.clone());
            *self.asked() = Asked::NOTHING;
            view
        })
    }
}

impl Looker {
    /// Loads the models that `cameras` need, each with a session for each of `n` threads. Takes up to seconds: not for an
    /// async thread.
    ///
    /// # Errors
    /// When ONNX Runtime or a model cannot be used.
    pub fn load(config: &DetectConfig, cameras: &[CameraConfig], n: usize) -> Result<Vec<Self>, DetectError> {
        let models = models(config, cameras);
        let detectors = Detectors::load(config, &models, n)?;
        let sights = Sights { config: Arc::new(config.clone()), models: Arc::new(models), by_camera: Arc::default() };
        sights.set(cameras);
        let looker = |detectors| Self {
            detectors,
            scratch: Scratch::default(),
            gauge: Gauge::default(),
            sights: sights.clone(),
        };
        Ok(detectors.into_iter().map(looker).collect())
    }

    /// How each camera is looked at, to be changed while lookers look.
    #[must_use]
    pub fn sights(&self) -> Sights {
        self.sights.clone()
    }

    /// Whether the camera's reference of an earlier run is to be given before its next look; true once.
    pub fn asks_for_reference(&self, camera: &CameraId) -> bool {
        self.sights.get(camera).is_some_and(|sight| {
            let wanted = &mut sight.asked().wanted;
            let asks = *wanted == Wanted::FromEarlier;
            if asks {
                *wanted = Wanted::WhenWell;
            }
            asks
        })
    }

    /// Gives a camera the reference that was kept for it and taken at `at`.
    ///
    /// # Errors
    /// When the picture's planes do not hold what its size says.
    pub fn set_reference(&mut self, camera: &CameraId, picture: &Picture, at: Timestamp) -> Result<(), DetectError> {
        if let Some(sight) = self.sights.get(camera) {
            sight.lock().health.set_reference(picture, &mut self.gauge)?;
            sight.asked().taken = Some(at);
        }
        Ok(())
    }

    /// Looks at one picture, and at what stands there in a picture that the `main` stream showed just before, if one was fetched.
    /// `frame.sampled_at` is the scene's time, which may run faster than anybody's clock; `occasion`
    /// tells whether something is suspected there: then the models run, else only where something changed. The lookers of
    /// one [`Looker::load`] know what each of them has seen.
    ///
    /// # Errors
    /// When the camera is none of those that it was loaded for, the picture's planes do not hold what its size says, or a
    /// run fails. The looker stays usable.
    pub fn look(&mut self, frame: Frame, main: Option<&Picture>, occasion: Occasion) -> Result<Looked, DetectError> {
        let Some(sight) = self.sights.get(&frame.camera) else {
            return Err(DetectError::UnknownCamera { camera: frame.camera });
        };
        let mut view = sight.lock();
        let View { close_ups, watched, scene, health } = &mut *view;
        health.look(&frame.picture, frame.sampled_at, &mut self.gauge)?;
        close_ups.see(scene.stands().filter(|thing| stands_in(watched, thing)));
        let need = match occasion {
            Occasion::Suspected | Occasion::Asked => Need::Always,
            Occasion::Routine if close_ups.are_owed() => Need::Finish,
            Occasion::Routine => Need::IfChanged,
        };
        let (detectors, models, at) = (&mut self.detectors, &sight.models, frame.sampled_at);
        let mut faults = health.ailments().into_iter().map(|ailment| ailment.fault).chain(health.doubt());
        // What the camera shows while it is turned away or covered is no view to be learnt.
        scene.keep_view(faults.any(CameraFault::hides_the_view));
        let Seen { detections, outcome, relearn, learning } =
            scene.look(&frame.picture, frame.sampled_at, need, &mut self.scratch, |picture, why| {
                close_ups.look(detectors, models, picture, main, at, why != Outcome::Unfinished)
            })?;
        let takes = match sight.asked().wanted {
            Wanted::TakeAnew => true,
            Wanted::FromEarlier | Wanted::WhenWell => !health.has_reference() && scene.is_learnt() && health.is_well(),
        };
        if takes {
            *sight.asked() = Asked { taken: Some(frame.sampled_at), wanted: Wanted::WhenWell };
            health.set_reference(&frame.picture, &mut self.gauge)?;
        }
        let (ailments, doubt) = (health.ailments(), health.doubt());
        let wants_main = close_ups.want_main(at);
        drop(view);
        counter!("gridwatch_gate_looks_total", "outcome" => outcome.as_str()).increment(1);
        if let Some(relearn) = relearn {
            counter!("gridwatch_scene_relearned_total", "reason" => relearn.as_str()).increment(1);
            info!(camera = %frame.camera, reason = relearn.as_str(), "the view is another one and is learnt anew");
        }
        let model = self.detectors.model(&models[0]).expect("it was loaded").clone();
        let look = Look {
            camera: frame.camera.clone(),
            sampled_at: frame.sampled_at,
            detections,
            source: if outcome == Outcome::Unchanged { LookSource::Unchanged } else { LookSource::Detector },
            model,
            doubt,
            learning,
            frame,
        };
        let reference = if takes { ReferenceOf::ThisLook } else { ReferenceOf::Another };
        Ok(Looked { look, ailments, reference, wants_main })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(garbage_model: &str, camera: &str, expect: &[&str]) {
        let config = DetectConfig { garbage_model: garbage_model.to_owned(), ..DetectConfig::default() };
        let text = format!("id = \"a\"\nstream = {{ main = \"rtsp://127.0.0.1/a\" }}\n{camera}");
        assert_eq!(models_of(&config, &toml::from_str(&text).expect("a camera")), expect);
    }

    #[test]
    fn what_is_known_of_a_view_outlives_another_password_but_no_other_address() {
        let sight = |stream: &str| {
            let camera = toml::from_str(&format!("id = \"a\"\nstream = {{ {stream} }}")).expect("a camera");
            Sight::new(&DetectConfig::default(), &camera)
        };
        let before = sight("main = \"rtsp://u:p@h/1\", sub = \"rtsp://u:p@h/2\"");
        let credentials = "username = \"v\", password = \"q\", transport = \"udp\"";
        assert!(before.is_like(&sight(&format!("main = \"rtsp://h/1\", sub = \"rtsp://h:554/2\", {credentials}"))));
        assert!(!before.is_like(&sight("main = \"rtsp://h/1\", sub = \"rtsp://h/3\"")));
        assert!(!before.is_like(&sight("main = \"rtsp://h/2\"")), "its zones are drawn on another size");
    }

    #[test]
    fn a_camera_with_a_zone_for_garbage_has_the_model_for_it() {
        let zone = |purpose| {
            format!("zones = [{{ id = \"z\", purpose = \"{purpose}\", polygon = [[0, 0], [1, 0], [1, 1]] }}]")
        };
        let usual = DetectConfig::default().model;
        check("garbage", &zone("no_stopping"), &[&usual]);
        check("garbage", &zone("garbage_point"), &[&usual, "garbage"]);
        check("garbage", &zone("bin"), &[&usual, "garbage"]);
        check("", &zone("bin"), &[&usual]);
        check(&usual, &zone("bin"), &[&usual]);
        check("garbage", &format!("models = [\"x\"]\n{}", zone("bin")), &["x"]);
    }
}
