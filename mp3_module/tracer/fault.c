// SPDX-License-Identifier: GPL-2.0
/*
 * The probes of page faults. Every fault goes through handle_mm_fault(): those of programs, those of the kernel on a
 * program's behalf, and those without an access (get_user_pages); and there the kernel counts them. An fprobe sees its
 * beginning and its end. Where the end is not asked for, an ftrace_ops sees the beginning at a fourth of the cost.
 *
 * At the beginning the caller holds the lock of the mapping, or of its address space. At the end it may have been given back:
 * the mapping is not looked at any more, and the page tables only as get_user_pages_fast() does, with interrupts off.
 *
 * The probes run in the context of the task that faults, never in an interrupt, and cause no fault of their own.
 */
/* 7.2's leafops.h does not include what it needs. */
#include <linux/swap.h>

#include <linux/dcache.h>
#include <linux/fprobe.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/ftrace.h>
#include <linux/hugetlb_inline.h>
#include <linux/leafops.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>
#include <linux/userfaultfd_k.h>

#include <trace/events/sched.h>
#include <trace/events/signal.h>

#include "fault.h"
#include "tracepoints.h"

/* FaultFlags of abi/src/events/fault/mod.rs, where they are in word 1. */
#define FLAG_SHIFT 54
#define FLAG_WRITE BIT_ULL(FLAG_SHIFT + 0)
#define FLAG_EXECUTE BIT_ULL(FLAG_SHIFT + 1)
#define FLAG_KERNEL BIT_ULL(FLAG_SHIFT + 2)
#define FLAG_NO_ACCESS BIT_ULL(FLAG_SHIFT + 3)
#define FLAG_REMOTE BIT_ULL(FLAG_SHIFT + 4)
#define FLAG_UNSHARE BIT_ULL(FLAG_SHIFT + 5)
#define FLAG_FIRST BIT_ULL(FLAG_SHIFT + 6)
#define FLAG_TRIED BIT_ULL(FLAG_SHIFT + 7)
#define FLAG_SIGNAL BIT_ULL(FLAG_SHIFT + 8)
#define FLAG_SAME_PAGE BIT_ULL(FLAG_SHIFT + 9)
#define TGID_SHIFT 22
#define COUNTED_SHIFT 44
#define BEFORE_SHIFT 46
#define AFTER_SHIFT 50
#define CLASS_SHIFT 56
#define ADDRESS_MASK GENMASK_ULL(55, 0)
#define COUNT_MASK GENMASK_ULL(11, 0)
#define MINOR_SHIFT 40
#define MAJOR_SHIFT 52

/* Counted of the same file. */
enum { COUNTED_NOTHING, COUNTED_MINOR, COUNTED_MAJOR, COUNTED_SEVERAL };

/* PageState of abi/src/events/fault/state.rs. */
enum page_state {
	STATE_UNKNOWN,
	STATE_NO_TABLE,
	STATE_NONE,
	STATE_SWAPPED,
	STATE_MIGRATING,
	STATE_MARKER,
	STATE_OTHER_ENTRY,
	STATE_ZERO_PAGE,
	STATE_READ_ONLY,
	STATE_WRITABLE,
	STATE_NUMA_HINT,
	STATE_USERFAULTFD,
	STATE_HUGE_READ_ONLY,
	STATE_HUGE_WRITABLE,
	STATE_HUGE_NUMA_HINT,
	STATE_HUGE_ENTRY,
};

/* MappingClass of abi/src/events/fault/class.rs. */
#define CLASS_BACKING 7
#define CLASS_ANONYMOUS 0
#define CLASS_FILE 1
#define CLASS_SHARED_MEMORY 2
#define CLASS_HUGETLB 3
#define CLASS_SPECIAL 4
#define CLASS_SHARED BIT(3)
#define CLASS_HEAP (1 << 4)
#define CLASS_STACK (2 << 4)
#define CLASS_USERFAULTFD BIT(6)
#define CLASS_EXECUTABLE BIT(7)

