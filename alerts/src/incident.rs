//! What the rule core takes in and gives out. No I/O, no clock: time comes in as an argument, effects go out as
//! values, so that the same inputs give the same tickets.

use domain::{
    CameraFault, CameraId, Detection, DeviceId, GroundPoint, Kind, Look, LookSource, Millis, ModelRef, PERSON, Polygon,
    Rect, STANDING, TicketId, Timestamp, ZoneId,
};
use serde::{Deserialize, Serialize};

use crate::sensor::{Noted, Word};

/// What a zone is for; rules name the purposes that they hold in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZonePurpose {
    /// A carriageway lane that must stay free.
    TrafficLane,
    /// Roadside where stopping is forbidden.
    NoStopping,
    /// Access for fire engines.
    FireLane,
    /// A bus stop's bay.
    BusStop,
    /// A bicycle lane.
    BicycleLane,
    /// Where loading is allowed; goods and vans are no case here.
    LoadingBay,
    /// A pavement for pedestrians.
    Pavement,
    /// Where street vending is forbidden.
    NoVending,
    /// The ground in front of a shop's line.
    ShopLine,
    /// The surroundings of a garbage point.
    GarbagePoint,
    /// A bin with the ground beside it.
    Bin,
    /// The ribbed strip of a pavement that guides blind people.
    TactilePath,
    /// Behind glass or within doors: what stands there, and who, is nobody's business.
    Indoors,
    /// What lies around a sensor that is in no zone of a camera; no rule about things holds there.
    Surroundings,
}

impl ZonePurpose {
    /// Whether it is there for something to get through.
    #[must_use]
    pub fn is_lane(self) -> bool {
        matches!(self, Self::TrafficLane | Self::FireLane | Self::BicycleLane | Self::TactilePath)
    }
}

/// A polygon on one camera's view, with a purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Unique within the camera.
    pub id: ZoneId,
    /// A name for people; the id where empty.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    pub purpose: ZonePurpose,
    /// Its outline in relative coordinates.
    pub polygon: Polygon,
    /// How long things may stand here, instead of what the rules say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dwell: Option<Millis>,
    /// Zones of other cameras that show the same ground, where it is not known by control points.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlaps: Vec<ZoneRef>,
}

/// A zone of a camera; written `CAMERA/ZONE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneRef {
    /// Whose.
    pub camera: CameraId,
    /// Which.
    pub zone: ZoneId,
}

impl TryFrom<String> for ZoneRef {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (camera, zone) = text
            .split_once('/')
            .ok_or_else(|| format!("\"{text}\" names no zone of a camera; write it as CAMERA/ZONE"))?;
        let camera = camera.parse().map_err(|error| format!("\"{text}\": {error}"))?;
        Ok(Self { camera, zone: zone.parse().map_err(|error| format!("\"{text}\": {error}"))? })
    }
}

impl From<ZoneRef> for String {
    fn from(zone: ZoneRef) -> Self {
        format!("{}/{}", zone.camera, zone.zone)
    }
}

/// What one look showed, without its pixels.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Whose look.
    pub camera: &'a CameraId,
    /// All detections above the journal's floor.
    pub detections: &'a [Detection],
    /// Whether the detector ran on this picture, or nothing had changed since the last one that it ran on.
    pub source: LookSource,
    /// The first of the models that ran.
    pub model: &'a ModelRef,
    /// Whether something seems to be wrong with what the camera shows: then the look does not show that a place is clear.
    pub in_doubt: bool,
    /// Whether it may show something else than the camera's view: then it opens no ticket.
    pub elsewhere: bool,
    /// Whether the view is still being learnt: then the look does not show that what has no name is gone.
    pub learning: bool,
}

impl<'a> From<&'a Look> for Observation<'a> {
    fn from(look: &'a Look) -> Self {
        Self {
            camera: &look.camera,
            detections: &look.detections,
            source: look.source,
            model: &look.model,
            in_doubt: look.doubt.is_some(),
            elsewhere: look.doubt.is_some_and(CameraFault::hides_the_view),
            learning: look.learning,
        }
    }
}

