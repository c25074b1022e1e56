//! Media types of Docker's and OCI's documents and layers.

/// Several images.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// One image.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An image's config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// A layer as it is.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// A layer, compressed with gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer, compressed with zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// docker's name of several images.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// docker's name of one image.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// docker's name of a config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Manifests that are no longer read.
pub const DOCKER_SCHEMA_1: &[&str] = &[
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// What a blob of some media type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Several images.
    Index,
    /// One image.
    Manifest,
    /// A config.
    Config,
    /// A filesystem layer, however compressed. A foreign one may be missing from the registry: its descriptor has URLs.
    Layer {
        /// It may be elsewhere than its image.
        foreign: bool,
    },
    /// Docker's first manifest format, which nothing writes any longer.
    Schema1,
    /// Anything else.
    Other,
}

/// Whether a manifest's config may be an image's. Old registries and tools wrote other types, and docker accepts them
/// (distribution/distribution#1621); newer kinds of artifacts have their own types.
pub fn may_be_config(media_type: &str) -> bool {
    matches!(media_type, "" | "application/octet-stream" | "application/json" | "text/html")
        || classify(media_type) == Kind::Config
}

/// What the media type means, whoever named it.
pub fn classify(media_type: &str) -> Kind {
    match media_type {
        OCI_INDEX | DOCKER_INDEX => Kind::Index,
        OCI_MANIFEST | DOCKER_MANIFEST => Kind::Manifest,
        OCI_CONFIG | DOCKER_CONFIG => Kind::Config,
        other if DOCKER_SCHEMA_1.contains(&other) => Kind::Schema1,
        other => classify_layer(other),
    }
}

fn classify_layer(media_type: &str) -> Kind {
    const ORDINARY: &[&str] =
        &["application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"];
    const FOREIGN: &[&str] = &[
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];
    let compressed = |base: &&str| {
        media_type.strip_prefix(*base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', '.']))
    };
    if ORDINARY.iter().any(compressed) {
        Kind::Layer { foreign: false }
    } else if FOREIGN.iter().any(compressed) {
        Kind::Layer { foreign: true }
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_of_old_images_are_known_and_artifacts_are_none() {
        for media_type in [OCI_CONFIG, DOCKER_CONFIG, "", "application/octet-stream", "application/json", "text/html"] {
            assert!(may_be_config(media_type), "{media_type}");
        }
        for media_type in ["application/vnd.oci.empty.v1+json", "application/vnd.docker.plugin.v1+json", OCI_LAYER] {
            assert!(!may_be_config(media_type), "{media_type}");
        }
    }

    #[test]
    fn layers_are_known_whatever_their_compression() {
        let docker = "application/vnd.docker.image.rootfs.diff.tar";
        for media_type in [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, docker, &format!("{docker}.gzip")] {
            assert_eq!(classify(media_type), Kind::Layer { foreign: false }, "{media_type}");
        }
        assert_eq!(
            classify("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
            Kind::Layer { foreign: true }
        );
        assert_eq!(classify("application/vnd.in-toto+json"), Kind::Other);
        assert_eq!(classify("application/vnd.oci.image.layer.v1.tarball"), Kind::Other);
    }
}
