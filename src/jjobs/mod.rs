//! What J-Jobs answers over HTTP.

pub mod web;
