//! The level that answers a case. The published text defines the fourth as the community's; the others follow the grid.

use serde::{Deserialize, Serialize};

/// Who answers, from the city down to the community. Most cases belong to the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum ResponseLevel {
    /// 1, 市级.
    City,
    /// 2, 区级.
    District,
    /// 3, 街镇级.
    Street,
    /// 4, 居民区、园区.
    Community,
}

/// A number that is no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no response level; write 1 (city), 2 (district), 3 (street) or 4 (community)")]
pub struct LevelError(u8);

impl ResponseLevel {
    /// The level above; none above the city's.
    #[must_use]
    pub fn above(self) -> Option<Self> {
        Self::try_from(u8::from(self) - 1).ok()
    }

    /// In Chinese.
    #[must_use]
    pub fn zh(self) -> &'static str {
        match self {
            Self::City => "一级(市)",
            Self::District => "二级(区)",
            Self::Street => "三级(街镇)",
            Self::Community => "四级(社区)",
        }
    }

    /// In English.
    #[must_use]
    pub fn en(self) -> &'static str {
        match self {
            Self::City => "level 1 (city)",
            Self::District => "level 2 (district)",
            Self::Street => "level 3 (street)",
            Self::Community => "level 4 (community)",
        }
    }
}

impl TryFrom<u8> for ResponseLevel {
    type Error = LevelError;

    fn try_from(level: u8) -> Result<Self, LevelError> {
        match level {
            1 => Ok(Self::City),
            2 => Ok(Self::District),
            3 => Ok(Self::Street),
            4 => Ok(Self::Community),
            _ => Err(LevelError(level)),
        }
    }
}

impl From<ResponseLevel> for u8 {
    fn from(level: ResponseLevel) -> Self {
        match level {
            ResponseLevel::City => 1,
            ResponseLevel::District => 2,
            ResponseLevel::Street => 3,
            ResponseLevel::Community => 4,
        }
    }
}
