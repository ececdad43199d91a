//! The administrative grid: codes of district, street, community and cell, and the place of a camera in it.

use serde::{Deserialize, Serialize};

/// A code that does not have the form of its level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// Wrong length or not all digits.
    #[error("grid code \"{0}\" is not 6 (district), 9 (street), 12 (community) or 15 (cell) digits")]
    Form(String),
}

/// A grid code: 6 digits district (GB/T 2260), 9 street or town, 12 community, 15 unit grid (GB/T 30428.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cell(String);

impl Cell {
    /// No place at all, until one is found: a code that nothing has.
    #[must_use]
    pub fn unknown() -> Self {
        Self("000000".to_owned())
    }

    /// Whether it is the code of something.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0 != "000000"
    }

    /// Whether this area lies in another, or is it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The code's digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 6-digit district.
    #[must_use]
    pub fn district(&self) -> &str {
        &self.0[..6]
    }

    /// The 9-digit street, where the code reaches that deep.
    #[must_use]
    pub fn street(&self) -> Option<&str> {
        self.0.get(..9)
    }

    /// The 12-digit community, where the code reaches that deep.
    #[must_use]
    pub fn community(&self) -> Option<&str> {
        self.0.get(..12)
    }

    /// The 15-digit unit grid, where the code reaches that deep.
    #[must_use]
    pub fn unit_grid(&self) -> Option<&str> {
        self.0.get(..15)
    }
}

impl TryFrom<String> for Cell {
    type Error = GridError;

    fn try_from(code: String) -> Result<Self, GridError> {
        if matches!(code.len(), 6 | 9 | 12 | 15) && code.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(code))
        } else {
            Err(GridError::Form(code))
        }
    }
}

impl From<Cell> for String {
    fn from(cell: Cell) -> Self {
        cell.0
    }
}

/// Where a camera stands, as a ticket names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The deepest grid code known. Where a file leaves it out, it is found from longitude and latitude.
    #[serde(default = "Cell::unknown")]
    pub grid: Cell,
    /// The patrol area (责任网格), the city's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duty_grid: Option<String>,
    /// Street and number, in the city's words.
    #[serde(default)]
    pub address: String,
    /// Longitude in degrees, WGS 84 (EPSG:4326).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
    /// Latitude in degrees, WGS 84 (EPSG:4326).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_knows_the_levels_above_it() {
        let cell = Cell::try_from("310104007003012".to_owned()).expect("15 digits");
        assert_eq!(cell.district(), "310104");
        assert_eq!(cell.street(), Some("310104007"));
        assert_eq!(cell.community(), Some("310104007003"));
        assert_eq!(cell.unit_grid(), Some("310104007003012"));
        let street = Cell::try_from("310104007".to_owned()).expect("9 digits");
        assert_eq!(street.community(), None);
    }

    #[test]
    fn other_forms_are_refused() {
        for code in ["", "31010", "3101040070", "31010400700a", "３10104"] {
            assert!(Cell::try_from(code.to_owned()).is_err(), "{code}");
        }
    }
}
