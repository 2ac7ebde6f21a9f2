//! One HTTP/2 connection that costs its client next to nothing: requests are prepared bytes, and of
//! the answers only the frames are looked at. Client and server share the machine, so what the client
//! costs is taken from the server.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read as _, Write as _},
    net::SocketAddr,
    time::Instant,
};

use mio::net::TcpStream;

/// Bytes of a frame's header.
const FRAME: usize = 9;

/// Where HTTP/2 starts to count its flow-control windows.
const WINDOW: usize = 65_535;

/// Answered bytes after which the server is given as much window again.
const GIVE_BACK: usize = 1 << 20;

mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

/// `END_STREAM` of data and headers, `ACK` of settings and pings.
const END_OR_ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    next_stream: u32,
    first_headers: Option<Vec<u8>>,
    /// Calls by stream, the oldest first; the last one is on the stream before `next_stream`.
    calls: VecDeque<Call>,
    open: usize,
    send_window: usize,
    consumed: usize,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
}

#[derive(Clone, Copy)]
struct Call {
    number: usize,
    since: Instant,
    message: bool,
    done: bool,
}

/// A call that has ended.
pub(super) struct Done {
    /// What was called.
    pub(super) number: usize,
    /// When it was due.
    pub(super) since: Instant,
    /// Whether a message came back; an error has none.
    pub(super) ok: bool,
}

impl Connection {
    /// Connects for calls of one method.
    pub(super) fn connect(address: SocketAddr, path: &str) -> io::Result<Self> {
        let socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        let mut output = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        frame(&mut output, kind::SETTINGS, 0, 0, &[]);
        frame(&mut output, kind::WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes());
        Ok(Self {
            socket: TcpStream::from_std(socket),
            next_stream: 1,
            first_headers: Some(first_headers(path, &address.to_string())),
            calls: VecDeque::new(),
            open: 0,
            send_window: WINDOW,
            consumed: 0,
            output,
            written: 0,
            input: vec![0; 64 * 1024],
            filled: 0,
        })
    }

    /// Calls without an answer yet.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Queues a call whose message, with gRPC's prefix, is `body`. Returns whether the server's window
    /// lets it.
    pub(super) fn call(&mut self, number: usize, body: &[u8], since: Instant) -> bool {
        let Some(window) = self.send_window.checked_sub(body.len()) else { return false };
        self.send_window = window;
        let stream = self.next_stream;
        self.next_stream += 2;
        match self.first_headers.take() {
            Some(block) => frame(&mut self.output, kind::HEADERS, END_HEADERS, stream, &block),
            None => frame(&mut self.output, kind::HEADERS, END_HEADERS, stream, LATER_HEADERS),
        }
        frame(&mut self.output, kind::DATA, END_OR_ACK, stream, body);
        self.calls.push_back(Call { number, since, message: false, done: false });
        self.open += 1;
        true
    }

    /// Writes what is queued, as far as the socket takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.socket.write(&self.output[self.written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Reads until the socket has no more, and tells of every call that ended.
    pub(super) fn receive(&mut self, mut done: impl FnMut(Done)) -> io::Result<()> {
        loop {
            if self.filled == self.input.len() {
                self.input.resize(2 * self.filled, 0);
            }
            match self.socket.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.take_frames(&mut done)?;
        }
    }

    fn take_frames(&mut self, done: &mut impl FnMut(Done)) -> io::Result<()> {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..self.filled];
        while let Some((header, after)) = rest.split_first_chunk::<FRAME>() {
            let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *header;
            let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
            let Some((payload, next)) = after.split_at_checked(length) else { break };
            let stream = u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]);
            self.take_frame(kind, flags, stream, payload, done)?;
            rest = next;
        }
        let left = rest.len();
        let from = self.filled - left;
        self.input = input;
        self.input.copy_within(from..self.filled, 0);
        self.filled = left;
        Ok(())
    }

    fn take_frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        done: &mut impl FnMut(Done),
    ) -> io::Result<()> {
        let ends = flags & END_OR_ACK != 0;
        match kind {
            kind::DATA => {
                if let Some(call) = self.of_stream(stream) {
                    call.message |= !payload.is_empty();
                }
                self.consumed += payload.len();
                if self.consumed >= GIVE_BACK {
                    let credit = u32::try_from(self.consumed).unwrap_or(u32::MAX >> 1);
                    frame(&mut self.output, kind::WINDOW_UPDATE, 0, 0, &credit.to_be_bytes());
                    self.consumed = 0;
                }
                if ends {
                    self.end(stream, done);
                }
            }
            kind::HEADERS if ends => self.end(stream, done),
            kind::RST_STREAM => {
                if let Some(call) = self.of_stream(stream) {
                    call.message = false;
                }
                self.end(stream, done);
            }
            kind::SETTINGS if !ends => frame(&mut self.output, kind::SETTINGS, END_OR_ACK, 0, &[]),
            kind::PING if !ends => frame(&mut self.output, kind::PING, END_OR_ACK, 0, payload),
            kind::GOAWAY => return Err(io::Error::other("the server sent the client away")),
            kind::WINDOW_UPDATE if stream == 0 => {
                let credit = payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                self.send_window += credit as usize;
            }
            _ => {}
        }
        Ok(())
    }

    fn of_stream(&mut self, stream: u32) -> Option<&mut Call> {
        let first = self.next_stream - 2 * u32::try_from(self.calls.len()).ok()?;
        self.calls.get_mut((stream.checked_sub(first)? / 2) as usize)
    }

    fn end(&mut self, stream: u32, done: &mut impl FnMut(Done)) {
        let Some(call) = self.of_stream(stream).filter(|call| !call.done) else { return };
        call.done = true;
        let Call { number, since, message, .. } = *call;
        self.open -= 1;
        while self.calls.front().is_some_and(|call| call.done) {
            self.calls.pop_front();
        }
        done(Done { number, since, ok: message });
    }
}

fn frame(output: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a request has hundreds of bytes");
    output.extend_from_slice(&length.to_be_bytes()[1..]);
    output.extend_from_slice(&[kind, flags]);
    output.extend_from_slice(&stream.to_be_bytes());
    output.extend_from_slice(payload);
}

/// A call's headers with HPACK: what the static table does not hold is put into the dynamic one.
fn first_headers(path: &str, authority: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86];
    for (name, value) in [(0x44, path), (0x41, authority), (0x5f, "application/grpc")] {
        block.push(name);
        string(&mut block, value);
    }
    block.push(0x40);
    string(&mut block, "te");
    string(&mut block, "trailers");
    block.push(0x7a);
    string(&mut block, "foresail-bench");
    block
}

/// The same headers again: seven bytes, as real clients send them.
const LATER_HEADERS: &[u8] = &[0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

fn string(block: &mut Vec<u8>, text: &str) {
    // HPACK writes lengths below 127 in one byte.
    block.push(u8::try_from(text.len()).ok().filter(|n| *n < 127).expect("header values here are short"));
    block.extend_from_slice(text.as_bytes());
}
