//! registry
#[derive(Debug, thiserror::Error)]
#[error("not found")]
pub struct RegistryError;
impl RegistryError {
    pub fn hint(&self) -> Option<String> {
        None
    }
}
pub struct Pulled {
    pub id: crate::digest::ImageId,
}
pub fn pull(
    _: &crate::store::Store,
    _: &crate::image::Reference,
    _: &crate::image::Platform,
) -> Result<Pulled, RegistryError> {
    Err(RegistryError)
}
