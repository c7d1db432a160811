//! Parses server-sent events as model endpoints use them: data lines, event names, comments, and any line
//! ending.

/// One item of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// A comment line. Endpoints keep a connection alive with it.
    Comment,
    /// The data of one event, and the event's name, if it has one.
    Data { name: Option<&'a str>, data: &'a [u8] },
}

/// Splits a byte stream into events, regardless of its division into chunks.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    name: Option<String>,
    data: Vec<u8>,
    has_data: bool,
    /// The last line ended in CR. An LF right after it belongs to the same line end.
    after_cr: bool,
}

impl Events {
    /// Reads bytes and passes every complete event to `sink`, until it returns false.
    pub(super) fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(Event<'_>) -> bool) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let skipped = usize::from(std::mem::take(&mut self.after_cr) && *first == b'\n');
            rest = rest.get(skipped..).unwrap_or_default();
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                return;
            };
            let (line, end_and_rest) = rest.split_at(end);
            self.line.extend_from_slice(line);
            self.after_cr = end_and_rest.first() == Some(&b'\r');
            rest = end_and_rest.get(1..).unwrap_or_default();
            if !self.end_line(&mut sink) {
                return;
            }
        }
    }

    /// Ends the stream. An event without its closing empty line still counts, because the endpoint may have
    /// closed right after its last line.
    pub(super) fn finish(&mut self, mut sink: impl FnMut(Event<'_>) -> bool) {
        if self.end_line(&mut sink) {
            self.dispatch(&mut sink);
        }
    }

    /// Reads one line. False when the sink wants no more.
    fn end_line(&mut self, sink: &mut impl FnMut(Event<'_>) -> bool) -> bool {
        // The buffer is kept for the next line.
        let mut line = std::mem::take(&mut self.line);
        let wants_more = self.read_line(&line, sink);
        line.clear();
        self.line = line;
        wants_more
    }

    fn read_line(&mut self, line: &[u8], sink: &mut impl FnMut(Event<'_>) -> bool) -> bool {
        // Some relays indent their lines, against the format.
        let line = line.trim_ascii_start();
        if line.is_empty() {
            return self.dispatch(sink);
        }
        if line.first() == Some(&b':') {
            return sink(Event::Comment);
        }
        // A line of JSON without its field name, which a relay has lost.
        let bare = matches!(line.first(), Some(b'{' | b'[')).then_some(line);
        if let Some(value) = field(line, b"data").or(bare) {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        } else if let Some(value) = field(line, b"event") {
            self.name = Some(String::from_utf8_lossy(value).trim().to_owned());
        }
        true
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(Event<'_>) -> bool) -> bool {
        let name = self.name.take();
        let wants_more = !std::mem::take(&mut self.has_data)
            || sink(Event::Data { name: name.as_deref(), data: &self.data });
        self.data.clear();
        wants_more
    }
}

/// The value of a line `name: value`, or of `name` alone.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut parser = Events::default();
        let mut sink = |event: Event<'_>| {
            found.push(match event {
                Event::Comment => "comment".to_owned(),
                Event::Data { name, data } => {
                    format!("{}={}", name.unwrap_or_default(), String::from_utf8_lossy(data))
                }
            });
            true
        };
        for chunk in chunks {
            parser.push(chunk, &mut sink);
        }
        parser.finish(&mut sink);
        found
    }

    #[test]
    fn chunk_borders_do_not_change_the_events() {
        let stream = b": OPENROUTER PROCESSING\n\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\ndata: lines\r\rid: 4\ndataset: no\n\n data\n\ndata: last";
        let expected = ["comment", "={\"a\":1}", "x=two\nlines", "=", "=last"];
        assert_eq!(events(&[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(events(&bytes), expected);
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(events(&[head, tail]), expected, "cut at {cut}");
        }
    }
}
