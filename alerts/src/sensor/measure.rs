//! What sensors measure. A measure is a word of the configuration; of these some facts are known. A state is a number
//! as well: 1 for occupied, smoke, open; 0 for not.

/// A measure of which something is known.
#[derive(Debug, PartialEq)]
pub struct Measure {
    /// Its word in topics and in the configuration.
    pub name: &'static str,
    /// Its name in Chinese.
    pub zh: &'static str,
    /// Its name in English.
    pub en: &'static str,
    /// The unit that values are in after conversion; empty for a state.
    pub unit: &'static str,
    /// The values that can be.
    pub range: (f64, f64),
}

impl Measure {
    /// Whether its values are 0 and 1.
    #[must_use]
    pub fn is_state(&self) -> bool {
        self.unit.is_empty()
    }
}

/// All measures of which something is known. Any other word is a measure too, of any finite value.
pub static MEASURES: &[Measure] = &[
    Measure { name: "fill", zh: "箱满度", en: "fill level", unit: "%", range: (0.0, 100.0) },
    Measure { name: "parking", zh: "车位占用", en: "parking occupancy", unit: "", range: (0.0, 1.0) },
    Measure { name: "smoke", zh: "烟雾", en: "smoke", unit: "", range: (0.0, 1.0) },
    Measure { name: "manhole", zh: "井盖开启", en: "open manhole cover", unit: "", range: (0.0, 1.0) },
    Measure { name: "water_level", zh: "水位", en: "water level", unit: "m", range: (0.0, 20.0) },
    Measure { name: "noise", zh: "噪声", en: "noise", unit: "dB", range: (0.0, 150.0) },
    Measure { name: "battery", zh: "电量", en: "battery", unit: "%", range: (0.0, 100.0) },
];

/// What is known of the measure of this name.
#[must_use]
pub fn measure(name: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|measure| measure.name == name)
}
