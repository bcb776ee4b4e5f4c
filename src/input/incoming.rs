//! Input bytes, some of which may not have arrived yet.

use crate::error::Error;

/// The bytes of an input that may still be arriving.
pub trait Incoming: std::fmt::Debug + Sync {
    /// Waits until at least `bytes` bytes have arrived, or the input has ended. Returns all bytes that have arrived, and
    /// true if they are the whole input.
    ///
    /// # Errors
    /// If the input cannot be read.
    fn wait(&self, bytes: usize) -> Result<(&[u8], bool), Error>;
}
