//! One client's connection: its requests are answered here, its pictures come from the pacer.

use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use rtsp_types::{
    HeaderName, Message, Method, ParseError, Request, Response, ResponseBuilder, StatusCode, Version,
    headers::{self, RtpLowerTransport, RtpProfile, RtpTransport, RtpTransportParameters, Transport, Transports},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedWriteHalf},
};
use tokio_util::sync::CancellationToken;

use super::{
    super::Fault,
    Camera, Shared, auth,
    description::TRACK,
    hosts::{Host, NoRoom, Slot},
    pacer::{Order, Viewer},
    packets::Numbers,
};

/// No honest request is longer.
const LONGEST_REQUEST: usize = 64 << 10;
/// Seconds that a session lives without a request, as answered to SETUP.
const SESSION_TIMEOUT: u32 = 60;
/// How a connection ends that is reset.
const RESET: std::io::ErrorKind = std::io::ErrorKind::ConnectionReset;
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

/// Serves one client until it leaves, its camera cuts it off, or the simulator stops.
pub(super) async fn serve(socket: TcpStream, host: Arc<Host>, shared: Arc<Shared>) {
    // Requests and pictures are small and must not wait for one another.
    let _ = socket.set_nodelay(true);
    let (mut read, write) = socket.into_split();
    let mut connection = Connection {
        host,
        nonce: format!("{:016x}", rand::random::<u64>()),
        write: Some(write),
        session: None,
        cut: CancellationToken::new(),
        shared,
    };
    let cut = connection.cut.clone();
    let serving = async {
        let mut received = BytesMut::new();
        loop {
            while let Some(message) = next_message(&mut received)? {
                // Receiver reports are of no use to a recording.
                if let Message::Request(request) = message {
                    connection.answer(&request).await?;
                }
            }
            if read.read_buf(&mut received).await? == 0 || received.len() > LONGEST_REQUEST {
                return std::io::Result::Ok(());
            }
        }
    };
    // However it ends, the client sees its connection closed.
    let served = cut.run_until_cancelled(serving).await;
    if served.is_some_and(|served| served.is_err_and(|error| error.kind() == RESET))
        && let Some(write) = connection.write.take()
    {
        // Dropped, it would say goodbye first.
        let _ = write.as_ref().set_zero_linger();
        write.forget();
    }
    connection.leave(Vec::new()).await;
}

/// Takes a whole message out of what came in.
fn next_message(received: &mut BytesMut) -> std::io::Result<Option<Message<Vec<u8>>>> {
    if received.is_empty() {
        return Ok(None);
    }
    match Message::parse(&received[..]) {
        Ok((message, length)) => {
            received.advance(length);
            Ok(Some(message))
        }
        Err(ParseError::Incomplete(_)) => Ok(None),
        Err(ParseError::Error) => Err(std::io::ErrorKind::InvalidData.into()),
    }
}

struct Connection {
    shared: Arc<Shared>,
    host: Arc<Host>,
    nonce: String,
    /// Where answers go until pictures do; then the pacer has it.
    write: Option<OwnedWriteHalf>,
    session: Option<Session>,
    cut: CancellationToken,
}

struct Session {
    id: u64,
    camera: Arc<Camera>,
    channel: u8,
    playing: bool,
    _slot: Slot,
}

impl Connection {
    async fn answer(&mut self, request: &Request<Vec<u8>>) -> std::io::Result<()> {
        let camera = self.camera(request);
        let fault = camera.as_ref().map_or(Fault::None, |camera| camera.fault());
        match fault {
            Fault::Hang => return Ok(()),
            Fault::Reset => return Err(RESET.into()),
            _ => {}
        }
        let reply = |status| Reply::new(request, status);
        let method = request.method();
        if *method == Method::Options {
            let answer = reply(StatusCode::Ok).header(headers::PUBLIC, METHODS);
            return self.send(answer.bytes()).await;
        }
        let Some(camera) = camera else { return self.send(reply(StatusCode::NotFound).bytes()).await };
        if matches!(fault, Fault::Drop | Fault::Refuse) {
            return self.send(reply(StatusCode::ServiceUnavailable).bytes()).await;
        }
        if !self.admitted(request, fault) {
            let challenge = auth::challenge(&self.nonce);
            let answer = reply(StatusCode::Unauthorized).header(headers::WWW_AUTHENTICATE, challenge);
            return self.send(answer.bytes()).await;
        }
        match method {
            Method::Describe => {
                let base = request.request_uri().map_or_else(String::new, |url| format!("{url}/"));
                let answer = reply(StatusCode::Ok)
                    .header(headers::CONTENT_TYPE, "application/sdp")
                    .header(headers::CONTENT_BASE, base);
                let description = camera.reel().description.clone();
                self.send(answer.with_body(description)).await
            }
            Method::Setup => {
                let answer = self.set_up(request, camera);
                self.send(answer).await
            }
            Method::Play => self.play(request).await,
            Method::Teardown => {
                self.leave(reply(StatusCode::Ok).bytes()).await;
                Ok(())
            }
            Method::GetParameter | Method::SetParameter => self.send(reply(StatusCode::Ok).bytes()).await,
            _ => self.send(reply(StatusCode::NotImplemented).header(headers::PUBLIC, METHODS).bytes()).await,
        }
    }

    /// The camera that a request is about: the first part of its URL's path.
    fn camera(&self, request: &Request<Vec<u8>>) -> Option<Arc<Camera>> {
        let name = request.request_uri()?.path_segments()?.next()?;
        self.shared.camera(name, &self.host)
    }

