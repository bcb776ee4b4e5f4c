//! Which row of the load has which rowid, for messages about duplicates.
//!
//! Without an INTEGER PRIMARY KEY, rows are numbered from the rowid after the largest one before the load. Where a column gives the
//! rowids, they are logged chunk by chunk: a run with a constant step takes a few bytes, any other eight bytes a row. A log that
//! outgrows its limit is dropped; the load is then repeated through statements, which know the row.

/// The rowids of the rows so far, in the order of the rows.
#[derive(Debug)]
pub(super) enum RowidLog {
    /// Rows are numbered from this rowid.
    Numbered { first: i64 },
    /// A column gives the rowids.
    Given { runs: Vec<RowidRun>, rows: u64, listed: usize, max_listed: usize },
    /// There were too many.
    Dropped,
}

/// The rowids of consecutive rows.
#[derive(Debug)]
pub(super) struct RowidRun {
    first_row: u64,
    rowids: Rowids,
}

#[derive(Debug)]
enum Rowids {
    Steps { first: i64, step: i64, count: u64 },
    Listed(Box<[i64]>),
}

impl RowidLog {
    /// An empty log, which takes at most about `max_bytes` if rowids are given by a column.
    /// Otherwise the first rowid is the one after `largest`.
    pub(super) fn new(is_given: bool, largest: Option<i64>, max_bytes: usize) -> Self {
        let max_listed = max_bytes / size_of::<i64>();
        if is_given {
            Self::Given { runs: Vec::new(), rows: 0, listed: 0, max_listed }
        } else {
            Self::Numbered { first: largest.unwrap_or(0).wrapping_add(1) }
        }
    }

    /// Logs the rowids of the rows that come next.
    pub(super) fn push(&mut self, rowids: &[i64]) {
        let Self::Given { runs, rows, listed, max_listed } = self else { return };
        let &[first, ..] = rowids else { return };
        let step = rowids.get(1).map_or(1, |second| second.wrapping_sub(first));
        let count = rowids.len() as u64;
        if rowids.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
            match runs.last_mut().map(|run| &mut run.rowids) {
                Some(Rowids::Steps { first: start, step: last_step, count: length })
                    if *last_step == step
                        && start.wrapping_add(step.wrapping_mul(*length as i64)) == first =>
                {
                    *length += count;
                }
                _ => {
                    runs.push(RowidRun { first_row: *rows, rowids: Rowids::Steps { first, step, count } });
                    *listed += size_of::<RowidRun>() / size_of::<i64>();
                }
            }
        } else {
            runs.push(RowidRun { first_row: *rows, rowids: Rowids::Listed(rowids.into()) });
            *listed += rowids.len();
        }
        *rows += count;
        if listed > max_listed {
            *self = Self::Dropped;
        }
    }

    /// The rows that have these rowids, in order; nothing if they are not known.
    pub(super) fn rows_of(&self, rowids: &[i64]) -> Vec<u64> {
        let mut rows = match self {
            Self::Numbered { first } => {
                rowids.iter().map(|rowid| rowid.wrapping_sub(*first).cast_unsigned()).collect()
            }
            Self::Given { runs, .. } => {
                let mut rows: Vec<_> = runs.iter().flat_map(|run| run.rows_of(rowids)).collect();
                rows.truncate(rowids.len());
                rows
            }
            Self::Dropped => Vec::new(),
        };
        rows.sort_unstable();
        rows
    }
}

impl RowidRun {
    /// The rows of this run that have one of these rowids.
    fn rows_of(&self, wanted: &[i64]) -> Vec<u64> {
        match &self.rowids {
            Rowids::Steps { first, step, count } => {
                let mut steps = Vec::new();
                for rowid in wanted {
                    let distance = rowid.wrapping_sub(*first);
                    let at = if *step == 0 { 0 } else { distance.wrapping_div(*step) };
                    let is_there = at >= 0
                        && at.cast_unsigned() < *count
                        && first.wrapping_add(step.wrapping_mul(at)) == *rowid
                        && !steps.contains(&at.cast_unsigned());
                    if is_there {
                        steps.push(at.cast_unsigned());
                    }
                }
                steps.into_iter().map(|at| self.first_row + at).collect()
            }
            Rowids::Listed(rowids) => {
                let rows = rowids.iter().zip(self.first_row..);
                rows.filter(|(rowid, _)| wanted.contains(rowid)).map(|(_, row)| row).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_the_rows_that_a_list_finds(
            chunks in prop::collection::vec(
                prop_oneof![
                    prop::collection::vec(-5..50_i64, 1..8),
                    (-20..20_i64, -3..4_i64, 1..9_i64).prop_map(|(first, step, count)| {
                        (0..count).map(|at| first + at * step).collect()
                    }),
                ],
                1..8,
            ),
        ) {
            let mut log = RowidLog::new(true, None, 1 << 20);
            chunks.iter().for_each(|rowids| log.push(rowids));
            let rowids = chunks.concat();
            for (row, rowid) in rowids.iter().enumerate() {
                let other = rowids[(row + 1) % rowids.len()];
                let all = (0..rowids.len() as u64).filter(|row| [*rowid, other].contains(&rowids[*row as usize]));
                let all: Vec<_> = all.collect();
                let found = log.rows_of(&[*rowid, other]);
                // A step of 0 is found once: no tree takes a chunk with the same rowid twice.
                prop_assert!(found.iter().all(|row| all.contains(row)));
                prop_assert!(!found.is_empty());
                let is_distinct = (1..all.len()).all(|at| rowids[all[at] as usize] != rowids[all[at - 1] as usize]);
                if all.len() <= 2 && is_distinct {
                    prop_assert_eq!(found, all);
                }
            }
        }
    }

    #[test]
    fn a_log_beyond_its_limit_is_dropped() {
        let mut log = RowidLog::new(true, None, 80);
        log.push(&[1, 2, 3]);
        assert_eq!(log.rows_of(&[2, 3]), [1, 2]);
        log.push(&[9, 3, 7, 1, 8, 2, 6, 5]);
        assert_eq!(log.rows_of(&[2, 3]), [0_u64; 0]);
    }
}
