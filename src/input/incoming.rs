//! Input bytes, some of which may not have arrived yet.

use crate::error::Error;
use ::bytes::Bytes;

/// The bytes of an input that may still be arriving. They need not be in memory all at once.
pub trait Incoming: std::fmt::Debug + Sync {
    /// Waits until at least `bytes` bytes from `offset` on have arrived, or the input has ended. Returns bytes from `offset`
    /// on, at least as many, and true if they reach the end of the input.
    ///
    /// # Errors
    /// If the input cannot be read.
    fn wait(&self, offset: usize, bytes: usize) -> Result<(Bytes, bool), Error>;
}
