//! Why the program fails: the message and the exit code.

use datafusion::error::DataFusionError;
use sqload_datafusion::sqload_error;
use std::error::Error;
use std::fmt;

/// A failure of the program.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// The command line contradicts itself.
    Usage(String),
    /// An error of the query, or of a file that it reads.
    Query(DataFusionError),
    /// An error of sqload.
    Sqload(sqload::Error),
    /// The system refuses something.
    System(std::io::Error),
    /// A signal has ended the program.
    Interrupted,
    /// Something else, in words.
    Other(String),
}

impl Failure {
    /// The exit code of the program.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Interrupted => 130,
            Self::Sqload(error) => error.exit_code(),
            Self::Query(error) => sqload_error(error).map_or(1, sqload::Error::exit_code),
            Self::System(_) | Self::Other(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Other(message) => f.write_str(&sqload::printable(message)),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Sqload(error) => write_with_causes(error, f),
            Self::System(error) => write_with_causes(error, f),
            Self::Query(error) => match sqload_error(error) {
                Some(error) => write_with_causes(error, f),
                None => f.write_str(&sqload::printable(&error.find_root().strip_backtrace())),
            },
        }
    }
}

fn write_with_causes(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&sqload::printable(&error.to_string()))?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, "\n  because: {}", sqload::printable(&error.to_string()))?;
        cause = error.source();
    }
    Ok(())
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self::Query(error)
    }
}

impl From<sqload::Error> for Failure {
    fn from(error: sqload::Error) -> Self {
        match error.kind() {
            sqload::Kind::Interrupted => Self::Interrupted,
            _ => Self::Sqload(error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}
