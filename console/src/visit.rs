//! Who asks: language, moment and address of one request, worked out once and carried along with it.

use std::time::SystemTime;

use axum::http::{HeaderMap, Uri, header};
use domain::Timestamp;

use crate::{i18n::Lang, params::Params};

/// One request's setting.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// The language to answer in.
    pub(crate) lang: Lang,
    /// Whether the address asked for that language, so that it is to be remembered.
    pub(crate) remember_lang: bool,
    /// The moment that ages are counted to.
    pub(crate) now: Timestamp,
    /// The path of the address.
    pub(crate) path: String,
    /// Its query.
    pub(crate) params: Params,
}

impl Visit {
    pub(crate) fn new(uri: &Uri, headers: &HeaderMap) -> Self {
        let params = Params::parse(uri.query().unwrap_or_default());
        let asked = params.get("lang").and_then(Lang::from_tag);
        let accepted = || {
            let values = headers.get_all(header::ACCEPT_LANGUAGE);
            values.iter().filter_map(|v| v.to_str().ok()).find_map(Lang::from_accept)
        };
        Self {
            lang: asked.or_else(|| remembered(headers)).or_else(accepted).unwrap_or(Lang::En),
            remember_lang: asked.is_some(),
            now: SystemTime::now().into(),
            path: uri.path().to_owned(),
            params,
        }
    }

    /// Whether the answer is for a program.
    pub(crate) fn is_api(&self) -> bool {
        self.path.starts_with("/api/")
    }

    /// The address of this page in `lang`.
    pub(crate) fn in_lang(&self, lang: Lang) -> String {
        format!("{}{}", self.path, self.params.with("lang", lang.code()))
    }
}

fn remembered(headers: &HeaderMap) -> Option<Lang> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| Lang::from_tag(pair.trim().strip_prefix("lang=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, headers: &[(header::HeaderName, &str)], expect: Lang) -> Visit {
        let headers = headers.iter().map(|(k, v)| (k.clone(), v.parse().unwrap())).collect();
        let visit = Visit::new(&uri.parse().unwrap(), &headers);
        assert_eq!(visit.lang, expect);
        visit
    }

    #[test]
    fn the_address_is_asked_first_then_the_cookie_then_the_browser() {
        let (cookie, accept) = ((header::COOKIE, "a=b; lang=zh"), (header::ACCEPT_LANGUAGE, "en"));
        check("/", &[], Lang::En);
        check("/", std::slice::from_ref(&accept), Lang::En);
        check("/", &[cookie.clone(), accept.clone()], Lang::Zh);
        check("/?lang=en", &[cookie.clone(), accept], Lang::En);
        check("/?lang=xx", &[cookie], Lang::Zh);
    }

    #[test]
    fn switching_the_language_keeps_the_filter() {
        let visit = check("/cameras?q=%E6%96%9C%26&lang=en&state=offline", &[], Lang::En);
        assert_eq!(visit.in_lang(Lang::Zh), "/cameras?q=%E6%96%9C%26&state=offline&lang=zh");
    }
}
