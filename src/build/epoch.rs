//! SOURCE_DATE_EPOCH with the name of something that has a time: resolved before planning, which has no network.

use crate::base::io_error::AtPath;
use crate::build::context::git;
use crate::build::context::http::{self, HttpRequest};
use crate::build::context::newest_file;
use crate::build::solve::Progress;
use crate::language::dockerfile::Dockerfile;
use crate::language::plan::{self, Epoch, EpochSource, EpochValue, PlanRequest};

use super::arguments::SOURCE_DATE_EPOCH;
use super::batch::Batch;
use super::contexts::BuildContexts;
use super::dockerfile::File;
use super::error::BuildError;
use super::named;
use super::options::BuildOptions;

/// Finds times for a build.
pub(super) struct Epochs<'a> {
    pub batch: &'a Batch<'a>,
    pub options: &'a BuildOptions,
    pub file: &'a File,
    pub contexts: &'a BuildContexts<'a>,
    pub progress: &'a dyn Progress,
}

impl Epochs<'_> {
    /// Replaces a name by seconds in the request. `--reproducible` defaults to 1970.
    pub fn settle(&self, parsed: &Dockerfile, request: &mut PlanRequest) -> Result<(), BuildError> {
        let value = value_of(self.file, self.options, parsed, request)?;
        let mut seconds = match &value {
            EpochValue::Nothing => None,
            EpochValue::Seconds(seconds) => Some(*seconds),
            EpochValue::Of(source) => self.time_of(source)?,
        };
        let is_given = request.build_args.contains_key(SOURCE_DATE_EPOCH);
        if seconds.is_none() && self.options.reproducible {
            if let EpochValue::Of(source) = &value {
                self.progress.warn(&format!("{} has no time: with --reproducible, 1970 is taken", shown(source)));
            }
            seconds = Some(0);
        }
        settle(request, seconds, is_given || value == EpochValue::Nothing);
        Ok(())
    }

    fn time_of(&self, source: &EpochSource) -> Result<Option<i64>, BuildError> {
        match source {
            EpochSource::Context => Ok(self.contexts.time()),
            EpochSource::Named(name) => self.contexts.time_of_named(name),
            EpochSource::Http { url, checksum } => {
                let cache = self.batch.work()?.downloads()?;
                let checksum = checksum.as_deref().map(str::parse).transpose()?;
                let downloaded =
                    http::download(&HttpRequest { checksum, ..self.options.run.http_request(url, &cache)? })?;
                if downloaded.mtime.is_some() {
                    return Ok(downloaded.mtime);
                }
                let file = std::fs::File::open(&downloaded.path).at("open", &downloaded.path)?;
                Ok(newest_file(file))
            }
            EpochSource::Git { url, checksum } => {
                let wanted = self.options.run.git_reference(url)?.with_checksum(checksum.as_deref())?;
                let staging = self.batch.work()?.staging()?;
                let folder = staging.path().join("repository");
                std::fs::create_dir(&folder).at("create", &folder)?;
                Ok(Some(git::commit_time(&wanted, &folder)?))
            }
        }
    }
}

/// The same without requests: whatever has a time is assumed to have none.
pub(super) fn settle_offline(
    file: &File,
    options: &BuildOptions,
    parsed: &Dockerfile,
    request: &mut PlanRequest,
) -> Result<(), BuildError> {
    let seconds = match value_of(file, options, parsed, request)? {
        EpochValue::Seconds(seconds) => Some(seconds),
        EpochValue::Nothing | EpochValue::Of(_) => None,
    };
    let is_given = request.build_args.contains_key(SOURCE_DATE_EPOCH);
    settle(request, seconds, is_given);
    Ok(())
}

fn value_of(
    file: &File,
    options: &BuildOptions,
    parsed: &Dockerfile,
    request: &PlanRequest,
) -> Result<EpochValue, BuildError> {
    let is_context = |name: &str| named::find(&options.named_contexts, name).is_some();
    plan::epoch(parsed, request, &is_context).map_err(|error| file.plan_error(error, None).into())
}

/// `is_argument`: RUN steps that declare the argument see it too.
fn settle(request: &mut PlanRequest, seconds: Option<i64>, is_argument: bool) {
    request.epoch = Epoch::Resolved(seconds);
    match seconds {
        Some(seconds) if is_argument => {
            request.build_args.insert(SOURCE_DATE_EPOCH.to_owned(), seconds.to_string());
        }
        Some(_) => {}
        None => {
            request.build_args.remove(SOURCE_DATE_EPOCH);
        }
    }
}

fn shown(source: &EpochSource) -> String {
    match source {
        EpochSource::Context => "the build context".to_owned(),
        EpochSource::Named(name) => format!("the context `{name}`"),
        EpochSource::Http { url, .. } | EpochSource::Git { url, .. } => format!("what is behind `{url}`"),
    }
}
