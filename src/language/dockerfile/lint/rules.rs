//! The rules, as data. Their names are BuildKit's, so that `# check=skip=…` lines work unchanged.

/// One rule of the lint.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    pub name: &'static str,
    pub description: &'static str,
    /// The last part of its page's URL.
    slug: &'static str,
    /// Runs only on request.
    pub experimental: bool,
}

impl Rule {
    /// The page that explains the rule.
    pub fn url(&self) -> String {
        format!("https://docs.docker.com/go/dockerfile/rule/{}/", self.slug)
    }
}

macro_rules! rules {
    ($($constant:ident = $name:literal, $slug:literal, $experimental:literal, $description:literal;)*) => {
        $(pub(super) static $constant: Rule =
            Rule { name: $name, description: $description, slug: $slug, experimental: $experimental };)*

        /// All rules.
        pub static RULES: &[&Rule] = &[$(&$constant),*];
    };
}

rules! {
    STAGE_NAME_CASING = "StageNameCasing", "stage-name-casing", false,
        "names of stages are in lower case";
    FROM_AS_CASING = "FromAsCasing", "from-as-casing", false,
        "AS has the case of its FROM";
    NO_EMPTY_CONTINUATION = "NoEmptyContinuation", "no-empty-continuation", false,
        "a continued instruction has no blank lines inside";
    CONSISTENT_CASING = "ConsistentInstructionCasing", "consistent-instruction-casing", false,
        "all instructions are in upper case, or all in lower case";
    DUPLICATE_STAGE_NAME = "DuplicateStageName", "duplicate-stage-name", false,
        "each stage has a name of its own";
    RESERVED_STAGE_NAME = "ReservedStageName", "reserved-stage-name", false,
        "no stage is called scratch or context";
    JSON_ARGS = "JSONArgsRecommended", "json-args-recommended", false,
        "CMD and ENTRYPOINT are JSON arrays, so that signals reach the program";
    MAINTAINER_DEPRECATED = "MaintainerDeprecated", "maintainer-deprecated", false,
        "a label names the author, not MAINTAINER";
    UNDEFINED_ARG_IN_FROM = "UndefinedArgInFrom", "undefined-arg-in-from", false,
        "FROM uses only arguments that are declared above it";
    WORKDIR_RELATIVE = "WorkdirRelativePath", "workdir-relative-path", false,
        "the first WORKDIR is absolute, as the base image's may change";
    UNDEFINED_VAR = "UndefinedVar", "undefined-var", false,
        "a variable is defined before it is used";
    MULTIPLE_INSTRUCTIONS = "MultipleInstructionsDisallowed", "multiple-instructions-disallowed", false,
        "a stage has one CMD, one ENTRYPOINT, one HEALTHCHECK, as only the last counts";
    LEGACY_KEY_VALUE = "LegacyKeyValueFormat", "legacy-key-value-format", false,
        "ENV and LABEL are written with =";
    INVALID_BASE_PLATFORM = "InvalidBaseImagePlatform", "invalid-base-image-platform", false,
        "the base image is for the platform that is built";
    REDUNDANT_TARGET_PLATFORM = "RedundantTargetPlatform", "redundant-target-platform", false,
        "FROM --platform=$TARGETPLATFORM says what is so anyway";
    SECRETS = "SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env", false,
        "secrets are mounted, not given in ARG or ENV, which stay in the image";
    INVALID_DEFAULT_ARG = "InvalidDefaultArgInFrom", "invalid-default-arg-in-from", false,
        "FROM names an image without any build argument given";
    FROM_PLATFORM_CONST = "FromPlatformFlagConstDisallowed", "from-platform-flag-const-disallowed", false,
        "FROM --platform is not fixed to one platform";
    COPY_IGNORED_FILE = "CopyIgnoredFile", "copy-ignored-file", false,
        "COPY and ADD take nothing that .dockerignore leaves out";
    INVALID_DESCRIPTION = "InvalidDefinitionDescription", "invalid-definition-description", true,
        "the comment above a stage or an argument begins with its name";
    EXPOSE_PROTO_CASING = "ExposeProtoCasing", "expose-proto-casing", false,
        "protocols in EXPOSE are in lower case";
    EXPOSE_INVALID_FORMAT = "ExposeInvalidFormat", "expose-invalid-format", false,
        "EXPOSE names no address and no port of the host";
}
