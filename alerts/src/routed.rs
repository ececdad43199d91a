//! Who answers for a ticket: what the responsibility list (or, where it says nothing, the built-in table of kinds) decided
//! when the ticket opened. Frozen on the ticket with its explanation, so that it says what held then, whatever the list
//! says now.

use domain::{Cell, Kind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    deadline::{CalendarError, Deadline, Limit, ResponseLevel, WorkCalendar},
    duty::{CaseCode, DutyList, Route, Task, Words},
    kinds::{KindInfo, kind_info},
    streets::StreetNames,
};

/// What was decided for one ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// The item that decided; absent where the built-in table of kinds did.
    pub item: Option<ItemRef>,
    /// What is to be done.
    #[serde(flatten)]
    pub task: Task,
    /// When somebody should be there if the time runs from the ticket's opening and is never stopped; absent where no limit
    /// is set or the calendar does not reach that far.
    pub arrive_due: Option<Timestamp>,
    /// When it should be solved, likewise.
    pub solve_due: Option<Timestamp>,
    /// Why so, for people.
    pub why: Words,
}

/// The unit that answers once a case was lifted to its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Superior {
    /// The code of its area; none where the place's does not reach that deep.
    pub code: Option<String>,
    /// What its area is called, where that is known.
    pub name: Option<Words>,
    /// Who answers there by the responsibility list, where it says so.
    pub dept: Option<Words>,
}

impl Superior {
    /// The unit above `place` at a level: its street, district or city. None where nothing is known of it.
    #[must_use]
    pub fn of(level: ResponseLevel, place: &Cell, names: &StreetNames, dept: Option<Words>) -> Option<Self> {
        let code = match level {
            ResponseLevel::City => Some(format!("{}00", &place.district()[..4])),
            ResponseLevel::District => Some(place.district().to_owned()),
            ResponseLevel::Street => place.street().map(str::to_owned),
            ResponseLevel::Community => place.community().map(str::to_owned),
        };
        let name = code.as_deref().and_then(|code| names.name(code)).cloned();
        (code.is_some() || dept.is_some()).then_some(Self { code, name, dept })
    }

    /// What it is called in Chinese; empty where nobody knows.
    #[must_use]
    pub fn zh(&self) -> String {
        let known = self.name.iter().chain(&self.dept).map(Words::zh).filter(|name| !name.is_empty());
        known.collect::<Vec<_>>().join("，")
    }

    /// The same in English.
    #[must_use]
    pub fn en(&self) -> String {
        let known = self.name.iter().chain(&self.dept).map(Words::en).filter(|name| !name.is_empty());
        known.collect::<Vec<_>>().join(", ")
    }
}

/// One version of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRef {
    /// The item's number.
    pub id: String,
    /// Its version.
    pub version: u32,
}

impl Routed {
    /// Who answers for a case of this kind at this place and moment; nobody where neither the list nor the built-in
    /// table knows the kind. A due time that the calendar cannot give is absent, and the reason is beside it.
    #[must_use]
    pub fn decide(
        list: &DutyList,
        kind: &Kind,
        place: &Cell,
        at: Timestamp,
        calendar: &WorkCalendar,
    ) -> Option<(Self, Option<CalendarError>)> {
        let mut routed = match list.route(kind, place, at, calendar.timezone()) {
            Some(route) => Self::by_list(&route),
            None => Self::built_in(kind_info(kind)?, list),
        };
        let mut unknown = None;
        let mut due = |limit: Limit| {
            Deadline::new(at, limit).due(calendar).unwrap_or_else(|error| {
                unknown = Some(error);
                None
            })
        };
        routed.arrive_due = routed.task.arrive.and_then(&mut due);
        routed.solve_due = due(routed.task.solve);
        Some((routed, unknown))
    }

    fn by_list(route: &Route) -> Self {
        let item = &route.decided.item;
        Self {
            item: Some(ItemRef { id: item.id.clone(), version: route.decided.version }),
            task: item.task.clone(),
            arrive_due: None,
            solve_due: None,
            why: Words { zh: route.zh(), en: route.en() },
        }
    }

    fn built_in(info: &KindInfo, list: &DutyList) -> Self {
        let level = ResponseLevel::try_from(info.level).unwrap_or(ResponseLevel::Community);
        let (zh, en) = if list.is_empty() {
            ("没有责任清单", "there is no responsibility list")
        } else {
            ("责任清单无对应条目", "no item of the responsibility list covers it")
        };
        Self {
            item: None,
            task: Task {
                name: Words { zh: info.name_zh.to_owned(), en: info.name_en.to_owned() },
                codes: info.codes.iter().map(CaseCode::from).collect(),
                dept: Words { zh: info.dept_zh.to_owned(), en: info.dept_en.to_owned() },
                third_dept: Words::default(),
                copies: Vec::new(),
                steps: Vec::new(),
                level,
                arrive: Some(info.arrive),
                solve: info.solve,
                photos_open: 1,
                photos_close: 1,
            },
            arrive_due: None,
            solve_due: None,
            why: Words {
                zh: format!("{zh},按内置类别:{},由{}负责", level.zh(), info.dept_zh),
                en: format!("{en}; by the built-in kind, {}: {}", level.en(), info.dept_en),
            },
        }
    }

    /// Who decided, as a metric label.
    #[must_use]
    pub fn decided_by(&self) -> &'static str {
        if self.item.is_some() { "list" } else { "built_in" }
    }
}
