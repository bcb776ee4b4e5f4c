//! Sorts the numbers of items by the prefixes of their keys.
//!
//! Nearly always the first bits of a key, its prefix, decide; only for equal prefixes whole keys are compared. Prefixes and numbers are
//! packed into 64 bits each, which sort faster than pairs.

use std::cmp::Ordering;

/// The numbers of items in sorted order.
#[derive(Debug, Default)]
pub(super) struct SortedNumbers {
    /// For each item, the first bits of its prefix that are not the same for all, and its number in the last bits.
    packed: Vec<u64>,
    number_bits: u32,
}

impl SortedNumbers {
    /// Removes all numbers.
    pub(super) fn clear(&mut self) {
        self.packed.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// Sorts items, which are numbered from 0, by prefix and then by `compare`.
    pub(super) fn sort(
        &mut self,
        prefixes: impl Iterator<Item = u64>,
        compare: impl Fn(usize, usize) -> Ordering,
    ) {
        self.packed.clear();
        self.packed.extend(prefixes);
        let Some(first) = self.packed.first().copied() else { return };
        let different = self.packed.iter().fold(0, |bits, prefix| bits | (prefix ^ first));
        let same_bits = different.leading_zeros().min(u64::BITS - 1);
        self.number_bits = usize::BITS - (self.packed.len() - 1).leading_zeros();
        for (number, packed) in (0..).zip(&mut self.packed) {
            *packed = (*packed << same_bits) >> self.number_bits << self.number_bits | number;
        }
        self.packed.sort_unstable();
        // Items with equal keys are in the order of their numbers, which nearly always is the right one.
        let (shift, number) = (self.number_bits, |packed: &u64| Self::number(*packed, self.number_bits));
        for tied in self.packed.chunk_by_mut(|a, b| a >> shift == b >> shift) {
            if !tied.is_sorted_by(|a, b| compare(number(a), number(b)).is_le()) {
                tied.sort_by(|a, b| compare(number(a), number(b)));
            }
        }
    }

    fn number(packed: u64, number_bits: u32) -> usize {
        (packed & ((1 << number_bits) - 1)) as usize
    }

    /// The number at place `at`; `at` itself if there are no numbers.
    #[inline]
    pub(super) fn get(&self, at: usize) -> usize {
        self.packed.get(at).map_or(at, |packed| Self::number(*packed, self.number_bits))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.packed.iter().map(|packed| Self::number(*packed, self.number_bits))
    }

    /// Neighbours whose prefixes do not differ in the bits that were compared.
    pub(super) fn same_prefix(&self) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.packed.windows(2).map(|pair| (pair[0], pair[1]));
        let same = pairs.filter(|(a, b)| a >> self.number_bits == b >> self.number_bits);
        same.map(|(a, b)| (Self::number(a, self.number_bits), Self::number(b, self.number_bits)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_in_the_order_of_a_stable_sort(
            keys in prop::collection::vec((prop::sample::select(vec![0, 1, 2, 255, 1 << 40, u64::MAX >> 1, u64::MAX]), 0..3_u8), 0..300),
            shift in 0..60_u32,
        ) {
            let keys: Vec<_> = keys.iter().map(|(prefix, rest)| (prefix >> shift, *rest)).collect();
            let mut sorted = SortedNumbers::default();
            sorted.sort(keys.iter().map(|(prefix, _)| *prefix), |a, b| keys[a].cmp(&keys[b]));
            let mut expected: Vec<_> = (0..keys.len()).collect();
            expected.sort_by_key(|number| keys[*number]);
            prop_assert_eq!(sorted.iter().collect::<Vec<_>>(), expected);
            let same: Vec<_> = sorted.same_prefix().collect();
            for pair in (0..keys.len()).map(|at| sorted.get(at)).collect::<Vec<_>>().windows(2) {
                prop_assert!(keys[pair[0]].0 != keys[pair[1]].0 || same.contains(&(pair[0], pair[1])));
            }
        }
    }
}
