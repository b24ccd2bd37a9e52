//! Somebody who looks at the live page all the time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is shared with whoever starts the page anew.
#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    seen: AtomicU64,
}

/// The reader at work.
pub(crate) struct Reader(Arc<Shared>);

impl Reader {
    pub(crate) fn start(url: String) -> Reader {
        let shared = Arc::new(Shared { url: Mutex::new(url), ..Shared::default() });
        let looking = shared.clone();
        // Until the process ends.
        std::thread::spawn(move || {
            loop {
                // It ends when the page does; then there is another one.
                let _ = look(&looking);
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Reader(shared)
    }

    pub(crate) fn moved_to(&self, url: String) {
        *self.0.url.lock().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// How often the page has shown something else.
    pub(crate) fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }
}

fn look(shared: &Shared) -> std::io::Result<()> {
    let url = shared.url.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let rest = url.trim_start_matches("http://");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut line = TcpStream::connect(host)?;
    line.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(line, "GET /{path}events HTTP/1.1\r\nhost: {host}\r\n\r\n")?;
    for line in BufReader::new(line).lines() {
        if line?.starts_with("data:") {
            shared.seen.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
