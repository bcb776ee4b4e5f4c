//! Results that come in any order, handed on in the order of their numbers.

use std::collections::VecDeque;

/// Holds back what came early. The one who numbers the results bounds how far ahead they may be.
#[derive(Debug)]
pub(crate) struct ReorderBuffer<T> {
    next: u64,
    /// Place i waits for, or holds, number `next + i`.
    waiting: VecDeque<Option<T>>,
}

impl<T> ReorderBuffer<T> {
    /// Expects number 0 first; no result is ever `ahead` or more numbers ahead of the one that is due.
    pub(crate) fn new(ahead: usize) -> Self {
        Self { next: 0, waiting: VecDeque::with_capacity(ahead) }
    }

    /// Takes a result in.
    ///
    /// # Panics
    /// If that number was handed on already.
    pub(crate) fn put(&mut self, number: u64, result: T) {
        let place = usize::try_from(number.checked_sub(self.next).expect("each number comes once"));
        let place = place.expect("the bound on how far ahead fits in memory");
        if place >= self.waiting.len() {
            self.waiting.resize_with(place + 1, || None);
        }
        self.waiting[place] = Some(result);
    }

    /// The result that is due, if it is there.
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
        fn any_order_comes_out_in_order(numbers in Just((0..40u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut order = ReorderBuffer::new(40);
            let mut out = Vec::new();
            for &number in &numbers {
                order.put(number, number);
                out.extend(std::iter::from_fn(|| order.take()));
            }
            prop_assert_eq!(out, (0..40).collect::<Vec<_>>());
        }
    }
}
