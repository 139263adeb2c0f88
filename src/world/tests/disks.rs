//! What a loss of power leaves, in every mode, and the order of a device.

use crate::base::Key;
use crate::world::device::Files;

use super::*;

const SECTOR: usize = 512;

fn noise(keep: Ratio, garbage: Ratio) -> DiskNoise {
    DiskNoise { keep, garbage, ..plan(1).disk }
}

/// A log of `synced` durable and `unsynced` further bytes, after a crash.
fn crashed(key: u64, synced: usize, unsynced: usize, noise: &DiskNoise) -> Vec<u8> {
    let mut files = Files::default();
    let name: Arc<str> = "log".into();
    files.create(&name);
    files.sync_dir();
    files.write(&name, 0, &vec![1; synced], Zxid(1)).unwrap();
    assert_eq!(files.sync(&name), Ok(Zxid(1)));
    let mut at = synced;
    for chunk in vec![2; unsynced].chunks(700) {
        files.write(&name, at as u64, chunk, Zxid(2)).unwrap();
        at += chunk.len();
    }
    files.crash(Key(key), noise, false, &mut Stats::default());
    files.read(&name).expect("its name is durable").to_vec()
}

#[test]
fn a_crash_keeps_what_is_synced_and_a_prefix_of_sectors_of_the_rest() {
    let (synced, unsynced) = (1000, 5000);
    let noise = noise(Ratio::NEVER, Ratio::NEVER);
    let mut lengths = std::collections::BTreeSet::new();
    for key in 0..300 {
        let bytes = crashed(key, synced, unsynced, &noise);
        let len = bytes.len();
        assert_eq!(bytes[..synced], vec![1; synced]);
        assert!(bytes[synced..].iter().all(|byte| *byte == 2));
        let whole_write = (len - synced).is_multiple_of(700) || len == synced + unsynced;
        assert!(len.is_multiple_of(SECTOR) || whole_write, "{len}");
        lengths.insert(len);
    }
    assert!(lengths.contains(&synced) && lengths.contains(&(synced + unsynced)), "{lengths:?}");
    assert!(lengths.len() > 8, "{lengths:?}");
}

#[test]
fn a_crash_that_scatters_keeps_any_sectors_but_never_loses_what_is_synced() {
    let noise = noise(Ratio::NEVER, Ratio::NEVER);
    let mut holes = std::collections::BTreeSet::new();
    for key in 0..300 {
        let mut files = Files::default();
        let name: Arc<str> = "log".into();
        files.create(&name);
        files.sync_dir();
        files.write(&name, 0, &[1; 1_000], Zxid(1)).unwrap();
        assert_eq!(files.sync(&name), Ok(Zxid(1)));
        files.write(&name, 1_000, &[2; 2_000], Zxid(2)).unwrap();
        let reordered = files.crash(Key(key), &noise, true, &mut Stats::default());
        let bytes = files.read(&name).expect("its name is durable");
        assert_eq!(bytes[..1_000], [1; 1_000]);
        // The first unsynced byte shares a sector with the last synced ones.
        let starts = [1_000, 1_024, 1_536, 2_048, 2_560];
        let kept: Vec<bool> = starts.iter().map(|at| bytes.get(*at) == Some(&2)).collect();
        let in_order = kept.is_sorted_by(|a, b| a >= b);
        assert_eq!(reordered, !in_order, "{kept:?}");
        holes.insert(kept);
    }
    assert_eq!(holes.len(), 32, "each subset of five sectors");
}

#[test]
fn a_crash_keeps_everything_when_told_to_and_spoils_at_most_one_sector() {
    let always = Ratio::new(1, 1);
    let mut spoilt = 0;
    for key in 0..300 {
        let kept = crashed(key, 1000, 5000, &noise(always, always));
        assert_eq!(kept.len(), 6000);
        let bytes = crashed(key, 1000, 5000, &noise(Ratio::NEVER, always));
        assert_eq!(bytes, crashed(key, 1000, 5000, &noise(Ratio::NEVER, always)));
        assert_eq!(bytes[..1000], vec![1; 1000]);
        let wrong: Vec<usize> = (1000..bytes.len()).filter(|at| bytes[*at] != 2).collect();
        if let (Some(first), Some(last)) = (wrong.first(), wrong.last()) {
            assert_eq!(first / SECTOR, last / SECTOR);
            assert_eq!(last / SECTOR, (bytes.len() - 1) / SECTOR);
            spoilt += 1;
        }
    }
    assert!(spoilt > 50, "{spoilt}");
}

