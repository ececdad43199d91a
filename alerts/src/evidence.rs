//! The evidence store: files named by the SHA-256 of their bytes, in a folder of their own.
//!
//! What [`EvidenceStore::put`] has returned from is on disk, whole, and survives a power cut: the bytes are written to a
//! temporary file, synced, moved to their name, and the folder synced. What [`EvidenceStore::get`] returns is what was
//! put: its digest is checked on each read. All calls block; async callers use a blocking thread.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use domain::Sha256;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::AlertsError;

/// A temporary file that is older was left behind by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where evidence is kept and how it is made: the `[evidence]` section of the config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvidenceConfig {
    /// The folder, made where there is none; `evidence` in the node's data folder where absent.
    pub dir: Option<PathBuf>,
    /// Quality of the JPEGs, 1 to 100.
    pub jpeg_quality: u8,
    /// A font with Chinese glyphs (TTF, OTF or TTC) for what is written on pictures; searched in the usual places where
    /// none is named, English only where none is found.
    pub font: Option<PathBuf>,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self { dir: None, jpeg_quality: 90, font: None }
    }
}

/// The evidence store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EvidenceStore {
    dir: Arc<Path>,
    temporary: Arc<AtomicU64>,
    /// Held for writing while a file is removed, so that none goes that is just being stored again.
    removal: Arc<RwLock<()>>,
    full: Arc<Notify>,
}

impl EvidenceStore {
    /// Opens the store in `dir`; makes the folder where there is none and clears away what a killed process left
    /// half-written.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn open(dir: &Path) -> Result<Self, AlertsError> {
        let incoming = dir.join("incoming");
        let failed = |source| AlertsError::Folder { path: dir.to_owned(), source };
        fs::create_dir_all(&incoming).map_err(failed)?;
        for entry in fs::read_dir(&incoming).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let age = entry.metadata().and_then(|m| m.modified()).map(|m| SystemTime::now().duration_since(m));
            if matches!(age, Ok(Ok(age)) if age > ABANDONED) {
                fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        sync_folder(dir).map_err(failed)?;
        Ok(Self { dir: dir.into(), temporary: Arc::default(), removal: Arc::default(), full: Arc::default() })
    }