/// What drives the rule core.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// A look was made.
    Look(Observation<'a>),
    /// The camera lost its stream: what it would have shown is unknown, dwells pause.
    CameraLost(&'a CameraId),
    /// A ticket ended although its problem may still stand.
    Ended {
        /// Whose.
        camera: &'a CameraId,
        /// Which.
        ticket: TicketId,
        /// How.
        ending: Ending,
    },
    /// What the camera shows cannot be trusted from now on: dwells pause, no ticket is opened, none is cleared.
    CameraUnfit(&'a CameraId),
    /// It can be trusted again.
    CameraFit(&'a CameraId),
    /// A parking sensor says whether a zone is taken.
    Word(&'a Word),
    /// Time passed.
    Tick,
}

/// How a ticket ended otherwise than by looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is no case: its place stays quiet until it was clear or the rule's cool-down ends.
    Rejected,
    /// It is over. What still stands after the rule's interval is told again.
    Closed,
}

/// A candidate for a ticket, before its rule is satisfied. Unique within one run of the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SuspectId(pub u64);

/// Which rule made a ticket, and in which version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRef {
    /// The rule's name in the config.
    pub id: String,
    /// A digest of the rule's effective values (first 12 hexadecimal digits of their SHA-256), so that two tickets
    /// with one version were judged alike.
    pub version: String,
}

/// A problem that satisfied its rule: all that a ticket says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// The ticket's id, derived from the incident, so that a replay names the same tickets.
    pub ticket: TicketId,
    /// Which camera saw it.
    pub camera: CameraId,
    /// What it is.
    pub kind: Kind,
    /// The zone it stands in.
    pub zone: ZoneId,
    /// When the things were first seen standing there.
    pub first_seen: Timestamp,
    /// When they were last seen.
    pub last_seen: Timestamp,
    /// When the rule was satisfied.
    pub confirmed_at: Timestamp,
    /// Time seen standing, pauses taken out.
    pub dwell: Millis,
    /// Looks within the dwell.
    pub looks: u32,
    /// Looks within the dwell that showed it.
    pub hits: u32,
    /// Best score of any look.
    pub score_max: f32,
    /// Median score over the looks, a miss counted as 0.
    pub score_median: f32,
    /// Where it is: a box around all its things, people left out (they move).
    pub bbox: Rect,
    /// Where on the ground its box stands; none where the camera's ground is not known, or not so far away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<GroundPoint>,
    /// The things that make it up, as the confirming look showed them, people who stay there included.
    pub things: Vec<Detection>,
    /// Why the rule holds, in one English sentence for people.
    pub reason: String,
    /// The same in Chinese; empty for tickets that are older than it.
    #[serde(default)]
    pub reason_zh: String,
    /// The rule.
    pub rule: RuleRef,
    /// The model that is surest of one of the things, else the first that ran; `none` where readings showed it.
    pub model: ModelRef,
    /// The readings that showed it, where no camera did. Then `camera` is the one that sees the place, or the device's own
    /// id where none does, and what is said of looks and scores counts readings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensed: Option<Box<Sensed>>,
}

impl Incident {
    /// Where the case comes from, as the city's platform calls it (案件来源).
    #[must_use]
    pub fn case_source(&self) -> &'static str {
        if self.sensed.is_some() { "物联感知上报" } else { "视频上报" }
    }

    /// The things that make it up, where only the learnt view told of them; none where a model had a name for one. People who
    /// stay there are none of them.
    #[must_use]
    pub fn standing(&self) -> Vec<Detection> {
        let is = |thing: &Detection, label: &str| thing.group.as_str() == label;
        let things: Vec<&Detection> = self.things.iter().filter(|thing| !is(thing, PERSON)).collect();
        let nameless = things.iter().all(|thing| is(thing, STANDING));
        things.into_iter().filter(|_| nameless).cloned().collect()
    }
}

/// The readings that showed a problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sensed {
    /// Whose.
    pub device: DeviceId,
    /// The device's name for people.
    pub name: String,
    /// What was measured.
    pub measure: String,
    /// In which unit; empty for a state.
    pub unit: String,
    /// The readings: the first that satisfied the rule, and the newest.
    pub readings: Vec<Noted>,
}

