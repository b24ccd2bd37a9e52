use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::folder::temporary_folder;

fn lines(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let keep = |line: &[u8]| {
        lines.push(String::from_utf8_lossy(line).into_owned());
        Ok(())
    };
    Log::open(folder, keep).unwrap();
    lines
}

#[test]
fn lines_outlive_it_and_half_a_line_is_cut() {
    let folder = temporary_folder("log").unwrap();
    assert!(lines(&folder).is_empty());
    let mut log = Log::open(&folder, |_| Ok(())).unwrap();
    log.append(b"{\"one\":1}\n{\"two\":2}\n").unwrap();
    drop(log);
    // Killed in the middle of a line.
    let mut file = File::options().append(true).open(folder.join(NAME)).unwrap();
    file.write_all(b"{\"thr").unwrap();
    assert_eq!(lines(&folder), ["{\"one\":1}", "{\"two\":2}"]);
    let mut log = Log::open(&folder, |_| Ok(())).unwrap();
    log.append(b"{\"four\":4}\n").unwrap();
    assert_eq!(log.length(), std::fs::metadata(folder.join(NAME)).unwrap().len());

    let mut new = log.replacement().unwrap();
    new.append(b"{\"four\":4}\n").unwrap();
    drop(log.replacement().unwrap()); // one that came to nothing
    let mut new = log.replacement().unwrap();
    new.append(b"{\"four\":4}\n").unwrap();
    log.replace(new).unwrap();
    log.append(b"{\"five\":5}\n").unwrap();
    drop(log);
    assert_eq!(lines(&folder), ["{\"four\":4}", "{\"five\":5}"]);
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn it_is_for_this_user_and_for_one_service() {
    use std::os::unix::fs::PermissionsExt;
    let folder = temporary_folder("log").unwrap().join("of/mine");
    let log = Log::open(&folder, |_| Ok(())).unwrap();
    for (path, mode) in [(folder.clone(), 0o700), (folder.join(NAME), 0o600), (folder.join("lock"), 0o600)] {
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{}",
            path.display()
        );
    }
    let error = Log::open(&folder, |_| Ok(())).err().unwrap();
    assert!(error.to_string().contains("is open in another local Kinesis"), "{error}");
    drop(log);
    drop(Log::open(&folder, |_| Ok(())).unwrap());

    std::fs::write(folder.join(NAME), format!("{HEADER}\n{{}}\nnot ours\n")).unwrap();
    let reads = |line: &[u8]| if line == b"{}" { Ok(()) } else { Err(Error::invalid("odd")) };
    let error = Log::open(&folder, reads).err().unwrap();
    assert!(error.to_string().contains("line 3 is not one of its own"), "{error}");
    std::fs::write(folder.join(NAME), "another program's\n").unwrap();
    assert!(Log::open(&folder, |_| Ok(())).err().unwrap().to_string().contains("line 1"));
    std::fs::write(folder.join("wal.log"), "").unwrap();
    assert!(Log::open(&folder, |_| Ok(())).err().unwrap().to_string().contains("an older version"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A disk with room for so many bytes; what is on it.
#[derive(Clone)]
struct Disk {
    room: Arc<AtomicUsize>,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.bytes.lock().unwrap();
        let fits = bytes.len().min(self.room.load(Ordering::SeqCst).saturating_sub(held.len()));
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        held.extend(&bytes[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().truncate(length as usize);
        Ok(())
    }
}

#[test]
fn a_full_disk_leaves_no_half_line_and_needs_no_restart() {
    let folder = temporary_folder("log").unwrap();
    let mut log = Log::open(&folder, |_| Ok(())).unwrap();
    let disk = Disk { room: Arc::new(AtomicUsize::new(20)), bytes: Arc::default() };
    (log.file, log.length) = (Box::new(disk.clone()), 0);
    log.append(b"0123456789\n").unwrap();
    for _ in 0..3 {
        let error = log.append(b"abcdefghij\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(*disk.bytes.lock().unwrap(), b"0123456789\n");
    }
    disk.room.store(22, Ordering::SeqCst);
    log.append(b"abcdefghij\n").unwrap();
    assert_eq!(*disk.bytes.lock().unwrap(), b"0123456789\nabcdefghij\n");
    std::fs::remove_dir_all(folder).unwrap();
}
