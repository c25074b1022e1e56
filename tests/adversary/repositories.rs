//! Repositories of strangers, as contexts and as sources of ADD: nothing in them is executed on the host, and no file
//! of the host gets into the result.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::web::{Reply, serve};
use crate::common::{Answer, has_programs};
use crate::fixtures::{Canary, ends, everybody};
use crate::machine::Machine;

/// Creates `$1/NAME.git` for each attack, and prints its name. `$2` is a file that only a repository's program would
/// create, `$3` the host's folder, `$4` a repository of the host's owner.
const ATTACKS: &str = r##"set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t.invalid GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t.invalid
SERVED=$1 MARK=$2 HOST=$3 PRIVATE=$4
printf '#!/bin/sh\necho executed >> %s\n' "$MARK" > program; chmod 755 program
begin() {
  rm -rf work; git init -q work; cd work; git symbolic-ref HEAD refs/heads/main
  printf 'FROM scratch\nCOPY . /\n' > Dockerfile; cp ../program program; git add -A
}
publish() { # NAME
  git commit -q -m 1; cd ..; git clone -q --bare work "$SERVED/$1.git"; git -C "$SERVED/$1.git" update-server-info; echo "$1"
}
# A submodule by its place in the index alone: nothing is there.
gitlink() { git update-index --add --cacheinfo "160000,$COMMIT,$1"; }
module() { # NAME PATH URL [MORE]
  printf '[submodule "%s"]\n\tpath = %s\n\turl = %s\n%s' "$1" "$2" "$3" "${4:-}" > .gitmodules; git add .gitmodules
}
# The commit that submodules are at: a repository that is served, and another one that is the host's.
begin; mkdir hooks; cp program hooks/post-checkout; git add -A; publish plain > /dev/null
COMMIT=$(git -C "$SERVED/plain.git" rev-parse HEAD)
rm -rf private; git init -q private; (cd private; git symbolic-ref HEAD refs/heads/main; cp "$HOST/secret" secret; git add -A; git commit -q -m 1)
git clone -q --bare private "$PRIVATE"; HOSTS=$(git -C "$PRIVATE" rev-parse HEAD)

number=0
for url in "$PRIVATE" "file://$PRIVATE" "ext::$PWD/program" "--upload-pack=$PWD/program" "-u./program" "ssh://-oProxyCommand=$PWD/program/x" "fd::3" "../../../../../../../../..$PRIVATE"; do
  number=$((number+1)); begin; C=$COMMIT; COMMIT=$HOSTS; module sub sub "$url"; gitlink sub; COMMIT=$C; publish url$number
done
begin; module sub sub ../plain.git "	update = !$PWD/../program"; gitlink sub; publish update
begin; module sub sub ../plain.git "	update = merge
	ignore = all
[core]
	fsmonitor = $PWD/../program
	hooksPath = hooks
	sshCommand = $PWD/../program
