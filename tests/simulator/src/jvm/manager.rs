//! The manager: a web page that answers.

use super::{life::Life, tomcat::WebApplication};
use crate::http::{Answer, Request};
use serde_json::Value;

pub(crate) struct Manager {
    effective: Value,
}

impl Manager {
    pub(crate) fn new(_life: &Life, effective: Value) -> Self {
        Self { effective }
    }
}

impl WebApplication for Manager {
    fn answer(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/jjob-manager/" => Answer::html(200, "J-Jobs manager (simulated)"),
            "/jjob-manager" => Answer::html(302, "/jjob-manager/"),
            "/sim/effective" => Answer::json(200, &self.effective),
            _ => Answer::html(404, "not found"),
        }
    }
}
