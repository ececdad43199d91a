//! Permits: stalls are legal in places and at hours, garbage may be put out in the evening. A permit is laid over a
//! camera's zones: what stands in its place while it is in force is no case of the kinds that it covers.

use std::collections::BTreeMap;

use domain::{CameraId, Kind, Polygon, Rect, Timestamp, ZoneId};
use jiff::{civil::Date, tz::TimeZone};
use serde::Deserialize;

use super::{
    calendar::{Calendar, CalendarConfig},
    config::RulesError,
};
use crate::incident::Zone;

/// Share of a thing's footing that must lie in a permit's place.
const COVERED: f32 = 0.5;

/// A permit as the city gave it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// The number that it was given under; stands in the reasons of tickets.
    pub number: String,
    /// Whose view it is laid over.
    pub camera: CameraId,
    /// The zone of that camera that it covers; this or `polygon`.
    #[serde(default)]
    pub zone: Option<ZoneId>,
    /// The place that it covers, in relative coordinates; this or `zone`.
    #[serde(default)]
    pub polygon: Option<Polygon>,
    /// The kinds of cases that it excuses.
    #[serde(default = "vending")]
    pub kinds: Vec<Kind>,
    /// The days and hours that it holds at; always where empty.
    #[serde(default)]
    pub calendar: CalendarConfig,
    /// The first date that it is valid on.
    #[serde(default)]
    pub valid_from: Option<Date>,
    /// The last date that it is valid on.
    #[serde(default)]
    pub valid_to: Option<Date>,
}

fn vending() -> Vec<Kind> {
    ["vendor.stall", "vendor.mobile"].map(|kind| kind.parse().expect("the built-in kinds are well-formed")).to_vec()
}

/// Why a permit does not excuse what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lapse {
    /// It begins later.
    NotYet(Date),
    /// It has ended.
    Expired(Date),
    /// It holds on other days or at other hours.
    OtherHours,
    /// It holds, but for the place beside.
    OtherPlace,
}

/// All permits, by camera.
#[derive(Debug, Default)]
pub(super) struct Permits(BTreeMap<CameraId, Vec<(Permit, Calendar)>>);

/// One camera's permits at one moment.
pub(super) struct AtHand<'a> {
    permits: Vec<(&'a Permit, &'a Polygon, Option<Lapse>)>,
}

impl Permits {
    pub(super) fn new(permits: Vec<Permit>) -> Result<Self, RulesError> {
        let mut by_camera = BTreeMap::<CameraId, Vec<(Permit, Calendar)>>::new();
        for permit in permits {
            let bad = |key, remedy| Err(RulesError::Permit { number: permit.number.clone(), key, remedy });
            if permit.number.trim().is_empty() {
                return bad("number", "it is empty; a ticket must be able to name the permit");
            }
            if permit.zone.is_some() == permit.polygon.is_some() {
                return bad("zone", "give either zone or polygon");
            }
            if permit.kinds.is_empty() {
                return bad("kinds", "it is empty; name the kinds of cases that it excuses, or leave it out");
            }
            if let (Some(from), Some(to)) = (permit.valid_from, permit.valid_to)
                && from > to
            {
                return bad("valid_to", "it is before valid_from");
            }
            let calendar = Calendar::ALWAYS.overridden_by(&permit.calendar);
            by_camera.entry(permit.camera.clone()).or_default().push((permit, calendar));
        }
        Ok(Self(by_camera))
    }

    /// The permits of `camera` at `now`; one for a zone that is no more is left out.
    pub(super) fn at_hand<'a>(
        &'a self,
        camera: &CameraId,
        zones: &'a [Zone],
        now: Timestamp,
        time_zone: &TimeZone,
    ) -> AtHand<'a> {
        let mine = self.0.get(camera).map_or(&[][..], Vec::as_slice);
        let today = jiff::Timestamp::from_millisecond(now.0).ok().map(|at| time_zone.to_datetime(at).date());
        let permits = mine.iter().filter_map(|(permit, calendar)| {
            let of_zone = || zones.iter().find(|z| Some(&z.id) == permit.zone.as_ref()).map(|z| &z.polygon);
            let place = permit.polygon.as_ref().or_else(of_zone)?;
            let lapse = match (permit.valid_from, permit.valid_to) {
                (Some(from), _) if today.is_none_or(|today| today < from) => Some(Lapse::NotYet(from)),
                (_, Some(to)) if today.is_none_or(|today| today > to) => Some(Lapse::Expired(to)),
                _ => (!calendar.holds(now, time_zone)).then_some(Lapse::OtherHours),
            };
            Some((permit, place, lapse))
        });
        AtHand { permits: permits.collect() }
    }
}

impl<'a> AtHand<'a> {
    /// Whether a permit in force excuses a case of `kind` that stands here.
    pub(super) fn excuse(&self, kind: &Kind, footing: Rect) -> bool {
        let covers = |place: &Polygon| place.share_of(footing) >= COVERED;
        self.permits.iter().any(|(p, place, lapse)| lapse.is_none() && p.kinds.contains(kind) && covers(place))
    }

    /// The permits that a case of `kind` could have been under, and why it was not: those for this place out of force,
    /// and those in force that `footing` stands partly in.
    pub(super) fn considered(&self, kind: &Kind, footing: Rect) -> Vec<(&'a str, Lapse)> {
        let of_kind = self.permits.iter().filter(|(p, ..)| p.kinds.contains(kind));
        let considered = of_kind.filter_map(|(permit, place, lapse)| {
            let share = place.share_of(footing);
            let lapse = match lapse {
                Some(lapse) => (share >= COVERED).then_some(*lapse),
                None => (share > 0.0 && share < COVERED).then_some(Lapse::OtherPlace),
            };
            lapse.map(|lapse| (permit.number.as_str(), lapse))
        });
        considered.collect()
    }
}
