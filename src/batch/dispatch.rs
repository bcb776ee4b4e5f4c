//! Runs hot loops with the instructions of the processor at hand.
//!
//! The program runs on every x86-64 processor. Loops that count bits, or look for the least and the greatest of many numbers,
//! gain much from instructions that nearly all processors have (popcnt, SSE4), but that compilers must not use by default. So
//! these loops are compiled twice, and the processor decides at run time.

/// A loop to compile for several processors. It should run for much longer than a look at the features of the processor takes.
pub(crate) trait HotLoop {
    /// The result.
    type Output;

    /// Runs the loop. Mark implementations and the larger functions that they call `inline(always)`: a function that is not
    /// inlined uses only the instructions that every processor has.
    fn run(self) -> Self::Output;
}

/// Runs `hot_loop` with the fastest instructions that the processor has.
#[inline]
pub(crate) fn dispatch<L: HotLoop>(hot_loop: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("popcnt") && is_x86_feature_detected!("sse4.2") {
        // SAFETY: The function requires nothing but these two features, and the processor has them.
        return unsafe { run_with_sse4(hot_loop) };
    }
    hot_loop.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt,sse4.2")]
fn run_with_sse4<L: HotLoop>(hot_loop: L) -> L::Output {
    hot_loop.run()
}
