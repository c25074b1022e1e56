use std::collections::HashSet;
use std::fs;
use std::io::Write as _;

use super::*;
use crate::base::digest::{CacheKey, TreeDigest};
use crate::base::rights;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn layer_record(byte: u8) -> LayerRecord {
    LayerRecord {
        diff_id: DiffId::from_bytes([byte; 32]),
        tree: Some(TreeDigest::from_bytes([byte; 32])),
        stream_size: 1024,
        content_size: 3,
        made_at: 7,
        base: None,
        built: true,
    }
}

fn add_layer(store: &Store, byte: u8) -> LayerRecord {
    let staging = store.staging().unwrap();
    let directory = staging.path().join("layer");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("file"), [byte]).unwrap();
    let record = layer_record(byte);
    store.add_layer(rights::held().unwrap(), &record, &directory).unwrap();
    record
}

#[test]
fn a_layer_stays_while_another_stands_on_it() {
    let (folder, store) = store();
    let open = || Store::open(folder.path()).unwrap();
    let base = add_layer(&store, 1);
    let upper = LayerRecord { base: Some(base.diff_id), ..layer_record(2) };
    let add_upper = |store: &Store| {
        let staging = store.staging().unwrap();
        let directory = staging.path().join("layer");
        fs::create_dir(&directory).unwrap();
        store.add_layer(rights::held().unwrap(), &upper, &directory).unwrap();
    };
    add_upper(&store);
    drop(store);
    let user = open();
    let folders = [user.layer_path(&base.diff_id), user.layer_path(&upper.diff_id)];
    assert_eq!(user.layer_folders(&upper.diff_id).unwrap().unwrap(), folders);
    let remove = |diff_id| {
        let store = open();
        let mut removed = store.claim_layers(&[diff_id]).unwrap().remove_unused(&HashSet::new()).unwrap();
        removed.sort();
        removed
    };
    assert_eq!(remove(upper.diff_id), [], "both are used");
    drop(user);
    assert_eq!(remove(base.diff_id), [], "another stands on it");
    assert_eq!(remove(upper.diff_id), [base.diff_id, upper.diff_id], "nothing else needs it");

    let store = open();
    add_layer(&store, 1);
    add_upper(&store);
    fs::remove_dir_all(store.layer_path(&base.diff_id)).unwrap();
    assert_eq!(open().layer(&upper.diff_id).unwrap(), None, "what it stands on is gone");
}

#[test]
fn a_blob_is_there_only_once_it_is_whole() {
    let (_folder, store) = store();
    let digest = BlobDigest::of(b"abc");
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"abc").unwrap();
    assert!(!store.has_blob(&digest));
    assert_eq!(writer.finish(Some(digest)).unwrap(), (digest, 3));
    assert_eq!(store.read_blob(&digest, 3).unwrap(), b"abc");
    assert!(matches!(store.read_blob(&digest, 2), Err(StoreError::BlobTooLarge { size: 3, limit: 2, .. })));
}

