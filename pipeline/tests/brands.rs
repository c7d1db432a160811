//! The brand profiles that ship with the project are valid.

use std::path::Path;

use pipeline::brand::{BrandId, BrandProfile};

#[test]
fn every_shipped_profile_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/brand-profiles");
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let id = BrandId::parse(path.file_stem().unwrap().to_str().unwrap()).unwrap();
        let yaml = std::fs::read_to_string(&path).unwrap();
        if let Err(problems) = BrandProfile::from_yaml(id.clone(), &yaml, None) {
            panic!("{problems}");
        }
        ids.push(id.to_string());
    }
    for expected in ["columbia-sportswear", "decathlon", "lactalis-canada", "mccormick-usa"] {
        assert!(ids.iter().any(|id| id == expected), "{expected} is missing: {ids:?}");
    }
}

#[test]
fn the_canadian_brand_goes_by_its_short_name() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/brand-profiles/lactalis-canada.yaml");
    let id = BrandId::parse("lactalis-canada").unwrap();
    let profile = BrandProfile::from_yaml(id, &std::fs::read_to_string(path).unwrap(), None).unwrap();
    assert_eq!(profile.brand_name, "Lactalis");
}
