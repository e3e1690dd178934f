//! As much of a Kubernetes API server as kubectl needs to list pods, make Jobs, read logs and ask what it may do.

use jjobs_harness::{Asked, Ca, Container, ReadWrite, Server, response};
use serde_json::{Value, json};
use std::{
    io,
    net::TcpListener,
    sync::{Arc, Mutex},
};

/// A server for one cluster, in a container's network.
pub(crate) struct ApiServer {
    server: Server,
    tokens: Arc<Mutex<Vec<String>>>,
}

/// A request for something in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) namespace: String,
    /// What follows the namespace: `pods`, `pods/a/log`.
    pub(crate) resource: String,
    /// The bearer token; empty if there was none.
    pub(crate) token: String,
}

impl ApiServer {
    /// On all of the container's addresses, with a certificate of `ca` for `names`, accepting `token`.
    pub(crate) fn start(
        container: &Container,
        port: u16,
        (ca, names): (&Ca, &[&str]),
        token: &str,
    ) -> Self {
        Self::serving(container.listen(port).unwrap(), (ca, names), token)
    }

    /// The same on the container's IPv6 loopback, where the machine has one.
    pub(crate) fn start_on_ipv6(
        container: &Container,
        port: u16,
        ca: &Ca,
        token: &str,
    ) -> io::Result<Self> {
        let listener = container.inside(move || TcpListener::bind(("::1", port)))?;
        Ok(Self::serving(listener, (ca, &["::1"]), token))
    }

    fn serving(listener: TcpListener, (ca, names): (&Ca, &[&str]), token: &str) -> Self {
        let tokens = Arc::new(Mutex::new(vec![token.to_owned()]));
        let accepted = Arc::clone(&tokens);
        let answer = move |asked: &Asked, stream: &mut dyn ReadWrite| {
            let is_known = bearer(asked).is_some_and(|token| {
                accepted.lock().unwrap().iter().any(|accepted| accepted == token)
            });
            let (status, kind, body) = if is_known { answer(asked) } else { unauthorized() };
            response(stream, status, &[("Content-Type", kind)], &body)
        };
        let server = Server::serving(listener, answer).unwrap();
        server.speak_tls(ca.server(names, None));
        Self { server, tokens }
    }

    /// From now on this token and no other.
    pub(crate) fn accept_only(&self, token: &str) {
        *self.tokens.lock().unwrap() = vec![token.to_owned()];
    }

    /// From now on with a certificate of another CA.
    pub(crate) fn change_ca(&self, ca: &Ca, names: &[&str]) {
        self.server.speak_tls(ca.server(names, None));
    }

    /// The requests for something in a namespace.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        let seen = |asked: &Asked| {
            let (method, _) = asked.line.split_once(' ')?;
            let (namespace, resource) = namespaced(path(asked))?;
            Some(Seen {
                method: method.to_owned(),
                namespace: namespace.to_owned(),
                resource: resource.to_owned(),
                token: bearer(asked).unwrap_or_default().to_owned(),
            })
        };
        self.server.asked().iter().filter_map(seen).collect()
    }

    /// The last of them.
    #[track_caller]
    pub(crate) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }

    /// The body of the last request that had one.
    #[track_caller]
    pub(crate) fn last_body(&self) -> Value {
        let asked = self.server.asked();
        let body = &asked.iter().rev().find(|asked| !asked.body.is_empty()).unwrap().body;
        serde_json::from_str(body).unwrap()
    }

    /// How many requests of any kind there were.
    pub(crate) fn requests(&self) -> usize {
        self.server.asked().len()
    }
}

fn bearer(asked: &Asked) -> Option<&str> {
    asked.header("authorization")?.strip_prefix("Bearer ")
}

fn path(asked: &Asked) -> &str {
    let target = asked.line.split_once(' ').map_or("", |(_, target)| target);
    target.split('?').next().unwrap_or_default()
}

/// Namespace and the rest of `…/namespaces/NAMESPACE/REST`.
fn namespaced(path: &str) -> Option<(&str, &str)> {
    path.split_once("/namespaces/")?.1.split_once('/')
}

