//! What `KUBE_CONTEXTS` asks for (contract.md §9).

use reqwest::Url;
use serde_json::{Map, Value};
use std::{collections::HashSet, path::PathBuf};

/// A context to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The context's name.
    pub(super) alias: String,
    /// Where the cluster is known from.
    pub(super) provider: Provider,
}

/// Where a cluster is known from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Provider {
    /// The cluster that this pod runs in.
    InCluster {
        /// Instead of the service account's own.
        namespace: Option<String>,
    },
    /// What the entry says.
    Raw(Raw),
    /// Amazon's, found by the aws CLI.
    Eks {
        /// Its name there.
        cluster: String,
        /// Its region.
        region: Option<String>,
        /// A role to assume.
        role_arn: Option<String>,
    },
}

/// A cluster described by server and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    /// The API server's URL.
    pub(super) server: String,
    /// Its CA.
    pub(super) ca_file: Option<PathBuf>,
    /// The token, re-read by kubectl at every call.
    pub(super) token_file: PathBuf,
    /// The context's namespace.
    pub(super) namespace: Option<String>,
}

/// An entry that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its alias, or its place where it has none: `entry 3`.
    pub(super) name: String,
    /// What is wrong, without any value that might be secret.
    pub(super) reason: String,
}

/// Reads the variable; the error says why it is no JSON array.
pub(super) fn parse(text: &str) -> Result<Vec<Result<Entry, Rejected>>, String> {
    let entries: Vec<Value> = match serde_json::from_str(text) {
        Ok(Value::Array(entries)) => entries,
        Ok(_) => return Err("it is not a JSON array".to_owned()),
        // Says line and column, not content.
        Err(error) => return Err(format!("it is not valid JSON: {error}")),
    };
    let mut aliases = HashSet::new();
    let entries = entries.iter().enumerate().map(|(index, value)| {
        let fields = Fields(value.as_object());
        let alias = fields.alias();
        let name = alias.clone().unwrap_or_else(|_| format!("entry {}", index + 1));
        let entry = alias.and_then(|alias| {
            if !aliases.insert(alias.clone()) {
                return Err("an earlier entry has the same alias".to_owned());
            }
            Ok(Entry { alias, provider: fields.provider()? })
        });
        entry.map_err(|reason| Rejected { name, reason })
    });
    Ok(entries.collect())
}

struct Fields<'a>(Option<&'a Map<String, Value>>);

impl Fields<'_> {
    fn alias(&self) -> Result<String, String> {
        if self.0.is_none() {
            return Err("it is not a JSON object".to_owned());
        }
        let alias = self.needed("alias")?;
        if alias.contains(char::is_control) {
            return Err("its alias holds control characters".to_owned());
        }
        Ok(alias)
    }

    fn provider(&self) -> Result<Provider, String> {
        let provider = self.text("provider")?;
        match provider.as_deref().unwrap_or("eks") {
            "incluster" => Ok(Provider::InCluster { namespace: self.text("namespace")? }),
            "raw" => self.raw().map(Provider::Raw),
            "eks" => Ok(Provider::Eks {
                cluster: self.needed("cluster")?,
                region: self.text("region")?,
                role_arn: self.text("roleArn")?,
            }),
            reserved @ ("gke" | "aks") => {
                Err(format!("provider {reserved} is reserved and not there yet"))
            }
            unknown => {
                Err(format!("provider {unknown:?} is unknown; there are incluster, raw and eks"))
            }
        }
    }

    fn raw(&self) -> Result<Raw, String> {
        let server = self.needed("server")?;
        let is_url = Url::parse(&server)
            .is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        if !is_url || server.contains(char::is_whitespace) {
            return Err("its server is no URL such as https://10.0.0.1:6443".to_owned());
        }
        Ok(Raw {
            server,
            ca_file: self.text("caFile")?.map(PathBuf::from),
            token_file: self.needed("tokenFile")?.into(),
            namespace: self.text("namespace")?,
        })
    }

    fn needed(&self, key: &str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| format!("it has no {key}"))
    }

    /// The text of `key`; empty is none, as in today's image.
    fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.0.and_then(|fields| fields.get(key)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("its {key} is not a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::*;

    fn reason(entry: &str) -> String {
        parse(&format!("[{entry}]")).unwrap().remove(0).unwrap_err().reason
    }

    #[test]
    fn each_provider_is_understood() {
        let text = r#"[
            {"alias":"main","provider":"incluster"},
            {"alias":"on.prem","provider":"raw","server":"https://10.0.0.1:6443","caFile":"/ca","tokenFile":"/token","namespace":""},
            {"alias":"a","cluster":"c"},
            {"alias":"b","provider":"eks","cluster":"c","region":"ap-northeast-2","roleArn":"arn"}
        ]"#;
        let entries: Vec<Entry> = parse(text).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!(entries[0].provider, Provider::InCluster { namespace: None });
        let raw = Raw {
            server: "https://10.0.0.1:6443".to_owned(),
            ca_file: Some("/ca".into()),
            token_file: "/token".into(),
            namespace: None,
        };
        assert_eq!(entries[1], Entry { alias: "on.prem".to_owned(), provider: Provider::Raw(raw) });
        let eks = Provider::Eks { cluster: "c".to_owned(), region: None, role_arn: None };
        assert_eq!(entries[2].provider, eks);
        assert!(matches!(
            &entries[3].provider,
            Provider::Eks { region: Some(_), role_arn: Some(_), .. }
        ));
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_said() {
        for (entry, part) in [
            ("3", "not a JSON object"),
            ("{}", "no alias"),
            (r#"{"alias":""}"#, "no alias"),
            (r#"{"alias":7}"#, "alias is not a text"),
            (r#"{"alias":"a\nb"}"#, "control"),
            (r#"{"alias":"a"}"#, "no cluster"),
            (r#"{"alias":"a","provider":"gke"}"#, "reserved"),
            (r#"{"alias":"a","provider":"EKS"}"#, "unknown"),
            (r#"{"alias":"a","provider":"raw"}"#, "no server"),
            (r#"{"alias":"a","provider":"raw","server":"10.0.0.1"}"#, "no URL"),
            (r#"{"alias":"a","provider":"raw","server":"ftp://x"}"#, "no URL"),
            (r#"{"alias":"a","provider":"raw","server":"https://x"}"#, "no tokenFile"),
            (
                r#"{"alias":"a","provider":"raw","server":"https://x","tokenFile":["x"]}"#,
                "not a text",
            ),
        ] {
            let reason = reason(entry);
            assert!(reason.contains(part), "{entry}: {reason}");
        }
    }

    #[test]
    fn the_first_of_two_with_the_same_alias_counts() {
        let entries =
            parse(r#"[{"alias":"a","provider":"incluster"},{"alias":"a","cluster":"c"}]"#).unwrap();
        assert!(entries[0].is_ok());
        assert_eq!(entries[1].as_ref().unwrap_err().name, "a");
    }

    #[test]
    fn anything_but_an_array_is_an_error() {
        for text in ["{}", "\"x\"", "[", "[{]", "null", "a"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("[]"), Ok(Vec::new()));
    }
}
