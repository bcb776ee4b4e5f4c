//! UUIDs (RFC 9562) and random numbers.
//!
//! Each expression has its own ChaCha8 stream. A record's random words are read at the position that its number determines,
//! so values depend neither on the chunk size nor on the thread.

use crate::batch::{Arena, Span, Strings, Values};
use rand::Rng;
use rand::rngs::ChaCha8Rng;

/// A column of UUIDs as 16-byte BLOBs.
pub(super) fn uuids<'a>(uuids: impl ExactSizeIterator<Item = [u8; 16]>, arena: &'a Arena) -> Values<'a> {
    let uuids = &*arena.list(uuids);
    let spans = arena.list((0..uuids.len() as u32).map(|row| Span { start: 16 * row, end: 16 * row + 16 }));
    Values::Blobs(Strings { bytes: uuids.as_flattened(), spans })
}

/// A UUIDv4 (RFC 9562, section 5.4).
#[inline]
pub(super) fn uuid4(random: [u32; 4]) -> [u8; 16] {
    let random = random.iter().fold(0, |bits, word| bits << 32 | u128::from(*word));
    uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().into_bytes()
}

/// A UUIDv7 (RFC 9562, section 5.7) with the record number as its counter (section 6.2, method 1), so that UUIDs sort in the
/// order of the records.
///
/// The bits are: 48 of milliseconds, 4 of version, 12 of the record number, 2 of variant, 30 of the record number, 32 random.
/// Record numbers of 2^42 and more carry into the milliseconds.
#[inline]
pub(super) fn uuid7(unix_millis: u64, record: u64, [random]: [u32; 1]) -> [u8; 16] {
    let millis = unix_millis + (record >> 42);
    let high = millis << 16 | 7 << 12 | record >> 30 & 0xfff;
    let low = 0b10 << 62 | (record & 0x3fff_ffff) << 32 | u64::from(random);
    uuid::Uuid::from_u64_pair(high, low).into_bytes()
}

/// The random words of one expression. Every record uses the same number of words.
#[derive(Debug)]
pub(super) struct RandomStream {
    rng: ChaCha8Rng,
    /// The record whose words come next in the stream.
    next_record: u64,
}

impl RandomStream {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, next_record: 0 }
    }

    /// The random words of a record.
    #[inline]
    pub(super) fn words_of<const WORDS: usize>(&mut self, record: u64) -> [u32; WORDS] {
        if record != self.next_record {
            self.rng.set_word_pos(u128::from(record) * WORDS as u128);
        }
        self.next_record = record + 1;
        std::array::from_fn(|_| self.rng.next_u32())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn uuid7_is_valid_and_sorted_by_record() {
        let around = |number: u64| number - 2..number + 3;
        let records = around(2).chain(around(1 << 30)).chain(around(1 << 32)).chain(around(1 << 42));
        let mut last = [0; 16];
        for record in records {
            let bytes = uuid7(1_700_000_000_000, record, [!record as u32]);
            let uuid = uuid::Uuid::from_bytes(bytes);
            assert_eq!(uuid.get_version(), Some(uuid::Version::SortRand));
            assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
            assert!(bytes > last, "record {record}");
            last = bytes;
        }
    }

    #[test]
    fn random_words_depend_on_the_record_alone() {
        let mut stream = RandomStream::new(ChaCha8Rng::from_seed([7; 32]));
        let in_order: Vec<[u32; 3]> = (0..100).map(|record| stream.words_of(record)).collect();
        for record in [99, 5, 6, 50, 0] {
            assert_eq!(stream.words_of(record), in_order[record as usize]);
        }
    }
}
