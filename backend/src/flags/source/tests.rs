//! The sources of flags, one above the other.

use std::{io, path::Path, time::Duration};

use pipeline::testing::ManualClock;
use serde_json::json;
use storage::{control_plane::StoredFlag, mode::Mode};

use super::*;
use crate::flags::{
    content::BYTES_MAX,
    definitions::{DATABASE_WRITES, FILE_FALLBACK, PAUSE_CLAIMS},
    value::Value,
    watched_file::Basis,
};

/// The environment of most deployments.
fn both() -> Values {
    modes(true, true)
}

fn modes(database_writes: bool, file_fallback: bool) -> Values {
    Values::from([
        (DATABASE_WRITES.key, Value::Boolean(database_writes)),
        (FILE_FALLBACK.key, Value::Boolean(file_fallback)),
    ])
}

fn source(environment: Values, file: Option<PathBuf>) -> FlagSource {
    FlagSource::new(environment, file, None, false, &clock())
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::new())
}

fn mode_of(source: &FlagSource) -> (Mode, u64) {
    let flags = *source.0.storage.borrow();
    (flags.mode(), flags.revision)
}

#[test]
fn the_flags_file_overrides_the_environment_per_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags");
    std::fs::write(&path, "# an incident\n\nENABLE_DATABASE_WRITES = off\n").unwrap();
    let source = source(both(), Some(path.clone()));
    assert_eq!(mode_of(&source), (Mode::FileOnly, 2));
    source.look();
    assert_eq!(mode_of(&source), (Mode::FileOnly, 2), "what has not changed has no new revision");
    std::fs::write(&path, "ENABLE_FILE_FALLBACK=No").unwrap();
    source.look();
    assert_eq!(mode_of(&source), (Mode::DatabaseOnly, 3));
    std::fs::write(&path, "").unwrap();
    source.look();
    assert_eq!(mode_of(&source), (Mode::DualWrite, 4));
    assert_eq!(source.alarm(), None);
}

#[test]
fn invalid_content_keeps_the_last_good_flags() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags");
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
    let source = source(both(), Some(path.clone()));
    for bad in [
        "ENABLE_DATABASE_WRITES=fal",
        "ENABLE_DATABASE_WRI",
        "ENABLE_DATABASE_WRITES=false\nENABLE_FILE_FALLBACK=false\n",
        "ENABLE_DATABASE_WRITE=true\n",
    ] {
        std::fs::write(&path, bad).unwrap();
        source.look();
        assert_eq!(mode_of(&source), (Mode::FileOnly, 2), "{bad:?}");
        assert!(source.alarm().unwrap().contains("the last good flags stay"), "{bad:?}");
    }
    std::fs::write(&path, [b'#'; BYTES_MAX + 1]).unwrap();
    source.look();
    assert!(source.alarm().unwrap().contains("larger"));
    std::fs::remove_file(&path).unwrap();
    source.look();
    assert_eq!(mode_of(&source), (Mode::FileOnly, 2));
    assert!(source.alarm().is_some());
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=true\n").unwrap();
    source.look();
    assert_eq!(mode_of(&source), (Mode::DualWrite, 3));
    assert_eq!(source.alarm(), None);
}

#[test]
fn the_environment_may_say_that_nothing_is_stored() {
    let none = modes(false, false);
    assert_eq!(mode_of(&source(none, None)), (Mode::Invalid, 1));
}

#[test]
fn only_a_regular_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (path, reason) in [
        (pipe.as_path(), "not a regular file"),
        (Path::new("/dev/zero"), "not a regular file"),
        (folder.path(), "not a regular file"),
        (&folder.path().join("absent"), "no such file"),
    ] {
        let source = source(both(), Some(path.to_owned()));
        assert_eq!(mode_of(&source), (Mode::DualWrite, 1));
        let alarm = source.alarm().unwrap();
        assert!(alarm.contains(reason) && alarm.contains(Basis::Environment.as_str()), "{alarm}");
        assert!(!source.public_alarm().unwrap().contains(path.to_str().unwrap()));
    }
}

#[test]
fn the_last_good_flags_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
    let start = || FlagSource::new(both(), Some(path.clone()), Some(state.clone()), false, &clock());
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
    assert_eq!(mode_of(&start()), (Mode::FileOnly, 2));
    std::fs::remove_file(&path).unwrap();
    let restarted = start();
    assert_eq!(mode_of(&restarted), (Mode::FileOnly, 2));
    assert!(restarted.alarm().unwrap().contains(Basis::Snapshot.as_str()));
    restarted.look();
    assert!(restarted.alarm().unwrap().contains(Basis::Snapshot.as_str()), "and so it stays");
    std::fs::write(&path, "").unwrap();
    restarted.look();
    assert_eq!((mode_of(&restarted), restarted.alarm()), ((Mode::DualWrite, 3), None));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(mode_of(&start()), (Mode::DualWrite, 1), "the newest good content counts");
    std::fs::write(state.join(snapshot::FILE_PLACE), "torn").unwrap();
    let damaged = start();
    assert!(damaged.alarm().unwrap().contains(Basis::Environment.as_str()));
}

