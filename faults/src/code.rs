// SPDX-License-Identifier: GPL-2.0

//! Where code is: each place once, so that a view counts by a small number and names are looked up at the end.

use format::mappings::Mapping;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A place in the code. Only [`Codes`] knows which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CodeId(u32);

/// A mapped file, in whatever process and at whatever address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(u32);

/// What a [`CodeId`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// In a file, so many bytes behind its beginning.
    File(ModuleId, u64),
    /// In memory of a process that is no file's, by process and address.
    Memory(u32, u64),
    /// At an address of a process of which nothing is known.
    Unmapped(u32, u64),
    /// The record has no instruction.
    None,
}

/// All places that were seen.
#[derive(Debug, Default)]
pub struct Codes {
    ids: FxHashMap<Code, u32>,
    codes: Vec<Code>,
    module_ids: FxHashMap<(Arc<str>, Box<[u8]>), u32>,
    modules: Vec<Arc<Mapping>>,
}

impl Codes {
    /// The module that this mapping is of.
    fn module(&mut self, mapping: &Arc<Mapping>) -> ModuleId {
        let key = (Arc::clone(&mapping.name), mapping.build_id.clone());
        let modules = &mut self.modules;
        ModuleId(*self.module_ids.entry(key).or_insert_with(|| {
            modules.push(Arc::clone(mapping));
            modules.len() as u32 - 1
        }))
    }

    /// The place of the instruction at `ip` of process `pid`, where `mapping` is.
    pub fn intern(&mut self, pid: u32, ip: Option<u64>, mapping: Option<&Arc<Mapping>>) -> CodeId {
        let code = match (ip, mapping) {
            (None, _) => Code::None,
            (Some(ip), Some(mapping)) if mapping.name.starts_with('/') || mapping.name.starts_with('[') => {
                let offset = ip.wrapping_sub(mapping.start).wrapping_add(mapping.offset);
                Code::File(self.module(mapping), offset)
            }
            (Some(ip), Some(_)) => Code::Memory(pid, ip),
            (Some(ip), None) => Code::Unmapped(pid, ip),
        };
        let codes = &mut self.codes;
        CodeId(*self.ids.entry(code).or_insert_with(|| {
            codes.push(code);
            codes.len() as u32 - 1
        }))
    }

    /// What a number stands for.
    pub fn code(&self, id: CodeId) -> Code {
        self.codes.get(id.0 as usize).copied().unwrap_or(Code::None)
    }

    /// A mapping of this module: its name and build ID.
    pub fn mapping(&self, id: ModuleId) -> Option<&Arc<Mapping>> {
        self.modules.get(id.0 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_one_module_wherever_it_is_mapped() {
        let mapping = |start: u64, name: &str, build_id: &[u8]| {
            let build_id = build_id.into();
            Arc::new(Mapping {
                start,
                end: start + 0x1000,
                offset: 0x100,
                name: name.into(),
                build_id,
                ..Mapping::default()
            })
        };
        let mut codes = Codes::default();
        let one = codes.intern(1, Some(0x5010), Some(&mapping(0x5000, "/lib/a.so", b"x")));
        let two = codes.intern(2, Some(0x9010), Some(&mapping(0x9000, "/lib/a.so", b"x")));
        let replaced = codes.intern(2, Some(0x9010), Some(&mapping(0x9000, "/lib/a.so", b"y")));
        assert_eq!(one, two);
        assert_ne!(one, replaced);
        let Code::File(module, 0x110) = codes.code(one) else { panic!("{:?}", codes.code(one)) };
        assert_eq!(&*codes.mapping(module).unwrap().name, "/lib/a.so");
        let jit = codes.intern(2, Some(0x10), Some(&mapping(0, "", b"")));
        assert_eq!(codes.code(jit), Code::Memory(2, 0x10));
        let none = codes.intern(2, None, None);
        assert_eq!(codes.code(none), Code::None);
    }
}
