//! Mail, by SMTP. Each message has a connection of its own: the library's pool does not recover from a lost server.

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use secrecy::ExposeSecret as _;

use super::{channel::Channel, notice::Notice};
use crate::{
    alerts::http::SendError,
    config::alert_channels::{EmailConfig, SmtpSecurity},
};

/// The library's own limit covers the connection only; the caller limits the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest subject.
const SUBJECT_CHARS_MAX: usize = 200;

#[derive(Debug)]
pub(super) struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Email {
    pub(super) fn new(config: &EmailConfig, extra_ca_file: Option<&Path>) -> Result<Self, String> {
        let mailbox = |address: &String| {
            address
                .parse::<Mailbox>()
                .map_err(|_| "ALERT_EMAIL_TO and ALERT_EMAIL_FROM must be addresses".to_owned())
        };
        let tls = match config.security {
            SmtpSecurity::None => Tls::None,
            SmtpSecurity::Wrapped => Tls::Wrapper(parameters(&config.host, extra_ca_file)?),
            SmtpSecurity::StartTls => Tls::Required(parameters(&config.host, extra_ca_file)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(CONNECT_TIMEOUT));
        if let Some((user, password)) = &config.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            builder = builder.credentials(credentials);
        }
        Ok(Self {
            transport: builder.build(),
            from: mailbox(&config.from)?,
            to: config.to.iter().map(mailbox).collect::<Result<_, _>>()?,
        })
    }
}

fn parameters(host: &str, extra_ca_file: Option<&Path>) -> Result<TlsParameters, String> {
    let unusable = |what: &str| format!("the TLS of ALERT_SMTP_URL cannot be set up: {what}");
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = extra_ca_file {
        let pem = std::fs::read(path).map_err(|error| unusable(&format!("EXTRA_CA_FILE: {error}")))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|_| unusable("EXTRA_CA_FILE is no certificate"))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(|error| unusable(&error.to_string()))
}

#[async_trait]
impl Channel for Email {
    fn name(&self) -> &'static str {
        "email"
    }

    fn is_grouped(&self) -> bool {
        true
    }

    async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let subject: String =
            notice.headline().chars().filter(|c| !c.is_control()).take(SUBJECT_CHARS_MAX).collect();
        let mut builder =
            Message::builder().from(self.from.clone()).subject(subject).header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let message =
            builder.body(text(notice)).map_err(|_| SendError::new("the message cannot be written"))?;
        self.transport.send(message).await.map(|_| ()).map_err(|error| SendError::new(reason(&error)))
    }
}

fn text(notice: &Notice) -> String {
    let alerts: Vec<String> = notice.alerts.iter().map(|alert| alert.lines().join("\n")).collect();
    format!("{}\n\n{}\n", notice.headline(), alerts.join("\n\n"))
}

/// The server's code, and no more: its text may repeat an address or a name.
fn reason(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None if error.is_tls() => "the TLS connection failed".to_owned(),
        None => "no connection to the mail server".to_owned(),
    }
}
