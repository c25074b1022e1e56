//! Remembers what a plan was told about base images: the lint asks the same, and no registry is asked again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use crate::image::{Platform, Reference};
use crate::language::dockerfile::lint;
use crate::language::plan::{BaseError, BaseImage, Bases, NamedContext};

/// A name and the requested platform.
type Question = (String, String);

/// Asks `inner` each question once, and nothing once it is closed.
pub(super) struct Answers<'a> {
    inner: &'a dyn Bases,
    closed: Cell<bool>,
    images: RefCell<HashMap<Question, BaseImage>>,
    named: RefCell<HashMap<Question, Option<NamedContext>>>,
}

impl<'a> Answers<'a> {
    pub fn new(inner: &'a dyn Bases) -> Self {
        Self { inner, closed: Cell::new(false), images: RefCell::default(), named: RefCell::default() }
    }

    /// From now on only earlier questions are answered.
    pub fn close(&self) {
        self.closed.set(true);
    }

    /// What the user put in place of that stage or image, whatever the platform.
    fn replacement(&self, name: &str) -> Option<NamedContext> {
        let named = self.named.borrow();
        named
            .iter()
            .find(|((asked, _), answer)| asked == name && answer.is_some())
            .and_then(|(_, answer)| answer.clone())
    }

    fn refuse_when_closed(&self, name: &str) -> Result<(), BaseError> {
        if !self.closed.get() {
            return Ok(());
        }
        Err(BaseError { message: format!("the plan did not ask for `{name}`"), hint: None, source: None })
    }
}

impl Bases for Answers<'_> {
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError> {
        let question = (reference.to_string(), platform.to_string());
        if let Some(image) = self.images.borrow().get(&question) {
            return Ok(image.clone());
        }
        self.refuse_when_closed(&question.0)?;
        let image = self.inner.image(reference, platform)?;
        self.images.borrow_mut().insert(question, image.clone());
        Ok(image)
    }

    fn named_context(&self, name: &str, platform: &Platform) -> Result<Option<NamedContext>, BaseError> {
        let question = (name.to_owned(), platform.to_string());
        if let Some(answer) = self.named.borrow().get(&question) {
            return Ok(answer.clone());
        }
        self.refuse_when_closed(name)?;
        let answer = self.inner.named_context(name, platform)?;
        self.named.borrow_mut().insert(question, answer.clone());
        Ok(answer)
    }
}

/// What the lint knows: a base without an answer has no variable but PATH.
pub(super) struct World<'a> {
    pub answers: &'a Answers<'a>,
    /// The platform of a FROM that names none.
    pub platform: &'a Platform,
    /// Whether an ignore file excludes the path from the main context.
    pub leaves_out: &'a dyn Fn(&str) -> bool,
}

impl lint::World for World<'_> {
    fn base(&self, name: &str, platform: Option<&str>) -> lint::BaseImage {
        let platform = platform.and_then(|text| text.parse().ok()).unwrap_or_else(|| self.platform.clone());
        match self.answers.named_context(name, &platform) {
            Ok(Some(NamedContext::Image(image))) => return facts(&image),
            Ok(Some(NamedContext::Directory | NamedContext::Nothing)) => return lint::BaseImage::default(),
            Ok(None) | Err(_) => {}
        }
        let Ok(reference) = name.parse::<Reference>() else { return lint::BaseImage::default() };
        match self.answers.image(&reference, &platform) {
            Ok(image) => {
                lint::BaseImage { wrong_platform: differing(&platform, &image.config.platform), ..facts(&image) }
            }
            Err(_) => lint::BaseImage::default(),
        }
    }

    fn is_image_name(&self, text: &str) -> bool {
        text.parse::<Reference>().is_ok()
    }

    fn platform(&self, text: &str) -> Option<(String, String)> {
        let platform = text.parse::<Platform>().ok()?;
        Some((platform.os, platform.architecture))
    }

    fn is_ignored(&self, path: &str) -> bool {
        (self.leaves_out)(path)
    }

    fn replacement(&self, stage: &str) -> Option<lint::BaseImage> {
        Some(match self.answers.replacement(stage)? {
            NamedContext::Image(image) => facts(&image),
            NamedContext::Directory | NamedContext::Nothing => lint::BaseImage::default(),
        })
    }
}

fn facts(image: &BaseImage) -> lint::BaseImage {
    let config = &image.config.config;
    let variable = |entry: &String| {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        (name.to_owned(), value.to_owned())
    };
    lint::BaseImage {
        environment: config.env.iter().map(variable).collect(),
        has_shell: !config.shell.is_empty(),
        triggers: config.on_build.clone(),
        wrong_platform: None,
    }
}

/// Both platforms as they are shown, if operating system or architecture differ.
fn differing(wanted: &Platform, actual: &Platform) -> Option<(String, String)> {
    let (wanted, actual) = (wanted.normalized(), actual.normalized());
    let says_nothing = actual.os.is_empty() && actual.architecture.is_empty();
    let same = wanted.os == actual.os && wanted.architecture == actual.architecture;
    (!says_nothing && !same).then(|| (wanted.to_string(), actual.to_string()))
}
