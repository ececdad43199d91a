//! A CSV table as people make it: UTF-8 with or without a mark, or GBK as Excel writes it on a Chinese Windows. Gives the
//! rows with their line numbers; a header that does not fit is refused whole, a row that does not (or that holds bytes of no
//! encoding) is told by itself.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

/// Why a table cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SheetError {
    /// The file cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The header lacks a column or has one that is not known.
    #[error("{path}: {message}", path = path.display())]
    Header {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The rows of a table.
#[derive(Debug)]
pub struct Sheet {
    header: Vec<String>,
    rows: Vec<(u64, Result<csv::StringRecord, String>)>,
}

/// A row with as many fields as the header.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    header: &'a [String],
    record: &'a csv::StringRecord,
}

impl Sheet {
    /// Reads a table whose columns are among `known`, in any order and any case, those of `required` among them.
    ///
    /// # Errors
    /// When the file cannot be read or its header does not fit.
    pub fn read(path: &Path, known: &[&str], required: &[&str]) -> Result<Self, SheetError> {
        let bytes = std::fs::read(path).map_err(|source| SheetError::Read { path: path.into(), source })?;
        Self::parse(&decode_text(&bytes), known, required)
            .map_err(|message| SheetError::Header { path: path.into(), message })
    }

    fn parse(text: &str, known: &[&str], required: &[&str]) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header: Vec<String> = reader
            .headers()
            .map_err(|error| format!("no header line: {error}"))?
            .iter()
            .map(str::to_lowercase)
            .collect();
        if header.iter().any(|name| name.contains(char::REPLACEMENT_CHARACTER)) {
            return Err(format!("the header line {NO_TEXT}"));
        }
        if let Some(unknown) = header.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!("unknown column \"{unknown}\"; known are {}", known.join(", ")));
        }
        if let Some(twice) = header.iter().enumerate().find(|(i, name)| header[..*i].contains(name)) {
            return Err(format!("the column \"{}\" is there twice", twice.1));
        }
        if let Some(missing) = required.iter().find(|name| !header.iter().any(|column| column == *name)) {
            return Err(format!("the header line lacks the column \"{missing}\""));
        }
        let rows = reader
            .records()
            // Excel writes `,,,,` for rows that were emptied.
            .filter(|record| !record.as_ref().is_ok_and(|record| record.iter().all(str::is_empty)))
            .map(|record| match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let n_fields = record.len();
                    let fits = n_fields == header.len();
                    let wrong = || format!("{n_fields} fields where the header has {}", header.len());
                    let garbled = record.iter().position(|field| field.contains(char::REPLACEMENT_CHARACTER));
                    match (fits, garbled.and_then(|at| header.get(at))) {
                        (false, _) => (line, Err(wrong())),
                        (true, Some(column)) => (line, Err(format!("column \"{column}\" {NO_TEXT}"))),
                        (true, None) => (line, Ok(record)),
                    }
                }
                Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
            })
            .collect();
        Ok(Self { header, rows })
    }

    /// The columns, in lower case.
    pub fn columns(&self) -> &[String] {
        &self.header
    }

    /// Each row with its line in the file, from 1.
    pub fn rows(&self) -> impl Iterator<Item = (u64, Result<Fields<'_>, &str>)> {
        self.rows.iter().map(|(line, record)| {
            let fields = record.as_ref().map(|record| Fields { header: &self.header, record });
            (*line, fields.map_err(String::as_str))
        })
    }
}

impl<'a> Fields<'a> {
    /// What the row has in this column; none where it has nothing.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&'a str> {
        let index = self.header.iter().position(|name| name == column)?;
        self.record.get(index).filter(|value| !value.is_empty())
    }
}

/// What is wrong where a text could not be read.
const NO_TEXT: &str = "holds bytes that are neither UTF-8 nor GBK: write the text anew, save the table as \"CSV UTF-8\", and import it again";

/// The text, with replacement characters where bytes are of no encoding. One such byte in a table of UTF-8 must not make GBK of
/// the rest, as which most of it would read: what half of its lines at least are in is what it is in.
fn decode_text(bytes: &[u8]) -> String {
    let (bytes, marked) = match bytes.strip_prefix(b"\xef\xbb\xbf") {
        Some(bytes) => (bytes, true),
        None => (bytes, false),
    };
    let text = String::from_utf8_lossy(bytes);
    if let Cow::Borrowed(text) = text {
        return text.to_owned();
    }
    let foreign = || bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_ascii());
    let (lines, sound) = (foreign().count(), foreign().filter(|line| std::str::from_utf8(line).is_ok()).count());
    if marked || (sound > 0 && 2 * sound >= lines) {
        text.into_owned()
    } else {
        encoding_rs::GBK.decode(bytes).0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_table_reads_alike_in_each_encoding() {
        let text = "Name,id\n斜土路,1\n";
        let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        for bytes in [text.as_bytes().to_vec(), with_mark, gbk] {
            let sheet = Sheet::parse(&decode_text(&bytes), &["id", "name"], &["id"]).unwrap();
            let rows: Vec<_> = sheet.rows().collect();
            let (line, fields) = &rows[0];
            let fields = fields.unwrap();
            assert_eq!((*line, fields.get("name"), fields.get("id")), (2, Some("斜土路"), Some("1")));
        }
    }

    #[test]
    fn a_header_that_does_not_fit_is_refused() {
        for (text, expect) in [
            ("id,adress\n", "unknown column \"adress\"; known are id, name"),
            ("name\n", "lacks the column \"id\""),
            ("id,ID\n", "\"id\" is there twice"),
        ] {
            let error = Sheet::parse(text, &["id", "name"], &["id"]).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn bytes_of_no_encoding_are_told_by_line_and_column() {
        let table = |header: &[u8], name: &[u8]| {
            let bytes = [header, b",id\n", "斜土路,1\n".as_bytes(), name, b",2\n"].concat();
            Sheet::parse(&decode_text(&bytes), &["id", "name"], &["id"])
        };
        let sheet = table(b"name", b"\xe6\x96").unwrap();
        let rows: Vec<_> = sheet.rows().collect();
        assert_eq!(rows[0].1.unwrap().get("name"), Some("斜土路"));
        let (line, reason) = (rows[1].0, rows[1].1.unwrap_err());
        assert!(line == 3 && reason.starts_with("column \"name\" holds bytes"), "{line} {reason}");
        let error = table(b"\xffname", b"b").unwrap_err();
        assert!(error.starts_with("the header line holds bytes"), "{error}");
    }

    #[test]
    fn rows_without_anything_are_passed_over() {
        let sheet = Sheet::parse("id,name\n1,a\n,\n, ,,\n2,b\n", &["id", "name"], &["id"]).unwrap();
        assert_eq!(sheet.rows().map(|(line, row)| (line, row.is_ok())).collect::<Vec<_>>(), [(2, true), (5, true)]);
    }

    #[test]
    fn a_row_that_does_not_fit_costs_no_other() {
        let sheet = Sheet::parse("id,name\n1\n\"2\n3\",b\n4,\n", &["id", "name"], &["id"]).unwrap();
        let rows: Vec<_> = sheet.rows().map(|(line, row)| (line, row.map(|r| r.get("name").is_some()))).collect();
        assert_eq!(rows, [(2, Err("1 fields where the header has 2")), (3, Ok(true)), (5, Ok(false))]);
    }
}
