//! A site to run gridwatch on: a folder, simulated cameras, a configuration.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use domain::Secret;
use ingest::simulate::{Mount, SimulateConfig, Simulator, Source};
use tempfile::TempDir;

use super::{clip, free_address, program::Program};

/// A zone around where the tests put their van.
pub const ZONE: &str = "[[0.30, 0.35], [0.70, 0.35], [0.70, 0.80], [0.30, 0.80]]";
/// Where the van stands inside it (top left corner).
pub const STAND: (f64, f64) = (0.38, 0.42);

pub struct Site {
    folder: TempDir,
    pub console: SocketAddr,
    cameras: String,
    mqtt: String,
    rule: String,
    sections: String,
    include: String,
}

impl Site {
    pub fn new(mqtt_url: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            console: free_address(),
            cameras: String::new(),
            mqtt: format!("url = \"{mqtt_url}\"\n"),
            rule: "dwell = \"5s\"\n".to_owned(),
            sections: String::new(),
            include: String::new(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Lines for the `[mqtt]` section.
    pub fn mqtt(&mut self, lines: &str) -> &mut Self {
        self.mqtt += lines;
        self
    }

    /// What the rule for stopped vehicles says, instead of a dwell of 5 s.
    pub fn rule(&mut self, lines: &str) -> &mut Self {
        lines.clone_into(&mut self.rule);
        self
    }

    /// A whole section, with its header.
    pub fn section(&mut self, text: &str) -> &mut Self {
        self.sections += text;
        self
    }

    /// Another one in its place, from the next start on.
    pub fn replace_section(&mut self, old: &str, new: &str) {
        self.sections = self.sections.replace(old, new);
    }

    /// Files to be read as well.
    pub fn include(&mut self, pattern: &str) -> &mut Self {
        self.include = format!("include = [\"{pattern}\"]\n");
        self
    }

    /// A camera with a zone where stopping is forbidden.
    pub fn camera(&mut self, id: &str, stream: &str) -> &mut Self {
        self.camera_at(id, stream, "no_stopping")
    }

    /// A camera whose zone is for something else.
    pub fn camera_at(&mut self, id: &str, stream: &str, purpose: &str) -> &mut Self {
        writeln!(
            self.cameras,
            "[[cameras]]\nid = \"{id}\"\nname = \"camera {id}\"\nplace = {{ grid = \"310104007003012\", address = \"斜土路 1175 号\" }}\n\
             stream = {{ {stream} }}\nzones = [{{ id = \"kerb\", purpose = \"{purpose}\", polygon = {ZONE} }}]\n"
        )
        .expect("a string takes all");
        self
    }

    pub fn no_cameras(&mut self) -> &mut Self {
        self.cameras.clear();
        self
    }

    pub fn config(&self) -> PathBuf {
        let path = self.path("gridwatch.toml");
        let text = format!(
            "{}[node]\nid = \"test-node\"\ndistrict = \"310104\"\ndata_dir = \"data\"\n\n\
             [ingest]\nlook_interval = \"500ms\"\nactive_interval = \"500ms\"\nbackoff_max = \"2s\"\nconnect_timeout = \"3s\"\nstall_timeout = \"4s\"\n\n\
             [console]\nlisten = \"{}\"\n\n[mqtt]\n{}\n\
             [rules.\"lane.motor\"]\n{}\n{}\n{}",
            self.include, self.console, self.mqtt, self.rule, self.sections, self.cameras
        );
        fs::write(&path, text).expect("a config");
        path
    }

    pub fn start(&self) -> Program {
        Program::start(&self.config(), self.console)
    }
}

/// A camera on which a van drives in within two seconds and then stands for the rest of two minutes.
pub fn parked(folder: &Path) -> PathBuf {
    let path = folder.join("parked.mp4");
    clip::write(&path, 120, |t| {
        let x = (t / 2.0).min(1.0);
        Some((STAND.0 - (1.0 - x) * 0.6, STAND.1))
    });
    path
}

/// A camera on which a van stands for 8 s, is away for 10 s, and so on.
pub fn coming_and_going(folder: &Path) -> PathBuf {
    let path = folder.join("coming-and-going.mp4");
    clip::write(&path, 36, |t| (t % 18.0 < 8.0).then_some(STAND));
    path
}

/// A camera on which a van drives through every six seconds.
pub fn driving(folder: &Path) -> PathBuf {
    let path = folder.join("driving.mp4");
    clip::write(&path, 60, |t| {
        let along = (t % 6.0) / 3.0;
        (along <= 1.0).then(|| (-clip::VAN_SIZE.0 + along * (1.0 + clip::VAN_SIZE.0), STAND.1))
    });
    path
}

/// Serves `clips` (mount name, file) over RTSP.
pub fn serve(clips: &[(&str, &Path)], credentials: Option<(&str, &str)>) -> Simulator {
    serve_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), clips, credentials)
}

pub fn serve_at(listen: SocketAddr, clips: &[(&str, &Path)], credentials: Option<(&str, &str)>) -> Simulator {
    let config = SimulateConfig {
        listen,
        username: credentials.map(|(user, _)| user.into()),
        password: credentials.map(|(_, password)| Secret::new(password)),
        ..SimulateConfig::default()
    };
    let mounts = clips
        .iter()
        .map(|(name, file)| Mount::new(*name, Source::Recording(file.to_path_buf())).from_first_client())
        .collect();
    Simulator::start(config, mounts).expect("a simulator")
}
