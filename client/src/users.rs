// SPDX-License-Identifier: GPL-2.0

//! Whose registrations a program takes, and where their session begins in the ring.
//!
//! The ring is one for all users of the machine. A session of a user is the time in which a process is registered that he
//! registered, from the first such registration to the end of the last. What others register meanwhile does not change it.

use abi::header::{word, Header};
use abi::ring::{Reader, WentBackwards};
use abi::samples::{Flags, SampleRecord, SAMPLE_WORDS};
use abi::words::ReadWords;
use nix::unistd::{self, Uid, User};
use rustc_hash::FxHashSet;
use std::fmt;

/// Set by `sudo`: the user who called it.
const SUDO_UID: &str = "SUDO_UID";

/// Records copied from the ring at a time.
const BATCH: usize = 1024;

/// Whose registrations a program takes. IDs are those of the initial user namespace, as records have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Users {
    /// Those of every user.
    All,
    /// Those of the users with these IDs.
    Of(Vec<u32>),
}

impl Users {
    /// The user who runs this process; under `sudo`, root and the user who called it.
    pub fn of_this_process() -> Self {
        Self::of_caller(unistd::getuid().as_raw(), std::env::var(SUDO_UID).ok().as_deref())
    }

    fn of_caller(uid: u32, sudo_uid: Option<&str>) -> Self {
        // sudo makes its callers root. In the environment of another user, the variable says nothing.
        let caller = sudo_uid.filter(|_| uid == 0).and_then(|text| text.parse().ok()).filter(|&caller| caller != uid);
        Users::Of([uid].into_iter().chain(caller).collect())
    }

    /// Whether `record` is of a registration of one of them.
    pub fn include(&self, record: &SampleRecord) -> bool {
        self.include_user(record.user)
    }

    /// Whether the user with this ID is one of them.
    pub fn include_user(&self, user: u32) -> bool {
        match self {
            Users::All => true,
            Users::Of(users) => users.contains(&user),
        }
    }

    /// The users with these names or IDs.
    ///
    /// # Errors
    ///
    /// [`NoSuchUser`]: a name that the system does not know.
    pub fn named(names: &[String]) -> Result<Self, NoSuchUser> {
        let id = |name: &String| {
            let known = || User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
            name.parse().ok().or_else(known).ok_or_else(|| NoSuchUser(name.clone()))
        };
        names.iter().map(id).collect::<Result<_, _>>().map(Users::Of)
    }
}

impl fmt::Display for Users {
    /// `all users`, `root`, `root and alice`; IDs where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Users::Of(users) = self else { return f.write_str("all users") };
        for (index, &id) in users.iter().enumerate() {
            if index > 0 {
                f.write_str(if index + 1 == users.len() { " and " } else { ", " })?;
            }
            f.write_str(&name(id))?;
        }
        Ok(())
    }
}

/// The name of the user with `id`; the ID where there is none.
fn name(id: u32) -> String {
    let user = User::from_uid(Uid::from_raw(id)).ok().flatten();
    user.map_or_else(|| if id == 0 { "root".into() } else { id.to_string() }, |user| user.name)
}

/// The name of a user that the system does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no user is called '{0}' (an ID is taken as well)")]
pub struct NoSuchUser(String);

/// The session that is running, or the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Position of its first record in the ring.
    pub begin: u64,
    /// The record at `begin` is the session's first. If not, the beginning is overwritten, and processes that are registered
    /// may have their first record that is left anywhere in the next tick.
    pub is_whole: bool,
    /// A process of it is registered.
    pub is_running: bool,
}

impl Session {
    /// The session of `users` in the ring of `memory`; `None` if the ring has no record of one.
    ///
    /// # Errors
    ///
    /// [`WentBackwards`]: it is not the ring that it was.
    pub fn find<M: ReadWords>(memory: &M, header: &Header, users: &Users) -> Result<Option<Self>, WentBackwards> {
        if matches!(users, Users::All) {
            return Ok(Self::of_all(memory));
        }
        let committed = memory.load_acquire(word::COMMITTED);
        let mut reader = Reader::<SAMPLE_WORDS>::at_oldest(header, memory);
        let mut live = FxHashSet::default();
        let (mut begin, mut found, mut lost) = (reader.position(), None, 0);
        let mut is_whole_ring = begin == 0;
        let mut batch = vec![[0; SAMPLE_WORDS]; BATCH];
        while reader.position() < committed {
            let records = reader.read(memory, &mut batch)?;
            let count = records.len() as u64;
            let first = reader.position().saturating_sub(count);
            if reader.lost() != lost {
                lost = reader.lost();
                live.clear();
                (begin, found, is_whole_ring) = (first, None, false);
            }
            for (position, words) in (first..).zip(records) {
                let record = SampleRecord::from_words(words);
                if !users.include(&record) {
                    continue;
                }
                let is_known = live.contains(&record.registration);
                if !is_known && record.flags.contains(Flags::FIRST) {
                    if live.is_empty() {
                        found = Some((position, true));
                    }
                } else if !is_known {
                    // It was registered before the ring's oldest record, and so was all that came since then.
                    found = Some((begin, is_whole_ring));
                }
                if record.flags.contains(Flags::FINAL) {
                    live.remove(&record.registration);
                } else {
                    live.insert(record.registration);
                }
            }
        }
        // What is overwritten counts as lost, as far as it is known to be of the session that the module still has.
        let of_all = memory.load_acquire(word::SESSION_START);
        let begin_of = |begin: u64, is_whole| if is_whole { begin } else { begin.min(of_all) };
        let is_running = !live.is_empty();
        Ok(found.map(|(begin, is_whole)| Session { begin: begin_of(begin, is_whole), is_whole, is_running }))
    }

    /// The session of all users: the module keeps its beginning.
    fn of_all<M: ReadWords>(memory: &M) -> Option<Self> {
        let is_running = memory.load_acquire(word::REGISTERED) > 0;
        let begin = memory.load_acquire(word::SESSION_START).min(memory.load_acquire(word::COMMITTED));
        Some(Session { begin, is_whole: true, is_running })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_the_real_one_and_under_sudo_also_the_caller() {
        assert_eq!(Users::of_caller(1000, None), Users::Of(vec![1000]));
        assert_eq!(Users::of_caller(0, None), Users::Of(vec![0]));
        assert_eq!(Users::of_caller(0, Some("1000")), Users::Of(vec![0, 1000]));
        assert_eq!(Users::of_caller(0, Some("0")), Users::Of(vec![0]));
        assert_eq!(Users::of_caller(0, Some("me")), Users::Of(vec![0]));
        assert_eq!(Users::of_caller(1000, Some("1001")), Users::Of(vec![1000]));
    }

    #[test]
    fn users_have_names_and_ids() {
        assert_eq!(Users::named(&["root".into(), "4294967294".into()]), Ok(Users::Of(vec![0, 4_294_967_294])));
        let error = Users::named(&["no such user".into()]).unwrap_err();
        assert_eq!(error.to_string(), "no user is called 'no such user' (an ID is taken as well)");
        assert_eq!(Users::Of(vec![0, 4_294_967_293]).to_string(), "root and 4294967293");
        assert_eq!(Users::All.to_string(), "all users");
    }
}
