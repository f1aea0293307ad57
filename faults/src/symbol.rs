// SPDX-License-Identifier: GPL-2.0

//! Functions and lines of code, by blazesym: from the file that was mapped, its debug information, or what a JIT wrote.
//!
//! The process need not live any more: its mappings say which file, and the build ID says whether it is still that file.

use crate::code::{Code, CodeId, Codes};
use crate::jit::{self, JitMap};
use crate::mapping;
use blazesym::helper::read_elf_build_id;
use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};
use format::mappings::Mapping;
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::Arc;

/// What a place in the code is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The function, or `file+0xoffset` where no name is known.
    pub function: Arc<str>,
    /// The file name of the program or library, without its folders; empty where there is none.
    pub module: Arc<str>,
    /// `file.c:123`, where debug information says it.
    pub line: Option<Arc<str>>,
}

/// Whether a file can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Same,
    /// It is another one by now.
    Changed,
    Gone,
}

/// Looks up names, each once.
pub struct Symbols {
    symbolizer: Symbolizer,
    files: FxHashMap<Arc<str>, File>,
    known: FxHashMap<CodeId, Location>,
    jit: FxHashMap<u32, Option<JitMap>>,
    /// Whether `/tmp/perf-PID.map` of this machine belongs to the processes that are looked at.
    is_live: bool,
}

impl Default for Symbols {
    fn default() -> Self {
        Symbols::new(false)
    }
}

impl Symbols {
    /// `is_live`: the processes are, or were just now, of this machine, so that JIT's files are looked for.
    pub fn new(is_live: bool) -> Self {
        Symbols {
            symbolizer: Symbolizer::builder().enable_auto_reload(false).build(),
            files: FxHashMap::default(),
            known: FxHashMap::default(),
            jit: FxHashMap::default(),
            is_live,
        }
    }

    /// Takes what a JIT of this process wrote.
    pub fn add_jit(&mut self, pid: u32, text: &[u8]) {
        self.jit.insert(pid, Some(JitMap::parse(text)));
    }

    /// What this place is called.
    pub fn locate(&mut self, codes: &Codes, id: CodeId) -> Location {
        if let Some(location) = self.known.get(&id) {
            return location.clone();
        }
        let location = self.look_up(codes, id);
        self.known.insert(id, location.clone());
        location
    }

    fn look_up(&mut self, codes: &Codes, id: CodeId) -> Location {
        let bare = |function: String| Location { function: function.into(), ..Location::default() };
        match codes.code(id) {
            Code::None => bare("[no instruction]".into()),
            Code::Unmapped(_, ip) => bare(format!("{ip:#x}")),
            Code::Memory(pid, ip) => {
                let is_live = self.is_live;
                let map = self.jit.entry(pid).or_insert_with(|| {
                    let text = is_live.then(|| jit::read(pid).ok()).flatten();
                    text.map(|text| JitMap::parse(&text))
                });
                match map.as_ref().and_then(|map| map.at(ip)) {
                    Some(name) => Location { function: name.into(), module: "[jit]".into(), line: None },
                    None => {
                        Location { function: format!("[anon] {ip:#x}").into(), module: "[anon]".into(), line: None }
                    }
                }
            }
            Code::File(module, offset) => match codes.mapping(module) {
                Some(mapping) => self.in_file(mapping, offset),
                None => Location::default(),
            },
        }
    }

