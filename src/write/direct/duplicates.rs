//! The records whose rows a table does not take because an accepted row has the same key.
//!
//! SQLite inserts row by row: a row loses if one of its unique keys belongs to a row that is there, or to an earlier one that
//! was accepted. A row that lost does not count. So the rows with equal keys, once they are known as groups, decide everything:
//! go through them in the order of the records; a row loses if one of its groups is taken, and takes all of its groups otherwise.

use crate::batch::{Arena, Rows};
use crate::error::Reason;
use crate::write::{self, Appended};

/// One row in a group of rows with the same key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyUse {
    /// Its record.
    pub(super) record: u64,
    /// The number of the unique key, in the order in which SQLite checks them.
    pub(super) key: u32,
    /// The number of the group.
    pub(super) group: u32,
}

/// How a row that lost is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostRow {
    /// It is rejected with its record.
    Rejected,
    /// It is dropped and counted.
    Ignored,
}

/// The records of a load whose rows have the key of another row.
#[derive(Debug)]
pub struct Duplicates {
    policy: LostRow,
    /// For each unique key, the reason to reject a row.
    reasons: Vec<Reason>,
    /// In order, each with the number of the key.
    records: Vec<(u64, u32)>,
}

impl Duplicates {
    /// No records; those that are found are treated as `policy` says.
    #[must_use]
    pub fn new(policy: LostRow) -> Self {
        Self { policy, reasons: Vec::new(), records: Vec::new() }
    }

    /// How the rows are treated.
    pub(super) fn policy(&self) -> LostRow {
        self.policy
    }

    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Decides which rows lose. `is_taken` tells for each group whether a row that was there before has its key; `reasons` has
    /// one for each unique key.
    pub(super) fn decide(&mut self, mut uses: Vec<KeyUse>, mut is_taken: Vec<bool>, reasons: Vec<Reason>) {
        uses.sort_unstable_by_key(|key_use| (key_use.record, key_use.key));
        for row in uses.chunk_by(|a, b| a.record == b.record) {
            match row.iter().find(|key_use| is_taken[key_use.group as usize]) {
                Some(KeyUse { record, key, .. }) => self.records.push((*record, *key)),
                None => row.iter().for_each(|key_use| is_taken[key_use.group as usize] = true),
            }
        }
        self.reasons = reasons;
    }

    /// The rows of a chunk that lose, in order, each with the number of the key.
    pub(super) fn find_in(&self, rows: &Rows<'_>) -> Vec<(usize, u32)> {
        let first = rows.chunk.first_load_record();
        let start = self.records.partition_point(|(record, _)| *record < first);
        let end = first + rows.chunk.records as u64;
        let records = self.records[start..].iter().take_while(|(record, _)| *record < end);
        let row_of = |record: u64| {
            let number = (record - first) as u32;
            match rows.origins.numbers {
                None => Some(number as usize).filter(|row| *row < rows.len),
                Some(numbers) => numbers.binary_search(&number).ok(),
            }
        };
        records.filter_map(|(record, key)| Some((row_of(*record)?, *key))).collect()
    }

    /// The result of appending a chunk without its rows `lost`.
    pub(super) fn appended(&self, lost: &[(usize, u32)]) -> Appended {
        match self.policy {
            LostRow::Ignored => Appended { ignored: lost.len() as u64, ..Appended::default() },
            LostRow::Rejected => {
                let reject = |(row, key): &(usize, u32)| (*row, self.reasons[*key as usize].clone());
                Appended { rejected: lost.iter().map(reject).collect(), ..Appended::default() }
            }
        }
    }
}

/// The reason to reject a row that breaks a unique key of `table`, whose loaded columns are `columns`.
pub(super) fn reason<'c>(message: String, table: &str, columns: impl Iterator<Item = &'c str>) -> Reason {
    let column = write::column_of(&message, table, columns).map(str::to_owned);
    Reason::Constraint { column, message }
}

/// The rows of a chunk without those that lose, in `arena`.
pub(super) fn without<'a>(rows: &Rows<'a>, lost: &[(usize, u32)], arena: &'a Arena) -> Rows<'a> {
    let mut kept = arena.vec(rows.len - lost.len());
    let mut next = 0;
    for (row, _) in lost {
        kept.extend(next..*row);
        next = row + 1;
    }
    kept.extend(next..rows.len);
    let columns = arena.list(rows.columns.iter().map(|values| values.select(&kept, arena)));
    Rows {
        chunk: rows.chunk,
        len: kept.len(),
        columns,
        origins: rows.origins,
        texts: rows.texts,
        rejects: Vec::new(),
        filtered: rows.filtered,
        skipped: rows.skipped,
        type_feedback: Default::default(),
        repairs: rows.repairs,
        oddities: rows.oddities,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn rows_lose_as_if_they_were_inserted_one_by_one(
            rows in prop::collection::vec([0..6_u8, 0..6, 0..6], 0..20),
            old in prop::collection::hash_set((0..3_u32, 0..6_u8), 0..3),
        ) {
            let mut taken: HashSet<(u32, u8)> = old.clone();
            let mut expected = Vec::new();
            let (mut uses, mut is_taken) = (Vec::new(), vec![false; 18]);
            old.iter().for_each(|(key, value)| is_taken[*key as usize * 6 + usize::from(*value)] = true);
            for (row, record) in rows.iter().zip(0..) {
                let keys = || (0..).zip(row.iter().copied());
                match keys().find(|key| taken.contains(key)) {
                    Some((key, _)) => expected.push((record, key)),
                    None => taken.extend(keys()),
                }
                let group = |(key, value)| key * 6 + u32::from(value);
                uses.extend(keys().map(|at| KeyUse { record, key: at.0, group: group(at) }));
            }
            uses.reverse();
            let mut found = Duplicates::new(LostRow::Ignored);
            found.decide(uses, is_taken, Vec::new());
            prop_assert_eq!(found.records, expected);
        }
    }
}
