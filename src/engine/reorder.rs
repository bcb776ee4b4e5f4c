//! Puts results that arrive in any order back in order.

use std::collections::VecDeque;

/// Holds results that arrive early. Whoever numbers the results bounds how far ahead they may be.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T> {
    next: u64,
    /// Slot i is for number `next + i`.
    waiting: VecDeque<Option<T>>,
}

impl<T> ReorderBuffer<T> {
    /// An empty buffer, which expects number 0 first. No result is ever `ahead` or more numbers ahead of the next one.
    pub(crate) fn new(ahead: usize) -> Self {
        Self { next: 0, waiting: VecDeque::with_capacity(ahead) }
    }

    /// Stores a result.
    ///
    /// # Panics
    /// If this number has been taken already.
    pub(crate) fn put(&mut self, number: u64, result: T) {
        let slot = usize::try_from(number.checked_sub(self.next).expect("each number occurs once"));
        let slot = slot.expect("the bound on how far ahead fits in memory");
        if slot >= self.waiting.len() {
            self.waiting.resize_with(slot + 1, || None);
        }
        self.waiting[slot] = Some(result);
    }

    /// Removes the next result, if it has arrived.
    pub(crate) fn take(&mut self) -> Option<T> {
        let result = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.next += 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn results_come_out_in_order(numbers in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut buffer = ReorderBuffer::new(40);
            let mut out = Vec::new();
            for &number in &numbers {
                buffer.put(number, number);
                out.extend(std::iter::from_fn(|| buffer.take()));
            }
            prop_assert_eq!(out, (0..40).collect::<Vec<_>>());
        }
    }
}
