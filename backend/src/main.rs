//! The binary `innovation`.

fn main() {}
