//! What is wrong with a job log, and where.

/// What is wrong with a job log, and where. Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum JobLogError {
    /// The file could not be read or unpacked.
    #[error("line {line}: cannot read the job log: {source}")]
    Read {
        /// Number of the line.
        line: usize,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The first line lacks a column.
    #[error("line 1: there is no column `{column}`; the columns are: {found}")]
    NoColumn {
        /// The column that is missing.
        column: String,
        /// Those that are there.
        found: String,
    },
    /// No column has one of the names that are usual for what is needed.
    #[error("line 1: which column holds the {what}? None is called one of {names}; the columns are: {found}")]
    NoUsualColumn {
        /// What is needed.
        what: &'static str,
        /// The usual names.
        names: String,
        /// Those that are there.
        found: String,
    },
    /// A line ends too early.
    #[error("line {line}, column `{column}`: the line has only {fields} fields")]
    NoField {
        /// Number of the line.
        line: usize,
        /// The column that is missing.
        column: String,
        /// Fields that the line has.
        fields: usize,
    },
    /// A field does not hold what its column should.
    #[error("line {line}, column `{column}`: `{value}` is not {expected}")]
    BadField {
        /// Number of the line.
        line: usize,
        /// The column.
        column: String,
        /// What stands there, at most its first 80 characters.
        value: String,
        /// What should.
        expected: &'static str,
    },
    /// Tasks of a workflow wait for each other in a circle.
    #[error("line {line}: task {task} waits for itself, through its `parents`")]
    Cycle {
        /// Number of the line of one of them.
        line: usize,
        /// Its task number.
        task: u64,
    },
}

/// Characters of a value that an error repeats.
const SHOWN: usize = 80;

impl JobLogError {
    pub(super) fn bad_field(line: usize, column: &str, value: &str, expected: &'static str) -> Self {
        let value = value.chars().take(SHOWN).collect();
        Self::BadField { line, column: column.to_owned(), value, expected }
    }
}
