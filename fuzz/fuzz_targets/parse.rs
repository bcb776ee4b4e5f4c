//! The records and values of any bytes are those that the `csv` crate reads.
#![no_main]

use sqload_fuzz::{dialect, oracle, records, regular_records};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&options, bytes)) = data.split_first() else { return };
    let dialect = dialect(options);
    let expected = oracle(bytes, dialect);
    assert_eq!(records(bytes, dialect), expected);
    if let Some(regular) = regular_records(bytes, dialect) {
        assert_eq!(regular, expected);
    }
});
