use super::super::extract;

fn text(source: &str) -> String {
    let pages = extract(source.as_bytes()).unwrap().pages;
    pages.into_iter().map(|page| page.text).collect::<Vec<_>>().join("\n\n")
}

fn sentences(count: usize) -> String {
    (1..=count)
        .map(|n| format!("<p>Sentence {n} of the article says something of its own, at some length.</p>"))
        .collect()
}

#[test]
fn nothing_is_lost_to_teasers() {
    let line = "The long main text of the page stands here, outside of any article, and goes on for a while.";
    let cards = "<article><h3><a href=x>Teaser one</a></h3></article><article><h3>Teaser two</h3></article>";
    let page = format!("<body><h1>The report</h1><div><p>{line}</p></div><div>{cards}</div>");
    assert_eq!(text(&page), format!("The report\n\n{line}"));
    assert_eq!(text(&format!("<main><aside><p>{line}</p></aside><p>Accept cookies?</p></main>")), line);
    // A page of teasers keeps them.
    assert!(text(&format!("<main>{cards}</main>")).contains("Teaser two"));
}

#[test]
fn a_section_named_after_its_heading_stays() {
    let section = |id: &str| {
        format!(
            "<h1>The report</h1>{}<div id='{id}'><h2>Sharing with neighbours</h2><p>They share.</p></div>",
            sentences(8)
        )
    };
    assert!(text(&section("sharing-with-neighbours")).contains("They share."));
    assert!(!text(&section("sharing-buttons")).contains("They share."));
}

#[test]
fn a_link_in_a_sentence_stays_whatever_its_class() {
    for class in ["popup", "more", "related", "share"] {
        let link = format!("<a class={class} href=x>the second survey</a>");
        let sentence = format!("<p>The authors compare the first survey with {link}, which came later.</p>");
        let page = text(&format!("<h1>The report</h1>{}{sentence}{link}", sentences(8)));
        assert!(page.contains("with the second survey, which"), "{class}: {page}");
        assert!(!page.ends_with("the second survey"), "{class}: {page}");
    }
}

#[test]
fn comments_and_sidebars_longer_than_the_article_go() {
    let long = "<p>A reader writes at length, and the reader has many opinions.</p>".repeat(60);
    for around in [format!("<div id=comments>{long}</div>"), format!("<aside class=sidebar>{long}</aside>")] {
        let article = |length| format!("<div><h1>The report</h1>{}</div>{around}", sentences(length));
        assert!(!text(&article(12)).contains("opinions"), "{around:.20}");
        // A page keeps what it mostly consists of.
        assert!(text(&article(2)).contains("opinions"), "{around:.20}");
    }
}

#[test]
fn a_list_of_links_in_an_article_of_lists_stays() {
    let links: String = (1..=5).map(|n| format!("<li><a href={n}>Fault {n} is corrected</a>")).collect();
    let notes = (1..=9).map(|n| format!("<li>Note {n} tells at some length what has changed for users."));
    let page = |name| {
        format!(
            "<{name}><h1>Notes</h1><ul>{}</ul><ul>{links}</ul></{name}>",
            notes.clone().collect::<String>()
        )
    };
    assert!(text(&page("article")).contains("Fault 5 is corrected"));
    assert!(!text(&page("div")).contains("Fault 5 is corrected"));
}

#[test]
fn a_page_of_posts_keeps_them() {
    let posts =
        "<div class=comment><p>A reader writes a post of some length to the thread.</p></div>".repeat(60);
    assert!(text(&format!("<h1>Thread</h1><p>What do you think?</p>{posts}")).contains("to the thread"));
    let code = "<pre><code><span class=hljs-comment># install it first</span>\npip install it</code></pre>";
    assert!(text(&format!("<h1>Guide</h1>{}{code}", sentences(8))).contains("# install it first"));
}
