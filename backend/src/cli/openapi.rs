//! `innovation openapi`: prints the API's description, as in `GET /openapi.json`, for client generators.

use std::process::ExitCode;

use super::output::put;
use crate::http::router::DOCUMENT;

pub(super) fn run() -> ExitCode {
    put(&format!("{:#}\n", *DOCUMENT));
    ExitCode::SUCCESS
}