/* The result is recorded as it is: FaultResult of abi/src/events/fault/mod.rs has these bits. */
static_assert((__force u32)VM_FAULT_OOM == 0x1 && (__force u32)VM_FAULT_SIGBUS == 0x2 &&
	      (__force u32)VM_FAULT_MAJOR == 0x4 && (__force u32)VM_FAULT_HWPOISON == 0x10 &&
	      (__force u32)VM_FAULT_HWPOISON_LARGE == 0x20 && (__force u32)VM_FAULT_SIGSEGV == 0x40 &&
	      (__force u32)VM_FAULT_NOPAGE == 0x100 && (__force u32)VM_FAULT_LOCKED == 0x200 &&
	      (__force u32)VM_FAULT_RETRY == 0x400 && (__force u32)VM_FAULT_FALLBACK == 0x800 &&
	      (__force u32)VM_FAULT_DONE_COW == 0x1000 && (__force u32)VM_FAULT_NEEDDSYNC == 0x2000 &&
	      (__force u32)VM_FAULT_COMPLETED == 0x4000);
static_assert((__force u32)VM_FAULT_ERROR == 0x873);
#define RESULT_MASK 0x7fff

/* Mappings that a CPU remembers to have recorded. */
#define KNOWN_BITS 6
/* As PATH_BYTES_MAX in abi/src/events/life.rs. */
#define PATH_BYTES_MAX 240
/* What Map says where a path is longer than its text. */
#define PATH_BYTES_MORE 4095

/* A mapping that readers know. */
struct known {
	/* What it is. No mapping ends at 0: that stands for none. */
	unsigned long start;
	unsigned long end;
	unsigned long pgoff;
	const struct file *file;
	/* A file's place in memory may have been another one's, of which the rest is the same. */
	u64 inode;
	vm_flags_t flags;
	u32 tgid;

	u32 id;
	/* Its class in the highest byte, as records have it. */
	u64 class_bits;
} ____cacheline_aligned;

/* A power of two: so finding one takes an AND and no shift. */
static_assert(!(sizeof(struct known) & (sizeof(struct known) - 1)));

struct cpu_state {
	/* A fault of which only the beginning is recorded. Not on the stack, where the compiler would clear and guard it. */
	struct mp3_fault entry;
	struct known known[1 << KNOWN_BITS];
	/* The last bytes of a path, and its NUL. */
	char path[PATH_BYTES_MAX + 1];
};

static struct cpu_state __percpu *cpu_states;
/* A bit for each thread group that is recorded; NULL: all are. */
static const unsigned long *wanted;
/* Odd. So that an ID tells nothing of the kernel's addresses. */
static u64 secret;

/* The number of a userfaultfd bit has changed its name; where there is none, nothing is protected by it. */
#if defined(_PAGE_UFFD)
#define PAGE_USERFAULTFD _PAGE_UFFD
#elif defined(_PAGE_UFFD_WP)
#define PAGE_USERFAULTFD _PAGE_UFFD_WP
#else
#define PAGE_USERFAULTFD 0
#endif

static enum page_state state_of_entry(pte_t pte)
{
	softleaf_t leaf = softleaf_from_pte(pte);

	if (pte_none(pte))
		return STATE_NONE;
	if (softleaf_is_swap(leaf))
		return STATE_SWAPPED;
	if (softleaf_is_migration(leaf))
		return STATE_MIGRATING;
	if (softleaf_is_marker(leaf))
		return STATE_MARKER;
	return STATE_OTHER_ENTRY;
}

static enum page_state state_of_huge_page(pmd_t pmd)
{
	if (!pmd_present(pmd))
		return STATE_HUGE_ENTRY;
	if (pmd_protnone(pmd))
		return STATE_HUGE_NUMA_HINT;
	return pmd_write(pmd) ? STATE_HUGE_WRITABLE : STATE_HUGE_READ_ONLY;
}

