// SPDX-License-Identifier: GPL-2.0

//! What sort of mapping a fault was in: 8 bits in every record, so that it is known also without the mapping's own record.

/// Where the pages of a mapping come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Backing {
    /// Memory without a name.
    #[default]
    Anonymous = 0,
    /// A file.
    File = 1,
    /// Shared memory: tmpfs, `memfd_create`, System V, shared anonymous memory.
    SharedMemory = 2,
    /// The pool of huge pages (hugetlbfs).
    HugeTlb = 3,
    /// A device's memory, or pages of the kernel such as the vDSO.
    Special = 4,
    /// Something that this version has no name for.
    Other = 7,
}

/// What is special about a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Area {
    /// Nothing.
    #[default]
    Plain = 0,
    /// The heap (`brk`), as `/proc/PID/maps` names it.
    Heap = 1,
    /// The first thread's stack. Other threads' are plain.
    Stack = 2,
}

/// [`Backing`] (bits 0-2), shared (3), [`Area`] (4-5), armed for userfaultfd (6), executable (7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MappingClass(pub u8);

impl MappingClass {
    /// Writes go to the file, or are seen by others (`MAP_SHARED`).
    pub const SHARED: u8 = 1 << 3;
    /// The heap.
    pub const HEAP: u8 = 1 << 4;
    /// The stack.
    pub const STACK: u8 = 2 << 4;
    /// Registered with userfaultfd.
    pub const USERFAULTFD: u8 = 1 << 6;
    /// May be executed.
    pub const EXECUTABLE: u8 = 1 << 7;

    /// Private memory or file, nothing else.
    pub const fn of(backing: Backing) -> MappingClass {
        MappingClass(backing as u8)
    }

    /// This class and these bits.
    #[must_use]
    pub const fn with(self, bits: u8) -> MappingClass {
        MappingClass(self.0 | bits)
    }

    /// Where its pages come from.
    pub const fn backing(self) -> Backing {
        match self.0 & 7 {
            0 => Backing::Anonymous,
            1 => Backing::File,
            2 => Backing::SharedMemory,
            3 => Backing::HugeTlb,
            4 => Backing::Special,
            _ => Backing::Other,
        }
    }

    /// What is special about it.
    pub const fn area(self) -> Area {
        match self.0 >> 4 & 3 {
            1 => Area::Heap,
            2 => Area::Stack,
            _ => Area::Plain,
        }
    }

    /// Writes go to the file, or are seen by others.
    pub const fn is_shared(self) -> bool {
        self.0 & MappingClass::SHARED != 0
    }

    /// Registered with userfaultfd.
    pub const fn is_userfaultfd(self) -> bool {
        self.0 & MappingClass::USERFAULTFD != 0
    }

    /// May be executed.
    pub const fn is_executable(self) -> bool {
        self.0 & MappingClass::EXECUTABLE != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_class_do_not_touch_one_another() {
        let class = MappingClass::of(Backing::SharedMemory).with(MappingClass::SHARED | MappingClass::STACK);
        assert_eq!((class.backing(), class.area()), (Backing::SharedMemory, Area::Stack));
        assert!(class.is_shared() && !class.is_userfaultfd() && !class.is_executable());
        let class = MappingClass::of(Backing::File).with(MappingClass::EXECUTABLE | MappingClass::USERFAULTFD);
        assert_eq!((class.backing(), class.area()), (Backing::File, Area::Plain));
        assert!(!class.is_shared() && class.is_userfaultfd() && class.is_executable());
        assert_eq!(MappingClass(5).backing(), Backing::Other);
    }
}
