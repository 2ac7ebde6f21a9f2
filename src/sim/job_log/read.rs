//! Lines of a file, unpacked where it is gzip.

use std::io::{BufRead, BufReader, Chain, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::JobLogError;

/// The first bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Lines with their numbers, from 1. Bytes that are no UTF-8 (old logs hold names in other codings) become the
/// replacement character.
pub(super) struct Lines<'a> {
    reader: Box<dyn BufRead + 'a>,
    number: usize,
    buffer: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(mut reader: impl Read + 'a) -> Result<Self, JobLogError> {
        let mut head = Vec::new();
        reader
            .by_ref()
            .take(GZIP.len() as u64)
            .read_to_end(&mut head)
            .map_err(|source| JobLogError::Read { line: 1, source })?;
        let is_gzip = head == GZIP;
        let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(head).chain(reader);
        let reader: Box<dyn BufRead + 'a> = if is_gzip {
            Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(whole))))
        } else {
            Box::new(BufReader::new(whole))
        };
        Ok(Self { reader, number: 0, buffer: Vec::new() })
    }

    /// The next line and its number, without its end; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<(usize, String)>, JobLogError> {
        self.number += 1;
        self.buffer.clear();
        let read = self.reader.read_until(b'\n', &mut self.buffer);
        let bytes = read.map_err(|source| JobLogError::Read { line: self.number, source })?;
        if bytes == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&self.buffer);
        Ok(Some((self.number, text.trim_end_matches(['\r', '\n']).to_owned())))
    }
}
