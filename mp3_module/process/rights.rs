// SPDX-License-Identifier: GPL-2.0

//! Who may profile a process: those who may trace it, by the rules of `perf_event_open`.
//!
//! The rule is that of `ptrace_may_access(task, PTRACE_MODE_READ_REALCREDS)`, which is not exported, without its security
//! modules: the process is the caller's own; or the opener of the file has the real user and group ID that are
//! the process' real, effective and saved ones, at least its permitted capabilities, and the process may be dumped; or the
//! opener has `CAP_SYS_PTRACE` over the process, or `CAP_PERFMON`.

use crate::compat;
use crate::ffi;
use crate::users::User;
use kernel::bindings;
use kernel::cred::Credential;
use kernel::fs::File;
use kernel::sync::aref::ARef;
use kernel::task::Task;

/// What `PR_SET_DUMPABLE` and `execve` of an ordinary program set.
const DUMPABLE_BY_OWNER: i32 = 1;

/// Who registered a process, and with which rights. The children of a process that is followed have the same.
///
/// The opener of the file counts, so that a descriptor that is passed to a privileged program does not gain that program's
/// privileges.
#[derive(Clone)]
pub(crate) struct Registrar {
    credential: ARef<Credential>,
    /// May profile the process whatever it becomes.
    is_privileged: bool,
    /// It is the process itself, with the rights that it had when it opened the file.
    is_itself: bool,
}

impl Registrar {
    /// The opener of `file`, if it may profile the process that `leader` leads.
    pub(super) fn new(file: &File, leader: &Task) -> Option<Self> {
        let registrar = Registrar {
            credential: file.cred().into(),
            is_privileged: is_privileged(file, leader),
            is_itself: is_itself(file, leader),
        };
        registrar.may_begin(leader).then_some(registrar)
    }

    /// Whether it may begin to profile the process that `leader` leads. To be asked by the thread that writes the command.
    pub(super) fn may_begin(&self, leader: &Task) -> bool {
        self.is_itself || self.may_profile(leader)
    }

    /// Whether it may profile the process that `leader` leads, as that is now.
    pub(super) fn may_profile(&self, leader: &Task) -> bool {
        self.is_privileged || is_of_opener(&self.credential, leader)
    }

    /// The same for a child that a process makes after it has executed another program, or has changed its credentials: what
    /// it was allowed as itself, it was with the rights that it had before.
    pub(crate) fn of_another_program(&self) -> Self {
        Registrar { is_itself: false, ..self.clone() }
    }

    /// The user whose quota the registration counts towards.
    pub(crate) fn user_id(&self) -> u32 {
        user_of(&self.credential)
    }

    /// Whether the opener of `file` is the same user.
    pub(crate) fn is_same_user(&self, file: &File) -> bool {
        uids(&self.credential).0 == uids(file.cred()).0
    }
}

/// The user on whose behalf `file` was opened, as far as quotas are concerned.
pub(crate) fn quota_user(file: &File) -> User {
    (!has_capability(file, init_user_ns(), bindings::CAP_PERFMON)).then(|| user_of(file.cred()))
}

/// The user ID in the initial user namespace. The users of another namespace count as the one who made it: anybody may make
/// one, and would have a quota for each of its users.
fn user_of(credential: &Credential) -> u32 {
    let credential = credential.as_ptr();
    // SAFETY: Credentials are valid and do not change. Each holds its user namespace, and that its parent.
    unsafe {
        let (mut user, mut namespace) = ((*credential).uid.val, (*credential).user_ns);
        while namespace != init_user_ns() && !namespace.is_null() {
            user = (*namespace).owner.val;
            namespace = (*namespace).parent;
        }
        user
    }
}

/// Real, effective and saved user ID.
fn uids(credential: &Credential) -> (u32, [u32; 3]) {
    let credential = credential.as_ptr();
    // SAFETY: Credentials are valid and do not change.
    unsafe { ((*credential).uid.val, [(*credential).uid.val, (*credential).euid.val, (*credential).suid.val]) }
}

/// Real, effective and saved group ID.
fn gids(credential: &Credential) -> (u32, [u32; 3]) {
    let credential = credential.as_ptr();
    // SAFETY: Credentials are valid and do not change.
    unsafe { ((*credential).gid.val, [(*credential).gid.val, (*credential).egid.val, (*credential).sgid.val]) }
}

/// Whether the process that `leader` leads is one of the opener's own, and has no more rights.
fn is_of_opener(opener: &Credential, leader: &Task) -> bool {
    let process = compat::credentials_of(leader);
    let (uid, gid) = (uids(opener).0, gids(opener).0);
    if uids(&process).1 != [uid; 3] || gids(&process).1 != [gid; 3] {
        return false;
    }
    let (opener, process) = (opener.as_ptr(), process.as_ptr());
    // SAFETY: Credentials are valid and do not change.
    let (theirs, ours, same_namespace) =
        unsafe { ((*process).cap_permitted.val, (*opener).cap_permitted.val, (*process).user_ns == (*opener).user_ns) };
    if !same_namespace || theirs & !ours != 0 {
        return false;
    }
    // A process that drops rights becomes undumpable first: commit_creds() has the other barrier.
    compat::read_barrier();
    // SAFETY: The task is valid.
    unsafe { ffi::mp3_task_dumpable(leader.as_ptr()) == DUMPABLE_BY_OWNER }
}

/// Whether the process that `leader` leads is the one that writes to `file`, and opened it with the rights that it has.
fn is_itself(file: &File, leader: &Task) -> bool {
    let current = Task::current_raw();
    // SAFETY: Both tasks are valid. `signal` is set once, and a task changes its own credentials only.
    unsafe { (*current).signal == (*leader.as_ptr()).signal && (*current).cred == file.cred().as_ptr() }
}

/// Whether the opener of `file` may profile the process that `leader` leads whatever it becomes.
fn is_privileged(file: &File, leader: &Task) -> bool {
    let process = compat::credentials_of(leader);
    // SAFETY: Credentials are valid and do not change, and hold their user namespace.
    let namespace = unsafe { (*process.as_ptr()).user_ns };
    has_capability(file, init_user_ns(), bindings::CAP_PERFMON)
        || has_capability(file, namespace, bindings::CAP_SYS_PTRACE)
}

fn init_user_ns() -> *mut bindings::user_namespace {
    &raw mut bindings::init_user_ns
}

/// Whether `file` was opened with `capability` over `namespace`, which is valid.
fn has_capability(file: &File, namespace: *mut bindings::user_namespace, capability: u32) -> bool {
    // SAFETY: The file is valid, and so is the namespace.
    unsafe { bindings::file_ns_capable(file.as_ptr(), namespace, capability as i32) }
}