#[test]
fn a_blob_that_is_not_what_was_expected_leaves_nothing() {
    let (folder, store) = store();
    let mut writer = store.blob_writer().unwrap();
    writer.write_all(b"abc").unwrap();
    let error = writer.finish(Some(BlobDigest::of(b"other"))).unwrap_err();
    assert!(matches!(error, StoreError::WrongDigest { .. }));
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(folder.path().join("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn a_changed_blob_is_not_served() {
    let (_folder, store) = store();
    let digest = store.put_blob(b"abc").unwrap();
    fs::write(store.blob_path(&digest), b"abd").unwrap();
    assert!(matches!(store.read_blob(&digest, 10), Err(StoreError::WrongDigest { .. })));
}

#[test]
fn what_a_dead_process_was_writing_is_removed_and_what_a_live_one_writes_is_not() {
    let (folder, store) = store();
    let live = store.staging().unwrap();
    let dead = folder.path().join("tmp/1-0");
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join(".lock"), b"").unwrap();
    Store::open(folder.path()).unwrap();
    assert!(live.path().is_dir());
    assert!(!dead.exists());
}

#[test]
fn a_step_is_cached_only_while_its_layer_is_there() {
    let (folder, store) = store();
    let key = CacheKey::from_bytes([9; 32]);
    assert_eq!(store.cached(&key).unwrap(), None);
    let layer = add_layer(&store, 1);
    store.add_cache_record(&key, &layer.diff_id).unwrap();
    assert_eq!(store.cached(&key).unwrap().unwrap().diff_id, layer.diff_id);
    fs::remove_dir_all(store.layer_path(&layer.diff_id)).unwrap();
    // The store that has seen it relies on its lease.
    let other = Store::open(folder.path()).unwrap();
    assert_eq!(other.cached(&key).unwrap(), None);
}

#[test]
fn what_was_not_synced_is_not_trusted_after_another_boot() {
    let (folder, mut store) = store();
    let (key, early) = (CacheKey::from_bytes([9; 32]), add_layer(&store, 1));
    store.add_cache_record(&key, &early.diff_id).unwrap();
    store.sync().unwrap();
    let late = add_layer(&store, 2);
    store.reader.boot = "another boot".to_owned();
    assert!(store.cached(&key).unwrap().is_some());
    assert!(store.layer(&early.diff_id).unwrap().is_some());
    assert!(store.layer(&late.diff_id).unwrap().is_none());
    assert!(folder.path().join("layers").join(late.diff_id.hex()).is_dir());
    add_layer(&store, 2);
    assert_eq!(store.layer(&late.diff_id).unwrap(), Some(late));
}

#[test]
fn a_tag_moves_and_goes_with_its_image() {
    let (_folder, store) = store();
    let first = ImageId::from(store.put_blob(b"{1}").unwrap());
    let second = ImageId::from(store.put_blob(b"{2}").unwrap());
    for id in [first, second] {
        store.add_image(&id, None).unwrap();
        store.set_tag("docker.io/library/a:1", &id).unwrap();
    }
    assert_eq!(store.tag("docker.io/library/a:1").unwrap(), Some(second));
    store.remove_image(&second).unwrap();
    assert_eq!(store.tag("docker.io/library/a:1").unwrap(), None);
    assert_eq!(store.images().unwrap().len(), 1);
    assert!(matches!(store.remove_image(&second), Err(StoreError::NoImage(_))));
}

#[test]
fn an_index_keeps_its_images_in_order_and_its_annotations() {
    let (_folder, store) = store();
    let images = [b"{3}", b"{1}", b"{2}"].map(|text| ImageId::from(store.put_blob(text).unwrap()));
    images.iter().for_each(|id| store.add_image(id, None).unwrap());
    let tag = Tag { index: images.to_vec(), annotations: Some("[]".to_owned()), ..Tag::single("b:1", &images[1]) };
    store.write_tag(&tag).unwrap();
    store.set_tag("a:1", &images[0]).unwrap();
    assert_eq!(store.tag("b:1").unwrap(), Some(images[1]));
    assert_eq!(store.whole_tag("b:1").unwrap().unwrap(), tag);
    assert_eq!(store.tags().unwrap(), [Tag::single("a:1", &images[0]), tag.clone()]);
    store.remove_image(&images[2]).unwrap();
    assert_eq!(store.whole_tag("b:1").unwrap().unwrap().index, images[..2]);
    store.set_tag("b:1", &images[0]).unwrap();
    assert_eq!(store.whole_tag("b:1").unwrap().unwrap(), Tag::single("b:1", &images[0]));
    store.write_tag(&Tag { index: images[..2].to_vec(), ..tag }).unwrap();
    store.remove_image(&images[1]).unwrap();
    assert_eq!(store.whole_tag("b:1").unwrap(), None);
    store.add_image(&images[1], None).unwrap();
    assert_eq!(store.tags().unwrap().len(), 1, "nothing of the index is left");
}

#[test]
fn a_lock_is_exclusive_and_leaves_no_file() {
    let (folder, store) = store();
    let held = store.lock("x").unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(store.lock("x").unwrap()));
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished() && store.try_lock("x").unwrap().is_none());
        drop(held);
    });
    drop(store.try_lock("x").unwrap().unwrap());
    assert_eq!(fs::read_dir(folder.path().join("locks")).unwrap().count(), 0);
}

#[test]
fn a_newer_store_is_refused() {
    let (folder, store) = store();
    store.database().pragma_update(None, "user_version", 99).unwrap();
    drop(store);
    assert!(matches!(Store::open(folder.path()), Err(StoreError::NewerStore { found: 99, .. })));
}
