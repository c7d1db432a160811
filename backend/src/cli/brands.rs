//! `innovation brands`: lists the brands and checks their profiles.

use std::process::ExitCode;

use serde_json::json;

use super::output::{fail, put, put_json, say};
use crate::{brands::BrandFolder, config::Config};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists every profile. Exit code 1 if a profile is invalid.
#[must_use]
pub fn run(args: &Args, config: &Config) -> ExitCode {
    let folder = BrandFolder::new(&config.process.base_dir);
    let ids = match folder.ids() {
        Ok(ids) => ids,
        Err(error) => {
            return fail(&format!(
                "{}: {error}; set APP_BASE_DIR to the folder that holds data/",
                folder.path().display()
            ));
        }
    };
    let mut listed = Vec::new();
    let mut sound = true;
    for id in ids {
        match folder.load(&id) {
            Ok(profile) => {
                if !args.json {
                    put(&format!(
                        "{id:<24} {} · {} · {}\n",
                        profile.brand_name, profile.industry, profile.country
                    ));
                }
                listed.push(json!({
                    "id": id, "brand_name": profile.brand_name, "industry": profile.industry, "country": profile.country,
                }));
            }
            Err(failure) => {
                sound = false;
                say(&failure.to_string());
                listed.push(json!({ "id": id, "error": failure }));
            }
        }
    }
    if args.json {
        put_json(&json!({ "brands": listed }));
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