    /// Where the store lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the bytes with this digest lie, or would lie.
    #[must_use]
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        let name = sha256.to_string();
        self.dir.join(&name[..2]).join(&name[2..4]).join(&name)
    }

    /// Stores `bytes` for good; storing the same again changes nothing, and repairs what was damaged.
    ///
    /// # Errors
    /// When the disk is full ([`AlertsError::EvidenceFull`]) or fails; nothing is left behind then, and the call may be
    /// repeated.
    pub fn put(&self, bytes: &[u8]) -> Result<Sha256, AlertsError> {
        let sha256 = Sha256::of(bytes);
        let path = self.path(&sha256);
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.full.notify_one();
                AlertsError::EvidenceFull { path: path.clone() }
            }
            _ => AlertsError::EvidenceIo { path: path.clone(), doing: "store", source },
        };
        let folder = path.parent().expect("the path ends in two folders and a name");
        let _kept = self.removal.read().unwrap_or_else(PoisonError::into_inner);
        match fs::read(&path) {
            // A put that was cut off between its last two steps may have left the name unsynced.
            Ok(stored) if stored == bytes => {
                // As good as new: it is not removed before the row that names it is written.
                File::open(&path).and_then(|file| file.set_modified(SystemTime::now())).map_err(failed)?;
                sync_folder(folder).map_err(failed)?;
            }
            _ => self.write(bytes, &sha256, &path, folder).map_err(failed)?,
        }
        Ok(sha256)
    }

    fn write(&self, bytes: &[u8], sha256: &Sha256, path: &Path, folder: &Path) -> io::Result<()> {
        let n = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = self.dir.join("incoming").join(format!("{sha256}.{}.{n}", std::process::id()));
        let written = create_new(&temporary).and_then(|file| fill(file, bytes)).and_then(|()| {
            self.make_folders(folder)?;
            fs::rename(&temporary, path)?;
            sync_folder(folder)
        });
        if written.is_err() {
            // Best effort: the first error is the one to tell, and `open` clears away what stays.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Makes the two folders above a file; each new name is synced in the folder that holds it.
    fn make_folders(&self, folder: &Path) -> io::Result<()> {
        let upper = folder.parent().unwrap_or(&self.dir);
        for (parent, child) in [(&*self.dir, upper), (upper, folder)] {
            match fs::create_dir(child) {
                Ok(()) => sync_folder(parent)?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The bytes with this digest.
    ///
    /// # Errors
    /// When they are missing, cannot be read, or are not what was stored; each error names the file.
    pub fn get(&self, sha256: &Sha256) -> Result<Bytes, AlertsError> {
        let path = self.path(sha256);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(AlertsError::EvidenceMissing { path }),
            Err(source) => return Err(AlertsError::EvidenceIo { path, doing: "read", source }),
        };
        let found = Sha256::of(&bytes);
        if found == *sha256 { Ok(bytes.into()) } else { Err(AlertsError::EvidenceAltered { path, found }) }
    }
}

/// One of the folders that the evidence is spread over, by the first byte of the digest.
pub type Shelf = u8;

impl EvidenceStore {
    /// The files of a shelf that were last stored before this.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn older_than(&self, before: SystemTime, shelf: Shelf) -> Result<Vec<Sha256>, AlertsError> {
        let mut found = Vec::new();
        let upper = self.dir.join(format!("{shelf:02x}"));
        for folder in entries(&upper)? {
            for file in entries(&folder)? {
                let digest = file.file_name().and_then(|name| name.to_str()?.parse().ok());
                let modified = fs::metadata(&file).and_then(|metadata| metadata.modified());
                if let (Some(digest), Ok(modified)) = (digest, modified)
                    && modified < before
                {
                    found.push(digest);
                }
            }
        }
        Ok(found)
    }

    /// Removes a file, unless it was stored (again) since `before`; gives its size.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, sha256: &Sha256, before: SystemTime) -> Result<Option<u64>, AlertsError> {
        let path = self.path(sha256);
        let failed = |source| AlertsError::EvidenceIo { path: path.clone(), doing: "remove", source };
        let _alone = self.removal.write().unwrap_or_else(PoisonError::into_inner);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if metadata.modified().map_err(failed)? >= before {
            return Ok(None);
        }
        fs::remove_file(&path).map_err(failed)?;
        Ok(Some(metadata.len()))
    }

    /// Wakes whoever waits for it each time that the disk is found full.
    #[must_use]
    pub fn full(&self) -> Arc<Notify> {
        Arc::clone(&self.full)
    }
}

/// What a folder holds; nothing where there is none.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, AlertsError> {
    let failed = |source| AlertsError::EvidenceIo { path: folder.to_owned(), doing: "list", source };
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed(error)),
    }
}

