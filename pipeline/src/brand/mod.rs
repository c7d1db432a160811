//! Brands: a validated id, and a profile read from YAML. All problems of a profile are reported at once.

mod check;
mod field;
mod field_names;
mod id;
mod limits;
mod problems;
mod profile;
#[cfg(test)]
mod tests;
mod values;
mod yaml;

pub use self::{
    field::ProfileField,
    id::{BRAND_ID_BYTES_MAX, BrandId, BrandIdError},
    limits::{FILE_BYTES_MAX, LIST_ENTRIES_MAX, NOTES_BYTES_MAX, TEXT_CHARS_MAX},
    problems::{BrandProblem, BrandProblems},
    profile::BrandProfile,
};
