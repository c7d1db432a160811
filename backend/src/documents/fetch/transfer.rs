//! One transfer: from the address over its redirects to the last byte.

use std::io;

use futures_util::TryStreamExt as _;
use reqwest::{
    Response,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_DISPOSITION},
};
use tokio::io::AsyncBufReadExt as _;
use tokio_util::io::StreamReader;
use url::Url;

use super::{
    Download, Fetcher, Sink,
    coding::{self, Coding},
    fault::{self, Fault},
    redirect::{self, REDIRECTS_MAX},
};
use crate::documents::{address, name};

impl Fetcher {
    pub(super) async fn transfer(&self, asked: &Url, into: &mut impl Sink) -> Result<Download, Fault> {
        let mut url = asked.clone();
        let mut seen: Vec<Url> = Vec::new();
        loop {
            address::check_url(&url, &self.config).map_err(|error| Fault::unavailable(error.to_string()))?;
            let response = self.ask(asked, &url).await?;
            if !redirect::is_redirect(response.status()) {
                return self.read(response, into).await;
            }
            if seen.len() == REDIRECTS_MAX {
                return Err(Fault::unavailable(format!("more than {REDIRECTS_MAX} redirects")));
            }
            let status = response.status();
            let target = redirect::target(response.headers(), &url).ok_or_else(|| {
                Fault::unavailable(format!("the server answered {status} without a usable address"))
            })?;
            seen.push(url);
            if seen.contains(&target) {
                return Err(Fault::unavailable("its redirects form a loop"));
            }
            url = target;
        }
    }

    async fn ask(&self, asked: &Url, url: &Url) -> Result<Response, Fault> {
        let mut request =
            self.client.get(url.clone()).header(ACCEPT, "*/*").header(ACCEPT_ENCODING, coding::ACCEPTED);
        if let Some(token) = self.token.as_ref().and_then(|token| token.header(asked, url)) {
            request = request.header(AUTHORIZATION, token);
        }
        request.send().await.map_err(|error| Fault::from_transport(&error, self.deadlines.idle))
    }

    async fn read(&self, response: Response, into: &mut impl Sink) -> Result<Download, Fault> {
        // 203: a proxy has changed headers or the body. Its client is meant to see the changed one.
        if !matches!(response.status().as_u16(), 200 | 203) {
            return Err(Fault::from_status(response.status(), response.headers()));
        }
        let codings = coding::of(response.headers()).map_err(Fault::unavailable)?;
        let limit = self.config.bytes_max;
        let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
        if codings.is_empty() && announced.is_some_and(|length| length > limit) {
            return Err(Fault::too_large(limit));
        }
        let disposition = response.headers().get(CONTENT_DISPOSITION);
        let name = disposition.and_then(|value| name::from_disposition(value.as_bytes()));
        let raw = StreamReader::new(response.bytes_stream().map_err(io::Error::other));
        let body = coding::undo(raw, &codings, limit).await;
        let mut body = body.map_err(|error| self.reading_fault(&error, &codings))?;
        let mut length = 0;
        loop {
            let piece = body.fill_buf().await.map_err(|error| self.reading_fault(&error, &codings))?;
            if piece.is_empty() {
                break;
            }
            let count = piece.len();
            length += count;
            if length > limit {
                return Err(Fault::too_large(limit));
            }
            into.write(piece).await.map_err(|error| Fault::Final(fault::not_kept(&error)))?;
            body.consume(count);
        }
        into.finish().await.map_err(|error| Fault::Final(fault::not_kept(&error)))?;
        Ok(Download { name })
    }

    /// Finds out why a read failed: the connection, the limit, or the coding.
    fn reading_fault(&self, error: &io::Error, codings: &[Coding]) -> Fault {
        if let Some(transport) = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>()) {
            return Fault::from_transport(transport, self.deadlines.idle);
        }
        if error.kind() == io::ErrorKind::FileTooLarge {
            return Fault::too_large(self.config.bytes_max);
        }
        let named: Vec<_> = codings.iter().map(|coding| coding.name()).collect();
        let named = named.join(", ");
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Fault::passing(format!("its content coding {named} broke off before its end"));
        }
        Fault::unavailable(format!("the server says Content-Encoding: {named}, but decoding fails"))
    }
}
