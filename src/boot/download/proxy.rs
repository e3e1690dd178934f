//! Which proxy a request goes through, from the usual environment variables.

use super::DownloadError;
use crate::contract::{EnvVars, secret::Secret};
use reqwest::{NoProxy, Proxy, Url};
use std::ffi::OsStr;

/// The proxy variables that were set. The lower-case one of each pair wins, as in curl.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// `http_proxy` or `HTTP_PROXY`.
    pub http: Option<Secret>,
    /// `https_proxy` or `HTTPS_PROXY`.
    pub https: Option<Secret>,
    /// `all_proxy` or `ALL_PROXY`: for what the other two do not cover.
    pub all: Option<Secret>,
    /// `no_proxy` or `NO_PROXY`: hosts, domains, addresses and networks that are asked directly.
    pub none_for: Option<String>,
}

impl Proxies {
    /// Picks the proxy variables out of an environment.
    #[must_use]
    pub fn from_env(env: &EnvVars) -> Self {
        let get = |name: &str| {
            [name.to_ascii_lowercase(), name.to_ascii_uppercase()].iter().find_map(|name| {
                let value = env.get(OsStr::new(name))?.to_str()?.trim();
                (!value.is_empty()).then(|| value.to_owned())
            })
        };
        Self {
            http: get("http_proxy").map(Secret::new),
            https: get("https_proxy").map(Secret::new),
            all: get("all_proxy").map(Secret::new),
            none_for: get("no_proxy"),
        }
    }

    /// The rules for the HTTP client, in the order in which they are asked.
    pub(super) fn rules(&self) -> Result<Vec<Proxy>, DownloadError> {
        let exceptions = self.none_for.as_deref().map(exceptions);
        let table = [
            ("HTTP_PROXY", &self.http, Proxy::http as fn(Url) -> reqwest::Result<Proxy>),
            ("HTTPS_PROXY", &self.https, Proxy::https),
            ("ALL_PROXY", &self.all, Proxy::all),
        ];
        // The client's own star covers names and not addresses.
        if exceptions.as_deref().is_some_and(|list| list.split(',').any(|entry| entry == "*")) {
            return Ok(Vec::new());
        }
        let mut rules = Vec::new();
        for (var, value, rule) in table {
            let Some(value) = value else { continue };
            let url = parse(value.expose()).map_err(|why| DownloadError::Proxy { var, why })?;
            let proxy = rule(url).map_err(|error| DownloadError::Proxy {
                var,
                why: error.without_url().to_string(),
            })?;
            rules.push(proxy.no_proxy(exceptions.as_deref().and_then(NoProxy::from_string)));
        }
        Ok(rules)
    }
}

fn parse(value: &str) -> Result<Url, String> {
    // `proxy:3128` is the usual shorthand.
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let url = Url::parse(&full).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err("it has no host".to_owned()),
        other => Err(format!("{other} proxies are not supported, only http and https ones")),
    }
}

/// The list as the HTTP client understands it: without the ports and `*.` that other programs allow.
fn exceptions(list: &str) -> String {
    let plain = |entry: &str| {
        let entry = entry.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry);
        match entry.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
                host.to_owned()
            }
            _ => entry.trim_start_matches('[').trim_end_matches(']').to_owned(),
        }
    };
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    entries.map(plain).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_wins_and_empty_means_unset() {
        let env: EnvVars = [
            ("HTTP_PROXY", "http://upper:1"),
            ("http_proxy", "http://lower:1"),
            ("HTTPS_PROXY", ""),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let proxies = Proxies::from_env(&env);
        assert_eq!(proxies.http.as_ref().map(Secret::expose), Some("http://lower:1"));
        assert_eq!(proxies.https, None);
    }

    #[test]
    fn exceptions_are_put_into_the_clients_form() {
        assert_eq!(
            exceptions("a.b, *.c.d,.e  f:8080,10.0.0.0/8,[::1]"),
            "a.b,.c.d,.e,f,10.0.0.0/8,::1"
        );
    }

    #[test]
    fn a_proxy_of_another_kind_is_refused_by_name() {
        let proxies = Proxies { all: Some(Secret::new("socks5://p:1")), ..Proxies::default() };
        assert!(matches!(proxies.rules(), Err(DownloadError::Proxy { var: "ALL_PROXY", .. })));
        let proxies = Proxies { http: Some(Secret::new("proxy:3128")), ..Proxies::default() };
        assert!(proxies.rules().is_ok_and(|rules| rules.len() == 1));
    }
}
