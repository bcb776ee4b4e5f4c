//! Which rows are stored, of those that have the key of another row or break a constraint alone.
//!
//! SQLite inserts row by row. The rows with equal keys, once they are known as groups, decide everything:
//!
//! - Rows that are rejected or ignored: go through them in the order of the records; a row loses if one of its groups belongs to a
//!   row that is there or that was accepted, and takes all of its groups otherwise. A row that lost does not count.
//! - Rows that update others (`--upsert`), by one key: of each group, the last row is stored, in place of the one that was there, or
//!   else with the rowid that the first one gets.
//! - Rows that replace others (ON CONFLICT REPLACE): a row is stored unless a later one has one of its keys, and all rows that were
//!   there and have the key of a new one are deleted.

use super::replaced::RowidSet;
use crate::batch::{Arena, Rows};
use crate::error::Reason;
use crate::write::{self, Appended};
use std::collections::HashMap;

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

/// What happens if rows have the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// A row that comes later is rejected with its record.
    Reject,
    /// A row that comes later is dropped and counted.
    Ignore,
    /// A row that comes later updates the one before it.
    Update,
    /// A row that comes later replaces the one before it.
    Replace,
}

impl OnDuplicate {
    /// True if rows come in the place of others.
    pub(super) fn replaces(self) -> bool {
        matches!(self, Self::Update | Self::Replace)
    }
}

/// How a load treats a row that has the key of another, or that breaks a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is left out, because a row before it has the key with this number.
    Lost { key: u32 },
    /// It is rejected, because it breaks a constraint: the number of the reason.
    Broken { reason: u32 },
    /// It is left out, because a later row updates or replaces it. The rowid that it gets is not free for another row.
    Inserted,
    /// It is left out, because a later row updates the same row.
    Updated,
    /// It is stored in place of another row, with the rowid of that.
    Updates { rowid: i64 },
}

impl Fate {
    /// True if the row is stored.
    pub(super) fn is_stored(self) -> bool {
        matches!(self, Self::Updates { .. })
    }

    /// True if SQLite chooses a rowid for the row.
    pub(super) fn takes_rowid(self) -> bool {
        self == Self::Inserted
    }
}

/// The records of a load whose rows have the key of another row.
#[derive(Debug)]
pub struct Duplicates {
    policy: OnDuplicate,
    /// Whether rows that break another constraint are rejected.
    rejects_rows: bool,
    /// For each unique key, the reason to reject a row.
    reasons: Vec<Reason>,
    /// Other reasons, each with its number by its message.
    other_reasons: Vec<Reason>,
    reason_numbers: HashMap<String, u32>,
    /// The records that are rejected for them, in order, each with the number of the reason.
    broken: Vec<(u64, u32)>,
    /// How their rows are treated, in the order of the records.
    fates: Vec<(u64, Fate)>,
    /// The rowids of the existing rows that are updated or replaced.
    replaced: Vec<i64>,
}

impl Duplicates {
    /// No records; those that are found are treated as `policy` says. If it `rejects_rows`, so are records whose rows break another
    /// constraint.
    #[must_use]
    pub fn new(policy: OnDuplicate, rejects_rows: bool) -> Self {
        let (reasons, other_reasons, reason_numbers, broken, fates, replaced) = Default::default();
        Self { policy, rejects_rows, reasons, other_reasons, reason_numbers, broken, fates, replaced }
    }

    /// Whether rows that break a constraint other than a unique key are rejected.
    pub(super) fn rejects_rows(&self) -> bool {
        self.rejects_rows
    }

    /// Rejects the row of a record, which comes after all others that were rejected. `reason` makes the reason of its message.
    pub(super) fn reject(&mut self, record: u64, message: String, reason: impl FnOnce(String) -> Reason) {
        let next = self.other_reasons.len() as u32;
        let reasons = &mut self.other_reasons;
        let number = *self.reason_numbers.entry(message).or_insert_with_key(|message| {
            reasons.push(reason(message.clone()));
            next
        });
        self.broken.push((record, number));
    }

