use super::*;

fn text(bytes: &[u8]) -> String {
    decode(bytes, None).unwrap().text
}

#[test]
fn marks_decide() {
    assert_eq!(text(b"\xff\xfe\0\0a\0\0\0\xe9\0\0\0"), "a\u{e9}");
    assert_eq!(text(b"\0\0\xfe\xff\0\0\0a"), "a");
    assert_eq!(text(b"\xef\xbb\xbfa\xff"), "a\u{fffd}");
    assert_eq!(text(b"\xfe\xff\0a"), "a");
}

#[test]
fn damage_costs_one_character_each() {
    let decoded = decode("Café – naïve\u{0} façade".replace('\u{0}', "").as_bytes(), None).unwrap();
    assert!(decoded.warnings.is_empty());
    let decoded = decode(b"Caf\xc3\xa9 \xe2\x80\x93 na\xc3\xafve\xe9 fa\xc3\xa7ade", None).unwrap();
    assert_eq!(decoded.text, "Café – naïve\u{fffd} façade");
    assert_eq!(decoded.warnings, ["1 character could not be decoded and stands as U+FFFD."]);
}

#[test]
fn false_declarations_are_not_believed() {
    let shift_jis = encoding_rs::SHIFT_JIS.encode("日本の市場調査の報告書です。").0.into_owned();
    let decoded = decode(&shift_jis, Some("iso-8859-1")).unwrap();
    assert_eq!(decoded.text, "日本の市場調査の報告書です。");
    assert!(decoded.warnings.iter().any(|warning| warning.contains("declares")), "{decoded:?}");
    assert_eq!(decode("Café".as_bytes(), Some("utf-16")).unwrap().text, "Café");
    assert_eq!(
        decode(b"Caf\xe9 cr\xe8me", Some("iso-8859-1")).unwrap(),
        Decoded::new("Café crème".to_owned())
    );
}

#[test]
fn seven_bits_carry_other_letters() {
    let jis = b"\x1b$B%F%9%H\x1b(B";
    assert_eq!(text(jis), "テスト");
    assert_eq!(text(b"a ~{<:Ky2;~} b"), "a \u{5df1}\u{6240}\u{4e0d} b");
    assert!(matches!(decode(b"Caf+AOk-, na+AO8-ve, fa+AOc-ade", None), Err(DocumentError::Unsupported(_))));
    assert_eq!(text(b"a+b ~{ not ~}"), "a+b ~{ not ~}");
}

#[test]
fn every_encoding_is_found() {
    let russian = "В сорока магазинах открылись стойки дозаправки. Большинство вернулось через месяц.\n";
    let japanese = "飲料の詰め替えカウンターは四十店で開始された。多くの客が戻った。\n";
    let chinese = "四十家门店开设了补充柜台，大多数顾客一个月内回来。\n";
    let korean = "마흔 개 매장에서 리필 카운터를 열었고 대부분의 고객이 돌아왔다.\n";
    let polish = "Czterdzieści sklepów otworzyło stoiska, a większość klientów wróciła w ciągu miesiąca.\n";
    let cases: [(&'static Encoding, &str); 12] = [
        (encoding_rs::WINDOWS_1251, russian),
        (encoding_rs::KOI8_R, russian),
        (encoding_rs::ISO_8859_5, russian),
        (encoding_rs::IBM866, russian),
        (encoding_rs::SHIFT_JIS, japanese),
        (encoding_rs::EUC_JP, japanese),
        (encoding_rs::GB18030, chinese),
        (encoding_rs::EUC_KR, korean),
        (encoding_rs::ISO_8859_2, polish),
        (encoding_rs::WINDOWS_1250, polish),
        (encoding_rs::WINDOWS_1252, "Les « cafés » de Köln – naïfs – coûtent 4 €. L’été, où ? Déjà.\n"),
        (encoding_rs::MACINTOSH, "Les « cafés » de Köln – naïfs – coûtent 4 £. L’été, où ? Déjà.\n"),
    ];
    for (encoding, sentence) in cases {
        let bytes = encoding.encode(sentence).0.into_owned();
        let decoded = decode(&bytes, None).unwrap();
        assert_eq!((decoded.text.as_str(), encoding.name()), (sentence, encoding.name()));
        assert_eq!(decoded.warnings.len(), 1, "{decoded:?}");
        assert_eq!(
            decode(&bytes, Some(encoding.name())).unwrap(),
            Decoded::new(sentence.to_owned()),
            "{}",
            encoding.name()
        );
    }
    let wide: Vec<u8> = japanese.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(text(&wide), japanese);
    let wide: Vec<u8> = russian.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&wide), russian);
}

#[test]
fn code_pages_of_dos_are_found() {
    let bytes = b"Die K\x84se-Caf\x82s \x9fber m\x94gliche Gr\x94\xe1en f\x81r alle M\x84rkte";
    let decoded = decode(bytes, None).unwrap();
    assert!(decoded.text.contains("Größen für alle Märkte"), "{decoded:?}");
}
