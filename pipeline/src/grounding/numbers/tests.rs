use super::*;
use crate::grounding::number_set::{NumberSet, Standing, standing};

fn written(text: &str) -> Vec<String> {
    in_claim(text).into_iter().map(|number| number.written).collect()
}

fn stands(page: &str, claim: &str) -> bool {
    let mut set = NumberSet::default();
    set.add(page);
    let claimed = in_claim(claim);
    assert!(!claimed.is_empty(), "{claim}");
    claimed.iter().all(|number| standing(&[&set], number) == Standing::Stands)
}

#[test]
fn one_number_has_many_spellings() {
    for (page, claim) in [
        ("1,000 shops", "1000"),
        ("1 000 shops", "1,000"),
        ("1\u{a0}000 shops", "1000"),
        ("1'000'000.50", "1000000.5"),
        ("1.000 Läden", "1,000"),
        ("31% of them", "31 percent"),
        ("31 per cent", "31%"),
        ("31\nper cent", "31 %"),
        ("31\u{ff05}", "31%"),
        ("a table: 31", "31%"),
        ("$1.2 million", "$1,200,000"),
        ("€5bn", "5 billion"),
        ("20k shops", "20,000"),
        ("from 2019³ on", "in 2019"),
        ("10⁶ shops", "a million shops"),
        ("2.5 × 10⁶ shops", "2.5 million"),
        ("٣١ متجر", "31 shops"),
        ("३१ दुकानें", "31 shops"),
        ("1,2 Mio. Euro", "€1.2 million"),
        ("3 Mrd. €", "3bn euros"),
        ("twenty-three shops", "23 shops"),
        ("23 shops", "twenty-three shops"),
        ("two million", "2m people"),
        ("half a dozen", "6 shops"),
        ("12 shops", "a dozen shops"),
        ("50 % of them", "half of them"),
        ("about half of them", "50% of them"),
        ("two thirds of them", "two-thirds of them"),
        ("it grew tenfold", "10x growth"),
        ("sales doubled", "twofold growth"),
        ("up 5 percentage points", "up by 5 percentage points"),
        ("US$ 5", "5 dollars"),
        ("three shops", "3 shops"),
        ("2024-11-21", "in 2024"),
        ("10–15%", "10 to 15 percent"),
        ("3.50", "3.5"),
        ("the 12.5 % rise", "12.5%"),
    ] {
        assert!(stands(page, claim), "{claim} stands in {page}");
    }
}

#[test]
fn other_numbers_do_not_stand() {
    for (page, claim) in [
        ("31%", "13%"),
        ("10⁶ shops", "10 shops"),
        ("10 shops", "10⁶ shops"),
        ("5 percentage points", "5 percent"),
        ("5 %", "5 percentage points"),
        ("£5", "$5"),
        ("21 shops", "twenty-three shops"),
        ("two of them", "half of them"),
        ("it fell by 12 %", "it grew by 12 %"),
        ("a 12 % increase", "down 12 percent"),
        ("sales: -7 %", "sales rose by 7 %"),
        ("31%", "$31"),
        ("3.5 million", "35 million"),
        ("3 shops", "3 million"),
        ("10-15", "1015"),
        ("1,000", "10,000"),
        ("25 %", "5 %"),
    ] {
        assert!(!stands(page, claim), "{claim} does not stand in {page}");
    }
}

#[test]
fn names_ordinals_and_lists_are_not_numbers() {
    assert_eq!(written("“Returns fell by 31%” (p. 5), then (section 12); p. 7"), ["31%", "7"]);
    assert!(written("I1, T2 and L3 (1) show CO2, COVID-19, B2B, 5G, 3D and the 2nd").is_empty());
    assert!(written("1. first\n2) second").is_empty());
    assert!(written("the twenty-first century, the other half, one or two, a quarter later").is_empty());
    assert!(written("Twelve sentences in one section (two) with five figures; two strong cases").is_empty());
    assert_eq!(written("about 31% of 1,000 for $5 in 2024, 20k"), ["31%", "1,000", "$5", "2024", "20k"]);
}
