//! How the plan nodes of `sqload-datafusion` travel between processes: a mark, and the JSON of what they need.

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::common::{internal_datafusion_err, internal_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use serde::{Deserialize, Serialize};
use sqload_datafusion::{BucketExec, CommitExec, ShardSpec, WriteExec};
use std::sync::Arc;

/// What the bytes of these nodes begin with. Those of Ballista's nodes are protocol buffers, which do not begin with a letter of
/// this kind: it would be a group, which protocol buffers no longer have.
const MARK: &[u8] = b"sqload node: ";

/// Encodes the nodes of sqload, and leaves all others to Ballista.
#[derive(Debug, Default)]
pub(crate) struct NodeCodec {
    ballista: BallistaPhysicalExtensionCodec,
}

/// A plan node without its input.
#[derive(Debug, Serialize, Deserialize)]
enum Node {
    Bucket(ShardSpec),
    Write(ShardSpec),
    Commit(ShardSpec),
}

impl Node {
    fn new(plan: &dyn ExecutionPlan) -> Option<Self> {
        if let Some(bucket) = plan.downcast_ref::<BucketExec>() {
            return Some(Self::Bucket(bucket.spec().clone()));
        }
        if let Some(write) = plan.downcast_ref::<WriteExec>() {
            return Some(Self::Write(write.spec().clone()));
        }
        plan.downcast_ref::<CommitExec>().map(|commit| Self::Commit(commit.spec().clone()))
    }

    fn into_plan(self, input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(match self {
            Self::Bucket(spec) => Arc::new(BucketExec::new(input, spec)?),
            Self::Write(spec) => Arc::new(WriteExec::new(input, spec)?),
            Self::Commit(spec) => Arc::new(CommitExec::new(input, spec)),
        })
    }
}

impl PhysicalExtensionCodec for NodeCodec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(json) = bytes.strip_prefix(MARK) else {
            return self.ballista.try_decode(bytes, inputs, context, converter);
        };
        let node: Node = serde_json::from_slice(json)
            .map_err(|error| internal_datafusion_err!("not a plan node of sqload: {error}"))?;
        match inputs {
            [input] => node.into_plan(input.clone()),
            _ => internal_err!("a plan node of sqload has one input, not {}", inputs.len()),
        }
    }

    fn try_encode(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(node) = Node::new(plan.as_ref()) else {
            return self.ballista.try_encode(plan, bytes, converter);
        };
        bytes.extend_from_slice(MARK);
        serde_json::to_writer(bytes, &node)
            .map_err(|error| internal_datafusion_err!("the plan node cannot be encoded: {error}"))
    }
}