    fn admitted(&self, request: &Request<Vec<u8>>, fault: Fault) -> bool {
        if fault == Fault::WrongPassword {
            return false;
        }
        let Some(login) = &self.shared.login else { return true };
        let header = request.header(&headers::AUTHORIZATION);
        header.is_some_and(|header| login.admits(header.as_str(), request.method().into(), &self.nonce))
    }

    fn set_up(&mut self, request: &Request<Vec<u8>>, camera: Arc<Camera>) -> Vec<u8> {
        let reply = |status| Reply::new(request, status);
        if self.session.is_some() {
            // One video stream a camera, one camera a connection.
            return reply(StatusCode::MethodNotValidInThisState).bytes();
        }
        let offered = request.typed_header::<Transports>().ok().flatten();
        let wanted = offered.iter().flat_map(|transports| transports.iter()).find_map(|transport| match transport {
            Transport::Rtp(rtp) if rtp.lower_transport == Some(RtpLowerTransport::Tcp) => Some(rtp.params.interleaved),
            _ => None,
        });
        let Some(interleaved) = wanted else { return reply(StatusCode::UnsupportedTransport).bytes() };
        let Some(slot) = self.host.slot() else {
            return match self.host.no_room {
                NoRoom::NotEnoughBandwidth => reply(StatusCode::NotEnoughBandwidth).bytes(),
                NoRoom::ServiceUnavailable => reply(StatusCode::ServiceUnavailable).bytes(),
            };
        };
        let channel = interleaved.map_or(0, |(rtp, _)| rtp).min(254);
        let session = Session { id: self.shared.next_id(), camera, channel, playing: false, _slot: slot };
        let transport = Transport::Rtp(RtpTransport {
            profile: RtpProfile::Avp,
            lower_transport: Some(RtpLowerTransport::Tcp),
            params: RtpTransportParameters {
                unicast: true,
                interleaved: Some((channel, Some(channel + 1))),
                ssrc: vec![ssrc(session.id)],
                ..RtpTransportParameters::default()
            },
        });
        let answer =
            reply(StatusCode::Ok).header(headers::SESSION, format!("{:08x};timeout={SESSION_TIMEOUT}", session.id));
        self.session = Some(session);
        Reply(answer.0.typed_header(&Transports::from(vec![transport]))).bytes()
    }

    async fn play(&mut self, request: &Request<Vec<u8>>) -> std::io::Result<()> {
        let Some(session) = self.session.as_mut().filter(|session| !session.playing) else {
            let status = if self.session.is_some() { StatusCode::Ok } else { StatusCode::SessionNotFound };
            return self.send(Reply::new(request, status).bytes()).await;
        };
        let Some(socket) = self.write.take() else { return Ok(()) };
        session.playing = true;
        let (sequence, timestamp) = (rand::random::<u16>(), rand::random::<u32>());
        let url = request.request_uri().map_or_else(String::new, |url| url.as_str().trim_end_matches('/').to_owned());
        let answer = Reply::new(request, StatusCode::Ok)
            .header(headers::SESSION, format!("{:08x};timeout={SESSION_TIMEOUT}", session.id))
            .header(headers::RTP_INFO, format!("url={url}/{TRACK};seq={sequence};rtptime={timestamp}"))
            .bytes();
        let numbers = Numbers { channel: session.channel, sequence, ssrc: ssrc(session.id), packets: 0, octets: 0 };
        let who = (session.id, Arc::clone(&session.camera));
        let end = self.cut.clone().drop_guard();
        let viewer = Viewer::new(who, socket, numbers, timestamp, answer, end);
        self.order(Order::Watch(Box::new(viewer))).await
    }

    async fn send(&mut self, answer: Vec<u8>) -> std::io::Result<()> {
        match (&mut self.write, &self.session) {
            (Some(write), _) => write.write_all(&answer).await,
            (None, Some(session)) => {
                let order = Order::Answer(session.id, answer);
                self.order(order).await
            }
            (None, None) => Ok(()),
        }
    }

    async fn leave(&mut self, answer: Vec<u8>) {
        if let Some(write) = &mut self.write {
            let _ = write.write_all(&answer).await;
        }
        // The room is free before the client hears that it has left.
        let playing = self.session.take().filter(|session| session.playing).map(|session| session.id);
        if let Some(id) = playing {
            let _ = self.order(Order::Leave(id, answer)).await;
        }
    }

    async fn order(&self, order: Order) -> std::io::Result<()> {
        self.shared.orders.send(order).await.map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }
}

fn ssrc(session: u64) -> u32 {
    // A multiplier without small factors spreads neighbours over the numbers (Knuth, 6.4).
    (session as u32).wrapping_mul(2_654_435_761)
}

/// An answer with what each answer has.
struct Reply(ResponseBuilder);

impl Reply {
    fn new(request: &Request<Vec<u8>>, status: StatusCode) -> Self {
        let builder = Response::builder(Version::V1_0, status).header(headers::SERVER, "gridwatch simulate");
        Self(match request.header(&headers::CSEQ) {
            Some(number) => builder.header(headers::CSEQ, number.clone()),
            None => builder,
        })
    }

    fn header(self, name: HeaderName, value: impl Into<headers::HeaderValue>) -> Self {
        Self(self.0.header(name, value))
    }

    fn bytes(self) -> Vec<u8> {
        bytes(&self.0.empty())
    }

    fn with_body(self, body: String) -> Vec<u8> {
        bytes(&self.0.build(body))
    }
}

fn bytes<B: AsRef<[u8]>>(response: &Response<B>) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = response.write(&mut out);
    out
}
