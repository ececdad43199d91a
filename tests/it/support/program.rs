//! The real program as a child process.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::wait_for;

/// `gridwatch run` with its log lines; killed when dropped.
pub struct Program {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

/// The program that was built with the tests, or the one that `GRIDWATCH_TEST_PROGRAM` names.
pub fn command() -> Command {
    let program = std::env::var_os("GRIDWATCH_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_gridwatch").into());
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("GRIDWATCH_CONFIG").env_remove("GRIDWATCH_LOG");
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Output {
    command().args(arguments).output().expect("gridwatch starts")
}

/// Asks a program to stop, as systemd does, and gives its exit status.
pub fn terminate(program: &mut Child) -> ExitStatus {
    let pid = program.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    wait_for("gridwatch to stop", Duration::from_secs(30), || program.try_wait().expect("a child"))
}

impl Program {
    /// Starts `gridwatch run` and waits until its console answers.
    pub fn start(config: &Path, console: SocketAddr) -> Self {
        let mut program = Self::spawn(config);
        wait_for("the console to answer", Duration::from_secs(60), || {
            if let Some(status) = program.child.try_wait().expect("a child") {
                panic!("gridwatch ended with {status}:\n{}", program.log());
            }
            std::net::TcpStream::connect(console).ok()
        });
        program
    }

    fn spawn(config: &Path) -> Self {
        let mut child = command()
            .args(["run", "--config"])
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gridwatch starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stderr = child.stderr.take().expect("a pipe");
        std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || {
                BufReader::new(stderr)
                    .lines()
                    .map_while(Result::ok)
                    .for_each(|line| lines.lock().expect("lock").push(line))
            }
        });
        Self { child, lines }
    }

    /// The tickets that it said it has opened.
    pub fn opened(&self) -> Vec<String> {
        let lines = self.lines.lock().expect("lock");
        let opened = lines.iter().filter(|line| line.contains("ticket opened"));
        opened.filter_map(|line| Some(line.split_once("ticket=")?.1.split_whitespace().next()?.to_owned())).collect()
    }

    pub fn log(&self) -> String {
        self.lines.lock().expect("lock").join("\n")
    }

    #[track_caller]
    pub fn wait_for_log(&self, text: &str) {
        wait_for(&format!("the log line \"{text}\" in\n{}", self.log()), Duration::from_secs(60), || {
            self.log().contains(text).then_some(())
        });
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
    }

    /// Asks it to read its configuration anew, as systemd does.
    pub fn hang_up(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().expect("kill").success());
    }

    /// Asks it to stop, and gives its exit status.
    pub fn stop(&mut self) -> ExitStatus {
        terminate(&mut self.child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of gridwatch\n{}", self.log());
        }
    }
}
