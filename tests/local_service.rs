//! `make run-service`: the service with everything around it on this machine, for trying it out. Its own PostgreSQL, a
//! stand-in for the model, a blob store with the sample documents; all of it goes when it ends.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]
#![allow(dead_code)]

mod support;

use support::service::World;

/// The port of the service.
const PORT: &str = "8000";

#[tokio::main]
async fn main() {
    println!("starting PostgreSQL, the stand-in model and a blob store with the samples …");
    let world = World::with_database().await;
    let mut child = world
        .command(&[("PORT", PORT), ("DRAIN_SECONDS", "2"), ("LOG_FORMAT", "text")])
        .spawn()
        .expect("the service starts");
    let blob = world.blob.url("sample/trend-report.pdf");
    println!(
        "\nTry it (the model is a stand-in: its answers are made up):\n\n  \
         curl -s http://127.0.0.1:{PORT}/run -H 'content-type: application/json' \\\n    \
         -d '{{\"run_id\": \"first\", \"blob_url\": \"{blob}\", \"company_id\": \"lactalis-canada\", \"user_id\": \"me\"}}'\n  \
         curl -s http://127.0.0.1:{PORT}/status/first\n  \
         curl -s http://127.0.0.1:{PORT}/health\n\n\
         Database: {}\nFiles:    {}\nCtrl-C ends it all.\n",
        world.database_url(),
        world.folder.path().join("data/test-outputs").display(),
    );
    // Ctrl-C reaches the service too, which then drains.
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = async {
            while child.try_wait().expect("the service is ours").is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        } => {}
    }
    let status = child.wait().expect("the service is ours");
    println!("the service ended: {status}");
}