    /// At least about the bytes that rejected rows take.
    pub(super) fn rejected_bytes(&self) -> usize {
        /// Of a message, in both places.
        const REASON_BYTES: usize = 256;
        size_of_val(&*self.broken) + REASON_BYTES * self.other_reasons.len()
    }

    /// How the rows are treated.
    pub(super) fn policy(&self) -> OnDuplicate {
        self.policy
    }

    /// The number of records whose rows are left out.
    pub(super) fn left_out(&self) -> u64 {
        self.fates.iter().filter(|(_, fate)| !fate.is_stored()).count() as u64
    }

    /// Takes the existing rows that are updated or replaced; nothing if there are none.
    pub(super) fn take_replaced(&mut self) -> Option<RowidSet> {
        let rowids = std::mem::take(&mut self.replaced);
        (!rowids.is_empty()).then(|| RowidSet::new(rowids))
    }

    /// Decides which rows are stored. For each group, `owners` has the rowid of the existing row with its key. `reasons`
    /// has one for each unique key. `chosen_rowid` is the rowid that SQLite chooses for a row if it stores all rows before its
    /// record, except for this many; `None` if none is left.
    ///
    /// Returns false if no rowid is left for a row.
    pub(super) fn decide(
        &mut self,
        uses: Vec<KeyUse>,
        owners: Vec<Option<i64>>,
        reasons: Vec<Reason>,
        chosen_rowid: impl Fn(u64, u64) -> Option<i64>,
    ) -> bool {
        let has_rowids = self.decide_keys(uses, owners, reasons, chosen_rowid);
        // They have no keys, since their rows are not stored.
        let broken = std::mem::take(&mut self.broken);
        self.fates.extend(broken.into_iter().map(|(record, reason)| (record, Fate::Broken { reason })));
        self.fates.sort_unstable_by_key(|(record, _)| *record);
        has_rowids
    }

    fn decide_keys(
        &mut self,
        mut uses: Vec<KeyUse>,
        mut owners: Vec<Option<i64>>,
        reasons: Vec<Reason>,
        chosen_rowid: impl Fn(u64, u64) -> Option<i64>,
    ) -> bool {
        uses.sort_unstable_by_key(|key_use| (key_use.record, key_use.key));
        self.reasons = reasons;
        if self.policy.replaces() {
            self.replaced = owners.iter().copied().flatten().collect();
        }
        match self.policy {
            OnDuplicate::Reject | OnDuplicate::Ignore => {
                let mut is_taken: Vec<_> = owners.iter().map(Option::is_some).collect();
                for row in uses.chunk_by(|a, b| a.record == b.record) {
                    match row.iter().find(|key_use| is_taken[key_use.group as usize]) {
                        Some(KeyUse { record, key, .. }) => {
                            self.fates.push((*record, Fate::Lost { key: *key }));
                        }
                        None => row.iter().for_each(|key_use| is_taken[key_use.group as usize] = true),
                    }
                }
                true
            }
            OnDuplicate::Update => {
                let last = last_records(&uses, owners.len());
                let mut unnumbered = 0;
                for KeyUse { record, group, .. } in uses {
                    let broken = self.broken.partition_point(|(broken, _)| *broken < record) as u64;
                    let owner = &mut owners[group as usize];
                    let fate = match (*owner, last[group as usize] == record) {
                        (Some(rowid), true) => Fate::Updates { rowid },
                        (Some(_), false) => Fate::Updated,
                        (None, _) => {
                            let Some(rowid) = chosen_rowid(record, unnumbered + broken) else { return false };
                            *owner = Some(rowid);
                            Fate::Inserted
                        }
                    };
                    unnumbered += u64::from(!fate.takes_rowid());
                    self.fates.push((record, fate));
                }
                true
            }
            OnDuplicate::Replace => {
                let last = last_records(&uses, owners.len());
                for row in uses.chunk_by(|a, b| a.record == b.record) {
                    if row.iter().any(|key_use| last[key_use.group as usize] != key_use.record) {
                        self.fates.push((row[0].record, Fate::Inserted));
                    }
                }
                true
            }
        }
    }

