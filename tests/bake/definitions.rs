//! What is read and refused before anything is built.

use crate::common::TestStore;

#[test]
fn what_would_be_built_is_printed() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "variable \"TAG\" { default = \"dev\" }\ntarget \"app\" { tags = [\"app:${TAG}\"] }\n",
    );
    for words in
        [&["bake", "--print", "app", "--var", "TAG=1"][..], &["buildx", "bake", "--print", "app", "--var=TAG=1"]]
    {
        let printed = store.run(words).ok().stdout();
        let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(json["target"]["app"]["tags"], serde_json::json!(["app:1"]), "{printed}");
        assert_eq!(json["group"]["default"]["targets"], serde_json::json!(["app"]));
    }
    let table = store.run(&["bake", "--list", "variables"]).ok().stdout();
    assert!(table.starts_with("VARIABLE\t") && table.contains("TAG\t\t\tdev"), "{table}");
}

#[test]
fn errors_show_the_line() {
    let store = TestStore::empty();
    store.write("docker-bake.hcl", "target \"app\" {\n  tags = [uper(\"x\")]\n}\n");
    let said = store.run(&["bake", "--print", "app"]).fails(1).stderr();
    for part in ["docker-bake.hcl:2:11", "tags = [uper(\"x\")]", "^^^^", "Did you mean \"upper\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    store.write("docker-bake.hcl", "target \"app\" {\n  tag = [\"x\"]\n}\n");
    let answer = store.run(&["bake", "--print", "app"]).ok();
    assert!(
        answer.stderr().contains("docker-bake.hcl:2") && answer.stderr().contains("\"tags\""),
        "{}",
        answer.stderr()
    );
}

#[test]
fn cycles_and_names_that_are_not_there_are_told() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "group \"a\" { targets = [\"b\"] }\ngroup \"b\" { targets = [\"c\", \"app\"] }\ngroup \"c\" { targets = [\"a\"] }\n\
         target \"app\" {}\ntarget \"child\" { inherits = [\"ap\"] }\ntarget \"odd\" { inherits = [\"a\"] }\n\
         target \"x\" { contexts = { other = \"target:y\" } }\ntarget \"y\" { contexts = { other = \"target:x\" } }\n\
         target \"far\" { contexts = { other = \"target:apq\" } }\n",
    );
    for (name, said) in [
        ("a", "failed to find target a: the group contains itself, by a → b → c → a"),
        ("odd", "failed to find target a: the group contains itself"),
        ("ap", "failed to find target ap; did you mean \"app\"?"),
        ("child", "failed to find target ap; did you mean \"app\"?"),
        ("nothing-like-it", "failed to find target nothing-like-it\n"),
        ("x", "infinite loop from y to x"),
        ("far", "failed to find target apq; did you mean \"app\"?"),
    ] {
        let answer = store.run(&["bake", "--print", name]).fails(1).stderr();
        assert!(answer.contains(said), "{name}: {answer}");
    }
    for (text, said) in [
        ("variable \"A\" { default = B }\nvariable \"B\" { default = A }\n", "cycle.hcl:2:26: Invalid expression"),
        (
            "function \"f\" {\n  params = [x]\n  result = f(x)\n}\ntarget \"t\" { target = f(\"x\") }\n",
            "cycle.hcl:3:12",
        ),
    ] {
        store.write("cycle.hcl", text);
        let answer = store.run(&["bake", "-f", "cycle.hcl", "--print", "t"]).fails(1).stderr();
        assert!(answer.contains(said) && answer.contains("cycle not allowed"), "{answer}");
    }
}

#[test]
fn printing_leaves_the_file_that_an_output_names() {
    let store = TestStore::empty();
    store.write("image.tar", "kept");
    store.write("docker-bake.hcl", "target \"app\" { output = [\"type=oci,dest=image.tar\"] }\n");
    store.run(&["bake", "--print", "app"]).ok();
    assert_eq!(std::fs::read_to_string(store.work().join("image.tar")).unwrap(), "kept");
}

#[test]
fn what_is_outside_has_to_be_allowed_for_every_target() {
    let store = TestStore::empty();
    let outside = store.root().parent().unwrap().join("work-other");
    std::fs::create_dir(&outside).unwrap();
    let outside = outside.canonicalize().unwrap();
    std::fs::write(outside.join("Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n").unwrap();
    std::os::unix::fs::symlink(&outside, store.work().join("link")).unwrap();
    store.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    store.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"inside\", \"outside\"] }\n\
         target \"inside\" {}\n\
         target \"outside\" { context = \"link\" }\n\
         target \"host\" { network = \"host\" }\n",
    );
    // A folder whose name only starts like the working folder's is outside, too, even behind a link.
    let refused = store.run_with_input(&["bake"], b"").fails(1).stderr();
    let allow = format!("--allow=fs.read=../{}", outside.file_name().unwrap().to_string_lossy());
    assert!(refused.contains("additional privileges requested") && refused.contains(&allow), "{refused}");
    let read = format!("fs.read={}", outside.display());
    store.run_with_input(&["bake", "--allow", &read], b"").ok();
    let refused = store.run_with_input(&["bake", "host"], b"").fails(1).stderr();
    assert!(refused.contains("--allow=network.host"), "{refused}");
    // Compose asks nobody; it has read the files itself.
    store.run_with_input(&["bake", "host", "outside", "--progress", "rawjson"], b"").ok();
}

