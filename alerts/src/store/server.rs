//! A real PostgreSQL server for tests: a child process on a free port, with data of its own, gone when the tests are.
//! Knows nothing of the crate that it is in, so that other test binaries take this very file.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const USER: &str = "gridwatch";
const PASSWORD: &str = "p:g/100% secret";

/// How long a server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server with one user, who may do all and must give a password.
pub(crate) struct PostgresServer {
    address: SocketAddr,
    folder: PathBuf,
    programs: PathBuf,
    /// A shell that waits for its input to end, as it does when the tests end in whatever way, and then clears up.
    caretaker: Child,
    databases: AtomicUsize,
}

impl PostgresServer {
    /// The one server of this test binary.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: LazyLock<PostgresServer> = LazyLock::new(PostgresServer::start);
        &SERVER
    }

    /// A server for a test that needs it for itself.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let folder = std::env::temp_dir().join(format!("gridwatch-postgres-{}-{}", std::process::id(), unique()));
        fs::create_dir(&folder).expect("a folder");
        if let Some((user, group)) = other_user() {
            chown(&folder, Some(user), Some(group)).expect("root may give folders away");
        }
        let caretaker = Command::new("sh")
            .args(["-c", "read line; [ ! -f \"$1/data/postmaster.pid\" ] || kill -QUIT $(head -n1 \"$1/data/postmaster.pid\"); rm -rf \"$1\"; sleep 1; rm -rf \"$1\"", "sh"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh");
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port").local_addr().expect("address");
        let server = Self { address, folder, programs, caretaker, databases: AtomicUsize::new(0) };
        let password = server.folder.join("password");
        fs::write(&password, PASSWORD).expect("a file");
        let made = server
            .program("initdb")
            .args(["--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-sync", "--username", USER])
            .arg("--pwfile")
            .arg(&password)
            .arg("--pgdata")
            .arg(server.data())
            .output()
            .expect("initdb starts");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.resume();
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// One of PostgreSQL's programs, as a user that is not root: it refuses root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match other_user() {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
                command.arg(program);
                command
            }
        };
        command.current_dir(&self.folder).env("PGPASSWORD", PASSWORD);
        command
    }

    /// The process that the others are children of.
    pub(crate) fn pid(&self) -> String {
        let file = self.data().join("postmaster.pid");
        fs::read_to_string(file).expect("a server that runs").lines().next().expect("a pid").to_owned()
    }

    /// Ends the server as `kill -9` does; its data stays.
    pub(crate) fn kill(&self) {
        let pid = self.pid();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
        let process = Path::new("/proc").join(pid);
        self.wait_until("the server to be gone", || !is_alive(&process));
    }

    /// Starts the server on the data that is there.
    pub(crate) fn resume(&self) {
        let log = fs::File::options().append(true).create(true).open(self.folder.join("log")).expect("a log");
        let start = || {
            self.program("postgres")
                .arg("-D")
                .arg(self.data())
                .args(["-p", &self.address.port().to_string(), "-k", "", "-c", "listen_addresses=127.0.0.1"])
                // What is tested is loss of processes, not of power.
                .args(["-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=200"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log.try_clone().expect("a log"))
                .spawn()
                .expect("postgres starts")
        };
        let mut child = start();
        self.wait_until("the server to answer", || {
            // After a kill the old server's children may hold its memory for a moment still.
            if child.try_wait().expect("a child").is_some() {
                child = start();
            }
            let port = self.address.port().to_string();
            let mut ready = self.program("pg_isready");
            ready.args(["-q", "-h", "127.0.0.1", "-p", &port]).status().is_ok_and(|status| status.success())
        });
        // It is waited for by nobody: a thread of its own sees its end, so that it leaves no zombie.
        std::thread::spawn(move || child.wait());
    }

    fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Makes an empty database and gives its URL, which holds no password.
    pub(crate) fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run_sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://{USER}@{}/{name}", self.address)
    }

    /// Runs SQL as an administrator would, and gives what it prints.
    pub(crate) fn run_sql(&self, database: &str, sql: &str) -> String {
        let output = self
            .program("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", USER, "-d", database])
            .args(["-p", &self.address.port().to_string(), "-c", sql])
            .output()
            .expect("psql starts");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The user's password.
    pub(crate) fn password(&self) -> &'static str {
        PASSWORD
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut input) = self.caretaker.stdin.take() {
            let _ = input.write_all(b"\n");
        }
        let _ = self.caretaker.wait();
    }
}

/// A zombie is dead.
fn is_alive(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn unique() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Where PostgreSQL's programs are: Debian keeps them out of the path, one folder a version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let installed = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    installed.max().unwrap_or_else(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .find(|folder| folder.join("initdb").exists())
            .expect("PostgreSQL is installed: deploy/setup.sh --test")
    })
}

/// The user to become where we are root: PostgreSQL's own, or nobody.
fn other_user() -> Option<(u32, u32)> {
    static USER: LazyLock<Option<(u32, u32)>> = LazyLock::new(|| {
        let id = |arguments: &[&str]| -> Option<u32> {
            let output = Command::new("id").args(arguments).stderr(Stdio::null()).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse().ok()
        };
        if id(&["-u"]) != Some(0) {
            return None;
        }
        ["postgres", "nobody"].into_iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
    });
    *USER
}
