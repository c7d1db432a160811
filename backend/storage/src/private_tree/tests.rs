use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;

struct Place {
    folder: tempfile::TempDir,
    tree: PrivateTree,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = PrivateTree::new(folder.path().join("root"));
        Self { folder, tree }
    }

    /// A folder outside of the tree, with a file in it.
    fn victim(&self) -> PathBuf {
        let victim = self.folder.path().join("victim");
        std::fs::create_dir_all(&victim).unwrap();
        std::fs::write(victim.join("file"), "precious").unwrap();
        victim
    }

    fn assert_victim_is_whole(&self) {
        let victim = self.folder.path().join("victim");
        assert_eq!(std::fs::read(victim.join("file")).unwrap(), b"precious");
        assert_eq!(std::fs::read_dir(victim).unwrap().count(), 1);
    }
}

#[test]
fn create_never_replaces() {
    let place = Place::new();
    place.tree.create("a/b.json", b"first").unwrap();
    assert_eq!(place.tree.create("a/b.json", b"second").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(place.tree.read("a/b.json", 10).unwrap(), b"first");
    place.tree.replace("a/b.json", b"third").unwrap();
    assert_eq!(place.tree.read("a/b.json", 10).unwrap(), b"third");
    assert_eq!(place.tree.entries("a").unwrap().len(), 1, "no temporary file is left");
}

#[test]
fn of_many_creators_at_once_one_wins() {
    let place = Place::new();
    let won: usize = std::thread::scope(|scope| {
        let racers: Vec<_> = (0..16u8)
            .map(|n| {
                let tree = &place.tree;
                scope.spawn(move || usize::from(tree.create("a.json", &[n; 4096]).is_ok()))
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    let bytes = place.tree.read("a.json", 10_000).unwrap();
    assert!(bytes.len() == 4096 && bytes.iter().all(|byte| *byte == bytes[0]), "one creator's file, whole");
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let place = Place::new();
    place.tree.create("a", b"12345").unwrap();
    assert_eq!(place.tree.read("a", 5).unwrap(), b"12345");
    assert_eq!(place.tree.read("a", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert_eq!(place.tree.read("b", 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    place.tree.make_folder("c").unwrap();
    assert_eq!(place.tree.read("c", 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    let pipe = place.tree.path("pipe");
    rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, FILE_MODE, 0).unwrap();
    assert_eq!(place.tree.read("pipe", 5).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(place.tree.open_lock("pipe").is_err());
}

#[test]
fn a_planted_link_is_never_followed() {
    let place = Place::new();
    let victim = place.victim();
    place.tree.make_folder("run/stage1").unwrap();
    symlink(&victim, place.tree.path("linked")).unwrap();
    symlink(&victim, place.tree.path("run/stage2")).unwrap();
    symlink(victim.join("file"), place.tree.path("run/run.json")).unwrap();
    symlink(victim.join("new"), place.tree.path("run/.lock")).unwrap();
    for name in ["linked/file", "run/stage2/file", "run/run.json"] {
        assert!(place.tree.read(name, 100).is_err(), "{name}");
        assert!(place.tree.create(name, b"x").is_err(), "{name}");
        assert!(place.tree.open_lock(name).is_err(), "{name}");
    }
    for name in ["linked/file", "run/stage2/file"] {
        assert!(place.tree.replace(name, b"x").is_err(), "{name}");
        assert!(place.tree.remove(name).is_err(), "{name}");
        assert!(place.tree.rename(name, &format!("{name}.corrupt")).is_err(), "{name}");
    }
    assert!(place.tree.entries("linked").is_err());
    assert!(place.tree.make_folder("linked/below").is_err());
    assert!(place.tree.touch("linked/marker").is_err());
    assert!(place.tree.open_lock("run/.lock").is_err(), "nor is a dangling one");
    place.tree.replace("run/run.json", b"{}").unwrap();
    assert_eq!(place.tree.read("run/run.json", 10).unwrap(), b"{}", "the link itself was replaced");
    place.assert_victim_is_whole();
}

#[test]
fn removal_takes_the_link_and_leaves_its_target() {
    let place = Place::new();
    let victim = place.victim();
    place.tree.create("run/stage1/a.json", b"x").unwrap();
    symlink(&victim, place.tree.path("run/stage2")).unwrap();
    symlink(victim.join("file"), place.tree.path("run/stage1/b.json")).unwrap();
    place.tree.remove_all("run").unwrap();
    assert!(place.tree.look("run").unwrap().is_none());
    place.tree.remove_all("run").unwrap();
    place.assert_victim_is_whole();
}

#[test]
fn the_root_may_be_a_link() {
    let place = Place::new();
    let victim = place.victim();
    symlink(&victim, place.folder.path().join("root")).unwrap();
    assert_eq!(place.tree.read("file", 10).unwrap(), b"precious");
    place.tree.create("run/a.json", b"x").unwrap();
    assert!(victim.join("run/a.json").is_file());
}

/// The child process of the next test: the umask belongs to a whole process.
#[test]
fn writes_under_the_umask_of_the_environment() {
    // Only the next test sets it.
    #[allow(clippy::disallowed_methods)]
    let Ok(root) = std::env::var("PRIVATE_TREE_ROOT") else { return };
    let tree = PrivateTree::new(root.into());
    tree.create("run/stage1/a.json", b"x").unwrap();
    tree.replace("run/run.json", b"x").unwrap();
    tree.touch(".open/run").unwrap();
    tree.open_lock("run/.lock").unwrap();
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["000", "022", "077"] {
        let place = Place::new();
        let this = std::env::current_exe().unwrap();
        let script = format!(
            "umask {umask}; exec \"$0\" --exact private_tree::tests::writes_under_the_umask_of_the_environment"
        );
        let done = std::process::Command::new("sh")
            .args(["-c", &script, this.to_str().unwrap()])
            .env("PRIVATE_TREE_ROOT", place.tree.path(""))
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        let mode = |name: &str| {
            std::fs::symlink_metadata(place.tree.path(name)).unwrap().permissions().mode() & 0o777
        };
        for folder in ["", "run", "run/stage1", ".open"] {
            assert_eq!(mode(folder), 0o700, "{umask} {folder}");
        }
        for file in ["run/stage1/a.json", "run/run.json", ".open/run", "run/.lock"] {
            assert_eq!(mode(file), 0o600, "{umask} {file}");
        }
    }
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_folder() {
    if !rustix::process::geteuid().is_root() {
        // Only root can give files away.
        return;
    }
    let place = Place::new();
    std::os::unix::fs::chown(place.folder.path(), Some(10_001), Some(10_001)).unwrap();
    place.tree.create("run/stage1/a.json", b"x").unwrap();
    place.tree.replace("run/run.json", b"x").unwrap();
    place.tree.open_lock("run/.lock").unwrap();
    for name in ["", "run", "run/stage1", "run/stage1/a.json", "run/run.json", "run/.lock"] {
        let metadata = std::fs::metadata(place.tree.path(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (10_001, 10_001), "{name}");
    }
}
