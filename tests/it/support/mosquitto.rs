//! A real mosquitto.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{free_address, wait_for};

/// A broker in a folder of its own; it can be killed and started again on the same port.
pub struct Mosquitto {
    pub address: SocketAddr,
    folder: TempDir,
    child: Option<Child>,
}

impl Mosquitto {
    pub fn start() -> Self {
        Self::with_options("allow_anonymous true\n")
    }

    /// Asks for `user` and `password`.
    pub fn with_password(user: &str, password: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("passwords");
        let made = Command::new("mosquitto_passwd").args(["-b", "-c"]).arg(&file).args([user, password]).status();
        assert!(made.expect("mosquitto_passwd is installed").success());
        Self::in_folder(folder, &format!("allow_anonymous false\npassword_file {}\n", file.display()))
    }

    fn with_options(options: &str) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), options)
    }

    fn in_folder(folder: TempDir, options: &str) -> Self {
        let address = free_address();
        // Started as root, mosquitto becomes a user that cannot read our folder unless told not to.
        let text = format!("listener {} {}\nuser root\npersistence false\n{options}", address.port(), address.ip());
        fs::write(folder.path().join("mosquitto.conf"), text).expect("a config");
        let mut broker = Self { address, folder, child: None };
        broker.restart();
        broker
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child to kill");
            child.wait().expect("a child to wait for");
        }
    }

    pub fn restart(&mut self) {
        self.kill();
        let program =
            ["/usr/sbin/mosquitto", "mosquitto"].into_iter().find(|p| which(p)).expect("mosquitto is installed");
        let child = Command::new(program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        self.child = Some(child);
        wait_for("mosquitto to listen", Duration::from_secs(10), || TcpStream::connect(self.address).ok());
    }
}

fn which(program: &str) -> bool {
    Command::new(program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}
