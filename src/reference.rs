//! The cameras' reference pictures on disk, as the cameras sent them: so that a camera that was moved while gridwatch was
//! off is noticed.
//!
//! One file a camera, `CAMERA.TIME.h264`: written beside and renamed, the one before removed after that. What cannot be
//! read is as good as absent: the next good picture takes its place.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use domain::{AccessUnit, CameraId, Codec, StreamRole, Timestamp};
use tracing::warn;

/// The folder of references.
#[derive(Debug, Clone)]
pub struct ReferenceStore {
    folder: PathBuf,
}

impl ReferenceStore {
    /// The references in `folder`, which is made when there is the first one.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The camera's reference; the newest where a crash left two.
    #[must_use]
    pub fn load(&self, camera: &CameraId) -> Option<AccessUnit> {
        let (path, codec, at) = self.files(camera).into_iter().max_by_key(|(_, _, at)| *at)?;
        match fs::read(&path) {
            Ok(data) => Some(AccessUnit { codec, role: StreamRole::Main, received_at: at, data: data.into() }),
            Err(error) => {
                warn!(%camera, %error, path = %path.display(), "the reference picture cannot be read; another one will be taken");
                None
            }
        }
    }

    /// Keeps `access_unit` as the camera's reference.
    ///
    /// # Errors
    /// When the folder cannot be written; the reference before is still there then.
    pub fn save(&self, camera: &CameraId, access_unit: &AccessUnit) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let before = self.files(camera);
        let name = format!("{camera}.{}.{}", access_unit.received_at.0, access_unit.codec.extension());
        let path = self.folder.join(name);
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(&access_unit.data)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        before.iter().filter(|(old, ..)| *old != path).try_for_each(|(old, ..)| fs::remove_file(old))
    }

    fn files(&self, camera: &CameraId) -> Vec<(PathBuf, Codec, Timestamp)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        entries.filter_map(|entry| parse(&entry.ok()?.path(), camera)).collect()
    }
}

/// What a file's name says, if it is one of the camera's.
fn parse(path: &Path, camera: &CameraId) -> Option<(PathBuf, Codec, Timestamp)> {
    // A camera's name may hold dots itself.
    let rest = path.file_name()?.to_str()?.strip_prefix(camera.as_str())?.strip_prefix('.')?;
    let (at, extension) = rest.split_once('.')?;
    let codec = [Codec::H264, Codec::H265, Codec::Jpeg].into_iter().find(|codec| codec.extension() == extension)?;
    Some((path.to_owned(), codec, Timestamp(at.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access_unit(at: i64, codec: Codec) -> AccessUnit {
        let data = format!("picture {at}").into_bytes().into();
        AccessUnit { codec, role: StreamRole::Main, received_at: Timestamp(at), data }
    }

    #[test]
    fn a_reference_outlives_the_process_and_replaces_the_one_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = ReferenceStore::new(folder.path().join("references"));
        let (gate, gate_2) = ("gate".parse().expect("an id"), "gate.2".parse().expect("an id"));
        assert!(store.load(&gate).is_none());
        store.save(&gate, &access_unit(5_000, Codec::H264)).expect("saved");
        store.save(&gate_2, &access_unit(6_000, Codec::H265)).expect("saved");
        store.save(&gate, &access_unit(7_000, Codec::Jpeg)).expect("saved");
        let again = ReferenceStore::new(folder.path().join("references"));
        let kept = again.load(&gate).expect("a reference");
        assert_eq!(
            (kept.codec, kept.received_at, &kept.data[..]),
            (Codec::Jpeg, Timestamp(7_000), &b"picture 7000"[..])
        );
        assert_eq!(again.load(&gate_2).expect("a reference").received_at, Timestamp(6_000));
        assert_eq!(fs::read_dir(folder.path().join("references")).expect("a folder").count(), 2);
    }

    #[test]
    fn foreign_files_are_passed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["gate", "gate.x.h264", "gate.5.png", ".tmpX", "gate.1.2.h264"] {
            fs::write(folder.path().join(name), b"x").expect("a file");
        }
        assert!(ReferenceStore::new(folder.path().to_owned()).load(&"gate".parse().expect("an id")).is_none());
    }
}
