//! Texts of mails whose lines flow (RFC 3676): a line that ends with a space goes on in the next one.

/// The text with its lines joined. With `deletes_space`, the space at the end of a line is no part of the text.
pub(super) fn joined(text: &str, deletes_space: bool) -> String {
    let mut out = String::with_capacity(text.len());
    // The depth of quotation of the paragraph that goes on.
    let mut open: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let rest = line.trim_start_matches('>');
        let depth = line.len() - rest.len();
        // A space in front keeps a line from looking like a quotation or an envelope.
        let content = rest.strip_prefix(' ').unwrap_or(rest);
        let goes_on = open == Some(depth) && content != SIGNATURE;
        if !goes_on {
            if index > 0 {
                out.push('\n');
            }
            if depth > 0 {
                out.extend(std::iter::repeat_n('>', depth));
                out.push(' ');
            }
        }
        let is_flowed = content.ends_with(' ') && content != SIGNATURE;
        out.push_str(if is_flowed && deletes_space {
            content.strip_suffix(' ').unwrap_or(content)
        } else {
            content
        });
        open = is_flowed.then_some(depth);
    }
    out
}

/// The line before a signature ends with a space, and yet does not flow.
const SIGNATURE: &str = "-- ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_flow_within_one_depth() {
        let text = "Refills grow by \n12% a \nyear.\n\n From here.\n> A quoted \n> line.\n>> Deeper \n> again.\n-- \nAda";
        let expected =
            "Refills grow by 12% a year.\n\nFrom here.\n> A quoted line.\n>> Deeper \n> again.\n-- \nAda";
        assert_eq!(joined(text, false), expected);
        assert_eq!(joined("\u{6771} \n\u{4eac} \nend", true), "\u{6771}\u{4eac}end");
        assert_eq!(joined("", false), "");
    }
}
