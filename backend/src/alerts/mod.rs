//! Alerts: rules over the service's own figures, told to people by channels.
//!
//! * `rules`: every rule. `observer`: looks at their figures. `report`: what one replica sees, and what all see.
//! * `book`: the state of all alerts, pure. `watch`: agrees on it with the other replicas. `shared_files`: without the database.
//! * `board`: the state of this process, for everybody who shows it. `view`: as people see it. `admin`: what people do.
//! * `channels/`: Slack, PagerDuty, mail, webhook, GitHub. `notify`: tells one channel what it does not know yet.
//! * `heartbeat`: the dead-man's ping. `platform`: the platform's own state. `deployment`: the seam to the watch over deployments.
//!
//! # Invariants
//!
//! * The state lies in memory and in the file storage, not only in the database that an alert may be about.
//! * A channel never delays another one, and never the look at the rules.
//! * A channel is told of each change once, also after a restart. A process that is killed between a message and its note sends it again, with
//!   the same key.
//! * No message, error or log line holds a secret or the address of a channel.

pub mod admin;
pub mod board;
pub mod book;
pub mod channels;
pub mod deployment;
pub mod heartbeat;
pub mod http;
pub mod notify;
pub mod observer;
pub mod platform;
pub mod report;
pub mod rules;
mod shared_files;
pub mod view;
pub mod watch;
