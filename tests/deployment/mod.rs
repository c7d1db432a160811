//! What a deployment is made of: the image, the platform's settings, the environment, and the scripts that check it.

mod env_example;
mod healthcheck;
mod image;
mod railway;
mod scripts;