/// Where a problem is that readings show, and what else would tell of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SensedPlace {
    /// The ticket that it has where no camera's tells of it.
    pub ticket: TicketId,
    /// Whose readings.
    pub device: DeviceId,
    /// The camera that sees the place, or the device's own id.
    pub camera: CameraId,
    /// The zone of that camera, or the device's own id.
    pub zone: ZoneId,
    /// What it is.
    pub kind: Kind,
    /// Further kinds of tickets of cameras that tell of the same problem.
    pub joins: Vec<Kind>,
    /// Where the device stands, where that is known.
    pub ground: Option<GroundPoint>,
}

/// What a device says of its problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// A reading shows that it stands.
    Holds(Timestamp),
    /// It was silent, and is heard again.
    Heard,
    /// It says nothing any more.
    Silent,
    /// It is over; this was the last reading that showed it.
    Over(Timestamp),
}

/// An open ticket as the store knows it; restores the core after a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// Which camera.
    pub camera: CameraId,
    /// What it is.
    pub kind: Kind,
    /// Which zone.
    pub zone: ZoneId,
    /// Where it was last seen.
    pub bbox: Rect,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen, as far as was written down.
    pub last_seen: Timestamp,
    /// The rule that opened it, by its name.
    pub rule: String,
    /// What the learnt view alone told of it; none where a model had a name for some of it.
    pub standing: Vec<Detection>,
}

/// What the rule core wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A candidate appeared in this look: keep its encoded picture as the first-seen one.
    Suspected {
        /// The candidate.
        suspect: SuspectId,
        /// Whose.
        camera: CameraId,
        /// Its kind.
        kind: Kind,
    },
    /// The candidate went away or turned out to be no case: let go of its picture.
    Dropped {
        /// The candidate.
        suspect: SuspectId,
        /// The candidate's kind.
        kind: Kind,
        /// Why, as a metric label (`gone`, `moved`, `merged`, `calendar`, `lost_camera`, `zone_removed`, `permitted`, `came_back`).
        reason: &'static str,
    },
    /// The rule is satisfied by this look: open a ticket.
    Confirmed {
        /// The candidate that it grew from; its first-seen picture belongs to the ticket.
        suspect: SuspectId,
        /// All about it.
        incident: Box<Incident>,
    },
    /// The rule is satisfied by this look, at a place whose ticket another camera opened: that one's problem is seen from
    /// here, too.
    Joined {
        /// The candidate that it grew from.
        suspect: SuspectId,
        /// The ticket.
        ticket: TicketId,
        /// All about it as this camera sees it; its own ticket's id is nobody's.
        incident: Box<Incident>,
    },
    /// A ticketed problem was seen again; worth writing down now and then.
    StillThere {
        /// The ticket.
        ticket: TicketId,
        /// Whose.
        camera: CameraId,
        /// When.
        seen_at: Timestamp,
        /// Where.
        bbox: Rect,
    },
    /// A ticketed problem has been clear for long enough, and this look shows the place without it.
    Cleared {
        /// The ticket.
        ticket: TicketId,
        /// Whose.
        camera: CameraId,
        /// When it was last seen.
        last_seen: Timestamp,
        /// When it was held to be gone.
        cleared_at: Timestamp,
    },
    /// Another picture belongs to a problem's ticket.
    Again {
        /// The ticket.
        ticket: TicketId,
        /// Whose.
        camera: CameraId,
        /// When.
        seen_at: Timestamp,
        /// Why.
        why: Further,
    },
    /// A problem whose ticket was closed still stands, or one that was gone a short while is there again: the ticket goes on,
    /// no new one opens.
    CameBack {
        /// The ticket.
        ticket: TicketId,
        /// Whose.
        camera: CameraId,
        /// When.
        seen_at: Timestamp,
    },
    /// From now on look at the camera at this pace.
    Pace {
        /// Which camera.
        camera: CameraId,
        /// How often.
        pace: Pace,
    },
}

/// Why a ticket gets further pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Further {
    /// Its problem still stands, long after it was told.
    StillThere,
    /// Further things have stood there for as long as its rule wants one to.
    MoreThings,
    /// Another camera sees it, too.
    OtherView,
}

/// What a look shows of a ticket's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sight {
    /// The problem is there, or something new that nothing explains.
    Seen,
    /// Something else is in front.
    Hidden,
    /// The problem is not there.
    Clear,
}

/// How often a camera is worth looking at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pace {
    /// Nothing is suspected.
    Idle,
    /// Something is suspected or must be checked again.
    Active,
}
