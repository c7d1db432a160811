//! Pictures of pages, against what reading says of the same pages.

use crate::document::{Area, PICTURE_PIXELS_MAX, PagePainter, PagePicture, PictureSize, extract};

const CASE_STUDY: &[u8] = include_bytes!("../../../../../data/samples/case-study.pdf");
const ROTATED: &[u8] = include_bytes!("../../../../../tests/fixtures/documents/rotated.pdf");

/// The share of pixels of an area that are not white.
fn ink(picture: &PagePicture, area: Area) -> f64 {
    let pixel = |points: f32| (f64::from(points) * picture.scale) as u32;
    let (mut dark, mut all) = (0_u32, 0_u32);
    for y in pixel(area.top)..pixel(area.bottom).min(picture.height()) {
        for x in pixel(area.left)..pixel(area.right).min(picture.width()) {
            let at = 4 * (y * picture.width() + x) as usize;
            all += 1;
            dark += u32::from(picture.rgba()[at] < 250);
        }
    }
    f64::from(dark) / f64::from(all.max(1))
}

#[test]
fn lines_stand_where_reading_found_them() {
    for (file, bytes) in [("case study", CASE_STUDY), ("rotated", ROTATED)] {
        let painter = PagePainter::open(bytes).unwrap();
        let document = extract("a.pdf", bytes).unwrap();
        assert_eq!(painter.page_count(), document.pages.len());
        for page in &document.pages {
            let picture = painter.draw(page.number, PictureSize::Dpi(72)).unwrap();
            let areas: Vec<Area> = page.marks.iter().filter_map(|mark| mark.area).collect();
            assert!(!areas.is_empty(), "{file}, page {}", page.number);
            for area in areas {
                let share = ink(&picture, area);
                assert!(share > 0.03, "{file}, page {}: {share} of {area:?}", page.number);
            }
            let corner = Area { left: 0.0, top: 0.0, right: 20.0, bottom: 20.0 };
            assert!(ink(&picture, corner) < 0.01, "{file}: the margin is empty");
        }
    }
}

#[test]
fn pictures_have_the_wanted_size_and_no_more() {
    let painter = PagePainter::open(CASE_STUDY).unwrap();
    let picture = painter.draw(1, PictureSize::Width(500)).unwrap();
    assert_eq!((picture.width(), picture.height()), (500, 707));
    assert!(picture.into_png().unwrap().starts_with(b"\x89PNG"));
    let large = painter.draw(1, PictureSize::Dpi(u32::MAX)).unwrap();
    assert!(large.width() * large.height() <= PICTURE_PIXELS_MAX + large.width() + large.height());
    assert!(
        painter.draw(0, PictureSize::Dpi(72)).is_none() && painter.draw(4, PictureSize::Dpi(72)).is_none()
    );
    let small = painter.draw(1, PictureSize::Width(0)).unwrap();
    assert_eq!((small.width(), small.height()), (1, 1));
}
