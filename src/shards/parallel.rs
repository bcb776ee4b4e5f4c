//! Work on many shards at a time.

use crate::error::{Kind, Result};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Calls `work` for each of `items` on this many threads, until `stop` is set. Returns the results in the order of the items.
///
/// # Errors
/// That of the first item in order that fails, at any number of jobs; [`Kind::Interrupted`].
pub(super) fn for_each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    stop: &AtomicBool,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let (next, is_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        while !is_failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(number) else { return };
            let result = match stop.load(Ordering::Relaxed) {
                true => Err(Kind::Interrupted.into()),
                false => work(item),
            };
            is_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            scope.spawn(run);
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    // All items before one that failed were taken, and have a result.
    results.sort_unstable_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// The number of threads for a load.
pub(super) fn jobs(requested: Option<NonZeroUsize>) -> usize {
    requested.or_else(|| thread::available_parallelism().ok()).map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_errors_come_in_order() {
        let items: Vec<usize> = (0..100).collect();
        let stop = AtomicBool::new(false);
        for jobs in [1, 8] {
            assert_eq!(for_each(&items, jobs, &stop, |item| Ok(*item)).unwrap(), items);
            let fail = |item: &usize| match item % 30 {
                29 => Err(Kind::Usage(item.to_string()).into()),
                _ => Ok(()),
            };
            assert_eq!(for_each(&items, jobs, &stop, fail).unwrap_err().to_string(), "29");
            let stopped = for_each(&items, jobs, &AtomicBool::new(true), |_| Ok(())).unwrap_err();
            assert!(matches!(stopped.kind(), Kind::Interrupted));
        }
        assert!(for_each(&[] as &[()], 2, &stop, |()| Ok(())).unwrap().is_empty());
    }
}
