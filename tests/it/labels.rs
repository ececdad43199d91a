//! What people found leads to be comes out as labelled pictures that training and judging read.

use alerts::{
    case::{Case, Event, Judgement, Reason},
    evidence::EvidenceStore,
    store::{Ruling, Store},
    wire::CaseMessages,
};
use domain::{TicketId, Timestamp};
use gridwatch::{
    commands::labels::{Exported, export},
    dataset,
};
use serde_json::json;

use crate::embedded_broker;

/// A ticket whose picture has these bytes, judged so by a person.
async fn judged(store: &Store, evidence: &EvidenceStore, n: u8, judgement: Option<Judgement>) -> TicketId {
    let sha256 = evidence.put(format!("picture {n}").as_bytes()).unwrap();
    let mut ticket = embedded_broker::ticket(sha256, 9);
    let thing = |group: &str, bbox: [f32; 4]| {
        serde_json::from_value(json!({"class": group, "group": group, "score": 0.9, "bbox": bbox})).unwrap()
    };
    ticket.incident.things = vec![thing("vehicle", [0.25, 0.5, 0.75, 1.0]), thing("person", [0.0, 0.0, 0.1, 0.2])];
    let at = Timestamp(ticket.incident.confirmed_at.0 + i64::from(n));
    (ticket.incident.confirmed_at, ticket.incident.ticket) = (at, TicketId::derive(at, &[n]));
    ticket.case = Case::begin(at, Some(Timestamp(at.0 + 60_000))).0;
    store.open_ticket(&ticket, &[]).await.unwrap();
    if let Some(judgement) = judgement {
        let event = Event::Reviewed { judgement, by: "李四".to_owned() };
        store.rule(&Ruling::plain(ticket.id(), at, event), |_, _| CaseMessages::default()).await.unwrap();
    }
    ticket.id()
}

#[tokio::test]
async fn judgements_become_labels_and_what_says_nothing_of_the_picture_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("gridwatch.db")).await.unwrap();
    let evidence = EvidenceStore::open(&dir.path().join("evidence")).unwrap();
    let rejected = |code: &str| Some(Judgement::Rejected(Reason::new(code)));
    let confirmed = judged(&store, &evidence, 1, Some(Judgement::Confirmed)).await;
    let nothing = judged(&store, &evidence, 2, rejected("false_alarm")).await;
    judged(&store, &evidence, 3, rejected("duplicate")).await;
    judged(&store, &evidence, 4, None).await;
    let gone = judged(&store, &evidence, 5, Some(Judgement::Confirmed)).await;
    let picture = store.ticket(gone).await.unwrap().unwrap().evidence[0].sha256.to_string();
    let stored = std::fs::read_dir(dir.path().join("evidence")).unwrap();
    remove_named(stored, &picture);

    let folder = dir.path().join("labels");
    let done = export(&store, &evidence, &folder, &["false_alarm".to_owned()]).await.unwrap();
    assert_eq!(done, Exported { confirmed: 1, nothing: 1, left_out: 1, without_picture: 1 });
    let label = |id: TicketId| std::fs::read_to_string(folder.join(format!("labels/{id}.txt"))).unwrap();
    assert_eq!(label(confirmed), "0 0.500000 0.750000 0.500000 0.500000\n");
    assert_eq!(label(nothing), "");
    let read = dataset::read(&folder, None).unwrap();
    assert_eq!((read.classes, read.pictures.len(), read.n_unlabelled), (vec!["lane.motor".to_owned()], 2, 0));
    assert!(read.faults.is_empty(), "{:?}", read.faults);
    let list = std::fs::read_to_string(folder.join("judgements.csv")).unwrap();
    assert!(list.contains(&format!("{nothing},lane.motor,gate-2,")), "{list}");
    assert!(list.contains(",rejected,false_alarm,0."), "{list}");
    assert!(list.starts_with("ticket,kind,camera,captured_at,judgement,reason,score_median,"), "{list}");
    let again = export(&store, &evidence, &folder, &[]).await.unwrap_err();
    assert!(again.to_string().ends_with("has labels already; name a new folder"), "{again}");
}

/// Removes the file of this name, however deep it lies.
fn remove_named(folder: std::fs::ReadDir, name: &str) {
    for entry in folder {
        let path = entry.unwrap().path();
        if path.is_dir() {
            remove_named(std::fs::read_dir(&path).unwrap(), name);
        } else if path.file_name().is_some_and(|file| file.to_string_lossy().contains(name)) {
            std::fs::remove_file(&path).unwrap();
        }
    }
}