static noinline enum page_state state_of_page(pte_t pte, bool anonymous)
{
	if (!pte_present(pte))
		return state_of_entry(pte);
	if (pte_val(pte) & PAGE_USERFAULTFD)
		return STATE_USERFAULTFD;
	if (pte_protnone(pte))
		return STATE_NUMA_HINT;
	if (pte_write(pte))
		return STATE_WRITABLE;
	/* Anonymous memory has no other page that nothing counts. */
	return anonymous && pte_special(pte) ? STATE_ZERO_PAGE : STATE_READ_ONLY;
}

/*
 * What the tables say of a page, without a lock, and its entry in them, 0 without one. The tables do not go: their owner holds a
 * lock of the mapping and this is an RCU section, or interrupts are off.
 */
static noinline enum page_state look(struct mm_struct *mm, unsigned long address, bool anonymous, u64 *entry)
{
#ifdef CONFIG_HIGHPTE
	return STATE_UNKNOWN;
#else
	pgd_t *pgdp = pgd_offset(mm, address);
	pgd_t pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;
	pte_t pte;

	*entry = 0;
	if (unlikely(pgd_none(pgd)))
		return STATE_NO_TABLE;
	p4dp = p4d_offset_lockless(pgdp, pgd, address);
	p4d = READ_ONCE(*p4dp);
	if (unlikely(p4d_none(p4d)))
		return STATE_NO_TABLE;
	pudp = pud_offset_lockless(p4dp, p4d, address);
	pud = READ_ONCE(*pudp);
	if (unlikely(pud_none(pud)))
		return STATE_NO_TABLE;
	if (unlikely(!pud_present(pud)))
		return STATE_HUGE_ENTRY;
	if (unlikely(pud_leaf(pud))) {
		*entry = pud_val(pud);
		return pud_write(pud) ? STATE_HUGE_WRITABLE : STATE_HUGE_READ_ONLY;
	}
	pmdp = pmd_offset_lockless(pudp, pud, address);
	pmd = pmdp_get_lockless(pmdp);
	if (unlikely(pmd_none(pmd)))
		return STATE_NO_TABLE;
	if (unlikely(!pmd_present(pmd) || pmd_leaf(pmd))) {
		*entry = pmd_val(pmd);
		return state_of_huge_page(pmd);
	}
	pte = ptep_get_lockless(pte_offset_kernel(&pmd, address));
	*entry = pte_val(pte);
	return state_of_page(pte, anonymous);
#endif
}

#ifdef CONFIG_X86_64
/* The entry for `address` in the table that `entry` of the level above names. `memory` is where all memory is mapped. */
static __always_inline u64 entry_below(u64 entry, unsigned long address, int shift, u64 mask, unsigned long memory)
{
	unsigned long offset = address >> (shift - 3) & (PAGE_SIZE - sizeof(u64));

	return READ_ONCE(*(u64 *)((entry & mask) + memory + offset));
}

/* Present, and no large page. */
static __always_inline bool is_table(u64 entry)
{
	/* Without the lowest bit, which it has, the others stay as they are. */
	BUILD_BUG_ON(_PAGE_PRESENT != 1);
	return likely(!((entry - _PAGE_PRESENT) & (_PAGE_PRESENT | _PAGE_PSE)));
}

/*
 * As look(), for what is usual: all tables are there. The accessors of a level ask what the level before has answered already,
 * which doubles the instructions.
 */