fn create_new(path: &Path) -> io::Result<File> {
    File::options().write(true).create_new(true).open(path)
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (EvidenceStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("temp dir");
        (EvidenceStore::open(&folder.path().join("evidence")).expect("opens"), folder)
    }

    fn incoming(store: &EvidenceStore) -> usize {
        fs::read_dir(store.dir().join("incoming")).expect("folder").count()
    }

    #[test]
    fn what_is_put_is_found_under_its_digest() {
        let (store, _folder) = store();
        for _ in 0..2 {
            let digest = store.put(b"abc").expect("stored");
            assert_eq!(digest, Sha256::of(b"abc"));
            assert!(store.path(&digest).ends_with(format!("ba/78/{digest}")));
            assert_eq!(store.get(&digest).expect("read"), "abc");
        }
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn many_threads_may_put_the_same_at_once() {
        let (store, _folder) = store();
        std::thread::scope(|scope| {
            for n in 0..8_u8 {
                let store = &store;
                scope.spawn(move || store.put(&[n % 2; 10_000]).expect("stored"));
            }
        });
        assert_eq!(incoming(&store), 0);
        assert_eq!(store.get(&Sha256::of(&[1; 10_000])).expect("read").len(), 10_000);
    }

    #[test]
    fn altered_evidence_is_told_and_repaired_by_the_next_put() {
        let (store, _folder) = store();
        let digest = store.put(b"a red car").expect("stored");
        fs::write(store.path(&digest), b"a blue car").expect("forged");
        let error = store.get(&digest).expect_err("forged");
        assert!(matches!(error, AlertsError::EvidenceAltered { found, .. } if found == Sha256::of(b"a blue car")));
        assert!(error.to_string().contains(&digest.to_string()), "{error}");
        store.put(b"a red car").expect("stored again");
        assert_eq!(store.get(&digest).expect("read"), "a red car");
    }

    #[test]
    fn missing_evidence_is_named() {
        let (store, _folder) = store();
        let digest = Sha256::of(b"never put");
        let error = store.get(&digest).expect_err("missing");
        assert_eq!(error.to_string(), format!("evidence {} is missing", store.path(&digest).display()));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().expect("temp dir");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        let error = EvidenceStore::open(&file.join("evidence")).expect_err("a file is in the way");
        assert!(matches!(error, AlertsError::Folder { .. }), "{error:?}");
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_away_when_it_is_old() {
        let (store, _folder) = store();
        let old = store.dir().join("incoming/old");
        let file = create_new(&old).expect("made");
        file.set_modified(SystemTime::now() - 2 * ABANDONED).expect("aged");
        create_new(&store.dir().join("incoming/new")).expect("made");
        EvidenceStore::open(store.dir()).expect("opens");
        assert_eq!(incoming(&store), 1);
        assert!(!old.exists());
    }

    /// The other half of the test below, run on a disk of 64 KiB.
    #[test]
    fn on_a_small_disk() {
        let Some(disk) = std::env::var_os("GRIDWATCH_TEST_SMALL_DISK") else { return };
        let store = EvidenceStore::open(&Path::new(&disk).join("evidence")).expect("opens");
        let small = store.put(&[1; 8 << 10]).expect("there is room");
        let error = store.put(&[2; 128 << 10]).expect_err("there is none");
        assert!(matches!(&error, AlertsError::EvidenceFull { path } if path.starts_with(&disk)), "{error:?}");
        assert_eq!(incoming(&store), 0);
        assert_eq!(store.get(&small).expect("read").len(), 8 << 10);
        let fits = store.put(&[3; 16 << 10]).expect("what failed has left no crumbs");
        assert_eq!(store.get(&fits).expect("read").len(), 16 << 10);
        println!("tried on a small disk");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_named_and_left_as_it_was() {
        let folder = tempfile::tempdir().expect("temp dir");
        let output = std::process::Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg(r#"mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" --exact evidence::tests::on_a_small_disk --nocapture"#)
            .args(["sh".as_ref(), folder.path().as_os_str()])
            .arg(std::env::current_exe().expect("this test"))
            .env("GRIDWATCH_TEST_SMALL_DISK", folder.path())
            .output()
            .expect("util-linux is there");
        let (told, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if error.contains("unshare") || error.contains("mount:") {
            // A container may forbid a mount; the test below shows the error itself then.
            eprintln!("not tried on a small disk: {error}");
            return;
        }
        assert!(output.status.success() && told.contains("tried on a small disk"), "{told}{error}");
    }

    /// The kernel's own "no space left" needs no small disk: this device is always full.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_of_the_write() {
        let file = File::options().write(true).open("/dev/full").expect("Linux has it");
        let error = fill(file, b"abc").expect_err("full");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
