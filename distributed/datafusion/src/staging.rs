//! The staging area of a job whose nodes run in one process.

use sqload::shards::ShardJob;
use std::sync::OnceLock;

/// Removes the staging area when the last plan node and the last writer of a job are gone. After a commit nothing is left to remove.
///
/// Nodes that come from another process have none, because other processes may need the area.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    job: OnceLock<ShardJob>,
}

impl Staging {
    /// From now on, `job` writes to its staging area.
    pub(crate) fn own(&self, job: &ShardJob) {
        // A plan has one job, so the value is the same if it is set again.
        let _ = self.job.set(job.clone());
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Some(job) = self.job.get() {
            // Nothing reads what may be left.
            let _ = job.abort();
        }
    }
}
