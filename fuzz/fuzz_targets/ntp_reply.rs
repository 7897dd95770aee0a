#![no_main]

#[path = "../entry_points.rs"]
#[expect(dead_code, reason = "each target runs one of the entry points")]
mod entry_points;

libfuzzer_sys::fuzz_target!(|data: &[u8]| entry_points::ntp_reply(data));
