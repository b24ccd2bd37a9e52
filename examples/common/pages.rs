//! Which page an event is of, as several of the programs are told.

use kinesis_lab::Event;

/// `/static/*`: a `*` at the end stands for anything. What follows a `?` is no part of the page.
pub(crate) fn is_page(event: &Event, page: &str) -> bool {
    let path = event.fields.get("path").map_or("", |path| path.raw().split('?').next().unwrap_or_default());
    match page.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == page,
    }
}