static __always_inline enum page_state look_quickly(struct mm_struct *mm, unsigned long address, bool anonymous,
						    u64 *entry)
{
	unsigned long memory = PAGE_OFFSET;
	u64 mask = PTE_PFN_MASK, value;

	/* One value each: else they are put together anew at each level. */
	OPTIMIZER_HIDE_VAR(mask);
	OPTIMIZER_HIDE_VAR(memory);
	/* The highest level's bits of the address are constants here, and a variable in pgd_offset(). */
	if (pgtable_l5_enabled()) {
		value = READ_ONCE(*(u64 *)(mm->pgd + (address >> 48 & (PTRS_PER_PGD - 1))));
		if (!is_table(value))
			return look(mm, address, anonymous, entry);
		value = entry_below(value, address, P4D_SHIFT, mask, memory);
	} else {
		value = READ_ONCE(*(u64 *)(mm->pgd + (address >> P4D_SHIFT & (PTRS_PER_PGD - 1))));
	}
	if (!is_table(value))
		return look(mm, address, anonymous, entry);
	value = entry_below(value, address, PUD_SHIFT, mask, memory);
	if (!is_table(value))
		return look(mm, address, anonymous, entry);
	value = entry_below(value, address, PMD_SHIFT, mask, memory);
	if (!is_table(value))
		return look(mm, address, anonymous, entry);
	value = entry_below(value, address, PAGE_SHIFT, mask, memory);
	*entry = value;
	return likely(!value) ? STATE_NONE : state_of_page(__pte(value), anonymous);
}
#else
#define look_quickly look
#endif

static u8 class_of(struct vm_area_struct *vma)
{
	u8 class;

	if (is_vm_hugetlb_page(vma))
		class = CLASS_HUGETLB;
	else if (vma->vm_flags & (VM_PFNMAP | VM_MIXEDMAP | VM_IO))
		class = CLASS_SPECIAL;
	else if (vma_is_anonymous(vma))
		class = CLASS_ANONYMOUS;
	else if (!vma->vm_file)
		class = CLASS_SPECIAL;
	else if (vma->vm_file->f_mapping->host->i_sb->s_magic == TMPFS_MAGIC)
		/* By whose pages they are, not by the name: that of a disk is in a tmpfs, too. */
		class = CLASS_SHARED_MEMORY;
	else
		class = CLASS_FILE;
	if (vma->vm_flags & VM_MAYSHARE)
		class |= CLASS_SHARED;
	if (!vma->vm_file && vma_is_initial_heap(vma))
		class |= CLASS_HEAP;
	else if (!vma->vm_file && vma_is_initial_stack(vma))
		class |= CLASS_STACK;
	if (userfaultfd_armed(vma))
		class |= CLASS_USERFAULTFD;
	if (vma->vm_flags & VM_EXEC)
		class |= CLASS_EXECUTABLE;
	return class;
}

/* The thread group whose address space it is, where that is not current's. 0: not known. */
static u32 owner_of(const struct mm_struct *mm)
{
	u32 tgid = 0;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		tgid = owner->tgid;
	rcu_read_unlock();
#endif
	return tgid;
}

/* What stands beside the mapping in /proc/PID/maps: a path, or a name. `buffer` has room for PATH_BYTES_MAX bytes and a NUL. */
static void name_of(struct vm_area_struct *vma, struct mp3_map *map, char *buffer)
{
	const char *name = NULL;
	size_t length;

	if (vma->vm_file) {
		if (!current->fs)
			return;
		buffer[0] = 0;
		name = d_path(file_user_path(vma->vm_file), buffer, PATH_BYTES_MAX + 1);
		if (IS_ERR(name)) {
			/* A path is written from its end on: what had room is there. */
			if (!buffer[0])
				return;
			map->text = buffer;
			map->text_bytes = PATH_BYTES_MAX;
			map->path_bytes = PATH_BYTES_MORE;
			return;
		}
	} else if (vma->vm_ops && vma->vm_ops->name) {
		name = vma->vm_ops->name(vma);
#ifdef CONFIG_ANON_VMA_NAME
	} else if (vma->anon_name) {
		name = vma->anon_name->name;
#endif
	}
	if (!name)
		return;
	length = strnlen(name, PATH_BYTES_MAX);
	map->text = name;
	map->text_bytes = length;
	map->path_bytes = length;
}

