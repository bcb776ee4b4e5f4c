//! The threads of a load, and what passes between them.

mod encoded_batch;
pub(crate) mod inputs;
pub(crate) mod output;
pub(crate) mod pipeline;
pub(crate) mod record_log;
pub(crate) mod rejects;
mod reorder;
pub(crate) mod timers;
pub mod worker;
