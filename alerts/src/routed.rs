//! Who answers for a ticket: what the responsibility list (or, where it says nothing, the built-in table of kinds) decided
//! when the ticket opened. Frozen on the ticket with its explanation, so that it says what held then, whatever the list
//! says now.

use domain::{Cell, Kind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    deadline::{CalendarError, Deadline, Limit, ResponseLevel, WorkCalendar},
    duty::{CaseCode, DutyList, Route, Task, Words},
    kinds::{KindInfo, kind_info},
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
