//! Plans a statement, submits it, and waits for its end.

use crate::arguments::RunOptions;
use crate::codec::NodeCodec;
use crate::stages;
use ballista_core::extension::SessionConfigExt;
use ballista_core::serde::protobuf::execute_query_params::Query;
use ballista_core::serde::protobuf::job_status::Status as JobState;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, ExecuteQueryParams, GetJobStatusParams, KeyValuePair, execute_query_result,
};
use ballista_core::utils::default_session_builder;
use ballista_core::version::insert_version_header;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion_proto::physical_plan::AsExecutionPlan;
use datafusion_proto::protobuf::PhysicalPlanNode;
use sqload::shards::Manifest;
use sqload_datafusion::{CommitExec, ShardSpec};
use sqload_sql::{Failure, register_files};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// How long a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the client asks for the state of the job.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The largest message, which is the plan.
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// Runs a COPY ... STORED AS SQLITE statement on a cluster. Returns the manifest.
///
/// # Errors
/// If the statement cannot be planned, or the job fails, takes too long, or is stopped by the flag. Then no manifest is published.
pub async fn run(options: &RunOptions, stop: &AtomicBool) -> Result<Manifest, Failure> {
    let config = SessionConfig::new_with_ballista()
        .with_target_partitions(options.partitions)
        // Names are those of the header, without quotes, too.
        .set_bool("datafusion.sql_parser.enable_ident_normalization", false);
    let context = SessionContext::new_with_state(default_session_builder(config)?);
    sqload_datafusion::register(&context)?;
    let plan = physical_plan(&context, options).await?;
    let Some(commit) = plan.downcast_ref::<CommitExec>() else {
        return Err(Failure::Usage("expected COPY ... STORED AS SQLITE".to_owned()));
    };
    stages::check(&plan, context.state().config_options())?;
    let spec = commit.spec().clone();
    let mut scheduler = Scheduler::connect(options).await?;
    spec.create_staging()?;
    let outcome = scheduler.run_job(&context, &plan, Duration::from_secs(options.timeout), stop).await;
    settle(&spec, outcome).await
}

async fn physical_plan(
    context: &SessionContext,
    options: &RunOptions,
) -> Result<Arc<dyn ExecutionPlan>, Failure> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(&options.sql, &dialect)?;
    if !matches!(statement, Statement::CopyTo(_)) {
        return Err(Failure::Usage("expected COPY ... STORED AS SQLITE".to_owned()));
    }
    register_files(context, &statement, &options.inputs, options.text).await?;
    let plan = context.state().statement_to_plan(statement).await?;
    Ok(DataFrame::new(context.state(), plan).create_physical_plan().await?)
}

/// Ends the job for good: without a staging area, no task of it can write or publish any more. Whether it has published decides.
async fn settle(spec: &ShardSpec, outcome: Result<(), Failure>) -> Result<Manifest, Failure> {
    let start = Instant::now();
    // Tasks that still run may add files while the area is removed.
    while let Err(error) = spec.job.abort() {
        if start.elapsed() > CALL_TIMEOUT {
            return Err(error.into());
        }
        sleep(POLL_INTERVAL).await;
    }
    match Manifest::read(spec.job.manifest_path()) {
        Ok(manifest) if manifest.job == spec.job.id => Ok(manifest),
        Ok(_) | Err(_) => {
            outcome?;
            let message = "the job has ended without a manifest; do all processes see the directory under the same path?";
            Err(Failure::Other(message.to_owned()))
        }
    }
}

/// A connection to the scheduler.
struct Scheduler {
    address: String,
    client: SchedulerGrpcClient<Channel>,
}

impl Scheduler {
    async fn connect(options: &RunOptions) -> Result<Self, Failure> {
        let address = format!("{}:{}", options.scheduler, options.scheduler_port);
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Failure::Usage(format!("{address}: {error}")))?
            .connect_timeout(CALL_TIMEOUT)
            .timeout(CALL_TIMEOUT);
        let unreachable =
            |error: tonic::transport::Error| Failure::Other(format!("no scheduler at {address}: {error}"));
        let client = SchedulerGrpcClient::new(endpoint.connect().await.map_err(unreachable)?)
            .max_encoding_message_size(MAX_MESSAGE_BYTES)
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Self { address, client })
    }

    /// Runs a plan, and returns when the job has ended.
    async fn run_job(
        &mut self,
        context: &SessionContext,
        plan: &Arc<dyn ExecutionPlan>,
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<(), Failure> {
        let job_id = self.submit(context, plan).await?;
        let start = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                self.cancel(&job_id).await;
                return Err(Failure::Interrupted);
            }
            if start.elapsed() > limit {
                self.cancel(&job_id).await;
                let message = format!("the job has not ended after {} s, and is cancelled", limit.as_secs());
                return Err(Failure::Other(message));
            }
            match self.state(&job_id).await? {
                Some(JobState::Successful(_)) => return Ok(()),
                Some(JobState::Failed(failed)) => return Err(Failure::Other(failed.error)),
                _ => sleep(POLL_INTERVAL).await,
            }
        }
    }

    /// Submits a plan. Returns the id of the job.
    async fn submit(
        &mut self,
        context: &SessionContext,
        plan: &Arc<dyn ExecutionPlan>,
    ) -> Result<String, Failure> {
        let mut bytes = Vec::new();
        PhysicalPlanNode::try_from_physical_plan(plan.clone(), &NodeCodec::default())?
            .try_encode(&mut bytes)?;
        let settings = context.state().config_options().entries().into_iter();
        let settings = settings.map(|entry| KeyValuePair { key: entry.key, value: entry.value }).collect();
        let mut request = Request::new(ExecuteQueryParams {
            session_id: context.session_id(),
            settings,
            operation_id: Uuid::new_v4().to_string(),
            query: Some(Query::PhysicalPlan(bytes)),
        });
        insert_version_header(request.metadata_mut());
        match self.answer(self.client.clone().execute_query(request)).await?.result {
            Some(execute_query_result::Result::Success(accepted)) => Ok(accepted.job_id),
            Some(execute_query_result::Result::Failure(refused)) => {
                Err(Failure::Other(format!("the scheduler has refused the plan: {:?}", refused.failure)))
            }
            None => Err(Failure::Other("the scheduler has not said whether it takes the plan".to_owned())),
        }
    }

    async fn state(&mut self, job_id: &str) -> Result<Option<JobState>, Failure> {
        let request = GetJobStatusParams { job_id: job_id.to_owned() };
        let answer = self.answer(self.client.clone().get_job_status(request)).await?;
        Ok(answer.status.and_then(|status| status.status))
    }

    async fn cancel(&mut self, job_id: &str) {
        // Without its staging area the job cannot publish, whether or not the scheduler hears this.
        let request = CancelJobParams { job_id: job_id.to_owned() };
        let _ = self.answer(self.client.clone().cancel_job(request)).await;
    }

    /// The answer to a call.
    async fn answer<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Failure> {
        let problem = match timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(answer)) => return Ok(answer.into_inner()),
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => format!("no answer within {} s", CALL_TIMEOUT.as_secs()),
        };
        Err(Failure::Other(format!("the scheduler at {} has failed: {problem}", self.address)))
    }
}
