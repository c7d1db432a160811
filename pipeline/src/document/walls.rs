//! Pages that stand before an article and were saved in its place: sign-in forms, checks for robots, questions about cookies.

mod phrases;

use self::phrases::{ABOUT_CONSENT, CONSENTS, PASSWORDS, PAYWALLS, ROBOT_CHECKS, SIGN_IN};

/// A sign-in form says less than this.
const SIGN_IN_LETTERS_MAX: usize = 400;
/// A check for robots says less than this.
const CHECK_LETTERS_MAX: usize = 900;
/// A question about cookies says less than this.
const COOKIES_LETTERS_MAX: usize = 3_000;
/// So many of the first lines may be the title of a sign-in form.
const TITLE_LINES: usize = 4;

/// The kinds of such pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wall {
    SignIn,
    RobotCheck,
    /// It may be a text about cookies all the same.
    Cookies,
}

impl Wall {
    /// Why such a page is no document. Nothing if it may be one.
    pub(super) const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::SignIn => Some(
                "it is the sign-in page of a website; sign in, open the document in a browser, and save it as PDF",
            ),
            Self::RobotCheck => {
                Some("it is a website's check for robots; open the document in a browser, and save it as PDF")
            }
            Self::Cookies => None,
        }
    }

    pub(super) const fn warning(self) -> &'static str {
        "The page seems to be a question about cookies in place of an article. Answer it in a browser, and save the article as PDF."
    }
}

/// The wall that a document is, by its titles and its text. A form that asks for a password is a further sign.
pub(super) fn wall(titles: &[&str], text: &str, asks_for_password: bool) -> Option<Wall> {
    let letters = text.chars().filter(|c| c.is_alphanumeric()).take(COOKIES_LETTERS_MAX).count();
    if letters >= COOKIES_LETTERS_MAX {
        return None;
    }
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    let titles = titles.iter().map(|title| title.to_lowercase());
    if letters < SIGN_IN_LETTERS_MAX {
        let first = lower.lines().filter(|line| !line.trim().is_empty()).take(TITLE_LINES);
        let is_titled = titles.clone().any(|title| is_sign_in(&title)) || first.into_iter().any(is_sign_in);
        if is_titled && (asks_for_password || PASSWORDS.iter().any(|word| lower.contains(word))) {
            return Some(Wall::SignIn);
        }
    }
    let checks = |text: &str| ROBOT_CHECKS.iter().any(|phrase| text.contains(phrase));
    if letters < CHECK_LETTERS_MAX && (checks(&lower) || titles.clone().any(|title| checks(&title))) {
        return Some(Wall::RobotCheck);
    }
    is_about_cookies(&lower).then_some(Wall::Cookies)
}

/// Whether a line of a page says that the rest of its article is for subscribers, in lower case.
pub(super) fn asks_to_subscribe(line: &str) -> bool {
    PAYWALLS.iter().any(|phrase| line.contains(phrase))
}

fn is_sign_in(line: &str) -> bool {
    const LINE_CHARS_MAX: usize = 100;
    const SITE_WORDS_MAX: usize = 6;
    let names_site = |part: &str| {
        ["sign in to ", "log in to ", "login to "].iter().any(|start| part.starts_with(start))
            && part.split(' ').count() <= SITE_WORDS_MAX
    };
    line.chars().count() <= LINE_CHARS_MAX
        && line.split(['|', '·', '–', '—', '•']).flat_map(|part| part.split(" - ")).any(|part| {
            let part = part.trim_matches(|c: char| !c.is_alphanumeric());
            names_site(part)
                || SIGN_IN.contains(&part)
                || part.strip_prefix("please ").is_some_and(|part| SIGN_IN.contains(&part))
        })
}

/// Whether most sentences ask for consent.
fn is_about_cookies(lower: &str) -> bool {
    const SENTENCES_MIN: usize = 2;
    if !["cookie", "クッキー", "файлы cookie"].iter().any(|word| lower.contains(word))
        || !CONSENTS.iter().any(|phrase| lower.contains(phrase))
    {
        return false;
    }
    let sentences =
        lower.split(['.', '!', '?', '\n', '。']).filter(|sentence| sentence.trim().chars().count() > 15);
    let (all, about) = sentences.fold((0, 0), |(all, about), sentence| {
        (all + 1, about + usize::from(ABOUT_CONSENT.iter().any(|word| sentence.contains(word))))
    });
    all >= SENTENCES_MIN && about * 3 >= all * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_for_passwords_are_sign_in_pages() {
        for (title, text, has_field) in [
            ("Sign in | Larch Weekly", "Larch Weekly\n\nE-mail", true),
            ("Larch Weekly", "Please log in\n\nUsername\nPassword\nForgot password?", false),
            ("Larch", "Sign in to Larch Weekly\n\nE-mail Password", false),
            ("Anmelden – Verlag", "E-Mail\nPasswort", false),
            ("ログイン", "パスワードを忘れた方", false),
        ] {
            assert_eq!(wall(&[title], text, has_field), Some(Wall::SignIn), "{title}");
        }
        for (title, text) in [
            ("Login", "We moved the login of the shop to its front page, and sales grew."),
            ("Passwords", "People forget every third password. Sign in pages lose them."),
        ] {
            assert_eq!(wall(&[title], text, false), None, "{title}");
        }
        let long = format!("Sign in\n\nPassword\n\n{}", "People like the refills in the shop. ".repeat(20));
        assert_eq!(wall(&["Sign in"], &long, true), None);
    }

    #[test]
    fn checks_for_robots_are_known() {
        for text in [
            "Just a moment...\n\nlarch.example needs to review the security of your connection before proceeding.",
            "Please verify you are a human\n\nAccess to this page has been denied because we believe you use automation.",
            "Before you continue to Google\n\nWe use cookies and data.",
        ] {
            assert_eq!(wall(&[], text, false), Some(Wall::RobotCheck), "{text}");
        }
        assert_eq!(wall(&[], "Robots fill the jars. A human looks after them.", false), None);
    }

    #[test]
    fn questions_about_cookies_are_warned_of() {
        let question = "We value your privacy\n\nWe and our 842 partners store and/or access information on a device, such as cookies. \
                        You may accept or manage your choices. These choices will be signaled to our partners.";
        assert_eq!(wall(&[], question, false), Some(Wall::Cookies));
        let baking = "Cookies sell best before Christmas. Shoppers accept smaller packs. The tin comes back in spring. It is reused.";
        assert_eq!(wall(&[], baking, false), None);
    }
}
