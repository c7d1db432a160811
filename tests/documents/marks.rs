//! The marks of Arabic and Hebrew, in a page that Chromium printed.

use super::{document, fixture};

const HEBREW: &str = "בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם וְאֵת הָאָרֶץ";

#[test]
fn marks_go_with_their_letters() {
    let pages = document(&fixture("vocalised.pdf")).pages;
    let lines: Vec<Vec<&str>> = pages.iter().map(|page| page.text.lines().collect()).collect();
    assert_eq!(lines[0], ["بِسْمِ اللَّهِ الرَّحْمَنِ الرَّحِيمِ", "ذَهَبَ الْوَلَدُ إِلَى الْمَدْرَسَةِ وَكَتَبَ الدَّرْسَ", HEBREW]);
    // The font does not say what the joined mark of a double letter is. All other marks have places only.
    assert_eq!(lines[1], ["بِسْمِ اللهِ الرحْمَنِ الرحِيمِ", "ذَهَبَ الْوَلَدُ إِلَى الْمَدْرَسَةِ وَكَتَبَ الدرْسَ", HEBREW]);
}
