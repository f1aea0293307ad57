// SPDX-License-Identifier: GPL-2.0

//! What the tracer records: events of the scheduler and page faults, each of them four 64-bit words in the ring of the CPU where it happened.
//!
//! ```text
//! word 0  kind (bits 0-7), CLOCK_BOOTTIME in ns modulo 2^56 (bits 8-63)
//!      1 }
//!      2 } as the kind has it: the files below draw each
//!      3 }
//! ```
//!
//! A record can be read without the one before it: the time is whole, and there are no references to strings. Where the
//! kernel keeps a total, the record has the total (its low bits, see [`modular`]) and not a difference, so a reader that
//! lost records has lost resolution and not sums. Thread IDs are those of the initial PID namespace.
//!
//! | file | what it holds |
//! |---|---|
//! | [`kind`] | the kinds of records, and sets of them |
//! | [`record`] | a time and an event, and the four words that they are |
//! | [`switch`], [`waking`], [`migrate`], [`priority`] | what the scheduler does with a thread |
//! | [`life`] | how threads begin, change their program and name, and end |
//! | [`irq`] | time taken by interrupts |
//! | [`fault`] | page faults: where, by what code, of what kind, how long; the mappings that they are in |
//! | [`snapshot`] | what a thread is and has counted, for readers that come later |
//! | [`task`] | what these have in common: IDs, priorities, states, contexts |
//! | [`modular`] | full numbers from low bits |
//! | [`header`] | the words in the first page of an event ring |
//! | [`ioctl`] | starting, stopping and snapshots |
//! | [`room`] | when a writer has more to do than to write |

mod bits;
pub mod fault;
pub mod header;
pub mod ioctl;
pub mod irq;
pub mod kind;
pub mod life;
pub mod migrate;
pub mod modular;
pub mod priority;
pub mod record;
pub mod room;
pub mod snapshot;
pub mod switch;
pub mod task;
pub mod waking;

#[cfg(test)]
mod golden;

pub use fault::class::{Area, Backing, MappingClass};
pub use fault::join::{Attempt, Join, Outcome, Whole};
pub use fault::kind::FaultKind;
pub use fault::map::{Map, MapFile, Protection};
pub use fault::signal::{FaultSignal, FaultTotals};
pub use fault::state::PageState;
pub use fault::{Counted, Fault, FaultFlags, FaultPlace, FaultResult};
pub use irq::{Irq, IrqClass};
pub use kind::{Kind, Kinds};
pub use life::{Exec, Exit, Name, NewTask, Text, COMM_BYTES, PATH_BYTES_MAX, TEXT_BYTES};
pub use migrate::Migrate;
pub use priority::Priority;
pub use record::{Event, Record, UnknownKind, Words, EVENT_BYTES, EVENT_WORDS};
pub use snapshot::{SnapshotEnd, Task, Totals, TotalsPart};
pub use switch::{Switch, SwitchFlags};
pub use task::{Context, Prio, PrioClass, State, Tid};
pub use waking::Waking;
