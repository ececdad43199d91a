//! Cases in the sixteen columns of Shanghai's platform, as CSV and as XLSX, so that a list of ours goes where theirs go.

use domain::Timestamp;
use jiff::tz::TimeZone;
use rust_xlsxwriter::{Format, Workbook, XlsxError};

use crate::{
    AlertsError,
    case::State,
    duty::CaseCode,
    kinds::kind_info,
    store::{CaseTimes, Store},
    streets::StreetNames,
    ticket::Ticket,
};

/// Tickets that are read at once.
const BATCH: u32 = 500;

/// The columns, in their order.
pub const COLUMNS: [&str; 16] = [
    "案件状态",
    "任务号",
    "案件来源",
    "发现时间",
    "流转方向",
    "案件属性",
    "案件大类",
    "案件小类",
    "案件子类",
    "街镇",
    "发生地址",
    "立案部门",
    "派遣时间",
    "主责部门",
    "三级主责部门",
    "结案时间",
];

/// A row, column by column. What is not known is empty.
pub type Row = [String; 16];

/// The major classes of CJ/T 214-2007 by their digits.
const MAJORS: [(&str, &str); 6] = [
    ("01", "市容环境"),
    ("02", "宣传广告"),
    ("03", "施工管理"),
    ("04", "突发事件"),
    ("05", "街面秩序"),
    ("06", "其他"),
];

/// What a row needs beside its ticket.
#[derive(Debug, Clone, Copy)]
pub struct Books<'a> {
    /// The unit that files.
    pub filed_by: &'a str,
    /// What streets are called.
    pub streets: &'a StreetNames,
    /// On whose clocks times are.
    pub timezone: &'a TimeZone,
}

/// The rows of the cases that came about from one moment to before another, newest first; none where there are more than
/// `most`.
///
/// # Errors
/// When the database fails or a row is damaged.
pub async fn rows(
    store: &Store,
    (from, to): (Timestamp, Timestamp),
    books: Books<'_>,
    most: usize,
) -> Result<Option<Vec<Row>>, AlertsError> {
    let (mut rows, mut last) = (Vec::new(), None);
    loop {
        let tickets = store.cases((from, to), last, BATCH).await?;
        let is_last = tickets.len() < BATCH as usize;
        last = tickets.last().map(|ticket| (ticket.incident.confirmed_at, ticket.id()));
        let ids: Vec<_> = tickets.iter().map(Ticket::id).collect();
        let times = store.case_times(&ids).await?;
        let of = |ticket: &Ticket| times.get(&ticket.id()).copied().unwrap_or_default();
        rows.extend(tickets.iter().map(|ticket| row(ticket, of(ticket), books)));
        if rows.len() > most {
            return Ok(None);
        }
        if is_last {
            return Ok(Some(rows));
        }
    }
}

/// A ticket as a row.
#[must_use]
pub fn row(ticket: &Ticket, times: CaseTimes, books: Books<'_>) -> Row {
    let (incident, route) = (&ticket.incident, ticket.route.as_deref());
    let info = kind_info(&incident.kind);
    let codes: Vec<CaseCode> = match (route, info) {
        (Some(route), _) => route.task.codes.clone(),
        (None, Some(info)) => info.codes.iter().map(CaseCode::from).collect(),
        (None, None) => Vec::new(),
    };
    let digits = codes.iter().find_map(CaseCode::digits);
    let major = digits.and_then(|(major, _)| MAJORS.iter().find(|(digits, _)| *digits == major));
    // The city's own name for the class first, the national one where it has none.
    let city = codes.iter().find(|code| code.scheme == "SH-GRID");
    let minor = city.or(codes.first()).and_then(CaseCode::name);
    let place = ticket.camera.place.as_ref();
    let time = |at: Timestamp| local(at, books.timezone);
    let level = ticket.clocks.as_ref().map(|clocks| clocks.level()).or(route.map(|route| route.task.level));
    [
        state(ticket).to_owned(),
        ticket.case.case_no().map_or_else(|| ticket.id().to_string(), str::to_owned),
        incident.case_source().to_owned(),
        time(incident.first_seen),
        level.map_or_else(String::new, |level| level.zh().to_owned()),
        "事件".to_owned(),
        major.map_or_else(String::new, |(_, name)| (*name).to_owned()),
        minor.unwrap_or_default().to_owned(),
        info.map_or_else(|| incident.kind.to_string(), |info| info.name_zh.to_owned()),
        place.and_then(|place| place.grid.street()).map_or_else(String::new, |code| books.streets.zh(code).to_owned()),
        place.map_or_else(String::new, |place| place.address.clone()),
        books.filed_by.to_owned(),
        times.dispatched_at.map_or_else(String::new, time),
        ticket.case.dept().or(route.map(|route| route.task.dept.zh())).unwrap_or_default().to_owned(),
        route.map_or_else(String::new, |route| route.task.third_dept.zh().to_owned()),
        times.closed_at.filter(|_| ticket.case.state() == State::Closed).map_or_else(String::new, time),
    ]
}

/// As the platform calls it.
fn state(ticket: &Ticket) -> &'static str {
    match ticket.case.state() {
        State::Suspected | State::Confirmed | State::PendingReview => "待核实",
        State::Filed => "已立案",
        State::Dispatched => "已派遣",
        State::Handling => "处置中",
        State::Handled => "已处置",
        State::Verifying => "核查中",
        State::Cleared => "核查通过",
        State::StillThere => "返工",
        State::Returned => "退单",
        State::Suspended => "挂账",
        State::GoneByItself => "自行消除",
        State::Rejected => "不予立案",
        State::Closed => "已结案",
    }
}

fn local(at: Timestamp, timezone: &TimeZone) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| at.to_zoned(timezone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string())
        .unwrap_or_default()
}

/// The rows as CSV in UTF-8 with a mark, as Excel wants it.
#[must_use]
pub fn csv(rows: impl IntoIterator<Item = Row>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer("\u{feff}".as_bytes().to_vec());
    // Writing into memory does not fail.
    let _ = writer.write_record(COLUMNS);
    for row in rows {
        let _ = writer.write_record(row.map(defused));
    }
    writer.into_inner().unwrap_or_default()
}

/// A cell that a spreadsheet would run as a formula, made text: addresses and names come from outside.
pub(crate) fn defused(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

/// The rows as a workbook of one sheet.
///
/// # Errors
/// When there are more rows than a sheet holds (1,048,575).
pub fn xlsx(rows: impl IntoIterator<Item = Row>) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name("案件")?;
    let bold = Format::new().set_bold();
    for (column, name) in (0..).zip(COLUMNS) {
        sheet.write_string_with_format(0, column, name, &bold)?;
        sheet.set_column_width(column, 18)?;
    }
    for (number, row) in (1..).zip(rows) {
        // All are strings, so that no cell is taken for a formula or a number.
        for (column, cell) in (0..).zip(row) {
            sheet.write_string(number, column, cell)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    workbook.save_to_buffer()
}
