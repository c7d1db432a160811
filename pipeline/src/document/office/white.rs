//! White, as colours of Office files name it.

/// The least of a channel that an eye takes for white.
const CHANNEL_MIN: u8 = 249;

/// Whether a colour, as `RRGGBB` or with the opacity before it, looks white.
pub(in crate::document) fn is_white(colour: &str) -> bool {
    let channels = if colour.len() == 8 { colour.get(2..) } else { Some(colour) };
    let channels = channels.filter(|channels| channels.len() == 6 && channels.is_ascii());
    channels.is_some_and(|channels| {
        channels.as_bytes().chunks(2).all(|channel| {
            std::str::from_utf8(channel)
                .ok()
                .and_then(|channel| u8::from_str_radix(channel, 16).ok())
                .is_some_and(|channel| channel >= CHANNEL_MIN)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_white_is_white() {
        for colour in ["FFFFFF", "fefefe", "FFFAFAFA", "FFFFFFFF", "f9ffff"] {
            assert!(is_white(colour), "{colour}");
        }
        for colour in ["F0F0F0", "auto", "", "00000", "FFFFF", "FF000000", "€€"] {
            assert!(!is_white(colour), "{colour}");
        }
    }
}