type Answer = (u16, &'static str, Vec<u8>);

fn json(status: u16, value: &Value) -> Answer {
    (status, "application/json", value.to_string().into_bytes())
}

fn failure(code: u16, reason: &str) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    json(code, &status)
}

fn unauthorized() -> Answer {
    failure(401, "Unauthorized")
}

fn answer(asked: &Asked) -> Answer {
    let is_post = asked.line.starts_with("POST ");
    let path = path(asked);
    match path {
        "/version" => json(200, &version()),
        "/api" => json(200, &json!({ "kind": "APIVersions", "versions": ["v1"] })),
        "/apis" => json(200, &groups()),
        "/api/v1" => {
            json(200, &resources("v1", &[("pods", "Pod", true), ("pods/log", "Pod", true)]))
        }
        "/apis/batch/v1" => json(200, &resources("batch/v1", &[("jobs", "Job", true)])),
        "/apis/authorization.k8s.io/v1" => {
            let review = ("selfsubjectaccessreviews", "SelfSubjectAccessReview", false);
            json(200, &resources("authorization.k8s.io/v1", &[review]))
        }
        // An empty document of schemas: kubectl checks nothing by itself.
        "/openapi/v2" => {
            (200, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", Vec::new())
        }
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" if is_post => {
            // Newer kubectls ask in protobuf, but take JSON as an answer.
            let review = json!({
                "kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1",
                "spec": {}, "status": { "allowed": true },
            });
            json(201, &review)
        }
        _ => match namespaced(path) {
            Some((namespace, "pods")) => json(200, &pods(asked, namespace)),
            Some((namespace, "pods/jjobs-0")) => json(200, &pod(namespace)),
            Some((namespace, "pods/jjobs-0/log")) => {
                (200, "text/plain", format!("a line of {namespace}\n").into_bytes())
            }
            Some((namespace, "jobs")) if is_post => {
                created(asked, |job| job["metadata"]["namespace"] = namespace.into())
            }
            _ => failure(404, "NotFound"),
        },
    }
}

fn created(asked: &Asked, change: impl FnOnce(&mut Value)) -> Answer {
    match serde_json::from_str(&asked.body) {
        Ok(mut object) => {
            change(&mut object);
            json(201, &object)
        }
        Err(_) => failure(400, "BadRequest"),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "30", "gitVersion": "v1.30.0", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2024-04-17T00:00:00Z", "goVersion": "go1.22", "compiler": "gc", "platform": "linux/amd64",
    })
}

fn groups() -> Value {
    let group = |name: &str| {
        let version = json!({ "groupVersion": format!("{name}/v1"), "version": "v1" });
        json!({ "name": name, "versions": [version], "preferredVersion": version })
    };
    let groups = ["batch", "authorization.k8s.io"].map(group);
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn resources(version: &str, resources: &[(&str, &str, bool)]) -> Value {
    let resource = |(name, kind, namespaced): &(&str, &str, bool)| {
        json!({
            "name": name, "singularName": "", "namespaced": namespaced, "kind": kind,
            "verbs": ["create", "delete", "get", "list", "watch"],
        })
    };
    let resources: Vec<Value> = resources.iter().map(resource).collect();
    json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources,
    })
}

fn pod(namespace: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "jjobs-0", "namespace": namespace },
        "spec": { "containers": [{ "name": "jjobs", "image": "jjobs" }] }, "status": { "phase": "Running" },
    })
}

/// One pod, as a table where kubectl asks for one: that is what `kubectl get` prints.
fn pods(asked: &Asked, namespace: &str) -> Value {
    if !asked.header("accept").is_some_and(|accept| accept.contains("as=Table")) {
        let items = [pod(namespace)];
        return json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items });
    }
    let column = |name: &str, format: &str| json!({ "name": name, "type": "string", "format": format, "description": "", "priority": 0 });
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [column("Name", "name"), column("Status", "")],
        "rows": [{
            "cells": ["jjobs-0", "Running"],
            "object": {
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                "metadata": { "name": "jjobs-0", "namespace": namespace },
            },
        }],
    })
}
