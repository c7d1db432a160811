//! Code pages of DOS, which `encoding_rs` does not have.

/// A code page: the characters of the bytes from 128.
pub(super) struct CodePage {
    pub(super) name: &'static str,
    upper_half: &'static str,
}

pub(super) const CODE_PAGES: [CodePage; 2] = [
    CodePage {
        name: "IBM850",
        upper_half: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    },
    CodePage {
        name: "IBM437",
        upper_half: "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    },
];

impl CodePage {
    pub(super) fn decode(&self, bytes: &[u8]) -> String {
        let table: Vec<char> = self.upper_half.chars().collect();
        let decoded = |byte: &u8| match byte.checked_sub(128) {
            None => char::from(*byte),
            Some(index) => table.get(usize::from(index)).copied().unwrap_or(char::REPLACEMENT_CHARACTER),
        };
        bytes.iter().map(decoded).collect()
    }
}
