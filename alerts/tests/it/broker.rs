//! Mosquitto as a child process with a config of the test's own on a free port.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use alerts::mqtt::MqttConfig;
use tempfile::TempDir;

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running (or stopped) Mosquitto; killed when dropped.
pub(crate) struct Mosquitto {
    pub(crate) dir: TempDir,
    pub(crate) port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    /// Everyone may do everything.
    pub(crate) fn open() -> Self {
        Self::with("allow_anonymous true")
    }

    /// With these lines after the listener's.
    pub(crate) fn with(config: &str) -> Self {
        let mut broker = Self::stopped(config);
        broker.start();
        broker
    }

    /// Configured but not started: nothing listens on its port. `{dir}` in the config is its folder.
    pub(crate) fn stopped(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = format!(
            "user {user}\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {dir}/\n\
             autosave_interval 0\nmax_queued_messages 0\nlog_dest file {dir}/log\nlog_type all\n{config}\n",
            user = user_name(),
            dir = dir.path().display(),
            config = config.replace("{dir}", &dir.path().display().to_string()),
        );
        fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
        Self { dir, port, child: None }
    }

    pub(crate) fn start(&mut self) {
        let child = Command::new(program("mosquitto"))
            .arg("-c")
            .arg(self.dir.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto is installed");
        self.child = Some(child);
        let port = self.port;
        eventually("mosquitto listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends it as an administrator does: it writes down its sessions first.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        self.child.take().unwrap().wait().unwrap();
    }

    /// Makes it read passwords and access rights again.
    pub(crate) fn reload(&self) {
        self.signal("HUP");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Adds a user, or changes the password of one.
    pub(crate) fn set_password(&self, user: &str, password: &str) {
        let file = self.dir.path().join("passwords");
        File::options().append(true).create(true).open(&file).unwrap();
        let status = Command::new(program("mosquitto_passwd"))
            .arg("-b")
            .arg(&file)
            .args([user, password])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn config(&self) -> MqttConfig {
        MqttConfig { url: Some(format!("mqtt://127.0.0.1:{}", self.port)), ..MqttConfig::default() }
    }

    /// Writes a file into its folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        path
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Debian keeps servers where not everyone's PATH leads.
fn program(name: &str) -> PathBuf {
    [Path::new("/usr/sbin").join(name), Path::new("/usr/bin").join(name)]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| name.into())
}

fn user_name() -> String {
    String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap().trim().to_owned()
}

#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::yield_now();
    }
}

/// The same without holding up the other tasks of the test.
pub(crate) async fn eventually_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
