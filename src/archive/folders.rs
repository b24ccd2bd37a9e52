//! What a folder on a disk needs beside its objects: what a killed writer had begun is swept away.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::names::ENDING;

/// Nobody writes an object for so long: what is older was begun by a process that is dead.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// Removes the beginnings of files in the folder of a stream; what can't be removed harms nobody.
pub(super) fn sweep(stream_folder: &Path, now: SystemTime) {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    for shard in entries(stream_folder).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        for file in entries(&shard.path()) {
            let name = file.file_name();
            // `object_store` writes into `name#1`, and links it to the name when it is whole.
            let is_begun =
                name.to_str().and_then(|name| name.rsplit_once('#')).is_some_and(|(of, number)| {
                    (of.ends_with(ENDING) || of.ends_with(".json"))
                        && number.bytes().all(|byte| byte.is_ascii_digit())
                });
            let changed = file.metadata().and_then(|found| found.modified());
            let is_old = changed.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age > ABANDONED));
            if is_begun && is_old {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_begun_long_ago_is_swept_away() {
        let folder = crate::folder::temporary_folder("sweep").unwrap();
        let shard = folder.join("shardId-000000000000");
        fs::create_dir(&shard).unwrap();
        let names = ["001-7.jsonl.gz", "001-8.jsonl.gz#1", "shard.json#2", "notes#1", "001-9.jsonl.gz#x"];
        names.iter().for_each(|name| fs::write(shard.join(name), "").unwrap());
        let left = |now: SystemTime| {
            sweep(&folder, now);
            fs::read_dir(&shard).unwrap().count()
        };
        let now = SystemTime::now();
        assert_eq!([left(now), left(now + ABANDONED + Duration::from_secs(60))], [5, 3]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
