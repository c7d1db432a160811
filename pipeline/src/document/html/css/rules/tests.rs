use crate::document::extract;

/// The words that a page shows and those that it hides, each in one line.
fn read(sheet: &str, body: &str) -> (String, String) {
    let page = format!("<html><head><style>{sheet}</style></head><body>{body}</body></html>");
    let document = extract("page.html", page.as_bytes()).unwrap();
    let line = |texts: Vec<&str>| texts.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = line(document.pages.iter().map(|page| page.text.as_str()).collect());
    (shown, line(document.hidden.iter().map(|hidden| hidden.text.as_str()).collect()))
}

fn assert_hides(sheet: &str, body: &str) {
    let (shown, hidden) = read(sheet, body);
    assert_eq!((shown.as_str(), hidden.as_str()), ("seen", "secret"), "{sheet} {body}");
}

#[test]
fn attributes_of_any_name_hide() {
    for (selector, attribute) in [
        ("[data-state=closed]", "data-state=closed"),
        ("p[DATA-STATE='closed']", "data-state=closed"),
        ("[data-role~=\"ai note\"], [data-role~=note]", "data-role='ai note'"),
        ("[aria-hidden='true' i]", "aria-hidden=TRUE"),
        ("[lang|=xx]", "lang=xx-YY"),
        ("[class^='sr-'][class$=only]", "class=sr-only"),
        ("[style*='--hide: 1']", "style='--hide: 1'"),
        ("[data-empty]", "data-empty"),
        ("[data-a='x,y']", "data-a='x,y'"),
    ] {
        assert_hides(
            &format!("{selector}{{display:none}}"),
            &format!("<p data-x>seen</p><p {attribute}>secret</p>"),
        );
    }
    let kept = read("[data-state=closed]{display:none}", "<p data-state=open>seen</p><p data-state>too</p>");
    assert_eq!(kept, ("seen too".to_owned(), String::new()));
}

#[test]
fn a_rule_with_a_broken_selector_hides_nothing() {
    for sheet in [".list&gt; a{display:none}", "} a{display:none}", "x; a{display:none}"] {
        assert_eq!(read(sheet, "<a href=/x>seen</a>"), ("seen".to_owned(), String::new()), "{sheet}");
    }
    assert_hides(
        "@charset 'utf-8'; @import 'x.css'; p.no{display:none}",
        "<p>seen</p><p class=no>secret</p>",
    );
}

#[test]
fn quotes_and_escapes_hold_no_syntax() {
    for before in [
        r#"@import url("data:text/css;base64,eA==");"#,
        "@import url(data:text/css;base64,eA==);",
        r#"@import "\";{";"#,
        r#"b::after{content:"}"}"#,
        r#"b::after{content:"\"}"}"#,
        r#"b[title="{"]{color:red}"#,
        "b{content:'never closed\n}",
        "b{content:\"\\\r\n\"}",
        "b{content:'never closed\r}",
        "b{background:url(it's.png)}",
        "b{background:URL( {it's} )}",
        "b{background:url(data:image/*;base64,eA==)}",
        "@import url(it's.css);",
        r#"b{content:"/*"}"#,
        "b{content:curl('}')}",
        r#".no,[title=";"]{display:none}"#,
        r#".no{display:none;content:"x;display:block"}"#,
    ] {
        assert_hides(&format!("{before} p.no{{display:none}}"), "<p>seen</p><p class=no>secret</p>");
    }
}

#[test]
fn places_and_states_hide() {
    for selector in [
        "p + p",
        "h2 ~ p:not(.a)",
        "p:nth-child(2n+3)",
        "p:nth-child( 3 )",
        "div > p:last-child",
        ":is(section, div) > p:not(:hover, .a)",
        ":where(#x) p:not([class])",
        ":root body p.\\31 st + p",
    ] {
        assert_hides(
            &format!("{selector}{{display:none}}"),
            "<div id=x><h2></h2><p class='a 1st'>seen</p><p>secret</p></div>",
        );
    }
    for selector in ["p:hover", "p:first-child", "p::before", "p:nth-child(n+3)", "p:not(.a)"] {
        let shown = read(&format!("{selector}{{display:none}}"), "<div><i></i><p class=a>seen</p></div>");
        assert_eq!(shown, ("seen".to_owned(), String::new()), "{selector}");
    }
}

#[test]
fn the_window_of_a_desk_decides() {
    let body = "<p class=desk>seen</p><p class=phone>secret</p>";
    assert_hides(
        ".desk{display:none}@media (min-width:768px){.desk{display:block}.phone{display:none}}",
        body,
    );
    assert_hides(
        "@media (max-width:600px){.desk{display:none}} @media screen{.phone{visibility:hidden}}",
        body,
    );
    let sheets =
        "<style media=print>.a{display:none}</style><noscript><style>.a{display:none}</style></noscript>";
    assert_eq!(read("", &format!("{sheets}<p class=a>seen</p>")), ("seen".to_owned(), String::new()));
}

