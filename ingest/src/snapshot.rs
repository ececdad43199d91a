//! Pictures over HTTP: one GET a look, one JPEG an answer, with basic or digest authentication as the camera asks for it.
//!
//! A GET is little enough to speak here: a client library would keep connections open behind the back of the limit of
//! sessions, each in a task of its own, and links TLS, which such a camera has only with a certificate that nobody can check.

use std::time::{Duration, SystemTime};

use bytes::{Buf as _, Bytes, BytesMut};
use domain::{AccessUnit, Codec};
use http_auth::{PasswordClient, PasswordParams};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use url::Position;

use crate::{IngestError, address::redact, config::Endpoint, connects::Connects};

/// The largest picture that is taken; a 4K JPEG of the best quality has half of it.
const LARGEST: usize = 16 << 20;
/// No honest answer has more before its picture.
const LONGEST_HEAD: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// No honest size of a chunk is longer, extensions included.
const LONGEST_CHUNK_SIZE: usize = 1 << 10;
/// Bytes after the end of a picture that some cameras send to fill up a block.
const LONGEST_FILLER: usize = 4 << 10;
/// What is read at one time, at least.
const READ: usize = 16 << 10;

/// A camera that is asked for pictures.
#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    /// Answers the camera's last challenge; a digest's is good for many pictures.
    login: Option<PasswordClient>,
}

impl Snapshots {
    /// Takes one picture. `connecting` bounds each of connecting and the wait for an answer, `patience` all of it but the
    /// wait for a turn in `connects`, which is this camera's until an answer that needs no login has begun.
    pub(crate) async fn take(
        &mut self,
        endpoint: &Endpoint,
        connecting: Duration,
        patience: Duration,
        connects: Option<&Connects>,
    ) -> Result<AccessUnit, IngestError> {
        let turn = match connects {
            Some(connects) => Some(connects.visit(endpoint).await),
            None => None,
        };
        let taking = async {
            let asked = self.ask_known(endpoint, connecting).await;
            if let Some(turn) = turn {
                turn.end(&asked);
            }
            let answer = asked?;
            if answer.head.status == 401 {
                self.login = None;
            }
            answer.picture().await
        };
        let late = |_| {
            let reason = format!(
                "its picture was not there within {patience:?}; choose a smaller one, or raise keyframe_timeout"
            );
            fault(endpoint, reason)
        };
        let data = tokio::time::timeout(patience, taking).await.map_err(late)??;
        Ok(AccessUnit { codec: Codec::Jpeg, role: endpoint.role, received_at: SystemTime::now().into(), data })
    }

    /// Asks as somebody whom the camera knows.
    async fn ask_known<'a>(&mut self, endpoint: &'a Endpoint, limit: Duration) -> Result<Answer<'a>, IngestError> {
        let answer = self.ask(endpoint, limit).await?;
        if answer.head.status != 401 || endpoint.credentials.is_none() {
            return Ok(answer);
        }
        // There was no challenge to answer yet, or what it gave has grown old.
        self.login = Some(answer.challenge()?);
        // A session less before there is one more.
        drop(answer);
        self.ask(endpoint, limit).await
    }

    async fn ask<'a>(&mut self, endpoint: &'a Endpoint, limit: Duration) -> Result<Answer<'a>, IngestError> {
        let request = self.request(endpoint)?;
        let url = &endpoint.address.url;
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(80));
        let late = |step| move |_| IngestError::Timeout { address: endpoint.address.to_string(), step, after: limit };
        let socket = tokio::time::timeout(limit, TcpStream::connect(host)).await.map_err(late("a connection"))?;
        let unreachable = |error: std::io::Error| IngestError::Unreachable {
            address: endpoint.address.to_string(),
            reason: error.to_string(),
        };
        let mut socket = socket.map_err(unreachable)?;
        let answering = async {
            let broken = |error: std::io::Error| fault(endpoint, format!("it took no request: {error}"));
            socket.write_all(request.as_bytes()).await.map_err(broken)?;
            Answer::begin(endpoint, socket).await
        };
        tokio::time::timeout(limit, answering).await.map_err(late("GET"))?
    }

    fn request(&mut self, endpoint: &Endpoint) -> Result<String, IngestError> {
        let url = &endpoint.address.url;
        let (host, uri) =
            (&url[Position::BeforeHost..Position::AfterPort], &url[Position::BeforePath..Position::AfterQuery]);
        let authorization = match (&mut self.login, &endpoint.credentials) {
            (Some(login), Some(credentials)) => {
                let answer = login.respond(&PasswordParams {
                    username: &credentials.username,
                    password: credentials.password.expose(),
                    uri,
                    method: "GET",
                    body: Some(&[]),
                });
                let answer = answer.ok().filter(|answer| !answer.contains(char::is_control));
                let answer = answer.ok_or_else(|| {
                    fault(endpoint, "the user name cannot be sent; take one without control characters".into())
                })?;
                format!("Authorization: {answer}\r\n")
            }
            _ => String::new(),
        };
        Ok(format!(
            "GET {uri} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: gridwatch\r\nAccept: image/jpeg\r\n{authorization}Connection: close\r\n\r\n"
        ))
    }
}