/* 0 without a file. */
static __always_inline u64 inode_of(const struct vm_area_struct *vma)
{
	return vma->vm_file ? file_inode(vma->vm_file)->i_ino : 0;
}

/*
 * The ID of a mapping: the same on all CPUs, and another one when anything of it has changed. Multiplied in turn, so that
 * fields cannot be exchanged.
 */
static u32 id_of(const struct vm_area_struct *vma, u64 inode, u32 tgid)
{
	const u64 fields[] = { vma->vm_start, vma->vm_end, vma->vm_pgoff, (unsigned long)vma->vm_file,
			       inode,	      vma->vm_flags, (u64)tgid << 32 };
	u64 id = secret;

	for (int i = 0; i < ARRAY_SIZE(fields); i++) {
		id = (id ^ fields[i]) * secret;
		id ^= id >> 32;
	}
	return id >> 32 | 1;
}

/* Records a mapping. Preemption is off, so the CPU stays the same. */
static noinline void record_map(struct cpu_state *state, struct known *known, struct vm_area_struct *vma, u32 tgid)
{
	struct mp3_map map = {
		.first_page = vma->vm_start >> PAGE_SHIFT,
		.pages = (vma->vm_end - vma->vm_start) >> PAGE_SHIFT,
		.offset = vma->vm_pgoff,
		.tgid = tgid,
		.id = id_of(vma, inode_of(vma), tgid),
		.class = class_of(vma),
		.protection = vma->vm_flags & (VM_READ | VM_WRITE | VM_EXEC),
	};
	struct mp3_recorder *recorder;
	unsigned long flags;
	bool recorded;

	if (vma->vm_file) {
		const struct inode *inode = file_user_inode(vma->vm_file);

		map.inode = inode->i_ino;
		map.device = inode->i_sb->s_dev;
	}
	name_of(vma, &map, state->path);
	local_irq_save(flags);
	recorder = mp3_recorder_here();
	recorded = recorder && mp3_trace_map(recorder, &map);
	local_irq_restore(flags);
	*known = (struct known) {
		.start = vma->vm_start,
		/* Where it could not be recorded, the next fault tries again. */
		.end = recorded ? vma->vm_end : 0,
		.pgoff = vma->vm_pgoff,
		.file = vma->vm_file,
		.inode = inode_of(vma),
		.flags = vma->vm_flags,
		.tgid = tgid,
		.id = map.id,
		.class_bits = (u64)map.class << CLASS_SHIFT,
	};
}

/* A mapping, which readers know from now on. */
static __always_inline const struct known *mapping_of(struct vm_area_struct *vma, u32 tgid)
{
	struct cpu_state *state = this_cpu_ptr(cpu_states);
	/* The structure is as large as some cache lines: the bits below are always the same. */
	struct known *known =
		(void *)state->known + ((unsigned long)vma & ((1 << KNOWN_BITS) - 1) * sizeof(struct known));

	if (unlikely(known->start != vma->vm_start || known->end != vma->vm_end || known->pgoff != vma->vm_pgoff ||
		     known->file != vma->vm_file ||
		     (vma->vm_file && known->inode != inode_of(vma)) || known->flags != vma->vm_flags || known->tgid != tgid))
		record_map(state, known, vma, tgid);
	return known;
}

/* Has mappings recorded again. */
static noinline void forget_mappings(struct cpu_state *state)
{
	for (int i = 0; i < ARRAY_SIZE(state->known); i++)
		state->known[i].end = 0;
}

static __always_inline bool is_wanted(u32 tgid)
{
	const unsigned long *bits = wanted;

	return !bits || bits[tgid / BITS_PER_LONG] & BIT(tgid % BITS_PER_LONG);
}

