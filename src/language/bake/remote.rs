//! Remote definitions: the meaning of their paths.

use super::files::is_remote;
use super::functions::clean_path as clean;
use super::target::Target;
use crate::base::urls;

/// The location of the definition and the files beside it: a repository or an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    pub url: String,
}

impl Remote {
    /// Makes paths refer to files beside the definition.
    ///
    /// # Errors
    /// If a Dockerfile beside the definition is requested for a context on this machine.
    pub(super) fn settle(&self, target: &mut Target) -> Result<(), String> {
        for context in target.contexts.values_mut() {
            let is_special =
                ["target:", "docker-image:", "oci-layout:"].iter().any(|scheme| context.starts_with(scheme));
            if !is_special {
                *context = self.place(context);
            }
        }
        let context = target.local_context().to_owned();
        let is_here = context.starts_with("cwd://");
        let dockerfile = target.dockerfile.as_deref().unwrap_or("Dockerfile");
        // Buildx's error: the Dockerfile is looked up beside the definition, which is remote.
        if is_here && target.dockerfile_inline.is_none() && !dockerfile.starts_with("cwd://") {
            return Err("reading a dockerfile for a remote build invocation is currently not supported: with a local \
                        context, name a local one as `cwd://PATH`"
                .to_owned());
        }
        target.context = Some(self.place(&context));
        Ok(())
    }

    fn place(&self, path: &str) -> String {
        if path.starts_with("cwd://") || is_remote(path) {
            return path.to_owned();
        }
        let folder = clean(path);
        let folder = folder.trim_start_matches('/');
        if matches!(folder, "" | ".") {
            return self.url.clone();
        }
        self.subfolder(folder)
    }

    /// The address of a folder in the remote location.
    fn subfolder(&self, folder: &str) -> String {
        let (base, fragment) = self.url.split_once('#').unwrap_or((&self.url, ""));
        let (reference, own) = fragment.split_once(':').unwrap_or((fragment, ""));
        let joined = |own: &str| clean(&format!("{own}/{folder}")).trim_start_matches('/').to_owned();
        if fragment.is_empty()
            && urls::is_git_url(&self.url)
            && let Some((address, query)) = base.split_once('?')
            && query.split('&').any(|field| field.starts_with("subdir="))
        {
            let fields = query.split('&').map(|field| match field.strip_prefix("subdir=") {
                Some(own) => format!("subdir={}", joined(own)),
                None => field.to_owned(),
            });
            return format!("{address}?{}", fields.collect::<Vec<_>>().join("&"));
        }
        format!("{base}#{reference}:{}", joined(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_beside_the_definition() {
        let place = |url: &str, path: &str| Remote { url: url.to_owned() }.place(path);
        let git = "https://h/x.git";
        assert_eq!(place(git, "."), git);
        assert_eq!(place(git, "./app"), "https://h/x.git#:app");
        assert_eq!(place("https://h/x.git#v1", "app"), "https://h/x.git#v1:app");
        assert_eq!(place("https://h/x.git#v1:deep", "../app"), "https://h/x.git#v1:app");
        assert_eq!(place("https://h/x.git?subdir=deep&ref=v1", "app"), "https://h/x.git?subdir=deep/app&ref=v1");
        assert_eq!(place("https://h/x.git?ref=v1", "app"), "https://h/x.git?ref=v1#:app");
        assert_eq!(place("https://h/x.tar.gz", "app"), "https://h/x.tar.gz#:app");
        assert_eq!(place(git, "cwd://app"), "cwd://app");
        assert_eq!(place(git, "https://h/y.git"), "https://h/y.git");
    }
}