/// An answer whose head has come.
struct Answer<'a> {
    endpoint: &'a Endpoint,
    socket: TcpStream,
    head: Head,
    /// What came and was not read yet.
    received: BytesMut,
}

impl<'a> Answer<'a> {
    async fn begin(endpoint: &'a Endpoint, socket: TcpStream) -> Result<Self, IngestError> {
        let mut answer = Self { endpoint, socket, head: Head::default(), received: BytesMut::new() };
        loop {
            match Head::parse(&answer.received) {
                Ok(Some((head, length))) => {
                    answer.received.advance(length);
                    answer.head = head;
                    return Ok(answer);
                }
                Ok(None) if answer.received.len() <= LONGEST_HEAD => {}
                Ok(None) => return Err(answer.fault("its answer has no end of headers; is this a camera?")),
                Err(reason) => return Err(answer.fault(format!("it does not speak HTTP ({reason}); check the port"))),
            }
            if !answer.more().await? {
                return Err(answer.fault("it closed the connection without an answer"));
            }
        }
    }

    /// Reads on; false at the end.
    async fn more(&mut self) -> Result<bool, IngestError> {
        self.received.reserve(READ);
        match self.socket.read_buf(&mut self.received).await {
            Ok(bytes) => Ok(bytes > 0),
            Err(error) => Err(self.fault(format!("the answer broke off: {error}"))),
        }
    }

    /// What the camera wants to be answered for its picture.
    fn challenge(&self) -> Result<PasswordClient, IngestError> {
        let challenges = self.head.challenges.iter();
        let login = challenges.fold(PasswordClient::builder(), |builder, value| builder.challenges(value)).build();
        login.map_err(|reason| {
            let reason = redact(&reason);
            self.fault(format!(
                "it asks for a login that cannot be answered ({reason}); set the camera to digest or basic"
            ))
        })
    }

    async fn picture(mut self) -> Result<Bytes, IngestError> {
        let address = || self.endpoint.address.to_string();
        match self.head.status {
            200 => {}
            status @ (401 | 403) => return Err(IngestError::Unauthorized { address: address(), status }),
            404 => return Err(IngestError::NotFound { address: address() }),
            300..=399 => {
                let to = self.head.location.as_deref().unwrap_or("elsewhere");
                return Err(self.fault(format!("it leads to {}; write that address if it is the camera's", redact(to))));
            }
            status => {
                return Err(self.fault(format!("it answers {status}; it may be busy, or have no such function")));
            }
        }
        let kind = self.head.kind.as_str();
        if !matches!(kind, "" | "image/jpeg" | "image/jpg" | "image/pjpeg" | "application/octet-stream") {
            let remedy = if kind.starts_with("text/") {
                "this is a page for people: take the path of the snapshot"
            } else {
                "take the path of a single JPEG"
            };
            return Err(self.fault(format!("it sends {kind:?} instead of a picture; {remedy}")));
        }
        let body = self.body().await?;
        match whole_jpeg(&body) {
            Ok(length) => Ok(body.slice(..length)),
            Err(reason) => Err(self.fault(format!("{reason} ({} bytes)", body.len()))),
        }
    }