/* Where current went into the kernel, or where it was interrupted; 0 for a thread that was never in user space. */
static __always_inline u64 user_ip(const struct task_struct *task)
{
	if (unlikely(task->flags & (PF_KTHREAD | PF_USER_WORKER)))
		return 0;
	return instruction_pointer(task_pt_regs((struct task_struct *)task));
}

/* What is said of the access where that is not as usual. */
static noinline u64 unusual_flags(struct mp3_fault *fault, unsigned int flags, struct pt_regs *regs,
				  const struct mm_struct *mm)
{
	u64 who = 0;

	if (flags & FAULT_FLAG_USER) {
		fault->ip = instruction_pointer(regs);
	} else {
		who |= FLAG_KERNEL;
		if (!regs)
			who |= FLAG_NO_ACCESS;
		fault->ip = user_ip(current);
		if (mm != current->mm)
			who |= FLAG_REMOTE;
	}
	if (flags & FAULT_FLAG_WRITE)
		who |= FLAG_WRITE;
	if (flags & FAULT_FLAG_INSTRUCTION)
		who |= FLAG_EXECUTE;
	if (flags & FAULT_FLAG_TRIED)
		who |= FLAG_TRIED;
	if (flags & FAULT_FLAG_VMA_LOCK)
		who |= FLAG_FIRST;
	if (flags & FAULT_FLAG_UNSHARE)
		who |= FLAG_UNSHARE;
	return who;
}

/* The first attempt of a program's own access to data. */
#define USUAL (FAULT_FLAG_DEFAULT | FAULT_FLAG_USER | FAULT_FLAG_VMA_LOCK)

/*
 * Everything that is known when an attempt begins; false if it is not to be recorded. `ends`: its end is looked at, too. Preemption
 * is off. The clock is not read here.
 */
static __always_inline bool begin(struct mp3_fault *fault, struct ftrace_regs *fregs, bool ends)
{
	struct vm_area_struct *vma = (void *)ftrace_regs_get_argument(fregs, 0);
	unsigned long address = ftrace_regs_get_argument(fregs, 1);
	unsigned int flags = ftrace_regs_get_argument(fregs, 2);
	struct pt_regs *regs = (void *)ftrace_regs_get_argument(fregs, 3);
	const struct task_struct *task = current;
	struct mm_struct *mm = vma->vm_mm;
	const struct known *mapping;
	enum page_state before;
	u32 tgid = task->tgid;
	bool anonymous;
	u64 who;

	if (!is_wanted(tgid))
		return false;
	who = (u32)task->pid | (u64)tgid << TGID_SHIFT;
	BUILD_BUG_ON(FAULT_FLAG_WRITE != 1);
	if (likely(flags - USUAL <= FAULT_FLAG_WRITE)) {
		fault->ip = instruction_pointer(regs);
		who |= (u64)(flags - USUAL) << FLAG_SHIFT | FLAG_FIRST;
	} else {
		who |= unusual_flags(fault, flags, regs, mm);
	}
	if (unlikely(who & FLAG_REMOTE))
		tgid = owner_of(mm);

	mapping = mapping_of(vma, tgid);
	anonymous = !(mapping->class_bits >> CLASS_SHIFT & CLASS_BACKING);
	fault->mapping = (u64)mapping->id << 32;
	fault->page = vma->vm_pgoff + ((address - vma->vm_start) >> PAGE_SHIFT);
	fault->where = (address & ADDRESS_MASK) | mapping->class_bits;
	fault->minor = task->min_flt;
	fault->major = task->maj_flt;
	before = look_quickly(mm, address, anonymous, &fault->entry);
	fault->who = who | (u64)before << BEFORE_SHIFT;
	if (!ends)
		return true;
	/*
	 * What was there and the access say what comes of it, but for these: a table may be filled with one huge page, a read of
	 * fresh memory need not be given the zero page, and a page that is written may be taken over without a copy.
	 */
	fault->mm = likely(before == STATE_NONE) && (!anonymous || flags & FAULT_FLAG_WRITE) ? NULL : mm;
	return true;
}

