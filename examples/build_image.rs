//! Builds the image of a folder's Dockerfile: `cargo run --example build_image STORE FOLDER NAME`.

use std::error::Error;
use std::path::{Path, PathBuf};

use rbuild::base::rights;
use rbuild::build::solve::{Cancellation, Event, Progress, TaskEvent};
use rbuild::build::{BuildOptions, Observer, build};
use rbuild::image::Reference;
use rbuild::language::plan::Plan;
use rbuild::store::Store;

fn main() -> Result<(), Box<dyn Error>> {
    // rbuild's own processes are executed from this program too.
    if rbuild::serve_if_requested().is_some() {
        return Ok(());
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [store, folder, name] = words.as_slice() else {
        return Err("usage: build_image STORE FOLDER NAME".into());
    };
    let store = Store::open(Path::new(store))?;
    let options = BuildOptions::of_folder(PathBuf::from(folder), vec![name.parse::<Reference>()?]);
    let result = build(&store, rights::held()?, &options, &Lines, &Cancellation::default())?;
    println!("{}", result.id());
    Ok(())
}

/// Prints the output of steps, and nothing else.
struct Lines;

impl Progress for Lines {
    fn event(&self, event: Event<'_>) {
        if let Event::Output { bytes, .. } = event {
            eprint!("{}", String::from_utf8_lossy(bytes));
        }
    }

    fn task(&self, _: TaskEvent<'_>) {}

    fn warn(&self, text: &str) {
        eprintln!("warning: {text}");
    }
}

impl Observer for Lines {
    fn planned(&self, plan: &Plan) {
        eprintln!("{} steps", plan.steps.len());
    }
}
