//! Examples and references, by a command's words.

/// Lines to type, each with an explanation.
type Examples = &'static [(&'static str, &'static str)];

pub(super) const ALL: &[(&str, Examples)] = &[
    (
        "build",
        &[
            ("rbuild build -t app:1.0 .", "Build the Dockerfile of this folder, and name the image."),
            ("rbuild build --target test --build-arg VERSION=2 .", "Build one stage, with an argument."),
            (
                "rbuild build --secret id=token,src=token.txt -f docker/Dockerfile .",
                "Give a secret to the steps that mount it.",
            ),
            (
                "rbuild build --platform linux/amd64,linux/arm64 -t registry.example/app:1.0 --push .",
                "Build for two platforms, and push both.",
            ),
            ("rbuild build -o type=local,dest=out .", "Write the files of the result to a folder."),
            ("rbuild build --watch --run '-p 8080:80' .", "Build and run again whenever a file changes."),
        ],
    ),
    (
        "builds logs",
        &[("rbuild builds logs --step 'RUN make' ^1", "Print what a step of the build before the last printed.")],
    ),
    ("builds ls", &[("rbuild builds ls --filter status=error --filter startedAt=24h", "List today's failures.")]),
    ("builds show", &[("rbuild builds show", "Show what the last build did, step by step, and what that cost.")]),
    (
        "debug",
        &[
            ("rbuild debug", "Open a shell in the step that failed."),
            ("rbuild debug --list", "List the steps of the last build."),
            ("rbuild debug --retry", "Execute the failed step again, on top of what was changed."),
        ],
    ),
    ("image waste", &[("rbuild image waste --max-waste 20MB app:1.0", "Fail where more than 20 MB could be spared.")]),
    ("image diff", &[("rbuild image diff app:1.0 app:1.1", "Show at which files two images differ.")]),
    ("image explore", &[("rbuild image explore app:1.0", "Walk through its layers and files.")]),
    (
        "context ls",
        &[
            ("rbuild context ls .", "Show what a build of this folder would send, the largest first."),
            ("rbuild context ls --why -f docker/Dockerfile .", "Show what is left out, too, and by which line."),
        ],
    ),
    (
        "run",
        &[
            ("rbuild run --rm -it debian:12 bash", "Look around in an image; nothing is left behind."),
            ("rbuild run -d --name web -p 8080:80 --restart unless-stopped nginx", "Start a server that stays."),
            ("rbuild run --rm -v $PWD:/work -w /work golang:1 go test ./...", "Work on the files of this folder."),
            (
                "rbuild run --rm --network none --read-only --cap-drop ALL busybox id",
                "Run a program that reaches nothing.",
            ),
        ],
    ),
    ("create", &[("rbuild create --name job busybox sleep 10", "Create a container without starting it.")]),
    (
        "exec",
        &[
            ("rbuild exec -it web sh", "Look around in a container that runs."),
            ("rbuild exec -u root -e A=1 web env", "Run as another user, with a variable."),
        ],
    ),
    (
        "ps",
        &[
            ("rbuild ps -a --filter status=exited --format {{.Names}}", "Name the containers that have ended."),
            ("rbuild ps -q --filter label=role=web", "Print IDs for another command."),
        ],
    ),
    ("logs", &[("rbuild logs -f --since 10m web", "Follow what a container has printed for ten minutes.")]),
    (
        "cp",
        &[
            ("rbuild cp web:/etc/nginx/nginx.conf .", "Copy a file out of a container."),
            ("rbuild cp site web:/usr/share/nginx/html", "Copy a folder into one."),
        ],
    ),
    ("commit", &[("rbuild commit -c ENV=A=1 web web:changed", "Make an image of what a container has changed.")]),
    (
        "images",
        &[
            ("rbuild images --filter dangling=true -q", "Print the IDs of images without a name."),
            ("rbuild images --tree", "Show the images of each platform below their name."),
        ],
    ),
    (
        "inspect",
        &[
            ("rbuild inspect -f {{.State.ExitCode}} web", "Ask for one field."),
            ("rbuild inspect --type volume data", "Show a volume, and nothing else of that name."),
        ],
    ),
    ("pull", &[("rbuild pull --platform linux/arm64 alpine:3", "Pull the image of another platform.")]),
    ("push", &[("rbuild push registry.example/app:1.0", "Push an image under its name.")]),
    ("save", &[("rbuild save app:1.0 -o app.tar", "Write an image to an archive.")]),
    ("load", &[("rbuild load -i app.tar", "Read the images of an archive.")]),
    ("rmi", &[("rbuild rmi app:1.0", "Remove a name, and the image when that was its last one.")]),
    ("tag", &[("rbuild tag app:1.0 registry.example/app:1.0", "Give an image another name.")]),
    (
        "network create",
        &[("rbuild network create --subnet 10.9.0.0/24 back", "Make a network with addresses of your choice.")],
    ),
    ("volume create", &[("rbuild volume create --label backup=daily data", "Make a volume with a label.")]),
    (
        "system prune",
        &[("rbuild system prune -af --filter until=240h", "Remove what nothing has used, of ten days ago and before.")],
    ),
    (
        "builder prune",
        &[("rbuild builder prune -af --reserved-space 5GB", "Remove the build cache but for the 5 GB used last.")],
    ),
    (
        "completion",
        &[("rbuild completion bash > /etc/bash_completion.d/rbuild", "Complete commands in bash, for all users.")],
    ),
    (
        "events",
        &[("rbuild events --since 1h --until 0m --filter event=die", "Show which containers ended within the hour.")],
    ),
];

/// Related pages of the command.
pub(super) fn see_also(words: &str) -> &'static [&'static str] {
    match words.rsplit(' ').next().unwrap_or_default() {
        "" => &["rbuild-build", "rbuild-run", "rbuild-system-check"],
        "build" => &["rbuild", "rbuild-buildx-du", "rbuild-builder-prune", "rbuild-push"],
        "run" => &["rbuild", "rbuild-create", "rbuild-start", "rbuild-exec"],
        "pull" | "push" | "login" | "logout" | "search" => &["rbuild", "rbuild-login", "rbuild-pull", "rbuild-push"],
        "save" | "load" | "import" | "export" => {
            &["rbuild", "rbuild-save", "rbuild-load", "rbuild-import", "rbuild-export"]
        }
        _ => &["rbuild"],
    }
}
