//! The server's side of a connection, frame by frame: it counts what the library refuses, adds a GOAWAY that the library
//! cannot send, and falls silent as a machine does whose cable was pulled.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// RFC 9113, 4.1: length (3 bytes), type, flags, stream (4 bytes).
const HEAD_BYTES: usize = 9;
/// RFC 9113, 6.4
const RST_STREAM: u8 = 0x3;
/// RFC 9113, 7
const REFUSED_STREAM: u8 = 0x7;

/// Commands to a connection, and counts of it.
#[derive(Debug, Default)]
pub(super) struct Tap {
    /// Bytes of whole frames, to be sent between two of the library's.
    pub(super) inserted: Mutex<Vec<u8>>,
    pub(super) is_silent: AtomicBool,
    /// Frames that refuse a stream.
    pub(super) refusals: AtomicUsize,
}

/// RFC 9113, 6.8: what a server sends that goes away and has processed no stream above this one.
pub(super) fn go_away(last_stream: u32) -> Vec<u8> {
    const NO_ERROR: u32 = 0;
    let mut frame = vec![0, 0, 8, 0x7, 0, 0, 0, 0, 0];
    frame.extend(last_stream.to_be_bytes());
    frame.extend(NO_ERROR.to_be_bytes());
    frame
}

/// A stream of bytes with a tap.
#[derive(Debug)]
pub(super) struct Wire<T> {
    inner: T,
    tap: Arc<Tap>,
    /// Of the frame that is being written: its head so far, and how many bytes of its payload are to come.
    head: Vec<u8>,
    to_come: usize,
}

impl<T: AsyncWrite + Unpin> Wire<T> {
    pub(super) fn new(inner: T, tap: Arc<Tap>) -> Self {
        Self { inner, tap, head: Vec::new(), to_come: 0 }
    }

    /// Follows the library's frames.
    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.to_come > 0 {
                // The only payload of interest is the code of RST_STREAM, of which the last byte tells enough.
                let taken = self.to_come.min(bytes.len());
                self.to_come -= taken;
                if self.to_come == 0 {
                    if self.head[3] == RST_STREAM && bytes[taken - 1] == REFUSED_STREAM {
                        self.tap.refusals.fetch_add(1, Ordering::SeqCst);
                    }
                    self.head.clear();
                }
                bytes = &bytes[taken..];
                continue;
            }
            self.head.push(bytes[0]);
            bytes = &bytes[1..];
            if self.head.len() == HEAD_BYTES {
                self.to_come = u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]]) as usize;
                if self.to_come == 0 {
                    self.head.clear();
                }
            }
        }
    }

    /// Sends what is to be inserted, between two frames.
    fn insert(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.head.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let tap = self.tap.clone();
        let mut inserted = tap.inserted.lock().unwrap();
        while !inserted.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &inserted))?;
            inserted.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn is_silent(&self) -> bool {
        self.tap.is_silent.load(Ordering::SeqCst)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.tap.is_silent.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_silent() {
            return Poll::Pending;
        }
        ready!(self.insert(context))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, bytes))?;
        self.follow(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_silent() {
            return Poll::Pending;
        }
        ready!(self.insert(context))?;
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
