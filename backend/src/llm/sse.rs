//! Server-sent events, as far as model endpoints use them: data lines, comments, and any line ending.

/// Splits a byte stream into events, however it was cut into chunks.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// The last line ended in CR: an LF right behind it belongs to the same line end.
    after_cr: bool,
}

impl Events {
    /// Takes in bytes; hands every completed event's data to `sink`, until it returns false.
    pub(super) fn push(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8]) -> bool) {
        for &byte in bytes {
            let follows_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                b'\n' if follows_cr => {}
                b'\n' | b'\r' => {
                    if self.end_line() && !self.dispatch(&mut sink) {
                        return;
                    }
                }
                _ => self.line.push(byte),
            }
        }
    }

    /// At the end of the stream: an event without its closing empty line still counts, because an endpoint
    /// that closes right after its last line has said all it wanted to.
    pub(super) fn finish(&mut self, mut sink: impl FnMut(&[u8]) -> bool) {
        self.end_line();
        self.dispatch(&mut sink);
    }

    /// Takes in one line; true when it ends an event.
    fn end_line(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return true;
        }
        if let Some(value) = line.strip_prefix(b"data") {
            let value = value.strip_prefix(b":").unwrap_or(value);
            let value = value.strip_prefix(b" ").unwrap_or(value);
            if self.has_data {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
        false
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(&[u8]) -> bool) -> bool {
        let data = std::mem::take(&mut self.data);
        !std::mem::take(&mut self.has_data) || sink(&data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut parser = Events::default();
        let mut sink = |data: &[u8]| {
            found.push(String::from_utf8_lossy(data).into_owned());
            true
        };
        for chunk in chunks {
            parser.push(chunk, &mut sink);
        }
        parser.finish(&mut sink);
        found
    }

    #[test]
    fn events_are_the_same_however_the_stream_is_cut() {
        let stream = b": OPENROUTER PROCESSING\n\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\ndata: lines\r\rid: 4\n\ndata: last";
        let expected = ["{\"a\":1}", "two\nlines", "last"];
        assert_eq!(events(&[stream]), expected);
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(events(&bytes), expected);
        for cut in 0..stream.len() {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(events(&[head, tail]), expected, "cut at {cut}");
        }
    }
}
