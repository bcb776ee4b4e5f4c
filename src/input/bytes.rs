//! Bytes that may still be coming in.

use crate::error::Error;

/// The bytes of an input, which may still be coming in.
pub trait Incoming: std::fmt::Debug + Sync {
    /// All bytes that are there, at least so many unless the input has fewer, and whether they are all of it. Waits for
    /// what is not there.
    ///
    /// # Errors
    /// If the input can not be read any further.
    fn wait(&self, bytes: usize) -> Result<(&[u8], bool), Error>;
}