#[test]
fn old_and_foreign_copies_do_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
    let clock = Arc::new(ManualClock::new());
    let dynamic: Arc<dyn Clock> = clock.clone();
    let start =
        |path: &Path| FlagSource::new(both(), Some(path.into()), Some(state.clone()), false, &dynamic);
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
    let source = start(&path);
    let days = |days: u64| Duration::from_secs(days * 86_400);
    clock.advance(days(5));
    // The file is as good as before, which confirms the copy. A slow disk may take more than one look.
    let confirmed = format!("# good at {}", clock.now().timestamp_millis());
    let copy = state.join(snapshot::FILE_PLACE);
    while !std::fs::read_to_string(&copy).is_ok_and(|text| text.starts_with(&confirmed)) {
        source.look();
    }
    clock.advance(days(5));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(mode_of(&start(&path)).0, Mode::FileOnly);
    assert_eq!(mode_of(&start(&folder.path().join("other"))).0, Mode::DualWrite);
    clock.advance(days(2));
    assert_eq!(mode_of(&start(&path)).0, Mode::DualWrite);
}

/// The test holds it as long as the disk hangs.
static DISK: Mutex<()> = Mutex::new(());

fn write_slowly(folder: &Path, place: &str, content: &[u8]) -> io::Result<()> {
    let _answer = DISK.lock();
    snapshot::write(folder, place, content)
}

#[test]
fn a_hung_disk_does_not_hold_flags_up() {
    let folder = tempfile::tempdir().unwrap();
    let (path, state) = (folder.path().join("flags"), folder.path().join("state"));
    let hung = DISK.lock();
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=false\n").unwrap();
    let snapshot = Snapshot::of_file(state.clone(), &path, clock(), write_slowly);
    let source = FlagSource::over(both(), Some(WatchedFile::new(path.clone(), Some(snapshot))), None, None);
    assert_eq!((mode_of(&source), source.alarm()), ((Mode::FileOnly, 2), None));
    std::fs::write(&path, "ENABLE_FILE_FALLBACK=false\n").unwrap();
    source.look();
    assert_eq!((mode_of(&source), source.alarm()), ((Mode::DatabaseOnly, 3), None));
    drop(hung);
    let kept = || std::fs::read_to_string(state.join(snapshot::FILE_PLACE)).unwrap_or_default();
    while !kept().contains("ENABLE_FILE_FALLBACK") {
        source.look();
    }
}

fn stored(revision: u64, flags: &[(&str, serde_json::Value)]) -> StoredFlags {
    let flag = |(key, value): &(&str, serde_json::Value)| StoredFlag {
        key: (*key).to_owned(),
        value: Some(value.clone()).filter(|value| !value.is_null()),
        revision,
        order_id: None,
    };
    StoredFlags { revision, flags: flags.iter().map(flag).collect() }
}

#[test]
fn the_database_is_below_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags");
    std::fs::write(&path, "").unwrap();
    let source = source(both(), Some(path.clone()));
    let writes = || {
        let reading = source.read(&DATABASE_WRITES);
        (reading.value.is_on(), reading.source)
    };
    assert_eq!(writes(), (true, Source::Environment));
    source
        .apply_database(&stored(4, &[(DATABASE_WRITES.key, json!(false)), (PAUSE_CLAIMS.key, json!(true))]));
    assert_eq!(writes(), (false, Source::Database));
    assert!(source.is_on(&PAUSE_CLAIMS));
    assert_eq!(source.effective().database_revision, Some(4));
    assert_eq!(mode_of(&source), (Mode::FileOnly, 2), "one revision for all flags of a look");
    std::fs::write(&path, "ENABLE_DATABASE_WRITES=true").unwrap();
    source.look();
    assert_eq!(writes(), (true, Source::File));
    source
        .apply_database(&stored(5, &[("A_FLAG_OF_TOMORROW", json!(true)), (PAUSE_CLAIMS.key, json!("odd"))]));
    assert!(!source.is_on(&PAUSE_CLAIMS), "neither unknown flags nor odd values count");
}

#[test]
fn the_database_cannot_switch_storage_off() {
    let source = source(modes(true, false), None);
    let off = [(DATABASE_WRITES.key, json!(false)), (PAUSE_CLAIMS.key, json!(true))];
    source.apply_database(&stored(1, &off));
    assert_eq!(mode_of(&source).0, Mode::DatabaseOnly);
    assert!(source.is_on(&PAUSE_CLAIMS), "the other flags follow");
    assert!(source.alarm().unwrap().contains("switch off"));
    source
        .apply_database(&stored(2, &[(DATABASE_WRITES.key, json!(false)), (FILE_FALLBACK.key, json!(true))]));
    assert_eq!((mode_of(&source).0, source.alarm()), (Mode::FileOnly, None));
}

#[test]
fn the_last_known_flags_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let start = |has_database| FlagSource::new(both(), None, Some(state.clone()), has_database, &clock());
    start(true).apply_database(&stored(0, &[]));
    assert!(!state.exists(), "before the first change there is nothing to keep");
    start(true).apply_database(&stored(3, &[(DATABASE_WRITES.key, json!(false))]));
    let restarted = start(true);
    assert_eq!(mode_of(&restarted).0, Mode::FileOnly);
    assert_eq!(restarted.read(&DATABASE_WRITES).source, Source::Database);
    assert_eq!(mode_of(&start(false)).0, Mode::DualWrite, "without a database, its flags tell nothing");
}