[filter \"x\"]
	smudge = $PWD/../program
"; gitlink sub; printf '* filter=x\n' > .gitattributes; git add .gitattributes; publish settings
for name in ../../hooks ../../../hooks /etc '..' 'x/../../../hooks'; do
  number=$((number+1)); begin; module "$name" hooks ../plain.git; gitlink hooks; publish name$number
done
for path in ../out "$HOST" .git/hooks '.'; do
  number=$((number+1)); begin; module sub "$path" ../plain.git; gitlink sub; publish path$number
done
# The folder of a submodule is a link, and a name of a tree twice: as a link and as a folder.
begin; ln -s "$HOST" way; git add way; module sub way/sub ../plain.git; publish link
begin; ln -s .git way; git add way; module sub way/modules ../plain.git; publish git-link
tree() { # the tree that ends with these entries: MODE NAME OBJECT
  git ls-tree HEAD > ../entries
  while [ $# -gt 0 ]; do case $1 in 040000) kind=tree;; 160000) kind=commit;; *) kind=blob;; esac; printf '%s %s %s\t%s\n' "$1" "$kind" "$3" "$2" >> ../entries; shift 3; done
  tree=$(git mktree --missing < ../entries) && git reset -q --soft "$(git commit-tree -m 1 "$tree")"
}
publish_tree() { cd ..; rm -rf "$SERVED/$1.git"; git init -q --bare "$SERVED/$1.git"; git -C "$SERVED/$1.git" symbolic-ref HEAD refs/heads/main
  cp -r work/.git/objects "$SERVED/$1.git/"; git -C "$SERVED/$1.git" update-ref refs/heads/main "$(git -C work rev-parse HEAD)"; git -C "$SERVED/$1.git" update-server-info; echo "$1"; }
begin; git commit -q -m 1; blob=$(git hash-object -w program); link=$(printf %s "$HOST" | git hash-object -w --stdin)
inner=$(printf '100755 blob %s\tsecret\n' "$blob" | git mktree); tree 120000 a "$link" 040000 a "$inner"; publish_tree twice
begin; module sub a/sub ../plain.git; git commit -q -m 1; link=$(printf %s "$HOST" | git hash-object -w --stdin); inner=$(printf '160000 commit %s\tsub\n' "$COMMIT" | git mktree --missing)
tree 120000 a "$link" 040000 a "$inner"; publish_tree twice-module
begin; git commit -q -m 1; blob=$(git hash-object -w program)
settings=$(printf '[core]\n\trepositoryformatversion = 0\n\tfsmonitor = %s\n\thooksPath = hooks\n' "$PWD/../program" | git hash-object -w --stdin)
hooks=$(printf '100755 blob %s\tpost-checkout\n' "$blob" | git mktree)
inner=$(printf '100644 blob %s\tconfig\n040000 tree %s\thooks\n' "$settings" "$hooks" | git mktree)
for name in .git .GIT git~1 '.git ' .Git; do tree 040000 "$name" "$inner"; done
publish_tree inner
begin; git commit -q -m 1; up=$(printf '100755 blob %s\tsecret\n' "$blob" | git mktree); tree 040000 .. "$up"; publish_tree up
# A whole repository as files of one: git takes a folder that looks like one for one.
begin; git init -q --bare bare; printf '[core]\n\tfsmonitor = %s\n\tworktree = %s\n\tbare = false\n' "$PWD/../program" "$HOST" >> bare/config
cp program bare/hooks/post-checkout; for f in bare/objects/x bare/refs/x; do echo > $f; done; git add -A; module sub bare/sub ../plain.git; gitlink bare/sub; publish bare
# Files that git LFS is to have elsewhere.
begin; printf '* filter=lfs diff=lfs merge=lfs -text\n' > .gitattributes; printf '[lfs]\n\turl = file://%s\n' "$PRIVATE" > .lfsconfig
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 1\n' 1 > large; git add -A; publish lfs
# What is read of a repository leads elsewhere.
begin; git commit -q -m 1; link=$(printf %s "$HOST/secret" | git hash-object -w --stdin)
for name in .lfsconfig .gitattributes .gitmodules .gitignore .dockerignore .mailmap; do tree 120000 $name "$link"; done; publish_tree links
"##;

/// Runs rbuild with the programs in this folder first in its path.
fn with_programs(machine: &Machine, folder: &Path, arguments: &[&str]) -> Answer {
    let mut command = machine.0.command(arguments);
    command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    ends(command)
}

/// Serves the folder's files.
fn server(folder: &Path) -> String {
    let root = folder.to_owned();
    serve(move |request| match std::fs::read(root.join(request.path.trim_start_matches('/'))) {
        Ok(content) => Reply::new(200, content),
        Err(_) => Reply::new(404, ""),
    })
}

#[test]
fn nothing_of_a_repository_is_executed_and_nothing_of_the_host_gets_into_it() {
    if !has_programs(&["git", "sh"]) {
        return;
    }
    for (user, machine) in everybody() {
        let canary = Canary::beside(&machine.0);
        let work = machine.0.work();
        let made = tempfile::tempdir().unwrap();
        let (served, mark) = (made.path().join("served"), work.join("executed"));
        std::fs::create_dir(&served).unwrap();
        let private = work.join("private.git");
        let mut script = Command::new("sh");
        script.args(["-c", ATTACKS, "sh"]).args([&served, &mark]).arg(canary.path()).arg(&private);
        let made = Answer::of({
            script.current_dir(made.path());
            script
        });
        let attacks = made.ok().stdout();
        let attacks: Vec<&str> = attacks.lines().collect();
        assert!(attacks.len() > 25, "{attacks:?}");
        // A `git lfs` that prints where it was sent.
        let programs = work.join("programs");
        machine.0.write(
            "programs/git-lfs",
            format!("#!/bin/sh\ntest \"$1\" = version || echo executed >> {}\n", mark.display()),
        );
        std::fs::set_permissions(programs.join("git-lfs"), std::fs::Permissions::from_mode(0o755)).unwrap();
        for entry in walkdir::WalkDir::new(&work).max_depth(4).into_iter().flatten() {
            let owner = std::os::unix::fs::MetadataExt::uid(&work.metadata().unwrap());
            let _ = std::os::unix::fs::lchown(entry.path(), Some(owner), None);
        }
        let address = server(&served);
        let (mut whole, out) = (0, work.join("rootfs"));
        for name in &attacks {
            let url = format!("http://{address}/{name}.git");
            machine.0.write("ctx/Dockerfile", format!("FROM scratch\nADD --keep-git-dir {url} /r\n"));
            for context in [url.as_str(), "ctx"] {
                let output = format!("type=local,dest={}", out.display());
                let arguments = ["build", "--progress", "plain", "-o", &output, context];
                let answer = with_programs(&machine, &programs, &arguments);
                whole += usize::from(answer.code() == Some(0));
                canary.assert_not_in(answer.stderr());
                canary.assert_not_below(&out);
                canary.assert_untouched_by(&(name, context));
                assert!(!mark.exists(), "{user}: {name} was executed: {}", answer.stderr());
                crate::common::clear(&out);
                let _ = std::fs::remove_dir(&out);
            }
        }
        assert!(whole > 4, "{user}: only {whole} of {} could be built", 2 * attacks.len());
    }
}
