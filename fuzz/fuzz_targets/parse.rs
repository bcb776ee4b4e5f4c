//! The records and values of any bytes are those that the `csv` crate, or the plain form of the grammar, reads.
#![no_main]

use sqload_fuzz::{dialect, open_quote, oracle, records, regular_records};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((dialect, _, bytes)) = dialect(data) else { return };
    // What a record that ends inside quotes would be when trimmed matters to nobody: it is an error.
    let is_cut = dialect.trim && open_quote(bytes, dialect).is_some();
    let whole = |mut records: Vec<_>| (records.len(), records.pop().filter(|_| !is_cut), records);
    let expected = whole(oracle(bytes, dialect));
    assert_eq!(whole(records(bytes, dialect)), expected);
    if let Some(parse_rectangular) = regular_records(bytes, dialect) {
        assert_eq!(whole(parse_rectangular), expected);
    }
});