    fn in_file(&mut self, mapping: &Arc<Mapping>, offset: u64) -> Location {
        let name = mapping::name(mapping);
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let module: Arc<str> = file_name.into();
        let unnamed = |why: &str| Location {
            function: format!("{file_name}+{offset:#x}{why}").into(),
            module: Arc::clone(&module),
            line: None,
        };
        let Some(path) = mapping::path(mapping) else { return unnamed("") };
        match self.file(mapping, path) {
            File::Same => {}
            File::Changed => return unnamed(" (file changed)"),
            File::Gone => return unnamed(" (file gone)"),
        }
        let source = Source::Elf(Elf::new(path));
        let Ok(Symbolized::Sym(symbol)) = self.symbolizer.symbolize_single(&source, Input::FileOffset(offset)) else {
            return unnamed("");
        };
        // Inlined functions belong to the one that the compiler put them into: that is where a program's author finds it.
        let code = symbol.code_info.as_deref();
        let line = code.and_then(|code| {
            let file = Path::new(&*code.file).file_name()?.to_string_lossy().into_owned();
            Some(format!("{file}:{}", code.line?).into())
        });
        Location { function: (&*symbol.name).into(), module, line }
    }

    fn file(&mut self, mapping: &Mapping, path: &str) -> File {
        if let Some(file) = self.files.get(&mapping.name) {
            return *file;
        }
        let file = if !Path::new(path).exists() {
            File::Gone
        } else if mapping.build_id.is_empty() {
            File::Same
        } else {
            match read_elf_build_id(path) {
                Ok(Some(build_id)) if *build_id != *mapping.build_id => File::Changed,
                _ => File::Same,
            }
        };
        self.files.insert(Arc::clone(&mapping.name), file);
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mapping::proc;

    #[inline(never)]
    fn planted_function() -> u32 {
        std::hint::black_box(17)
    }

    fn own_mapping(address: u64) -> Arc<Mapping> {
        let mappings = proc::of(std::process::id()).unwrap();
        mappings.into_iter().find(|mapping| (mapping.start..mapping.end).contains(&address)).unwrap()
    }

    fn located(mapping: &Arc<Mapping>, address: u64) -> Location {
        let mut codes = Codes::default();
        let id = codes.intern(1, Some(address), Some(mapping));
        Symbols::default().locate(&codes, id)
    }

    #[test]
    fn a_function_and_its_line_are_found_in_the_file() {
        assert_eq!(planted_function(), 17);
        let address = planted_function as *const () as usize as u64;
        let location = located(&own_mapping(address), address);
        assert!(location.function.contains("planted_function"), "{location:?}");
        let line = location.line.unwrap();
        assert!(line.starts_with("symbol.rs:"), "{line}");
    }

    #[test]
    fn a_file_that_has_changed_is_not_asked() {
        let address = planted_function as *const () as usize as u64;
        let mut mapping = Mapping::clone(&own_mapping(address));
        mapping.build_id = [1; 20].into();
        let location = located(&Arc::new(mapping.clone()), address);
        assert!(location.function.ends_with(" (file changed)") && location.function.contains("+0x"), "{location:?}");
        mapping.name = "/nowhere/program".into();
        assert!(located(&Arc::new(mapping), address).function.starts_with("program+0x"));
    }

    #[test]
    fn the_build_id_that_is_recorded_is_the_files() {
        let address = planted_function as *const () as usize as u64;
        let mut mapping = Mapping::clone(&own_mapping(address));
        let path = mapping.name.to_string();
        mapping.build_id = read_elf_build_id(&path).unwrap().unwrap().to_vec().into();
        assert!(located(&Arc::new(mapping), address).function.contains("planted_function"));
    }

    #[test]
    fn code_of_a_jit_has_the_names_that_it_wrote() {
        let mut codes = Codes::default();
        let anonymous = Arc::new(Mapping { start: 0x1000, end: 0x2000, ..Mapping::default() });
        let (named, other) =
            (codes.intern(7, Some(0x1010), Some(&anonymous)), codes.intern(7, Some(0x1100), Some(&anonymous)));
        let mut symbols = Symbols::default();
        symbols.add_jit(7, b"1000 40 LazyCompile:~fib app.js:3\n");
        assert_eq!(&*symbols.locate(&codes, named).function, "LazyCompile:~fib app.js:3");
        assert_eq!(&*symbols.locate(&codes, other).function, "[anon] 0x1100");
    }
}
