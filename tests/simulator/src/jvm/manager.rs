//! The manager: a web page that answers, where its meta DB does.

use super::{
    database::{Database, Trouble},
    life::Life,
    tomcat::WebApplication,
};
use crate::http::{Answer, Request};
use serde_json::Value;

pub(crate) struct Manager {
    effective: Value,
}

impl Manager {
    pub(crate) fn open(_life: &Life, effective: Value) -> Result<Self, Trouble> {
        if Database::is_wanted() {
            Database::open(&effective["jdbc"], "jjob-manager")?;
        }
        Ok(Self { effective })
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
