//! Evidence by its digest: the stored bytes, cached for good, since no other bytes can ever have this address.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::Sha256;

use crate::{answer::Fault, console::Desk};

pub(crate) async fn bytes(
    State(desk): State<Arc<Desk>>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let digest: Sha256 =
        digest.parse().map_err(|_| Fault::bad(&digest, "expected a SHA-256 digest of 64 hexadecimal digits"))?;
    let console = &desk.console;
    let evidence = console.store.evidence(&digest).await.map_err(Fault::internal)?.ok_or(Fault::NotFound)?;
    let tag = format!("\"{digest}\"");
    let lasting = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "private, max-age=31536000, immutable".into())];
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    if known.flat_map(|v| v.split(',')).any(|v| v.trim().trim_start_matches("W/") == tag) {
        return Ok((StatusCode::NOT_MODIFIED, lasting).into_response());
    }
    let store = console.evidence.clone();
    // Reading checks the digest; neither belongs on an async thread.
    let bytes = tokio::task::spawn_blocking(move || store.get(&digest)).await.map_err(Fault::internal)?;
    let bytes = bytes.map_err(Fault::internal)?;
    let (media_type, disposition) = presented(&evidence.media_type, digest);
    let headers = [(header::CONTENT_TYPE, media_type.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((lasting, headers, bytes).into_response())
}

/// The content type and disposition for a stored media type: pictures show in the page, everything else is a download,
/// and what we never store ourselves is only bytes.
fn presented(media_type: &str, digest: Sha256) -> (&'static str, String) {
    let (media_type, extension, place) = match media_type {
        "image/jpeg" => ("image/jpeg", "jpg", "inline"),
        "video/h264" => ("video/h264", "h264", "attachment"),
        "video/h265" => ("video/h265", "h265", "attachment"),
        _ => ("application/octet-stream", "bin", "attachment"),
    };
    (media_type, format!("{place}; filename=\"{digest}.{extension}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(media_type: &str, expect: (&str, &str)) {
        let digest = Sha256::of(b"");
        let (got, disposition) = presented(media_type, digest);
        assert_eq!(got, expect.0);
        assert_eq!(disposition, expect.1.replace('~', &digest.to_string()));
    }

    #[test]
    fn only_pictures_open_in_the_browser() {
        check("image/jpeg", ("image/jpeg", "inline; filename=\"~.jpg\""));
        check("video/h265", ("video/h265", "attachment; filename=\"~.h265\""));
        check("text/html", ("application/octet-stream", "attachment; filename=\"~.bin\""));
    }
}
