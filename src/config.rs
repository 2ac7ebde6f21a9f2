//! What the operator writes: raw serde structs become checked types here, once.

pub mod secret;
pub mod source;
pub mod text;
