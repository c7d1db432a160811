#![no_main]

#[path = "../entries.rs"]
#[allow(dead_code)]
mod entries;

use std::sync::Once;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // One parser is known to panic, and runs behind `catch_unwind`. libFuzzer's hook would end the process
    // before that. A panic that escapes still ends it.
    static QUIET: Once = Once::new();
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    entries::document(bytes);
});
