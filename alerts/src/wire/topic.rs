//! The topic tree, `gridwatch/v1/...`. District is 6 digits, street 9, a camera its id.
//!
//! A camera without a place is filed under its node's area, and so is one that stands beyond the border of its node's district:
//! there the platform's answers are listened for. Where only the district is known, the street is the district's digits and
//! `000`, a code that no street has.

use domain::{CameraId, Cell, Kind, NodeId, Place, Sha256, StationId, TicketId};

use jiff::civil::Date;

use super::Node;

const ROOT: &str = "gridwatch/v1";

/// The 9 digits of the street that messages about `place` are filed under.
pub(super) fn street(place: Option<&Place>, node: &Node) -> String {
    let here = place.map(|place| &place.grid).filter(|cell| cell.district() == node.district.district());
    street_of(here.unwrap_or(&node.district))
}

fn street_of(cell: &Cell) -> String {
    cell.street().map_or_else(|| format!("{}000", cell.district()), str::to_owned)
}

/// `gridwatch/v1/{district}/{street}`.
pub(super) fn area(place: Option<&Place>, node: &Node) -> String {
    let street = street(place, node);
    format!("{ROOT}/{}/{street}", &street[..6])
}

/// Where tickets go: `gridwatch/v1/{district}/{street}/ticket/submit`.
#[must_use]
pub fn ticket_topic(place: Option<&Place>, node: &Node) -> String {
    format!("{}/ticket/submit", area(place, node))
}

/// Where what waits for a person goes: `gridwatch/v1/{district}/{street}/ticket/lead`.
#[must_use]
pub(super) fn lead_topic(place: Option<&Place>, node: &Node) -> String {
    format!("{}/ticket/lead", area(place, node))
}

/// Where each change of a case goes: `gridwatch/v1/{district}/{street}/ticket/{ticket}/state`.
#[must_use]
pub fn ticket_state_topic(place: Option<&Place>, node: &Node, ticket: TicketId) -> String {
    format!("{}/ticket/{ticket}/state", area(place, node))
}

/// Where further pictures of a ticket are named: `gridwatch/v1/{district}/{street}/ticket/{ticket}/evidence`.
#[must_use]
pub fn ticket_evidence_topic(place: Option<&Place>, node: &Node, ticket: TicketId) -> String {
    format!("{}/ticket/{ticket}/evidence", area(place, node))
}

/// Where a camera's evidence goes: `gridwatch/v1/{district}/{street}/{camera}/evidence/{sha256}`.
#[must_use]
pub fn evidence_topic(place: Option<&Place>, node: &Node, camera: &CameraId, sha256: Sha256) -> String {
    format!("{}/{camera}/evidence/{sha256}", area(place, node))
}

/// Where the end of a problem goes: `gridwatch/v1/{district}/{street}/{camera}/cleared/{type}`.
#[must_use]
pub fn cleared_topic(place: Option<&Place>, node: &Node, camera: &CameraId, kind: &Kind) -> String {
    format!("{}/{camera}/cleared/{kind}", area(place, node))
}

/// Where the result of a second look goes: `gridwatch/v1/{district}/{street}/ticket/{ticket}/checked`.
#[must_use]
pub fn checked_topic(place: Option<&Place>, node: &Node, ticket: TicketId) -> String {
    format!("{}/ticket/{ticket}/checked", area(place, node))
}

/// Where changes of a case's lights go: `gridwatch/v1/{district}/{street}/ticket/{ticket}/light`.
#[must_use]
pub fn light_topic(place: Option<&Place>, node: &Node, ticket: TicketId) -> String {
    format!("{}/ticket/{ticket}/light", area(place, node))
}

/// Where a station's zero report of a day goes: `gridwatch/v1/{district}/{street}/zero-report/{station}/{date}`.
#[must_use]
pub(super) fn zero_report_topic(grid: Option<&Cell>, node: &Node, station: &StationId, date: Date) -> String {
    let street = street_of(grid.unwrap_or(&node.district));
    format!("{ROOT}/{}/{street}/zero-report/{station}/{date}", &street[..6])
}

/// Where it stands, retained, that a station's zero report of a day is missing:
/// `gridwatch/v1/{district}/{street}/zero-report/{station}/{date}/status`.
#[must_use]
pub fn zero_report_status_topic(grid: Option<&Cell>, node: &Node, station: &StationId, date: Date) -> String {
    format!("{}/status", zero_report_topic(grid, node, station, date))
}

/// Where a camera's state stands, retained: `gridwatch/v1/{district}/{street}/{camera}/status`.
#[must_use]
pub fn camera_status_topic(place: Option<&Place>, node: &Node, camera: &CameraId) -> String {
    format!("{}/{camera}/status", area(place, node))
}

/// Where a node's state stands, retained: `gridwatch/v1/node/{node}/status`.
#[must_use]
pub fn node_status_topic(node: &NodeId) -> String {
    format!("{ROOT}/node/{node}/status")
}

/// Where what nobody understands goes: `gridwatch/v1/node/{node}/problem`.
#[must_use]
pub fn problem_topic(node: &NodeId) -> String {
    format!("{ROOT}/node/{node}/problem")
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[track_caller]
    fn check(place: Option<&str>, node: &str, expect: &str) {
        let cell = |digits: &str| Cell::try_from(digits.to_owned()).unwrap();
        let node = Node { id: "n".parse().unwrap(), district: cell(node), timezone: TimeZone::UTC };
        let place =
            place.map(|grid| Place { grid: cell(grid), duty_grid: None, address: String::new(), lon: None, lat: None });
        assert_eq!(ticket_topic(place.as_ref(), &node), expect);
    }

    #[test]
    fn a_ticket_is_filed_under_its_cameras_street() {
        check(Some("310104007003012"), "310104", "gridwatch/v1/310104/310104007/ticket/submit");
        check(Some("310104007"), "310104", "gridwatch/v1/310104/310104007/ticket/submit");
    }

    #[test]
    fn without_a_place_it_is_filed_under_its_nodes_area() {
        check(None, "310104", "gridwatch/v1/310104/310104000/ticket/submit");
        check(None, "310104007", "gridwatch/v1/310104/310104007/ticket/submit");
        check(Some("310104"), "310104", "gridwatch/v1/310104/310104000/ticket/submit");
    }

    #[test]
    fn beyond_the_border_it_is_filed_where_answers_are_listened_for() {
        check(Some("310115005003012"), "310104", "gridwatch/v1/310104/310104000/ticket/submit");
        check(Some("310115"), "310104007", "gridwatch/v1/310104/310104007/ticket/submit");
    }
}
