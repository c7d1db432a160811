//! `innovation openapi`: the API's description, as `GET /openapi.json` has it, for generators of clients.

use std::process::ExitCode;

use super::put;
use crate::http::openapi::DOCUMENT;

pub(super) fn run() -> ExitCode {
    put(&format!("{:#}\n", *DOCUMENT));
    ExitCode::SUCCESS
}
