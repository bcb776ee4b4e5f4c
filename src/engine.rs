//! The threads of a load, and what passes between them.

#[cfg(feature = "arrow")]
pub(crate) mod arrow_input;
mod csv_input;
mod encoded_batch;
mod input_worker;
pub(crate) mod inputs;
mod json_input;
pub(crate) mod output;
pub(crate) mod pipeline;
pub(crate) mod record_log;
pub(crate) mod rejects;
mod reorder;
pub(crate) mod source;
pub(crate) mod sqlite_input;
pub(crate) mod timers;
pub mod worker;
