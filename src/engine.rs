//! The threads of a load.

mod encoded_batch;
pub(crate) mod locate;
pub(crate) mod pipeline;
pub(crate) mod rejects;
mod reorder;
pub(crate) mod sources;
pub(crate) mod timers;
pub mod worker;
