//! The queue: who is next, who hears of it, what is given up, and when it is full.

mod claims;
mod listener;
mod model_outage;
mod service;
mod suspects;
