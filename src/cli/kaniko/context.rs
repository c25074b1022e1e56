//! The build context, by kaniko's prefixes.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use super::arguments::Args;
use super::git;
use crate::build::ContextSource;
use crate::build::remote_cache::{BucketObject, BucketOptions};
use crate::cli::CliError;

/// The default of kaniko's image.
const DEFAULT: &str = "/workspace/";

pub(super) fn of(args: &Args) -> Result<ContextSource, CliError> {
    let bucket = args.bucket.as_ref().map(|bucket| match bucket.contains("://") {
        true => bucket.clone(),
        false => format!("gs://{bucket}"),
    });
    let text = args.build_context.clone().or(bucket).unwrap_or_else(|| DEFAULT.to_owned());
    let folder = args.context_sub_path.as_deref().filter(|folder| !folder.is_empty());
    let whole = whole(&text, &args.git)?;
    Ok(match (whole, folder) {
        (whole, None) => whole,
        (ContextSource::Directory(path), Some(folder)) => {
            ContextSource::Directory(path.join(folder.trim_start_matches('/')))
        }
        (whole, Some(folder)) => ContextSource::Part { of: Box::new(whole), folder: folder.to_owned() },
    })
}

fn whole(text: &str, git: &[String]) -> Result<ContextSource, CliError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some((kind, rest)) = text.split_once("://") else {
        return match text.is_empty() {
            true => Err(CliError::new("please specify a path to the build context with the --context flag")),
            false => Ok(ContextSource::Directory(PathBuf::from(text))),
        };
    };
    Ok(match kind {
        "dir" => ContextSource::Directory(PathBuf::from(rest)),
        "tar" if rest == "stdin" => {
            if std::io::stdin().is_terminal() {
                let hint = "pipe an archive into it; a container needs `-i` for that";
                return Err(CliError::new("there is no archive on standard input").hint(hint));
            }
            ContextSource::StandardInput
        }
        "tar" => ContextSource::Archive(PathBuf::from(rest)),
        "git" => ContextSource::Git(git::address(rest, git, variable)?),
        "http" | "https" => ContextSource::Remote(text.to_owned()),
        "s3" => {
            let (bucket, key) = object(text, rest)?;
            let mut bucket = BucketOptions::new(bucket);
            if let Some(endpoint) = variable("S3_ENDPOINT") {
                bucket.endpoint = Some(endpoint);
                bucket.path_style =
                    variable("S3_FORCE_PATH_STYLE").is_some_and(|text| text.eq_ignore_ascii_case("true"));
            }
            ContextSource::Object(Box::new(BucketObject { bucket, key: key.to_owned() }))
        }
        "gs" => {
            let (bucket, key) = object(text, rest)?;
            ContextSource::GoogleObject { bucket: bucket.to_owned(), key: key.to_owned() }
        }
        _ => {
            let hint = "there are dir://, tar://, git://, https://, s3:// and gs://";
            return Err(CliError::new(format!("the build context `{text}` has an unknown prefix")).hint(hint));
        }
    })
}

fn object<'a>(text: &str, rest: &'a str) -> Result<(&'a str, &'a str), CliError> {
    let split = rest.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
    split.ok_or_else(|| CliError::new(format!("the build context `{text}` names no object: it is BUCKET/KEY")))
}
