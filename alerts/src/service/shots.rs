//! The pictures of a case: each shot in its renditions, as bytes with their description.

use bytes::Bytes;
use domain::{AccessUnit, Codec, Picture, Sha256};

use crate::{
    AlertsError,
    annotate::{Annotator, Scene},
    jpeg,
    ticket::{Evidence, EvidenceRole, Rendition},
};

/// A piece of evidence with its bytes, before it is stored.
pub(super) type Piece = (Evidence, Bytes);

/// What describes the pieces, without their bytes.
pub(super) fn described(pieces: &[Piece]) -> Vec<Evidence> {
    pieces.iter().map(|(evidence, _)| evidence.clone()).collect()
}

/// The media type of one access unit.
fn media_type(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "video/h264",
        Codec::H265 => "video/h265",
        Codec::Jpeg => "image/jpeg",
    }
}

/// All renditions of one shot. A JPEG that cannot be made is told in the log and left out: the original always is there.
/// Takes milliseconds to tens of milliseconds of this thread.
pub(super) fn pieces(
    annotator: &Annotator,
    quality: u8,
    scene: &Scene<'_>,
    access_unit: &AccessUnit,
    picture: Option<&Picture>,
) -> Vec<Piece> {
    let (width, height) = picture.map_or((0, 0), |p| (p.width, p.height));
    let piece = |rendition, media_type: &str, bytes: Bytes, (width, height)| {
        let evidence = Evidence {
            role: scene.role,
            rendition,
            stream: access_unit.role,
            sha256: Sha256::of(&bytes),
            media_type: media_type.to_owned(),
            bytes: bytes.len() as u64,
            width,
            height,
            captured_at: scene.captured_at,
            camera: None,
        };
        (evidence, bytes)
    };
    let original = access_unit.data.clone();
    let mut pieces = vec![piece(Rendition::Original, media_type(access_unit.codec), original.clone(), (width, height))];
    let Some(picture) = picture else { return pieces };
    // What came as a JPEG is clean as it is; encoding it again would only lose.
    let clean = match access_unit.codec {
        Codec::Jpeg => Ok(original),
        Codec::H264 | Codec::H265 => jpeg::encode(picture, quality).map(Bytes::from),
    };
    match clean {
        Ok(bytes) => pieces.push(piece(Rendition::Clean, "image/jpeg", bytes, (width, height))),
        Err(error) => missing(scene, "encode", &error),
    }
    match annotator.annotate(picture, scene, quality) {
        Ok(jpeg) => {
            pieces.push(piece(Rendition::Annotated, "image/jpeg", jpeg.bytes.into(), (jpeg.width, jpeg.height)));
        }
        Err(error) => missing(scene, "encode", &error),
    }
    pieces
}

fn missing(scene: &Scene<'_>, reason: &'static str, error: &AlertsError) {
    tracing::warn!(ticket = %scene.ticket, camera = %scene.camera, %error, "a ticket goes without a picture");
    count_missing(scene.role, reason);
}

/// Counts a picture that a ticket goes without.
pub(super) fn count_missing(role: EvidenceRole, reason: &'static str) {
    let role = match role {
        EvidenceRole::FirstSeen => "first_seen",
        EvidenceRole::Further => "further",
        EvidenceRole::Confirming => "confirming",
        EvidenceRole::OtherView => "other_view",
        EvidenceRole::StillThere => "still_there",
        EvidenceRole::Unclear => "unclear",
        EvidenceRole::After => "after",
    };
    metrics::counter!("gridwatch_pictures_missing_total", "role" => role, "reason" => reason).increment(1);
}

/// Counts what a ticket has in the evidence store.
pub(super) fn count_stored(pieces: &[Piece]) {
    for (evidence, _) in pieces {
        let rendition = match evidence.rendition {
            Rendition::Original => "original",
            Rendition::Clean => "clean",
            Rendition::Annotated => "annotated",
        };
        metrics::counter!("gridwatch_evidence_bytes_total", "rendition" => rendition).increment(evidence.bytes);
    }
}
