//! The upper layer: the answers of the four stages, written from an analysis.

pub(crate) mod brand_context;
pub(crate) mod citations;
pub(crate) mod counter_signals;
pub(crate) mod evidence;
pub(crate) mod industries;
pub(crate) mod inspirations;
pub(crate) mod jobs;
pub(crate) mod lessons;
pub(crate) mod matching;
pub(crate) mod maxims;
pub(crate) mod opportunities;
pub(crate) mod parts;
pub(crate) mod principles;
pub(crate) mod products;
pub(crate) mod profile_links;
pub(crate) mod proposal;
pub(crate) mod reasons;
pub(crate) mod risks;
pub(crate) mod strength;
pub(crate) mod subjects;
pub(crate) mod trends;
pub(crate) mod writer;
