//! Where cameras and recorders of known makes serve their streams, so that nobody types an address.
//!
//! | make | main | sub |
//! |---|---|---|
//! | Hikvision | `/Streaming/Channels/N01` | `/Streaming/Channels/N02` |
//! | Dahua | `/cam/realmonitor?channel=N&subtype=0` | `/cam/realmonitor?channel=N&subtype=1` |
//! | Uniview, recorder | `/unicast/cN/s0/live` | `/unicast/cN/s1/live` |
//! | Uniview, camera | `/media/video1` | `/media/video2` |
//!
//! A JPEG picture over HTTP, as the makes' interfaces (ISAPI, CGI, LAPI) give it:
//!
//! | make | picture |
//! |---|---|
//! | Hikvision | `/ISAPI/Streaming/channels/N01/picture` |
//! | Dahua | `/cgi-bin/snapshot.cgi?channel=N` |
//! | Uniview, recorder | `/LAPI/V1.0/Channels/N/Media/Video/Streams/0/Snapshot` |
//! | Uniview, camera | `/LAPI/V1.0/Channels/0/Media/Video/Streams/0/Snapshot` |

use std::str::FromStr;

/// A make of cameras and recorders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    /// 海康威视.
    Hikvision,
    /// 大华.
    Dahua,
    /// 宇视.
    Uniview,
}

/// What a stream is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The camera itself.
    Camera,
    /// A recorder or gateway that the camera hangs off, at one of its channels.
    Recorder,
}

impl FromStr for Vendor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_lowercase().as_str() {
            "hikvision" | "hik" | "海康" | "海康威视" => Ok(Self::Hikvision),
            "dahua" | "大华" => Ok(Self::Dahua),
            "uniview" | "unv" | "宇视" => Ok(Self::Uniview),
            _ => Err(format!(
                "vendor \"{text}\" is not known; known are hikvision (海康), dahua (大华), uniview (宇视); give main and sub instead"
            )),
        }
    }
}

impl Vendor {
    /// The addresses of the main and the sub stream of `channel` (from 1) at `host`.
    #[must_use]
    pub fn addresses(self, host: &str, port: u16, channel: u16, device: Device) -> [String; 2] {
        let place = place(host, port, 554);
        [0, 1].map(|sub| {
            let path = match (self, device) {
                (Self::Hikvision, _) => format!("Streaming/Channels/{channel}0{}", sub + 1),
                (Self::Dahua, _) => format!("cam/realmonitor?channel={channel}&subtype={sub}"),
                (Self::Uniview, Device::Recorder) => format!("unicast/c{channel}/s{sub}/live"),
                (Self::Uniview, Device::Camera) => format!("media/video{}", sub + 1),
            };
            format!("rtsp://{place}/{path}")
        })
    }

    /// The address of a picture of `channel` (from 1) at `host`, of the main stream's size.
    #[must_use]
    pub fn snapshot(self, host: &str, port: u16, channel: u16, device: Device) -> String {
        let path = match (self, device) {
            (Self::Hikvision, _) => format!("ISAPI/Streaming/channels/{channel}01/picture"),
            (Self::Dahua, _) => format!("cgi-bin/snapshot.cgi?channel={channel}"),
            (Self::Uniview, Device::Recorder) => format!("LAPI/V1.0/Channels/{channel}/Media/Video/Streams/0/Snapshot"),
            // A camera counts its one channel from 0.
            (Self::Uniview, Device::Camera) => "LAPI/V1.0/Channels/0/Media/Video/Streams/0/Snapshot".to_owned(),
        };
        format!("http://{}/{path}", place(host, port, 80))
    }
}

/// Host and port as an address wants them.
fn place(host: &str, port: u16, usual_port: u16) -> String {
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
    if port == usual_port { host } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(vendor: &str, channel: u16, device: Device, expect: [&str; 2]) {
        let vendor: Vendor = vendor.parse().unwrap();
        assert_eq!(
            vendor.addresses("10.0.0.9", 554, channel, device),
            expect.map(|path| format!("rtsp://10.0.0.9{path}"))
        );
    }

    #[test]
    fn each_make_has_its_paths() {
        check("海康", 1, Device::Camera, ["/Streaming/Channels/101", "/Streaming/Channels/102"]);
        check("HIKVISION", 12, Device::Recorder, ["/Streaming/Channels/1201", "/Streaming/Channels/1202"]);
        let dahua = ["/cam/realmonitor?channel=3&subtype=0", "/cam/realmonitor?channel=3&subtype=1"];
        check("dahua", 3, Device::Recorder, dahua);
        check("宇视", 2, Device::Recorder, ["/unicast/c2/s0/live", "/unicast/c2/s1/live"]);
        check("uniview", 1, Device::Camera, ["/media/video1", "/media/video2"]);
        let picture = |vendor: Vendor, channel, device| vendor.snapshot("10.0.0.9", 80, channel, device);
        let hikvision = "http://10.0.0.9/ISAPI/Streaming/channels/1201/picture";
        assert_eq!(picture(Vendor::Hikvision, 12, Device::Recorder), hikvision);
        let uniview = "http://10.0.0.9/LAPI/V1.0/Channels/2/Media/Video/Streams/0/Snapshot";
        assert_eq!(picture(Vendor::Uniview, 2, Device::Recorder), uniview);
        assert!("axis".parse::<Vendor>().unwrap_err().contains("give main and sub"));
    }

    #[test]
    fn ports_and_ipv6_hosts_are_written_as_urls_want_them() {
        let [main, _] = Vendor::Hikvision.addresses("fe80::1", 8554, 1, Device::Camera);
        assert_eq!(main, "rtsp://[fe80::1]:8554/Streaming/Channels/101");
        let picture = Vendor::Dahua.snapshot("fe80::1", 8080, 1, Device::Camera);
        assert_eq!(picture, "http://[fe80::1]:8080/cgi-bin/snapshot.cgi?channel=1");
    }
}
