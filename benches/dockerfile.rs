//! From the text of a Dockerfile to a plan.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::PathBuf;

use criterion::{Criterion, criterion_group, criterion_main};
use rbuild::image::{ImageConfig, Platform, Reference, host_platform};
use rbuild::language::dockerfile::{self, words::Lexer};
use rbuild::language::plan::{self, BaseError, BaseImage, Bases, NamedContext, NetworkMode, NoCache, PlanRequest};

/// All Dockerfiles of the corpus next to the repository; without it, as many copies of one with most instructions.
fn dockerfiles() -> Vec<Vec<u8>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let corpus = here.ancestors().map(|folder| folder.join("shared/corpus/dockerfiles")).find(|folder| folder.is_dir());
    let Some(corpus) = corpus else { return vec![SERVICE.as_bytes().to_vec(); 1800] };
    let files = walkdir::WalkDir::new(corpus).into_iter().flatten().filter(|entry| entry.file_type().is_file());
    files.map(|entry| std::fs::read(entry.path()).expect("a Dockerfile can be read")).collect()
}

const SERVICE: &str = "\
ARG VERSION=3.20
FROM alpine:${VERSION} AS build
ARG TARGETARCH
ENV CGO_ENABLED=0 PATH=/usr/local/go/bin:$PATH
WORKDIR /src
COPY --chown=1000:1000 go.mod go.sum ./
RUN --mount=type=cache,target=/root/.cache \\
    go mod download && \\
    echo ${TARGETARCH:-amd64}
COPY . .
RUN go build -o /out/app ./cmd/app

FROM scratch
LABEL org.opencontainers.image.title=\"app\" version=\"${VERSION}\"
COPY --from=build /out/app /app
EXPOSE 8080/tcp
USER 1000
ENTRYPOINT [\"/app\"]
CMD [\"serve\"]
";

fn parse(criterion: &mut Criterion) {
    let files = dockerfiles();
    criterion.bench_function(&format!("parse {} Dockerfiles", files.len()), |bencher| {
        bencher.iter(|| files.iter().filter(|file| dockerfile::parse(black_box(file)).result.is_ok()).count());
    });
}

fn expand(criterion: &mut Criterion) {
    let pairs = [("VERSION", "1.2.3"), ("NAME", "service"), ("EMPTY", "")];
    let variables: BTreeMap<String, String> =
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let words = ["plain", "$NAME", "${NAME}-${VERSION}", "${MISSING:-none}", "${VERSION%.*}", "\"a $NAME b\" 'c $d'"];
    let lexer = Lexer::new('\\');
    criterion.bench_function("expand 6 words", |bencher| {
        bencher.iter(|| words.map(|word| lexer.expand(black_box(word), &variables).expect("it is a word")));
    });
}

/// Every base exists, without layers.
struct Everything;

impl Bases for Everything {
    fn image(&self, reference: &Reference, _: &Platform) -> Result<BaseImage, BaseError> {
        Ok(BaseImage {
            name: reference.to_string(),
            config: ImageConfig::default(),
            layers: Vec::new(),
            digest: String::new(),
        })
    }

    fn named_context(&self, _: &str, _: &Platform) -> Result<Option<NamedContext>, BaseError> {
        Ok(None)
    }
}

fn plan(criterion: &mut Criterion) {
    let parsed = dockerfile::parse(SERVICE.as_bytes()).result.expect("it is a Dockerfile");
    let request = PlanRequest {
        target: None,
        build_args: BTreeMap::new(),
        labels: Vec::new(),
        platform: host_platform(),
        platform_is_explicit: false,
        epoch: plan::Epoch::default(),
        ignores_triggers: false,
        reproducible: false,
        several_platforms: false,
        build_platform: host_platform(),
        no_cache: NoCache::Never,
        network: NetworkMode::Default,
        allow_host_network: false,
        allow_insecure: false,
    };
    criterion.bench_function("plan a service of two stages", |bencher| {
        bencher.iter(|| plan::plan(black_box(&parsed), &request, &Everything).expect("it can be planned"));
    });
}

criterion_group!(benches, parse, expand, plan);
criterion_main!(benches);