#[test]
fn a_check_is_written_down_for_programs() {
    let store = TestStore::empty();
    store.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    store.write("docker-bake.hcl", "target \"default\" {}\n");
    let facts = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(store.work().join(name)).unwrap()).unwrap()
    };
    store.run(&["bake", "--check", "--metadata-file", "bake.json"]).ok();
    store.run(&["build", "--check", "--metadata-file", "build.json", "."]).ok();
    for facts in [&facts("bake.json")["default"], &facts("build.json")] {
        assert_eq!(facts["result.statuscode"], "0", "{facts}");
        assert_eq!(facts["result.json"]["sources"][0]["filename"], "Dockerfile", "{facts}");
    }
}

#[test]
fn a_matrix_of_a_million_targets_is_refused_at_once() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "target \"default\" {\n  name = \"t-${a}-${b}\"\n  matrix = { a = range(1000), b = range(1000) }\n}\n",
    );
    let said = store.run(&["bake", "--print"]).fails(1).stderr();
    assert!(said.contains("10000") || said.contains("10,000"), "{said}");
}

#[test]
fn resources_are_limits_of_steps() {
    let store = TestStore::empty();
    store.write(
        "docker-bake.hcl",
        "target \"base\" { resources = { memory = \"1g\", cpu-quota = 50000 } }\n\
         target \"app\" {\n  inherits = [\"base\"]\n  resources = { memory = \"2g\" }\n}\n",
    );
    let printed = store.run(&["bake", "--print", "app", "--set", "app.resources.cpu-shares=12"]).ok();
    assert!(!printed.stderr().contains("warning"), "{}", printed.stderr());
    let json: serde_json::Value = serde_json::from_str(&printed.stdout()).unwrap();
    let wanted = serde_json::json!({"memory": "2g", "cpu-quota": 50000, "cpu-shares": 12});
    assert_eq!(json["target"]["app"]["resources"], wanted);
    let order: Vec<&String> = json["target"]["app"]["resources"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["memory", "cpu-shares", "cpu-quota"]);
    for wrong in ["resources.cpu-shares=x", "resources.memmory=1g", "resources=1", "resources.memory+=1g"] {
        let wrong = &format!("app.{wrong}");
        store.run(&["bake", "--print", "app", "--set", wrong]).fails(1);
    }
    // The messages are those of `build`.
    let refused = store.run(&["bake", "app", "--set", "app.resources.memory=1k"]).fails(1).stderr();
    assert!(refused.contains("minimum memory limit"), "{refused}");
}

/// Options that rbuild does not support are only refused when the target is built.
#[test]
fn policies_are_read_and_refused() {
    let store = TestStore::empty();
    store.write("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    store.write(
        "docker-bake.hcl",
        "target \"app\" { policy = [{ filename = \"extra.rego\", strict = true }, \"log-level=debug\"] }\n\
         target \"off\" {\n  inherits = [\"app\"]\n  policy = [\"disabled=true\"]\n}\n",
    );
    let printed = store.run(&["bake", "--print", "off"]).ok();
    assert!(!printed.stderr().contains("warning"), "{}", printed.stderr());
    let json: serde_json::Value = serde_json::from_str(&printed.stdout()).unwrap();
    let wanted = serde_json::json!(["filename=extra.rego,strict=true", "log-level=debug", "disabled=true"]);
    assert_eq!(json["target"]["off"]["policy"], wanted);
    let said = store.run(&["bake", "app"]).fails(1).stderr();
    assert!(said.contains("target `app`: rbuild evaluates no policies"), "{said}");
    store.run(&["bake", "off"]).ok();
    store.run(&["bake", "app", "--set", "app.policy=disabled=true"]).ok();
    // A newer buildx automatically uses one beside the Dockerfile.
    store.write("Dockerfile.rego", "package docker\ndefault allow = false\n");
    store.write("plain.hcl", "target \"plain\" {}\n");
    for words in [&["bake", "-f", "plain.hcl", "plain"][..], &["build", "."], &["build", "--check", "."]] {
        let said = store.run(words).fails(1).stderr();
        assert!(said.contains("Dockerfile.rego` is a policy") && said.contains("--policy disabled=true"), "{said}");
    }
    store.run(&["bake", "off"]).ok();
    store.run(&["bake", "-f", "plain.hcl", "plain", "--set", "plain.policy=disabled=true"]).ok();
    store.run(&["build", "--policy", "disabled=true", "."]).ok();
    let inline = store.run_with_input(&["build", "-f", "-", "."], b"FROM scratch\nCOPY Dockerfile /\n");
    inline.ok();
    store.write("wrong.hcl", "target \"wrong\" { policy = [\"filname=a\"] }\n");
    let said = store.run(&["bake", "-f", "wrong.hcl", "--print", "wrong"]).fails(1).stderr();
    assert!(said.contains("invalid value filname=a"), "{said}");
}