#[test]
fn a_rename_is_old_or_new_and_other_names_are_lost_one_by_one() {
    let noise = noise(Ratio::NEVER, Ratio::NEVER);
    let [tmp, file, new, gone]: [Arc<str>; 4] =
        ["epoch.tmp", "epoch", "new", "gone"].map(|name| name.into());
    let mut outcomes = std::collections::BTreeSet::new();
    for key in 0..200 {
        let mut files = Files::default();
        for (name, byte) in [(&file, 1), (&gone, 9)] {
            files.create(name);
            files.write(name, 0, &[byte], Zxid::ZERO).unwrap();
            files.sync(name).unwrap();
        }
        files.sync_dir();
        files.create(&tmp);
        files.write(&tmp, 0, &[2], Zxid::ZERO).unwrap();
        files.sync(&tmp).unwrap();
        files.rename(&tmp, &file).unwrap();
        files.create(&new);
        files.remove(&gone).unwrap();
        files.crash(Key(key), &noise, false, &mut Stats::default());
        let epoch = files.read(&file).expect("old or new").to_vec();
        assert!(epoch == [1] || epoch == [2]);
        outcomes.insert((epoch[0], files.read(&new).is_some(), files.read(&gone).is_some()));
    }
    assert_eq!(outcomes.len(), 8, "{outcomes:?}");
}

#[test]
fn every_change_of_contents_can_be_taken_back() {
    let mut files = Files::default();
    let name: Arc<str> = "f".into();
    files.create(&name);
    files.write(&name, 0, b"0123456789", Zxid::ZERO).unwrap();
    files.sync(&name).unwrap();
    files.sync_dir();
    let mut image = Image::default();
    files.write(&name, 4, b"abcdefghij", Zxid::ZERO).unwrap();
    files.set_len(&name, 3).unwrap();
    files.set_len(&name, 8).unwrap();
    files.write(&name, 20, b"xyz", Zxid::ZERO).unwrap();
    files.create(&name);
    files.write(&name, 0, b"new", Zxid::ZERO).unwrap();
    assert_eq!(files.read(&name), Some(&b"new"[..]));
    files.save(&mut image, Device::Log);
    assert_eq!(image.get(&File::log("f")), Some(&b"0123456789"[..]));
    files.sync(&name).unwrap();
    files.save(&mut image, Device::Log);
    assert_eq!(image.get(&File::log("f")), Some(&b"new"[..]));
}

#[test]
fn a_failed_sync_is_not_made_good_by_a_later_one() {
    let mut files = Files::default();
    let name: Arc<str> = "f".into();
    files.create(&name);
    files.sync_dir();
    files.write(&name, 0, b"lost", Zxid(3)).unwrap();
    files.poison(&name);
    assert_eq!(files.sync(&name), Ok(Zxid::ZERO));
    let mut image = Image::default();
    files.save(&mut image, Device::Log);
    assert_eq!(image.get(&File::log("f")), Some(&b""[..]));
}

#[test]
fn what_is_asked_after_a_sync_waits_for_it_and_the_other_device_does_not() {
    fn writer(_: &mut Toy, event: Option<Event>, _: Now, fx: &mut Effects) {
        if event.is_none() {
            let (log, snap) = (File::log("l"), File::snap("s"));
            fx.create(log.clone());
            fx.write_at(log.clone(), 0, Tag::kind("A"), vec![1]);
            fx.fsync(log.clone());
            fx.write_at(log.clone(), 1, Tag::kind("B"), vec![2]);
            fx.fsync_dir(Device::Log);
            fx.create(snap.clone());
            fx.write_at(snap, 0, Tag::kind("C"), vec![3]);
            fx.read(log);
        }
        if let Some(Event::Disk { result: DiskResult::Bytes(bytes), .. }) = event {
            fact(fx, "read", bytes.len() as u64);
        }
    }
    let mut world = world(plan(1), writer);
    let seen = until(&mut world, 100);
    let order: Vec<&str> = seen
        .iter()
        .filter_map(|(_, seen)| match seen {
            Seen::Wrote { tag, .. } => Some(tag.kind),
            Seen::Synced { .. } => Some("sync"),
            Seen::Noted { .. } => Some("read"),
            _ => None,
        })
        .collect();
    assert_eq!(order, ["A", "C", "sync", "B", "sync", "read"]);
    assert_eq!(facts(&seen, "read")[0].1, 2);
}
