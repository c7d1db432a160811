//! The parts of a deployment: the image, the platform's settings, the environment, and the scripts that check it.

mod env_example;
mod healthcheck;
mod image;
mod railway;
mod scripts;