/* What only the end tells of word 1. */
static noinline u64 look_again(const struct mp3_fault *fault)
{
	bool anonymous = (fault->where >> CLASS_SHIFT & CLASS_BACKING) == CLASS_ANONYMOUS;
	enum page_state after;
	u64 entry, who;

	after = look(fault->mm, fault->where & ADDRESS_MASK, anonymous, &entry);
	who = (u64)after << AFTER_SHIFT;
	if (after >= STATE_READ_ONLY && after <= STATE_HUGE_NUMA_HINT && !((fault->entry ^ entry) & PTE_PFN_MASK))
		who |= FLAG_SAME_PAGE;
	return who;
}

/* A signal that has the kernel give up where it would try again: what fault_signal_pending() sees. */
static noinline u64 look_for_signal(const struct mp3_fault *fault)
{
	if (fatal_signal_pending(current) || (!(fault->who & FLAG_KERNEL) && signal_pending(current)))
		return FLAG_SIGNAL;
	return 0;
}

static int fault_begins(struct fprobe *fprobe, unsigned long ip, unsigned long return_ip, struct ftrace_regs *fregs,
			void *data)
{
	struct mp3_fault *fault = data;

	if (!begin(fault, fregs, true))
		return 1;
	fault->began = mp3_trace_now();
	return 0;
}

static void fault_ends(struct fprobe *fprobe, unsigned long ip, unsigned long return_ip, struct ftrace_regs *fregs,
		       void *data)
{
	u32 result = ftrace_regs_get_return_value(fregs);
	const struct task_struct *task = current;
	const struct mp3_fault *fault = data;
	u32 minor = task->min_flt, major = task->maj_flt;
	u32 more_minor = minor - fault->minor, more_major = major - fault->major;
	u64 who = fault->who;

	if (likely(more_minor + more_major <= 1))
		who |= (u64)(more_minor | more_major << 1) << COUNTED_SHIFT;
	else
		who |= (u64)COUNTED_SEVERAL << COUNTED_SHIFT;
	if (unlikely(result & VM_FAULT_RETRY))
		who |= look_for_signal(fault);
	/* The function that has ended may sleep: interrupts are on. */
	lockdep_assert_irqs_enabled();
	local_irq_disable();
	/* While it is tried again, nothing has changed. */
	if (fault->mm && !(result & VM_FAULT_RETRY))
		who |= look_again(fault);
	if (unlikely(mp3_trace_fault(this_cpu_read(mp3_recorder_live), fault, who,
				     (u64)(minor & COUNT_MASK) << MINOR_SHIFT | (u64)(major & COUNT_MASK) << MAJOR_SHIFT,
				     result & RESULT_MASK)))
		forget_mappings(this_cpu_ptr(cpu_states));
	local_irq_enable();
}

static struct fprobe whole_faults = {
	.entry_handler = fault_begins,
	.exit_handler = fault_ends,
	.entry_data_size = sizeof(struct mp3_fault),
};

/* The kernel calls it with preemption on. */
static void fault_entry(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct cpu_state *state;

	/* The function that begins may sleep: interrupts are on. */
	lockdep_assert_irqs_enabled();
	local_irq_disable();
	state = this_cpu_ptr(cpu_states);
	if (begin(&state->entry, fregs, false) &&
	    unlikely(mp3_trace_fault_entry(this_cpu_read(mp3_recorder_live), &state->entry)))
		forget_mappings(state);
	local_irq_enable();
}

static struct ftrace_ops fault_entries = {
	.func = fault_entry,
	.flags = FTRACE_OPS_FL_SAVE_ARGS,
};

