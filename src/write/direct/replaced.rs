//! The existing rows that a load replaces: those that it updates, and those that it deletes because a new row has their key.

use super::kept_columns::KeptColumns;
use std::sync::Arc;

/// Which existing cells are left out when new ones are merged with them.
#[derive(Debug, Clone)]
pub(super) enum Replaced {
    /// None.
    Nothing,
    /// Those of the rows with these rowids. A new row with one of them has the kept columns of the old one.
    Rows { rowids: Arc<RowidSet>, kept: Option<Arc<KeptColumns>> },
    /// In a tree of rows without rowids: those whose key a new row has.
    SameKeys,
}

impl Replaced {
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

/// A set of rowids.
#[derive(Debug)]
pub(super) struct RowidSet {
    first: i64,
    members: Members,
}

#[derive(Debug)]
enum Members {
    /// A bit for each rowid from the first.
    Bits(Vec<u64>),
    /// They are far apart.
    Sorted(Vec<i64>),
}

impl RowidSet {
    /// The set of these rowids, which may occur more than once.
    pub(super) fn new(mut rowids: Vec<i64>) -> Self {
        /// The largest number of bits for each rowid of a set.
        const MAX_BITS_PER_ROWID: u64 = 128;
        rowids.sort_unstable();
        rowids.dedup();
        let first = rowids.first().copied().unwrap_or(0);
        let span = rowids.last().map_or(0, |last| last.abs_diff(first));
        if span / MAX_BITS_PER_ROWID >= rowids.len() as u64 {
            return Self { first, members: Members::Sorted(rowids) };
        }
        let mut bits = vec![0; (span / 64) as usize + 1];
        for rowid in &rowids {
            let at = rowid.abs_diff(first);
            bits[(at / 64) as usize] |= 1 << (at % 64);
        }
        Self { first, members: Members::Bits(bits) }
    }

    /// True if the set has this rowid.
    #[inline]
    pub(super) fn contains(&self, rowid: i64) -> bool {
        if rowid < self.first {
            return false;
        }
        match &self.members {
            Members::Bits(bits) => {
                let at = rowid.abs_diff(self.first);
                usize::try_from(at / 64)
                    .ok()
                    .and_then(|word| bits.get(word))
                    .is_some_and(|word| word >> (at % 64) & 1 == 1)
            }
            Members::Sorted(rowids) => rowids.binary_search(&rowid).is_ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_contains_its_members(
            rowids in prop::collection::vec(prop_oneof![-70..70_i64, -9_000..9_000_i64, any::<i64>()], 0..300),
            others in prop::collection::vec(prop_oneof![-70..70_i64, any::<i64>()], 0..50),
        ) {
            let near: Vec<_> = rowids.iter().copied().filter(|rowid| rowid.abs() < 9_000).collect();
            for members in [rowids, near] {
                let set = RowidSet::new(members.clone());
                let edges = members.iter().flat_map(|rowid| [rowid.wrapping_sub(1), *rowid, rowid.wrapping_add(1)]);
                for rowid in edges.chain(others.iter().copied()).chain([i64::MIN, i64::MAX]) {
                    prop_assert_eq!(set.contains(rowid), members.contains(&rowid), "{}", rowid);
                }
            }
        }
    }
}
