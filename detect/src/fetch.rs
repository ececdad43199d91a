//! Fetching weights: into a temporary file beside their place, hashed on the way, renamed only when right.

use std::{error::Error as _, io::Write as _, path::Path, time::Duration};

use domain::Sha256;
use sha2::Digest as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt as _;
use url::Url;

use crate::{DetectError, Manifest};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence in the middle of a transfer.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Fetches the manifest's weights to their place.
pub(crate) async fn weights(manifest: &Manifest, progress: impl FnMut(u64, u64) + Send) -> Result<(), DetectError> {
    let Some(url) = &manifest.url else {
        return Err(DetectError::NoUrl { at: manifest.line_of("weights"), path: manifest.weights.clone() });
    };
    let failed = |reason| DetectError::Fetch { model: manifest.name.clone(), url: shown(url), reason };
    let io = |source| DetectError::Io { path: manifest.weights.clone(), source };
    let folder = manifest.weights.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io)?;
    let mut sink = Sink {
        file: tempfile::Builder::new().prefix(".pull-").tempfile_in(folder).map_err(io)?,
        hash: sha2::Sha256::new(),
        written: 0,
        expected: manifest.bytes,
        progress,
    };
    let outcome = if url.scheme() == "file" { copy(url, &mut sink).await } else { download(url, &mut sink).await };
    outcome.map_err(failed)?;
    let found = Sha256(sink.hash.finalize().into());
    if found != manifest.sha256 {
        return Err(failed(format!(
            "the file there has SHA-256 {found} and {} bytes, model.toml says {} and {} bytes; nothing was kept, \
             correct url or sha256",
            sink.written, manifest.sha256, manifest.bytes
        )));
    }
    sink.file.as_file().sync_all().map_err(io)?;
    readable_by_all(sink.file.as_file()).map_err(io)?;
    sink.file.persist(&manifest.weights).map_err(|error| io(error.error))?;
    Ok(())
}

/// A temporary file is its owner's alone; weights are no secret.
fn readable_by_all(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

struct Sink<P> {
    file: NamedTempFile,
    hash: sha2::Sha256,
    written: u64,
    expected: u64,
    progress: P,
}

impl<P: FnMut(u64, u64)> Sink<P> {
    fn take(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.written += chunk.len() as u64;
        if self.written > self.expected {
            return Err(format!("it is longer than the {} bytes that model.toml says", self.expected));
        }
        self.hash.update(chunk);
        self.file.write_all(chunk).map_err(|e| format!("cannot write {}: {e}", self.file.path().display()))?;
        (self.progress)(self.written, self.expected);
        Ok(())
    }
}

async fn copy<P: FnMut(u64, u64)>(url: &Url, sink: &mut Sink<P>) -> Result<(), String> {
    let path = url.to_file_path().map_err(|()| "it names no local file".to_owned())?;
    let mut file = tokio::fs::File::open(path).await.map_err(|e| e.to_string())?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        match file.read(&mut chunk).await.map_err(|e| e.to_string())? {
            0 => return Ok(()),
            n => sink.take(&chunk[..n])?,
        }
    }
}

async fn download<P: FnMut(u64, u64)>(url: &Url, sink: &mut Sink<P>) -> Result<(), String> {
    // The process may have chosen a provider already; then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("gridwatch/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|e| reason(&e.without_url()))?;
    let mut response = client.get(url.clone()).send().await.map_err(|e| reason(&e.without_url()))?;
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()));
    }
    if let Some(length) = response.content_length().filter(|n| *n > sink.expected) {
        return Err(format!("it has {length} bytes, model.toml says {}", sink.expected));
    }
    while let Some(chunk) = response.chunk().await.map_err(|e| reason(&e.without_url()))? {
        sink.take(&chunk)?;
    }
    Ok(())
}

/// An error with what is behind it: the outermost message alone seldom says what to do.
fn reason(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// The address without user, password, query and fragment, any of which may hold a secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Neither can fail: only addresses without a host refuse, and those hold no user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
