//! As much of HTTP/1.1 as the double needs, on a bare socket, so that it can break the rules.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Reads the next request; none when the client has closed the connection.
pub(crate) async fn read_request(socket: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        method: first.next().unwrap_or_default(),
        path: first.next().unwrap_or_default(),
        headers,
        body: bytes.split_off(head_end + 4),
    };
    if request.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        let framed = std::mem::take(&mut request.body);
        let whole = read_chunks(socket, framed).await?;
        return Ok(whole.map(|body| Request { body, ..request }));
    }
    let length: usize = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    while request.body.len() < length {
        if socket.read_buf(&mut request.body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(request))
}

/// The body of a chunked request, of which the beginning was read; none when the client has closed the connection.
async fn read_chunks(socket: &mut TcpStream, mut framed: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let line = framed.windows(2).position(|window| window == b"\r\n");
        let size = line.and_then(|end| {
            let text = std::str::from_utf8(&framed[..end]).ok()?;
            usize::from_str_radix(text.split(';').next()?.trim(), 16).ok()
        });
        if let (Some(line), Some(size)) = (line, size)
            && framed.len() >= line + 2 + size + 2
        {
            body.extend_from_slice(&framed[line + 2..line + 2 + size]);
            framed.drain(..line + 2 + size + 2);
            if size == 0 {
                return Ok(Some(body));
            }
        } else if socket.read_buf(&mut framed).await? == 0 {
            return Ok(None);
        }
    }
}

/// Writes a status line and headers.
pub(crate) async fn write_head(
    socket: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Stand-In\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    socket.write_all((head + "\r\n").as_bytes()).await
}

/// Writes a part of a chunked body, in chunks of `size` bytes. One write is enough: a client meets each chunk apart.
pub(crate) async fn write_chunks(socket: &mut TcpStream, bytes: &[u8], size: usize) -> io::Result<()> {
    let mut framed = Vec::with_capacity(bytes.len() + 16 * (bytes.len() / size + 1));
    for piece in bytes.chunks(size) {
        framed.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
    }
    socket.write_all(&framed).await
}

/// Ends the connection with a reset instead of a close.
pub(crate) fn reset(socket: &TcpStream) -> io::Result<()> {
    socket.set_zero_linger()
}

/// Waits until the client hangs up.
pub(crate) async fn until_hung_up(socket: &mut TcpStream) {
    let mut rest = [0; 1024];
    while matches!(socket.read(&mut rest).await, Ok(read) if read > 0) {}
}
