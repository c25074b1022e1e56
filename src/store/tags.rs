//! Names of images. A name means one image, or an index: several images for different platforms.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Reader, Store, StoreError, now};
use crate::base::digest::{BlobDigest, ImageId};
use crate::image::Reference;

/// A name, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The full reference, such as `docker.io/library/cat:1.0`.
    pub name: String,
    /// The image that the name stands for where only one is possible: of an index, the one for this machine, or the
    /// first.
    pub image: ImageId,
    /// All images of an index, in its order, including `image`; empty if the name means one image.
    pub index: Vec<ImageId>,
    /// Annotations for manifests and indexes. The store only keeps them; see [`crate::image::Annotations::from_json`].
    pub annotations: Option<String>,
}

impl Tag {
    /// The name of a single image, without annotations.
    pub fn single(name: &str, image: &ImageId) -> Self {
        Self { name: name.to_owned(), image: *image, index: Vec::new(), annotations: None }
    }

    /// Whether it means several images.
    pub fn is_index(&self) -> bool {
        !self.index.is_empty()
    }

    /// All images that the name means.
    pub fn images(&self) -> &[ImageId] {
        if self.index.is_empty() { std::slice::from_ref(&self.image) } else { &self.index }
    }
}

const COLUMNS: &str = "name, image, annotations";

fn tag(row: &Row<'_>) -> rusqlite::Result<Tag> {
    Ok(Tag { name: row.get(0)?, image: ImageId::from_bytes(row.get(1)?), index: Vec::new(), annotations: row.get(2)? })
}

/// A name for a missing image violates a constraint of the tables.
fn no_image(error: rusqlite::Error, image: &ImageId) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ConstraintViolation) => StoreError::NoImage(*image),
        _ => error.into(),
    }
}

impl Reader {
    /// The image that `name` means, or stands for if it means several.
    pub fn tag(&self, name: &str) -> Result<Option<ImageId>, StoreError> {
        Ok(self.read_tag_row(name)?.map(|tag| tag.image))
    }

    /// Everything that `name` means.
    pub fn whole_tag(&self, name: &str) -> Result<Option<Tag>, StoreError> {
        let Some(mut tag) = self.read_tag_row(name)? else { return Ok(None) };
        let database = self.database();
        let mut statement = database.prepare_cached("SELECT image FROM variants WHERE name = ?1 ORDER BY position")?;
        let rows = statement.query_map([name], |row| Ok(ImageId::from_bytes(row.get(0)?)))?;
        tag.index = rows.collect::<Result<_, _>>()?;
        Ok(Some(tag))
    }

    fn read_tag_row(&self, name: &str) -> Result<Option<Tag>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM tags WHERE name = ?1");
        Ok(self.database().prepare_cached(&query)?.query_row([name], tag).optional()?)
    }

    /// All tags, ordered by name.
    pub fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        let database = self.database();
        let mut statement = database.prepare_cached(&format!("SELECT {COLUMNS} FROM tags ORDER BY name"))?;
        let mut tags: Vec<Tag> = statement.query_map([], tag)?.collect::<Result<_, _>>()?;
        let mut statement = database.prepare_cached("SELECT name, image FROM variants ORDER BY name, position")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, ImageId::from_bytes(row.get(1)?))))?;
        for row in rows {
            let (name, image): (String, ImageId) = row?;
            if let Ok(found) = tags.binary_search_by(|tag| tag.name.cmp(&name)) {
                tags[found].index.push(image);
            }
        }
        Ok(tags)
    }
}

impl Store {
    /// Makes `name` mean this single image, whatever it meant before.
    pub fn set_tag(&self, name: &str, image: &ImageId) -> Result<(), StoreError> {
        self.write_tag(&Tag::single(name, image))
    }

    /// Makes the tag's name mean what the tag says, whatever it meant before.
    ///
    /// Images that this process has added are added again if another process has removed them before they had a name.
    pub fn write_tag(&self, tag: &Tag) -> Result<(), StoreError> {
        // A read costs almost nothing compared with a transaction: a build in which nothing changed writes nothing.
        if self.whole_tag(&tag.name)?.as_ref() == Some(tag) {
            return Ok(());
        }
        let added: Vec<_> = {
            let added = self.added();
            tag.images().iter().filter_map(|id| Some((*id, *added.get(id)?))).collect()
        };
        let mut database = self.database();
        let transaction = database.transaction()?;
        for (id, manifest) in added {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO images (id, manifest, added_at) VALUES (?1, ?2, ?3)")?
                .execute(params![id.as_bytes(), manifest.as_ref().map(BlobDigest::as_bytes), now()])?;
        }
        transaction.prepare_cached("DELETE FROM variants WHERE name = ?1")?.execute([&tag.name])?;
        transaction
            .prepare_cached("INSERT OR REPLACE INTO tags (name, image, set_at, annotations) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![tag.name, tag.image.as_bytes(), now(), tag.annotations])
            .map_err(|error| no_image(error, &tag.image))?;
        for (position, image) in tag.index.iter().enumerate() {
            transaction
                .prepare_cached("INSERT INTO variants (name, position, image) VALUES (?1, ?2, ?3)")?
                .execute(params![tag.name, position as i64, image.as_bytes()])
                .map_err(|error| no_image(error, image))?;
        }
        transaction.commit()?;
        drop(database);
        self.tell("tag", &tag.image, &familiar(&tag.name));
        Ok(())
    }

    /// True if there was such a tag.
    pub fn remove_tag(&self, name: &str) -> Result<bool, StoreError> {
        let image = self.whole_tag(name)?.map(|tag| tag.image);
        let removed = self.database().execute("DELETE FROM tags WHERE name = ?1", [name])? > 0;
        if let Some(image) = image.filter(|_| removed) {
            self.tell("untag", &image, &image.to_string());
        }
        Ok(removed)
    }
}

/// The name in its familiar form.
fn familiar(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}
