//! The console's pages over a made-up street, for working on their look: `cargo run -p console --example gallery`.

#[path = "../tests/it/street.rs"]
#[allow(dead_code, reason = "shared with the tests, which need more of it")]
mod street;

use std::time::SystemTime;

use alerts::{
    case::{Answer, Event, Reason, Verdict, VerdictKind},
    incident::ZonePurpose,
    store::Ruling,
    ticket::{EvidenceRole, Ticket, TicketState},
    wire::CaseMessages,
};
use console::Console;
use domain::{Ailment, CameraFault, CameraState, Millis, Timestamp};
use street::{add_duty, add_pictures, add_problems, add_zero_report, camera, lane, paint, place, street, ticket, zone};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() {
    let street = street().await;
    let empty = std::env::args().any(|a| a == "--empty");
    let now = Timestamp::from(SystemTime::now());
    let names = ["斜土路-大木桥路 东北", "天钥桥路 131 号", "肇嘉浜路-宛平南路 西", "Gate 2 east", "龙华中路 消防通道"];
    for n in 0..132_u32 {
        let mut view = camera(&format!("3101040000132000{n:04}"), names[n as usize % names.len()], now);
        view.zones.push(zone(
            "z2",
            "东侧人行道",
            ZonePurpose::Pavement,
            &[[0.7, 0.5], [0.98, 0.5], [0.98, 0.95], [0.82, 0.95]],
        ));
        match n % 11 {
            3 => {
                view.report.state = CameraState::Offline;
                view.report.error =
                    Some("rtsp: 401 unauthorized; check the user name and password of this camera".into());
                view.report.reconnects = 214;
                view.report.last_look_at = Some(now - Millis::mins(55));
            }
            5 => view.report.ailments = vec![Ailment { fault: CameraFault::Blind, since: now - Millis::mins(20) }],
            6 => {
                view.report.state = CameraState::Connecting;
                view.report.last_keyframe_at = None;
                view.report.last_look_at = None;
                view.report.size = None;
                view.report.codec = None;
                view.report.keyframe_interval = None;
                view.zones.clear();
            }
            _ => {}
        }
        let picture = paint(704, 576, None, i64::from(n));
        let still = alerts::jpeg::encode(&picture, 80).expect("a JPEG");
        street.cameras.put_still(view.report.id.as_str(), still.into());
        street.cameras.put(view);
    }
    let kinds = ["lane.motor", "vendor.stall", "garbage.exposed", "lane.fire"];
    let cameras = console::Fleet::cameras(&*street.cameras);
    for n in 0..if empty { 0 } else { 40_i64 } {
        let at = now - Millis::secs(40 + n * 1_700);
        let mut t = ticket(&cameras[n as usize % 9], kinds[n as usize % 4], at);
        t.zone = lane();
        t.camera.place = Some(place());
        let first_seen = t.incident.first_seen;
        add_pictures(&street.console, &mut t, EvidenceRole::FirstSeen, first_seen);
        add_pictures(&street.console, &mut t, EvidenceRole::Confirming, at);
        if n > 0 {
            t.delivered_at = Some(at + Millis(420));
        }
        if n % 3 == 2 {
            t.state = TicketState::Cleared;
            t.cleared_at = Some(at + Millis::mins(12));
            add_pictures(&street.console, &mut t, EvidenceRole::After, at + Millis::mins(12));
        }
        street.console.store.open_ticket(&t, &[]).await.expect("written");
        live(&street.console, &t, n).await;
    }
    if !empty {
        add_zero_report(&street).await;
        add_problems(&street, now, 7).await;
        add_duty(&street, now).await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    #[allow(clippy::print_stdout, reason = "a program for a terminal")]
    {
        println!("http://{}", listener.local_addr().expect("bound"));
    }
    console::serve(listener, street.console, CancellationToken::new()).await.expect("served");
}

/// What the platform says of the `n`th ticket: each has another life.
async fn live(console: &Console, ticket: &Ticket, n: i64) {
    let said = |kind: VerdictKind, minutes: i64, reason: Option<&str>| {
        let at = ticket.incident.confirmed_at + Millis::mins(minutes);
        let mut verdict = Verdict::new(kind, at);
        verdict.reason = reason.map(Reason::new);
        verdict.case_no = Some(format!("2026-{n:05}"));
        verdict.dept = Some("斜土街道城管中队".to_owned());
        (at, Event::Said(verdict))
    };
    let answer = if n % 9 == 4 { Answer::Duplicate } else { Answer::Accepted };
    let answered = ticket.incident.confirmed_at + Millis::secs(2);
    let mut life = vec![(answered, Event::Acknowledged { answer, case_no: Some(format!("2026-{n:05}")) })];
    match n % 6 {
        0 => {}
        1 => life.push(said(VerdictKind::Rejected, 9, Some(["false_alarm", "legal", "duplicate"][n as usize % 3]))),
        _ => {
            life.push(said(VerdictKind::Dispatched, 4 + n, None));
            life.push(said(VerdictKind::Handling, 20 + n, None));
        }
    }
    if matches!(n % 6, 2 | 4 | 5) {
        life.push(said(VerdictKind::Handled, 50 + 2 * n, None));
        life.push(said(VerdictKind::Closed, 75 + 4 * n, None));
    }
    for (at, event) in life {
        let ruling = Ruling::plain(ticket.id(), at, event);
        // A life that is refused half-way is one, too.
        console.store.rule(&ruling, |_, _| CaseMessages::default()).await.expect("written");
    }
}
