//! Values that inherit: each section exists as the effective struct, in which every value is there, and as its
//! config twin, in which only what is written is there. Written means overridden; lists replace, maps and sections merge.

macro_rules! layered {
    (
        $(#[$outer:meta])* $effective:ident / $config:ident {
            values { $($(#[$doc:meta])* $key:ident: $type:ty,)* }
            maps { $($(#[$map_doc:meta])* $map:ident: $map_key:ty => $map_value:ty,)* }
            sections { $($(#[$section_doc:meta])* $section:ident: $section_effective:ident / $section_config:ident,)* }
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        pub struct $effective {
            $($(#[$doc])* pub $key: $type,)*
            $($(#[$map_doc])* pub $map: std::collections::BTreeMap<$map_key, $map_value>,)*
            $($(#[$section_doc])* pub $section: $section_effective,)*
        }

        $(#[$outer])*
        ///
        /// As written in a config: what is absent is inherited.
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $config {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $key: Option<$type>,)*
            $($(#[$map_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $map: Option<std::collections::BTreeMap<$map_key, $map_value>>,)*
            $($(#[$section_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $section: Option<$section_config>,)*
        }

        impl $effective {
            /// These values with what `config` writes over them.
            #[must_use]
            pub fn overridden_by(mut self, config: &$config) -> Self {
                $(if let Some(value) = &config.$key {
                    self.$key = value.clone();
                })*
                $(for (key, value) in config.$map.iter().flatten() {
                    self.$map.insert(key.clone(), value.clone());
                })*
                $(if let Some(section) = &config.$section {
                    self.$section = self.$section.overridden_by(section);
                })*
                self
            }
        }
    };
}

pub(super) use layered;
