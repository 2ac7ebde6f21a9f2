//! Values that must not be seen: read from a file or the environment when they are needed.

use std::{env, fs, path::PathBuf};

use secrecy::SecretString;

/// Where a secret value stands. It is read anew before each read of a store, so a rotated file is taken up.
#[derive(Debug, Clone)]
pub enum Secret {
    /// A file, as Kubernetes mounts it; a trailing line end is not part of the value.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// In the configuration itself.
    Inline(SecretString),
}

impl Secret {
    /// Reads the value as it is now.
    ///
    /// # Errors
    /// Names the file or variable, never its content.
    pub fn read(&self) -> Result<SecretString, SecretError> {
        match self {
            Self::File(path) => fs::read_to_string(path)
                .map(|text| SecretString::from(text.trim_end_matches(['\r', '\n'])))
                .map_err(|error| SecretError::File { path: path.clone(), error: error.kind().to_string() }),
            Self::Env(name) => {
                env::var(name).map(SecretString::from).map_err(|_| SecretError::Env(name.clone()))
            }
            Self::Inline(value) => Ok(value.clone()),
        }
    }
}

/// Two secrets are equal when they stand in the same place (an inline one: have the same value).
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        use secrecy::ExposeSecret as _;
        match (self, other) {
            (Self::File(a), Self::File(b)) => a == b,
            (Self::Env(a), Self::Env(b)) => a == b,
            (Self::Inline(a), Self::Inline(b)) => a.expose_secret() == b.expose_secret(),
            _ => false,
        }
    }
}

/// Why a secret could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// The file is not there or not readable.
    #[error("cannot read {path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The kind of failure.
        error: String,
    },
    /// The variable is not set.
    #[error("environment variable {0} is not set")]
    Env(String),
}
