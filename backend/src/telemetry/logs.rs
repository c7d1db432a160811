//! Log lines: one event per line, in JSON for machines or text for people.
//!
//! JSON has `level` and `message` at the top, as Railway expects, and the fields of the event and of every
//! span around it. So each line of a run has its `run_id`. Line breaks and control characters are removed,
//! because a document's text may get into a message. So each event stays one line, and no terminal executes
//! it.

mod banner;
mod fields;
mod sampling;

use std::{io::Write as _, str::FromStr, sync::Arc};

use pipeline::clock::Clock;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    EnvFilter, Layer,
    fmt::MakeWriter,
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use self::fields::Fields;
pub use self::{banner::Banner, sampling::Sampling};
use crate::telemetry::metrics;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Text {
        /// Colours the level, for a terminal.
        is_coloured: bool,
    },
}

impl FromStr for LogFormat {
    type Err = ();

    /// Parses `json` or `text`, in any case.
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text { is_coloured: false }),
            _ => Err(()),
        }
    }
}

/// Creates the subscriber that writes the log. Install it with `tracing::subscriber::set_global_default`, or
/// in a test with `tracing::subscriber::with_default`.
pub fn subscriber<W>(
    filter: EnvFilter,
    format: LogFormat,
    sampling: Sampling,
    clock: Arc<dyn Clock>,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::registry().with(filter).with(Lines { format, sampling, clock, writer })
}

#[derive(Debug)]
struct Lines<W> {
    format: LogFormat,
    sampling: Sampling,
    clock: Arc<dyn Clock>,
    writer: W,
}

impl<S, W> Layer<S> for Lines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            record.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        // The innermost value wins: the stage of the event overrides that of a span.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        let mut own = Fields::default();
        event.record(&mut own);
        let message = own.take_message();
        fields.extend(&own);
        let metadata = event.metadata();
        if *metadata.level() >= Level::INFO && !self.sampling.keeps(&fields) {
            metrics::log_line_left_out();
            return;
        }
        let line = match self.format {
            LogFormat::Json => self.json(*metadata.level(), metadata.target(), &message, fields),
            LogFormat::Text { is_coloured } => self.text(*metadata.level(), &message, &fields, is_coloured),
        };
        // One write per line, so that lines of several threads do not mix. If the log cannot be written,
        // there is no other place to report it.
        let _ = self.writer.make_writer_for(metadata).write_all(line.as_bytes());
    }
}

impl<W> Lines<W> {
    fn now(&self) -> String {
        self.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    }

    fn json(&self, level: Level, target: &str, message: &str, fields: Fields) -> String {
        let mut line = Map::new();
        line.insert("timestamp".to_owned(), Value::String(self.now()));
        line.insert("level".to_owned(), Value::String(level.as_str().to_ascii_lowercase()));
        line.insert("message".to_owned(), Value::String(fields::for_json(message)));
        line.insert("target".to_owned(), Value::String(target.to_owned()));
        for (name, value) in fields.into_inner() {
            // A field must not override the fixed members of a line.
            let name = if line.contains_key(name) { format!("field_{name}") } else { name.to_owned() };
            let value = match value {
                Value::String(text) => Value::String(fields::for_json(&text)),
                other => other,
            };
            line.insert(name, value);
        }
        format!("{}\n", Value::Object(line))
    }

    fn text(&self, level: Level, message: &str, fields: &Fields, is_coloured: bool) -> String {
        let colour = match level {
            _ if !is_coloured => None,
            Level::ERROR => Some("31"),
            Level::WARN => Some("33"),
            Level::INFO => Some("32"),
            _ => Some("2"),
        };
        let level = match colour {
            Some(colour) => format!("\u{1b}[{colour}m{level:>5}\u{1b}[0m"),
            None => format!("{level:>5}"),
        };
        let mut line = format!("{} {level} {}", self.now(), fields::for_terminal(message));
        for (name, value) in fields.iter() {
            let value = match value {
                Value::String(text) => fields::quoted(text),
                other => other.to_string(),
            };
            line.push_str(&format!(" {name}={value}"));
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests;
