#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leakcpu_fuzz::targets::usdt(bytes));