    /// The rows of a chunk with a fate, in order.
    pub(super) fn find_in(&self, rows: &Rows<'_>) -> Vec<(usize, Fate)> {
        let first = rows.chunk.first_load_record();
        let start = self.fates.partition_point(|(record, _)| *record < first);
        let end = first + rows.chunk.records as u64;
        let fates = self.fates[start..].iter().take_while(|(record, _)| *record < end);
        let row_of = |record: u64| {
            let number = (record - first) as u32;
            match rows.origins.numbers {
                None => Some(number as usize).filter(|row| *row < rows.len),
                Some(numbers) => numbers.binary_search(&number).ok(),
            }
        };
        fates.filter_map(|(record, fate)| Some((row_of(*record)?, *fate))).collect()
    }

    /// The result of appending a chunk whose rows have these fates.
    pub(super) fn appended(&self, fates: &[(usize, Fate)]) -> Appended {
        let mut appended = Appended::default();
        for (row, fate) in fates {
            match (fate, self.policy) {
                (Fate::Lost { .. }, OnDuplicate::Ignore) => appended.ignored += 1,
                (Fate::Lost { key }, _) => {
                    appended.rejected.push((*row, self.reasons[*key as usize].clone()));
                }
                (Fate::Updated | Fate::Updates { .. }, _) => appended.updated += 1,
                (Fate::Inserted, _) => {}
                (Fate::Broken { reason }, _) => {
                    appended.rejected.push((*row, self.other_reasons[*reason as usize].clone()));
                }
            }
        }
        appended
    }
}

/// The last record of each group. The uses are in the order of the records.
fn last_records(uses: &[KeyUse], groups: usize) -> Vec<u64> {
    let mut last = vec![0; groups];
    uses.iter().for_each(|key_use| last[key_use.group as usize] = key_use.record);
    last
}

/// The reason to reject a row that breaks a constraint of `table`, whose loaded columns are `columns`.
pub(super) fn reason<'c>(message: String, table: &str, columns: impl Iterator<Item = &'c str>) -> Reason {
    let column = write::column_of(&message, table, columns).map(str::to_owned);
    Reason::Constraint { column, message }
}

/// The rows of a chunk that are stored, in `arena`.
pub(super) fn stored<'a>(rows: &Rows<'a>, fates: &[(usize, Fate)], arena: &'a Arena) -> Rows<'a> {
    let left_out = fates.iter().filter(|(_, fate)| !fate.is_stored()).map(|(row, _)| *row);
    select(rows, others(rows.len, left_out, arena), arena)
}

/// The numbers of `rows` rows except for those `left_out`, which are in order.
pub(super) fn others(rows: usize, left_out: impl Iterator<Item = usize>, arena: &Arena) -> &[usize] {
    let mut others = arena.vec(rows);
    let mut next = 0;
    for row in left_out {
        others.extend(next..row);
        next = row + 1;
    }
    others.extend(next..rows);
    others.into_bump_slice()
}

/// The rows of a chunk with these numbers, in `arena`.
pub(super) fn select<'a>(rows: &Rows<'a>, kept: &[usize], arena: &'a Arena) -> Rows<'a> {
    let columns = arena.list(rows.columns.iter().map(|values| values.select(kept, arena)));
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
            let (mut uses, mut owners) = (Vec::new(), vec![None; 18]);
            old.iter().for_each(|(key, value)| owners[*key as usize * 6 + usize::from(*value)] = Some(1));
            for (row, record) in rows.iter().zip(0..) {
                let keys = || (0..).zip(row.iter().copied());
                match keys().find(|key| taken.contains(key)) {
                    Some((key, _)) => expected.push((record, Fate::Lost { key })),
                    None => taken.extend(keys()),
                }
                let group = |(key, value)| key * 6 + u32::from(value);
                uses.extend(keys().map(|at| KeyUse { record, key: at.0, group: group(at) }));
            }
            uses.reverse();
            let mut found = Duplicates::new(OnDuplicate::Ignore, false);
            found.decide(uses, owners, Vec::new(), |_, _| None);
            prop_assert_eq!(found.fates, expected);
        }
    }
}
