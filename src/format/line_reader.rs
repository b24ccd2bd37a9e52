//! [`LineReader`]: the lines of a log, one after the other. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use super::extended_fields::{ExtendedFields, fields_of};
use super::format::{CLIENT, Format};
use super::log_format::{Layout, LogFormat};
use super::parts::{Each, each_part};
use crate::event::{Event, EventError, line_client};
use crate::harmless::Text;
use crate::record::Record;
use crate::text::without_byte_order_mark;
use crate::timestamp::Timestamp;

/// Reads lines one after the other: what a line `#Fields:` says holds for those behind it.
pub(super) struct LineReader {
    format: LogFormat,
    fields: Option<Arc<ExtendedFields>>,
    /// The line that said so, which a line needs to be read alone.
    pub(super) header: Option<Vec<u8>>,
}

impl LineReader {
    pub(super) fn of(format: &LogFormat) -> LineReader {
        let fields = match &format.layout {
            Layout::Extended(fields) => fields.clone(),
            _ => None,
        };
        LineReader { format: format.clone(), fields, header: None }
    }

    /// The key and the time alone, quickly for what most logs are; as [`read`](LineReader::read).
    pub(super) fn client_and_time(&mut self, line: &[u8]) -> Option<Result<(Text, Timestamp), EventError>> {
        let format = &self.format;
        if matches!(format.layout, Layout::Plain) && format.prefix.is_none() && format.counted.key.is_empty()
        {
            return if line.trim_ascii().is_empty() { None } else { Some(line_client(line)) };
        }
        Some(self.read(line)?.map(|event| (event.key, event.time)))
    }

    /// `None` for what is no line of its own: an empty one, a directive.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<Result<Event, EventError>> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let bare = match self.format.prefix.and_then(|prefix| prefix.strip(line)) {
            Some(bare) => bare,
            None => Cow::Borrowed(line),
        };
        if bare.trim_ascii().is_empty() {
            return None;
        }
        if matches!(self.format.layout, Layout::Extended(_)) && bare.starts_with(b"#") {
            let text = String::from_utf8_lossy(&bare);
            if let Some(fields) = fields_of(&text).and_then(ExtendedFields::read) {
                self.fields = Some(Arc::new(fields));
                self.header = Some(line.to_vec());
            }
            return None;
        }
        Some(self.format.line(&bare, self.fields.as_deref()))
    }
}

impl Format for LogFormat {
    fn read(&self, record: &Record, each: &mut dyn FnMut(Result<Event, EventError>)) {
        let data = without_byte_order_mark(&record.data);
        if data.trim_ascii().is_empty() {
            return each(Err(EventError::new("the data is empty")));
        }
        let lines = |each: &mut Each<'_>| {
            let mut reader = LineReader::of(self);
            data.split(|byte| *byte == b'\n').filter_map(|line| reader.read(line)).for_each(each);
        };
        each_part(&lines, each);
    }

    fn key_name(&self) -> String {
        let names: Vec<&str> = self.counted.key.iter().map(Text::raw).collect();
        if names.is_empty() || names == ["ip"] { CLIENT.to_owned() } else { names.join(" ") }
    }
}

#[cfg(test)]
mod tests;
