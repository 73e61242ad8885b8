//! LLVM's libFuzzer at the target that HOLDFAST_FUZZ names; `run` builds and starts it.
#![no_main]
#![allow(
    unsafe_code,
    missing_docs,
    reason = "libFuzzer is C++ and calls by symbol"
)]

use std::sync::OnceLock;

use holdfast_fuzz::{TARGETS, Target};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    static TARGET: OnceLock<Target> = OnceLock::new();
    let (_, target) = TARGET.get_or_init(|| {
        let wanted = std::env::var("HOLDFAST_FUZZ").unwrap_or_default();
        let target = TARGETS.into_iter().find(|(name, _)| *name == wanted);
        target.unwrap_or_else(|| panic!("HOLDFAST_FUZZ={wanted:?} names no target"))
    });
    target(input);
});
