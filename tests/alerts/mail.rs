//! A mail server, over real SMTP in TLS: the order of commands of RFC 5321, `STARTTLS` of RFC 3207, `AUTH PLAIN` of RFC 4954, and lines
//! of at most 998 octets (RFC 5322, 2.1.1; RFC 5321, 4.5.3.1.6).

use std::sync::{Arc, Mutex};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::support::tls::Authority;

pub(super) const PASSWORD: &str = "mail-SECRET";

const GREETING: &str = "220 localhost ESMTP";

/// The longest line without its end.
const LINE_BYTES_MAX: usize = 998;

#[derive(Debug, Clone)]
pub(super) struct MailServer {
    pub(super) port: u16,
    taken: Arc<Mutex<Vec<Mail>>>,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) to: Vec<String>,
    pub(super) text: String,
}

impl MailServer {
    /// With a certificate of this authority for `localhost`, in TLS from the first byte.
    pub(super) async fn start(authority: &Authority) -> Self {
        Self::start_in(authority, false).await
    }

    /// As [`MailServer::start`], but a client asks for TLS first.
    pub(super) async fn start_plain(authority: &Authority) -> Self {
        Self::start_in(authority, true).await
    }

    async fn start_in(authority: &Authority, begins_plain: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { port: listener.local_addr().unwrap().port(), taken: Arc::default() };
        let (acceptor, serving) = (authority.acceptor(&[]), server.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let stream = if begins_plain { until_upgrade(stream).await? } else { stream };
                    let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
                    if !begins_plain {
                        answer(&mut stream, GREETING).await?;
                    }
                    serving.serve(stream).await
                });
            }
        });
        server
    }

    pub(super) fn taken(&self) -> Vec<Mail> {
        self.taken.lock().unwrap().clone()
    }

    async fn serve(&self, mut stream: BufReader<impl AsyncRead + AsyncWrite + Unpin>) -> Option<()> {
        let (mut is_known, mut from, mut to) = (false, None, Vec::new());
        loop {
            let line = line(&mut stream).await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => answer(&mut stream, "250-localhost\r\n250-AUTH PLAIN\r\n250 8BITMIME").await?,
                "AUTH" => {
                    let wanted = BASE64_STANDARD.encode(format!("\0me\0{PASSWORD}"));
                    is_known = line == format!("AUTH PLAIN {wanted}");
                    let reply = if is_known { "235 2.7.0 ok" } else { "535 5.7.8 no" };
                    answer(&mut stream, reply).await?;
                }
                "MAIL" if is_known => {
                    from = Some(line);
                    answer(&mut stream, "250 ok").await?;
                }
                "RCPT" if from.is_some() => {
                    to.push(line.split(['<', '>']).nth(1).unwrap_or_default().to_owned());
                    answer(&mut stream, "250 ok").await?;
                }
                "DATA" if !to.is_empty() => {
                    answer(&mut stream, "354 go on").await?;
                    let text = data(&mut stream).await?;
                    if text.lines().any(|line| line.len() > LINE_BYTES_MAX) {
                        answer(&mut stream, "500 a line is too long").await?;
                        continue;
                    }
                    self.taken.lock().unwrap().push(Mail { to: std::mem::take(&mut to), text });
                    from = None;
                    answer(&mut stream, "250 queued").await?;
                }
                "QUIT" => return answer(&mut stream, "221 bye").await,
                "RSET" | "NOOP" => answer(&mut stream, "250 ok").await?,
                _ => answer(&mut stream, "503 bad sequence of commands").await?,
            }
        }
    }
}

/// Answers in plain text until the client asks for TLS. Nothing else is taken before.
async fn until_upgrade(stream: TcpStream) -> Option<TcpStream> {
    let mut stream = BufReader::new(stream);
    answer(&mut stream, GREETING).await?;
    loop {
        match line(&mut stream).await?.to_uppercase().as_str() {
            "STARTTLS" => {
                answer(&mut stream, "220 go ahead").await?;
                return Some(stream.into_inner());
            }
            hello if hello.starts_with("EHLO") => {
                answer(&mut stream, "250-localhost\r\n250 STARTTLS").await?;
            }
            _ => answer(&mut stream, "530 5.7.0 must issue a STARTTLS command first").await?,
        }
    }
}

async fn data(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut text = String::new();
    loop {
        match line(stream).await?.as_str() {
            "." => return Some(text),
            line => {
                text.push_str(line.strip_prefix('.').unwrap_or(line));
                text.push('\n');
            }
        }
    }
}

async fn line(stream: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

async fn answer(stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>, text: &str) -> Option<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    stream.get_mut().flush().await.ok()
}
