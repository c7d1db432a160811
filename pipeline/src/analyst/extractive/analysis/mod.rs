//! The middle layer: a document taken apart into sentences and topics. It knows nothing of the stages that read it.

pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod clusters;
pub(crate) mod counted;
pub(crate) mod cues;
pub(crate) mod labels;
pub(crate) mod mechanisms;
pub(crate) mod naming;
pub(crate) mod outline;
pub(crate) mod page_search;
pub(crate) mod ranking;
pub(crate) mod reading;
pub(crate) mod result;
pub(crate) mod sentence;
pub(crate) mod topic;
pub(crate) mod topics;
pub(crate) mod vectors;
pub(crate) mod warnings;
