//! The bytes of evidence over HTTP.

use alerts::ticket::Rendition;
use domain::Sha256;
use reqwest::{Method, header};

use crate::house::House;

#[tokio::test]
async fn evidence_comes_as_it_was_stored_and_may_be_kept_for_good() {
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    for e in &t.evidence {
        let path = format!("/evidence/{}", e.sha256);
        let answer = house.get(&path).await;
        let headers = answer.headers().clone();
        assert_eq!(headers[header::CONTENT_TYPE], e.media_type.as_str());
        assert_eq!(headers[header::ETAG], format!("\"{}\"", e.sha256).as_str());
        assert_eq!(headers[header::CACHE_CONTROL], "private, max-age=31536000, immutable");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        let disposition = headers[header::CONTENT_DISPOSITION].to_str().expect("ASCII");
        let expect = if e.rendition == Rendition::Original { "attachment; filename=" } else { "inline; filename=" };
        assert!(disposition.starts_with(expect), "{disposition}");
        let bytes = answer.bytes().await.expect("a body");
        assert_eq!((Sha256::of(&bytes), bytes.len() as u64), (e.sha256, e.bytes));
        let tag = format!("\"x\", W/\"{}\"", e.sha256);
        let again = house.ask(Method::GET, &path, &[(header::IF_NONE_MATCH, &tag)]).await;
        assert_eq!(again.status(), 304);
        assert!(again.bytes().await.expect("no body").is_empty());
    }
}

#[tokio::test]
async fn what_no_ticket_names_is_not_there_even_where_its_bytes_are() {
    let house = House::open().await;
    let stray = house.street.console.evidence.put(b"bytes of no ticket").expect("stored");
    assert_eq!(house.get(&format!("/evidence/{stray}")).await.status(), 404);
    assert_eq!(house.get(&format!("/evidence/{}", Sha256::of(b"never stored"))).await.status(), 404);
    for bad in ["abc", "%2e%2e%2fgridwatch.db"] {
        let (status, page) = house.status_and_text(&format!("/evidence/{bad}")).await;
        assert_eq!(status, 400, "{bad}");
        assert!(page.contains("expected a SHA-256 digest of 64 hexadecimal digits"), "{page}");
    }
}

#[tokio::test]
async fn altered_evidence_is_refused_and_its_place_not_told() {
    let house = House::open().await;
    let t = house.with_a_ticket().await;
    let (altered, missing) = (t.evidence[0].sha256, t.evidence[1].sha256);
    let evidence = &house.street.console.evidence;
    let path = evidence.path(&altered);
    std::fs::remove_file(&path).expect("was there");
    std::fs::write(&path, b"something else").expect("written");
    std::fs::remove_file(evidence.path(&missing)).expect("was there");
    for digest in [altered, missing] {
        let (status, page) = house.status_and_text(&format!("/evidence/{digest}?lang=en")).await;
        assert_eq!(status, 500);
        assert!(page.contains("Something went wrong") && !page.contains("tmp"), "{page}");
    }
}
