//! Our `tracing` events, written as lines.

use super::{Output, Settings, render::Line};
use crate::contract::LogLevel;
use serde_json::{Map, Number, Value};
use std::{borrow::Cow, error::Error, fmt, time::SystemTime};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::Context,
    registry::{LookupSpan, Scope},
};

/// What events of this crate call their origin, or begin it with.
const OURS: &str = "jjobs_init";

/// Writes each event as one masked line to an [`Output`]'s stderr; fields of the spans around it come before its own.
/// Of other crates' events only warnings and errors are written.
#[derive(Debug)]
pub struct EventLayer {
    settings: Settings,
    level: LevelFilter,
    has_colours: bool,
    output: Output,
}

/// What a span carries.
struct SpanFields(Map<String, Value>);

impl EventLayer {
    pub(super) fn new(settings: Settings, output: Output) -> Self {
        let level = match settings.level {
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Debug => LevelFilter::DEBUG,
            LogLevel::Trace => LevelFilter::TRACE,
        };
        Self { settings, level, has_colours: output.is_terminal(), output }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let is_ours = metadata
            .target()
            .strip_prefix(OURS)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
        *metadata.level() <= self.level && (is_ours || *metadata.level() <= Level::WARN)
    }

    fn write(&self, level: Level, mut collected: Fields) {
        let mask = self.output.mask();
        // Each value for itself first: escaping could hide a secret from the mask.
        for (_, value) in &mut collected.fields {
            // A number may be a secret too; what replaces it is a string, for JSON's sake.
            let text = value.as_str().map_or_else(|| value.to_string().into(), Cow::Borrowed);
            if let Cow::Owned(masked) = mask.hide(&text) {
                *value = masked.into();
            }
        }
        let message = mask.hide(&collected.message);
        let line =
            Line { at: SystemTime::now(), level, message: &message, fields: &collected.fields };
        let rendered = line.render(self.settings.format, self.has_colours);
        // Then the line: a secret may have been put together by a field and its name.
        self.output.push_event(mask.hide(&rendered).as_bytes());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for EventLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().replace(SpanFields(fields.fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(known) = span.extensions_mut().get_mut::<SpanFields>() {
            known.0.extend(fields.fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(known) = span.extensions().get::<SpanFields>() {
                fields.fields.extend(known.0.clone());
            }
        }
        event.record(&mut fields);
        self.write(*event.metadata().level(), fields);
    }
}

/// Collects an event's message and fields, in the order they were written.
#[derive(Default)]
struct Fields {
    message: String,
    fields: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        // `Duration::as_millis` is one; no duration of ours needs more than 64 bits.
        self.put(
            field,
            u64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(
            field,
            i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from),
        );
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(
            field,
            Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number),
        );
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, text.into());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

    use super::super::{Mask, subscriber};
    use super::*;
    use crate::contract::{LogFormat, secret::Secret};
    use std::{io::Read, time::Duration};

    /// What `work` logs.
    fn logged(settings: Settings, secrets: &[&str], work: impl FnOnce()) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mask = Mask::new();
        mask.add_all(&secrets.iter().map(|text| Secret::new(*text)).collect::<Vec<_>>());
        let output = Output::to(writer.try_clone().unwrap(), writer, mask);
        tracing::subscriber::with_default(subscriber(settings, &output), work);
        assert!(output.flush(Duration::from_secs(5)));
        drop(output);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    }

    fn settings(level: LogLevel, format: LogFormat) -> Settings {
        Settings { level, format, prefix: false }
    }

    #[test]
    fn events_are_text_lines_with_their_spans_fields_first() {
        let text = logged(Settings::default(), &[], || {
            let _span = tracing::info_span!("step", step = "install").entered();
            tracing::info!(elapsed_ms = Duration::from_secs(2).as_millis(), path = ?"/a b", "step finished");
        });
        let (at, rest) = text.split_once(' ').unwrap();
        assert_eq!(at.len(), "1970-01-01T00:00:00.000Z".len());
        assert_eq!(
            rest,
            "INFO  step finished step=install elapsed_ms=2000 path=\"\\\"/a b\\\"\"\n"
        );
    }

    #[test]
    fn an_error_is_written_with_its_causes() {
        let text = logged(settings(LogLevel::Info, LogFormat::Json), &[], || {
            let cause = std::io::Error::other(std::fmt::Error);
            tracing::error!(error = &cause as &dyn Error, "cannot go on");
        });
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(line["error"].as_str().unwrap().contains("formatting"), "{line}");
    }

    #[test]
    fn levels_below_the_setting_and_other_crates_chatter_are_not_written() {
        let text = logged(settings(LogLevel::Debug, LogFormat::Text), &[], || {
            tracing::trace!("one");
            tracing::debug!("two");
            tracing::info!(target: "hyper::client", "three");
            tracing::info!(target: "jjobs_initiative", "four");
            tracing::warn!(target: "hyper::client", "five");
        });
        let seen: Vec<_> = text.lines().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(seen, ["two", "five"]);
    }

    #[test]
    fn secrets_are_hidden_in_messages_and_in_values_of_every_type() {
        let secrets = ["pa\"ss\nwo=rd", "7654321"];
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(settings(LogLevel::Info, format), &secrets, || {
                tracing::info!(error = secrets[0], pid = 7_654_321, var = ?secrets[0], "{}", secrets[0]);
            });
            assert!(!text.contains("rd") && !text.contains("7654321"), "{text}");
            assert_eq!(text.matches("[redacted]").count(), 4, "{text}");
            if format == LogFormat::Json {
                serde_json::from_str::<Value>(&text).unwrap();
            }
        }
    }

    #[test]
    fn a_pipe_gets_no_colours() {
        assert!(!logged(Settings::default(), &[], || tracing::error!("plain")).contains('\x1b'));
    }
}