    async fn body(&mut self) -> Result<Bytes, IngestError> {
        match self.head.length {
            _ if self.head.is_chunked => self.chunks().await,
            Some(length) if length > LARGEST as u64 => Err(self.too_large()),
            Some(length) => self.exactly(length as usize).await.map(BytesMut::freeze),
            None => {
                while self.more().await? {
                    if self.received.len() > LARGEST {
                        return Err(self.too_large());
                    }
                }
                Ok(self.received.split().freeze())
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<BytesMut, IngestError> {
        while self.received.len() < length {
            if !self.more().await? {
                let got = self.received.len();
                return Err(self.fault(format!("the answer broke off after {got} of {length} bytes")));
            }
        }
        Ok(self.received.split_to(length))
    }

    async fn chunks(&mut self) -> Result<Bytes, IngestError> {
        let mut body = BytesMut::new();
        loop {
            match httparse::parse_chunk_size(&self.received) {
                Ok(httparse::Status::Complete((_, 0))) => return Ok(body.freeze()),
                Ok(httparse::Status::Complete((_, size))) if size > (LARGEST - body.len()) as u64 => {
                    return Err(self.too_large());
                }
                Ok(httparse::Status::Complete((begin, size))) => {
                    self.received.advance(begin);
                    let chunk = self.exactly(size as usize + b"\r\n".len()).await?;
                    body.extend_from_slice(&chunk[..size as usize]);
                }
                Ok(httparse::Status::Partial) if self.received.len() <= LONGEST_CHUNK_SIZE => {
                    if !self.more().await? {
                        return Err(self.fault(format!("the answer broke off after {} bytes", body.len())));
                    }
                }
                Ok(httparse::Status::Partial) | Err(_) => {
                    return Err(self.fault("its answer has a chunk without a size"));
                }
            }
        }
    }

    fn too_large(&self) -> IngestError {
        self.fault(format!("its picture is larger than {} MiB; set a smaller size or quality", LARGEST >> 20))
    }

    fn fault(&self, reason: impl Into<String>) -> IngestError {
        fault(self.endpoint, reason.into())
    }
}

fn fault(endpoint: &Endpoint, reason: String) -> IngestError {
    IngestError::Snapshot { address: endpoint.address.to_string(), reason }
}

/// What counts of an answer's status line and headers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Head {
    status: u16,
    /// The type of what follows, in lower case and without parameters.
    kind: String,
    length: Option<u64>,
    is_chunked: bool,
    location: Option<String>,
    challenges: Vec<String>,
}

impl Head {
    /// The head that `data` begins with, and its length; none until all of it has come.
    fn parse(data: &[u8]) -> Result<Option<(Self, usize)>, String> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let mut lenient = httparse::ParserConfig::default();
        // Web servers of cameras are old and home-made; a header that does not matter must not cost the picture.
        lenient
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let parsed = lenient.parse_response(&mut response, data).map_err(|error| error.to_string())?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let mut head = Self { status: response.code.unwrap_or_default(), ..Self::default() };
        for header in response.headers.iter() {
            let value = String::from_utf8_lossy(header.value).trim().to_owned();
            match header.name.to_ascii_lowercase().as_str() {
                "content-type" => {
                    head.kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
                }
                "content-length" => head.length = Some(value.parse().map_err(|_| "its length is no number")?),
                "transfer-encoding" => head.is_chunked = value.to_ascii_lowercase().contains("chunked"),
                "location" => head.location = Some(value),
                "www-authenticate" => head.challenges.push(value),
                _ => {}
            }
        }
        Ok(Some((head, length)))
    }
}

/// The length of the one JPEG (ITU-T T.81, B.1.1.3) that `data` holds from its beginning.
fn whole_jpeg(data: &[u8]) -> Result<usize, &'static str> {
    const START: [u8; 3] = [0xff, 0xd8, 0xff];
    const END: [u8; 2] = [0xff, 0xd9];
    if data.is_empty() {
        return Err("it sends nothing");
    }
    if !data.starts_with(&START) {
        return Err("what it sends is no JPEG");
    }
    let from = data.len().saturating_sub(LONGEST_FILLER + END.len()).max(START.len());
    let end = data[from..].windows(END.len()).rposition(|pair| pair == END);
    end.map(|at| from + at + END.len()).ok_or("its JPEG is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_jpeg_begins_and_ends_as_one() {
        let jpeg = [&[0xff, 0xd8, 0xff, 0xe0][..], &[7; 500], &[0xff, 0xd9]].concat();
        assert_eq!(whole_jpeg(&jpeg), Ok(506));
        assert_eq!(whole_jpeg(&[&jpeg[..], &[0; 512]].concat()), Ok(506), "filled up to a block");
        assert!(whole_jpeg(&jpeg[..400]).is_err_and(|reason| reason.contains("cut off")));
        assert!(whole_jpeg(&[&jpeg[..], &[0; 9_000]].concat()).is_err());
        assert!(whole_jpeg(b"<html>").is_err_and(|reason| reason.contains("no JPEG")));
        assert!(whole_jpeg(b"").is_err() && whole_jpeg(&[0xff, 0xd8, 0xff]).is_err());
    }

    #[test]
    fn a_head_is_read_once_it_is_whole() {
        let text = b"HTTP/1.1 401 Unauthorized\r\ncontent-TYPE: Text/HTML; charset=gbk\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
            www-authenticate: Digest realm=\"a\", nonce=\"b\"\r\nContent-Length: 12\r\n\r\nrest";
        let (head, length) = Head::parse(text).expect("HTTP").expect("whole");
        assert_eq!(&text[length..], b"rest");
        assert_eq!((head.status, head.kind.as_str(), head.length), (401, "text/html", Some(12)));
        assert_eq!((head.challenges.len(), head.is_chunked), (2, false));
        assert_eq!(Head::parse(&text[..40]), Ok(None));
        let odd = b"HTTP/1.0 200 OK\r\nX<y: 1\r\nContent-Length : 7\r\nServer: a\r\n  b\r\n\r\n";
        assert!(Head::parse(odd).is_ok_and(|head| head.is_some_and(|(head, _)| head.length == Some(7))));
        assert!(Head::parse(b"RTSP/1.0 400 Bad Request\r\n\r\n").is_err());
        assert!(Head::parse(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").is_err());
    }
}