/* The signals of faults: those that the kernel sends to the thread that it runs, for what that has just done. */
static void signal_generated(void *data, int sig, struct kernel_siginfo *info, struct task_struct *task, int group,
			     int result)
{
	struct mp3_recorder *recorder;
	unsigned long flags;

	if (task != current || (sig != SIGSEGV && sig != SIGBUS) || !is_wanted(task->tgid))
		return;
	/* Not a structure but a sign of who sends it; or sent by a program; or for something else than an address. */
	if (info == SEND_SIG_NOINFO || info == SEND_SIG_PRIV || info->si_code <= 0 || info->si_code >= SI_KERNEL)
		return;
	local_irq_save(flags);
	recorder = mp3_recorder_here();
	if (recorder)
		mp3_trace_fault_signal(recorder,
				       task->pid | (u64)task->tgid << TGID_SHIFT | (u64)sig << 44 |
					       (u64)info->si_code << 52,
				       (unsigned long)info->si_addr, user_ip(task));
	local_irq_restore(flags);
}

static void process_exits(void *data, struct task_struct *task, bool group_dead)
{
	struct mp3_recorder *recorder;
	unsigned long flags;

	if (!is_wanted(task->tgid))
		return;
	local_irq_save(flags);
	recorder = mp3_recorder_here();
	if (recorder)
		mp3_trace_fault_totals(recorder, task->pid | (u64)task->tgid << TGID_SHIFT, task->min_flt,
				       task->maj_flt);
	local_irq_restore(flags);
}

static struct {
	const char *name;
	void *probe;
	struct tracepoint *tracepoint;
	bool registered;
} others[] = {
	{ "signal_generate", signal_generated },
	{ "sched_process_exit", process_exits },
};

static inline void __maybe_unused check_types(void)
{
	check_trace_callback_type_signal_generate(signal_generated);
	check_trace_callback_type_sched_process_exit(process_exits);
}

static void find(struct tracepoint *tracepoint, void *unused)
{
	for (int i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(others[i].name, tracepoint->name))
			others[i].tracepoint = tracepoint;
}

/* What is common to faults with and without their ends. May sleep. ENOENT where this kernel lacks a tracepoint. */
int mp3_faults_begin(const unsigned long *filter_bits)
{
	wanted = filter_bits;
	get_random_bytes(&secret, sizeof(secret));
	secret |= 1;
	cpu_states = alloc_percpu(struct cpu_state);
	if (!cpu_states)
		return -ENOMEM;
	for_each_kernel_tracepoint(find, NULL);
	for (int i = 0; i < ARRAY_SIZE(others); i++) {
		int error = -ENOENT;

		if (others[i].tracepoint)
			error = tracepoint_probe_register(others[i].tracepoint, others[i].probe, NULL);
		if (error) {
			mp3_faults_end();
			return error;
		}
		others[i].registered = true;
	}
	return 0;
}

/* The probes of faults are not registered any more. */
void mp3_faults_end(void)
{
	for (int i = 0; i < ARRAY_SIZE(others); i++) {
		if (others[i].registered)
			tracepoint_probe_unregister(others[i].tracepoint, others[i].probe, NULL);
		others[i].registered = false;
	}
	tracepoint_synchronize_unregister();
	free_percpu(cpu_states);
	cpu_states = NULL;
}

/* `ends`: faults with their ends; else their beginnings. May sleep. */
int mp3_faults_register(bool ends)
{
	const char *name = "handle_mm_fault";
	int error;

	if (ends)
		return register_fprobe_syms(&whole_faults, &name, 1);
	error = ftrace_set_filter_ip(&fault_entries, (unsigned long)handle_mm_fault, 0, 0);
	if (!error)
		error = register_ftrace_function(&fault_entries);
	if (error)
		ftrace_free_filter(&fault_entries);
	return error;
}

/* None of the probes runs when this returns. */
void mp3_faults_unregister(bool ends)
{
	if (ends) {
		unregister_fprobe(&whole_faults);
	} else {
		unregister_ftrace_function(&fault_entries);
		ftrace_free_filter(&fault_entries);
	}
}