#[test]
fn nested_rules_hide() {
    let body = "<div class=card><p class=a>secret</p></div><p class=a>seen</p>";
    for sheet in [
        ".card { color: red; .a { display: none } }",
        ".card, .x { & > .a { display: none } margin: 0 }",
        ".card { @media screen { .a { display: none } } @media print { & { display: none } } }",
        ".a { .card & { display: none; } }",
    ] {
        assert_hides(sheet, body);
    }
}

#[test]
fn values_of_many_properties_hide() {
    for style in [
        "filter: blur(1px) opacity(0%)",
        "zoom: 0",
        "margin-left: -9999px",
        "color: hsl(0 0% 100%)",
        "color: hsla(120, 50%, 50%, 0)",
        "position: absolute; left: -9999px; top: 0",
        "clip-path: inset(50%); transform: none",
        "translate: -5000px",
        "mask: linear-gradient(transparent, rgba(0,0,0,0) 40%)",
        "-webkit-mask-image:linear-gradient(90deg, #0000, #0000)",
        "position: absolute; inset: 0 auto auto -5000px",
    ] {
        assert_hides(
            "",
            &format!(
                "<p style='filter:opacity(.5);zoom:1;mask:linear-gradient(#000, transparent)'>seen</p><p style='{style}'>secret</p>"
            ),
        );
    }
}

#[test]
fn custom_properties_hide() {
    let body = "<p class=b>seen</p><div class=a><p class=b>secret</p></div>";
    for sheet in [
        ":root{--Show:block} .a{--Show:none} .b{display:var(--Show)}",
        ".a{--hue:#fff} .b{color:var(--hue, black)}",
        ".a{--x:var(--y);--y:-9999px} .b{position:absolute;left:var(--x,0)}",
        ".a{--o:0} .b{opacity:var(--o, 1)}",
        "*{--o:1} .a .b{--o:0!important} .b{--o:1;opacity:var(--o)}",
    ] {
        assert_hides(sheet, body);
    }
    assert_hides("p{display:var(--d)}", "<p>seen</p><p style='--d:none'>secret</p>");
    // A value that cannot be resolved hides nothing, and one that names itself ends.
    let shown = read("p{--a:var(--a)var(--a);display:var(--a);opacity:var(--none)}", "<p>seen</p>");
    assert_eq!(shown, ("seen".to_owned(), String::new()));
    assert_hides(
        "p{display:var(--d);} .a{display:var(--d);display:block}",
        "<p style='--d:none'>secret</p><p class=a style='--d:none'>seen</p>",
    );
}

#[test]
fn custom_properties_are_resolved_where_they_are_set() {
    let body = "<p>seen</p><div class=o><div class=i><p class=b>secret</p></div></div>";
    assert_hides(".o{--a:none;--b:var(--a)} .i{--a:block} .b{display:var(--b)}", body);
    assert_hides(".o{--a:none} .i{--a:inherit} .b{display:var(--a,block)}", body);
    let sheet = ":root{--page:#000;--text:var(--page)} .card{--page:#fff} p{color:var(--text)}";
    assert_eq!(read(sheet, "<div class=card><p>seen</p></div>"), ("seen".to_owned(), String::new()));
}

#[test]
fn functions_have_no_case() {
    assert_hides("p{display:VAR(--Show)}", "<p>seen</p><p style='--Show:none'>secret</p>");
    assert_hides("", "<p>seen</p><p style='--Show:none;--a:Var(--Show);display:VAR(--a)'>secret</p>");
}

#[test]
fn masks_with_a_colour_or_a_second_layer_hide_nothing() {
    for mask in [
        "linear-gradient(transparent, currentcolor)",
        "linear-gradient(orange, transparent)",
        "linear-gradient(transparent, oklch(40% 0.2 20) 50%)",
        "linear-gradient(transparent,transparent), linear-gradient(#000,#000)",
        "url(a.png), linear-gradient(transparent,transparent)",
    ] {
        let shown = read("", &format!("<p style='mask:{mask}'>seen</p>"));
        assert_eq!(shown, ("seen".to_owned(), String::new()), "{mask}");
    }
    for mask in ["radial-gradient(circle at 9px, #0000, 40%, #0000) no-repeat", "linear-gradient(#0000,#0000"]
    {
        assert_hides("", &format!("<p>seen</p><p style='mask:{mask}'>secret</p>"));
    }
}

#[test]
fn many_custom_properties_take_linear_time() {
    let sheet: String = (0..200).map(|n| format!("*{{--v{n}:{n}}} p{{left:var(--v{n})}}")).collect();
    let (shown, _) = read(&sheet, &"<p>word</p>".repeat(5_000));
    assert!(shown.starts_with("word word"));
}

#[test]
fn the_greater_rank_wins() {
    assert_hides("#x p{display:none} p.a{display:block}", "<p>seen</p><div id=x><p class=a>secret</p></div>");
    assert_hides(
        ":where(#x) p{display:none} p.a{display:block}",
        "<div id=x><p class=a>seen</p><p>secret</p></div>",
    );
}

#[test]
fn many_siblings_take_linear_time() {
    let body = "<p>word</p>".repeat(100_000);
    let (shown, hidden) = read("p + p, p ~ i, p:last-child {display:none}", &body);
    assert_eq!(shown, "word");
    assert!(!hidden.is_empty());
}
