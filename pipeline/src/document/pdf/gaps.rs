//! Word gaps: tells the gaps between words from the gaps between letters.
//!
//! No constant fits all lines. A justified line may set its words a tenth of the font's size apart, and a
//! spaced title its letters a quarter. So the gaps of a line are compared with each other.

use super::placed::{Kind, Placed};

/// Between words that are set normally. Blanks are 0.25 to 0.33 wide, kerning stays under 0.1.
const USUAL: f64 = 0.17;
/// Narrower gaps are kerning, whatever the line's other gaps are.
const NARROWEST: f64 = 0.095;
const WITH_BLANKS: f64 = 0.15;
/// Han and Kana are moved apart to fill a line, and have no blanks between words.
const IDEOGRAPHS: f64 = 0.5;

/// If all letters stand at the same pitch, words are further apart than so many pitches.
const WORD_PITCHES: f64 = 1.6;

/// The spacing of a line. All lengths are shares of the font's size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spacing {
    /// A wider gap separates words.
    word_gap: f64,
    /// The extra space between all letters.
    letter_gap: f64,
    /// The distance from letter to letter in points, if it is the same for narrow and wide letters.
    pitch: Option<f64>,
    /// The letters touch as the font's widths say, so a blank without a gap is one that the pen went back over.
    touching: bool,
}

impl Spacing {
    /// The spacing of glyphs in their order from left to right.
    pub(super) fn of(placed: &[Placed]) -> Self {
        // A mark without room of its own stands within its letter, and makes no gap.
        let with_room = placed.iter().filter(|it| it.kind != Kind::Mark || it.end_x > it.start.x);
        let mut gaps: Vec<f64> = with_room
            .clone()
            .zip(with_room.skip(1))
            .filter(|(one, next)| !is_leader(one, next) && !one.is_blank() && !next.is_blank())
            .map(|(one, next)| one.gap_to(next) / one.smaller(next))
            .collect();
        gaps.sort_by(f64::total_cmp);
        // Digits are never spaced out. Numbers side by side would look the same.
        let spells =
            placed.iter().any(|it| !matches!(it.kind, Kind::Blank | Kind::Digit | Kind::Dot | Kind::Dash));
        let letter_gap = if spells { letter_gap(&gaps) } else { 0.0 };
        let has_blanks = placed.iter().any(Placed::is_blank);
        // A line that prints its blanks has few other gaps between words, so kerning may be wider.
        let least = if has_blanks { WITH_BLANKS } else { NARROWEST };
        let word_gap = letter_gap + jump(&gaps, letter_gap).max(least);
        Self {
            word_gap,
            letter_gap,
            pitch: if spells { pitch(placed, &gaps) } else { None },
            touching: touching(&gaps),
        }
    }

    /// Whether a blank stands between two glyphs. `printed` says whether the page prints one.
    pub(super) fn separates(self, one: &Placed, next: &Placed, printed: bool) -> bool {
        let gap = one.gap_to(next) / one.smaller(next);
        if printed {
            // If the pen went back over the blank, no reader sees it.
            return !self.touching
                || gap > 0.01
                || one.kind == Kind::RightToLeft
                || next.kind == Kind::RightToLeft;
        }
        if let Some(pitch) = self.pitch {
            return next.start.x - one.start.x > WORD_PITCHES * pitch;
        }
        if one.kind == Kind::Ideograph && next.kind == Kind::Ideograph {
            return gap > self.letter_gap + IDEOGRAPHS;
        }
        // Dashes have space of their own.
        let dash = one.kind == Kind::Dash || next.kind == Kind::Dash;
        gap > if dash { self.word_gap.max(USUAL) } else { self.word_gap }
    }
}

/// Whether most letters stand where the widths of their font put them.
fn touching(sorted: &[f64]) -> bool {
    const GAPS_MIN: usize = 4;
    sorted.len() >= GAPS_MIN && sorted.get(sorted.len() / 2).is_some_and(|middle| *middle > -0.03)
}

/// Whether two glyphs belong to a line of dots, whose gaps say nothing of words.
fn is_leader(one: &Placed, next: &Placed) -> bool {
    one.kind == Kind::Dot && next.kind == Kind::Dot
}

/// The extra space between the letters of a spaced title ("T R E N D S"). If it were ignored, every letter
/// would become a word.
fn letter_gap(sorted: &[f64]) -> f64 {
    const GAPS_MIN: usize = 4;
    const NOTICEABLE: f64 = 0.08;
    let narrow = sorted.partition_point(|gap| *gap <= NOTICEABLE);
    // Words of one letter would look the same at the median, so nearly all gaps must be wide.
    if sorted.len() < GAPS_MIN || narrow > sorted.len() / 10 {
        return 0.0;
    }
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// The gap above which words end, for a line that prints no blanks: in the middle of the jump from the gaps
/// between letters to those between words.
fn jump(sorted: &[f64], letter_gap: f64) -> f64 {
    const GAPS_MIN: usize = 3;
    /// Kerning widens gaps in steps smaller than this.
    const STEP: f64 = 0.03;
    const KERNING_MAX: f64 = 0.09;
    if sorted.len() < GAPS_MIN {
        return 0.15;
    }
    let mut widest = 0.0_f64;
    for gap in sorted.iter().map(|gap| gap - letter_gap) {
        if gap > KERNING_MAX || (gap > STEP && gap - widest > STEP) {
            return f64::midpoint(widest, gap).clamp(NARROWEST, USUAL);
        }
        widest = widest.max(gap);
    }
    USUAL
}

/// The pitch at which a program sets the letters of a proportional font, such as along a curve or in the
/// boxes of a form.
fn pitch(placed: &[Placed], gaps: &[f64]) -> Option<f64> {
    const STEPS_MIN: usize = 6;
    const WIDE: f64 = 0.1;
    const EVEN: f64 = 0.08;
    // In a font of one width, the letters touch.
    if gaps.get(gaps.len() / 2).is_none_or(|middle| *middle < WIDE) {
        return None;
    }
    let is_letter = |it: &Placed| it.kind == Kind::Other;
    let mut steps: Vec<f64> = placed
        .windows(2)
        .filter_map(|pair| match pair {
            [one, next] if is_letter(one) && is_letter(next) => Some(next.start.x - one.start.x),
            _ => None,
        })
        .collect();
    if steps.len() < STEPS_MIN {
        return None;
    }
    steps.sort_by(f64::total_cmp);
    let middle = *steps.get(steps.len() / 2)?;
    let even = steps.iter().filter(|step| (*step - middle).abs() < EVEN * middle).count();
    let widths = placed.iter().filter(|it| is_letter(it)).map(|it| it.end_x - it.start.x);
    let (narrow, wide) = widths.fold((f64::INFINITY, 0.0_f64), |(a, b), width| (a.min(width), b.max(width)));
    (even * 10 >= steps.len() * 8 && wide > 1.5 * narrow).then_some(middle)
}
