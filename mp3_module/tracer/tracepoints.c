// SPDX-License-Identifier: GPL-2.0
/*
 * The probes, and what each CPU needs for them. A probe here collects what only C can read and calls the encoder of
 * encode.rs, with interrupts off; nothing here decides anything.
 *
 * The tracepoints are not exported, so they are found by name, and then nothing checks that a probe has the prototype that
 * its tracepoint calls it with. check_trace_callback_type_NAME() of the kernel's own headers does, when this is compiled.
 *
 * In sched_switch, sched_waking, sched_migrate_task, sched_pi_setprio and the interrupts' entries and exits interrupts are
 * off. In the others they are on, and so are turned off here: an interrupt on this CPU could record something, too.
 */
#include <linux/binfmts.h>
#include <linux/cgroup.h>
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/idr.h>
#include <linux/irq_work.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/preempt.h>
#include <linux/pvclock_gtod.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/string.h>
#include <linux/timekeeper_internal.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include <asm/syscall.h>

#include <trace/events/irq.h>
#include <trace/events/sched.h>
#include <trace/events/task.h>
#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/trace/irq_vectors.h>
#endif

#include "tracepoints.h"

DEFINE_PER_CPU(struct mp3_recorder *, mp3_recorder_live) = NONE;
/*
 * The same for switches, which need to know of the running thread when it came: so each CPU begins in one moment in which
 * it does not switch.
 */
static DEFINE_PER_CPU(struct mp3_recorder *, recorder_switching) = NONE;
/* The recorder that the CPU is to have when recording starts; NULL if it is to have none. */
static DEFINE_PER_CPU(struct mp3_recorder *, recorder_armed);
/* What has started: a CPU that comes later has it from the beginning. Both change under cpus_read_lock(). */
static bool started, started_switching;

/* Where readers wait. They hold the module. */
static DECLARE_WAIT_QUEUE_HEAD(readers);

static void wake_readers(struct irq_work *work)
{
	wake_up_interruptible_all(&readers);
}

static DEFINE_PER_CPU(struct irq_work, waker) = IRQ_WORK_INIT(wake_readers);

/* Has this CPU wake the readers, once no lock of the scheduler is held. Interrupts are off. */
void mp3_trace_wake(void)
{
	irq_work_queue(this_cpu_ptr(&waker));
}

/* For process context. */
void mp3_trace_wake_readers(void)
{
	wake_up_interruptible_all(&readers);
}

void mp3_trace_poll_wait(struct file *file, struct poll_table_struct *table)
{
	poll_wait(file, &readers, table);
}

/*
 * NAME: the tracepoint, PROTOTYPE: its probe's, ARGUMENTS: as the body of the probe has them. Two probes, with a filter and
 * without, of which the second does not look whether there is one.
 */
#define PROBES(NAME, PROTOTYPE, ARGUMENTS)                                                     \
	static void probe_##NAME PROTOTYPE                                                     \
	{                                                                                      \
		record_##NAME(false, ARGUMENTS);                                               \
	}                                                                                      \
	static void probe_##NAME##_filtered PROTOTYPE                                          \
	{                                                                                      \
		record_##NAME(true, ARGUMENTS);                                                \
	}                                                                                      \
	static inline void __maybe_unused check_##NAME(void)                                   \
	{                                                                                      \
		check_trace_callback_type_##NAME(probe_##NAME);                                \
		check_trace_callback_type_##NAME(probe_##NAME##_filtered);                     \
	}
#define ARGUMENTS(...) __VA_ARGS__

/* Calls the encoder NAME or its filtered form. `filtered` is a constant wherever this is inlined. */
#define ENCODE(NAME, ...)                                                                      \
	do {                                                                                   \
		if (filtered)                                                                  \
			mp3_trace_##NAME##_filtered(__VA_ARGS__);                              \
		else                                                                           \
			mp3_trace_##NAME(__VA_ARGS__);                                         \
	} while (0)

static __always_inline void record_sched_switch(bool filtered, bool preempt, struct task_struct *prev,
						struct task_struct *next, unsigned int prev_state)
{
	ENCODE(switch, this_cpu_read(recorder_switching), preempt, prev, next, prev_state);
}
PROBES(sched_switch,
       (void *data, bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state),
       ARGUMENTS(preempt, prev, next, prev_state))

/* Tasks whose registers of user space mean nothing. */
#define HAS_NO_CALLS (PF_KTHREAD | PF_USER_WORKER)

/*
 * The number of the system call that the task is in, U16_MAX outside of one: that is -1 there. No table has 16 bits, and x32's
 * bit is beyond them.
 */
static __always_inline u16 call_of(struct task_struct *task)
{
#ifdef CONFIG_X86_64
	/*
	 * What syscall_get_nr() reads; else the compiler loads all of it, and masks it. The task itself writes it when it enters the
	 * kernel, and ptrace() while it is stopped. Without READ_ONCE() the address is part of the instruction.
	 */
	return data_race(*(const u16 *)&task_pt_regs(task)->orig_ax);
#else
	return syscall_get_nr(task, task_pt_regs(task));
#endif
}

/* The same for any task. */
static __always_inline u64 call_bits(struct task_struct *task)
{
	return task->flags & HAS_NO_CALLS ? U16_MAX : call_of(task);
}

static __always_inline u64 argument_of(struct task_struct *task)
{
	unsigned long arguments[6];

	syscall_get_arguments(task, task_pt_regs(task), arguments);
	return arguments[0];
}

static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(CONFIG_X86) && defined(CONFIG_IA32_EMULATION)
	return task_thread_info(task)->status & TS_COMPAT;
#else
	return false;
#endif
}

/*
 * `flags` are those of Waking in abi/src/events/waking.rs; `calls` the waker's system call in bits 32 to 47, the wakee's in
 * 48 to 63. The wakee does not run, or at least does not return from where it set its state: its registers stay.
 */
static noinline void record_unusual_waking(bool filtered, struct mp3_recorder *recorder, struct task_struct *wakee,
					   struct task_struct *waker)
{
	u64 calls = call_bits(wakee) << 48 | call_bits(waker) << 32, argument = 0;
	unsigned int flags = interrupt_context_level();

	if (calls >> 48 != U16_MAX)
		argument = argument_of(wakee);
	if (wakee->in_iowait)
		flags |= 1 << 2;
	if (is_compat(waker))
		flags |= 1 << 3;
	if (is_compat(wakee))
		flags |= 1 << 4;
	ENCODE(flagged_waking, recorder, wakee, waker, calls, argument, flags);
}

static __always_inline void record_sched_waking(bool filtered, struct task_struct *wakee)
{
	struct mp3_recorder *recorder;
	struct task_struct *waker = current;
	u64 calls, argument;

	/* It did not sleep: it only takes back that it was about to. Interrupts may be on. */
	if (wakee == waker)
		return;
	recorder = this_cpu_read(mp3_recorder_live);
	/* The usual: of two threads of programs, both in a system call of 64 bits, one wakes the other. No flag is set then. */
	if (unlikely((wakee->flags | waker->flags) & HAS_NO_CALLS) || unlikely(is_compat(wakee)) ||
	    unlikely(is_compat(waker)) || unlikely(wakee->in_iowait) ||
	    unlikely((u32)preempt_count() & (u32)(NMI_MASK | HARDIRQ_MASK | SOFTIRQ_OFFSET)))
		return record_unusual_waking(filtered, recorder, wakee, waker);
	/* Outside of a system call this argument is none, and readers know. */
	argument = argument_of(wakee);
	calls = (u64)call_of(wakee) << 48 | (u64)call_of(waker) << 32;
	ENCODE(waking, recorder, wakee, waker, calls, argument);
}
PROBES(sched_waking, (void *data, struct task_struct *p), ARGUMENTS(p))

/* From CPU in bits 0 to 15, to CPU in 16 to 31, `forced` in bit 32, the context in bits 33 and 34. */
static __always_inline void record_sched_migrate_task(bool filtered, struct task_struct *p, int dest_cpu)
{
	struct mp3_recorder *recorder = this_cpu_read(mp3_recorder_live);
	unsigned int from = task_cpu(p);
	u64 places = (u16)from | (u32)(u16)dest_cpu << 16;

	places |= (u64)!cpumask_test_cpu(from, p->cpus_ptr) << 32;
	places |= (u64)interrupt_context_level() << 33;
	ENCODE(migrate, recorder, p, current, places);
}
PROBES(sched_migrate_task, (void *data, struct task_struct *p, int dest_cpu), ARGUMENTS(p, dest_cpu))

static __always_inline void record_sched_pi_setprio(bool filtered, struct task_struct *tsk, struct task_struct *pi_task)
{
	struct mp3_recorder *recorder = this_cpu_read(mp3_recorder_live);

	ENCODE(priority, recorder, tsk, pi_task, current, interrupt_context_level());
}
PROBES(sched_pi_setprio, (void *data, struct task_struct *tsk, struct task_struct *pi_task), ARGUMENTS(tsk, pi_task))

static __always_inline void record_task_newtask(bool filtered, struct task_struct *task, u64 clone_flags)
{
	struct mp3_recorder *recorder;
	char comm[TASK_COMM_LEN];
	unsigned long flags;

	/* The child does not run yet; only its creator could rename it. */
	strscpy_pad(comm, task->comm, sizeof(comm));
	local_irq_save(flags);
	recorder = this_cpu_read(mp3_recorder_live);
	ENCODE(newtask, recorder, task, current, clone_flags, comm);
	local_irq_restore(flags);
}
PROBES(task_newtask, (void *data, struct task_struct *task, u64 clone_flags), ARGUMENTS(task, clone_flags))

static __always_inline void record_sched_process_exec(bool filtered, struct task_struct *p, pid_t old_pid,
						      struct linux_binprm *bprm)
{
	struct mp3_recorder *recorder;
	unsigned long flags;

	local_irq_save(flags);
	recorder = this_cpu_read(mp3_recorder_live);
	ENCODE(exec, recorder, p, old_pid, bprm->filename);
	local_irq_restore(flags);
}
PROBES(sched_process_exec, (void *data, struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm),
       ARGUMENTS(p, old_pid, bprm))

static __always_inline void record_sched_process_exit(bool filtered, struct task_struct *p, bool group_dead)
{
	struct mp3_recorder *recorder;
	unsigned long flags;

	local_irq_save(flags);
	rcu_read_lock();
	recorder = this_cpu_read(mp3_recorder_live);
	ENCODE(exit, recorder, p, rcu_dereference(p->real_parent), group_dead);
	rcu_read_unlock();
	local_irq_restore(flags);
}
PROBES(sched_process_exit, (void *data, struct task_struct *p, bool group_dead), ARGUMENTS(p, group_dead))

static __always_inline void record_task_rename(bool filtered, struct task_struct *task, const char *comm)
{
	struct mp3_recorder *recorder;
	char padded[TASK_COMM_LEN];
	unsigned long flags;

	/* The new name may be shorter than what has room for it, and what follows may be anything. */
	strscpy_pad(padded, comm, sizeof(padded));
	local_irq_save(flags);
	recorder = this_cpu_read(mp3_recorder_live);
	ENCODE(rename, recorder, task, padded);
	local_irq_restore(flags);
}
PROBES(task_rename, (void *data, struct task_struct *task, const char *comm), ARGUMENTS(task, comm))

/* Class and number of an interrupt, as in word 1 of Irq in abi/src/events/irq.rs. */
#define TIMER(vector) ((u32)(u16)(vector) << 8 | 0)
#define HARD(number) ((u32)(u16)(number) << 8 | 1)
#define SOFT(number) ((u32)(u16)(number) << 8 | 2)

static __always_inline void record_irq_entry(u32 irq)
{
	struct mp3_recorder *recorder = this_cpu_read(mp3_recorder_live);

	mp3_trace_irq_entry(recorder, irq);
}

static __always_inline void record_irq_exit(bool filtered, u32 irq)
{
	struct mp3_recorder *recorder = this_cpu_read(mp3_recorder_live);

	ENCODE(irq_exit, recorder, irq, current);
}

#ifdef CONFIG_X86_LOCAL_APIC
static __always_inline void record_local_timer_entry(bool filtered, int vector)
{
	record_irq_entry(TIMER(vector));
}
PROBES(local_timer_entry, (void *data, int vector), ARGUMENTS(vector))

static __always_inline void record_local_timer_exit(bool filtered, int vector)
{
	record_irq_exit(filtered, TIMER(vector));
}
PROBES(local_timer_exit, (void *data, int vector), ARGUMENTS(vector))
#endif

static __always_inline void record_irq_handler_entry(bool filtered, int irq)
{
	record_irq_entry(HARD(irq));
}
PROBES(irq_handler_entry, (void *data, int irq, struct irqaction *action), ARGUMENTS(irq))

static __always_inline void record_irq_handler_exit(bool filtered, int irq)
{
	record_irq_exit(filtered, HARD(irq));
}
PROBES(irq_handler_exit, (void *data, int irq, struct irqaction *action, int ret), ARGUMENTS(irq))

/* Softirqs run with interrupts on. */
static __always_inline void record_softirq_entry(bool filtered, unsigned int vec_nr)
{
	unsigned long flags;

	local_irq_save(flags);
	record_irq_entry(SOFT(vec_nr));
	local_irq_restore(flags);
}
PROBES(softirq_entry, (void *data, unsigned int vec_nr), ARGUMENTS(vec_nr))

static __always_inline void record_softirq_exit(bool filtered, unsigned int vec_nr)
{
	unsigned long flags;

	local_irq_save(flags);
	record_irq_exit(filtered, SOFT(vec_nr));
	local_irq_restore(flags);
}
PROBES(softirq_exit, (void *data, unsigned int vec_nr), ARGUMENTS(vec_nr))

struct probe {
	const char *name;
	void *all;
	void *filtered;
	/* NULL where this kernel has no such tracepoint. */
	struct tracepoint *tracepoint;
};

#define PROBE(NAME) { .name = #NAME, .all = probe_##NAME, .filtered = probe_##NAME##_filtered }

static struct probe probes[MP3_TRACEPOINTS] = {
	[MP3_SCHED_SWITCH] = PROBE(sched_switch),
	[MP3_SCHED_WAKING] = PROBE(sched_waking),
	[MP3_SCHED_MIGRATE_TASK] = PROBE(sched_migrate_task),
	[MP3_SCHED_PI_SETPRIO] = PROBE(sched_pi_setprio),
	[MP3_TASK_NEWTASK] = PROBE(task_newtask),
	[MP3_SCHED_PROCESS_EXEC] = PROBE(sched_process_exec),
	[MP3_SCHED_PROCESS_EXIT] = PROBE(sched_process_exit),
	[MP3_TASK_RENAME] = PROBE(task_rename),
#ifdef CONFIG_X86_LOCAL_APIC
	[MP3_LOCAL_TIMER_ENTRY] = PROBE(local_timer_entry),
	[MP3_LOCAL_TIMER_EXIT] = PROBE(local_timer_exit),
#endif
	[MP3_IRQ_HANDLER_ENTRY] = PROBE(irq_handler_entry),
	[MP3_IRQ_HANDLER_EXIT] = PROBE(irq_handler_exit),
	[MP3_SOFTIRQ_ENTRY] = PROBE(softirq_entry),
	[MP3_SOFTIRQ_EXIT] = PROBE(softirq_exit),
};

static void find(struct tracepoint *tracepoint, void *unused)
{
	for (int which = 0; which < MP3_TRACEPOINTS; which++)
		if (probes[which].name && !strcmp(probes[which].name, tracepoint->name))
			probes[which].tracepoint = tracepoint;
}

/* Tracepoints of the kernel itself never go. */
void mp3_tracepoints_find(void)
{
	for_each_kernel_tracepoint(find, NULL);
}

/* May sleep, and takes cpus_read_lock(). ENOENT where this kernel has no such tracepoint. */
int mp3_tracepoint_register(enum mp3_tracepoint which, bool filtered)
{
	struct probe *probe = &probes[which];

	if (!probe->tracepoint)
		return -ENOENT;
	return tracepoint_probe_register(probe->tracepoint, filtered ? probe->filtered : probe->all, NULL);
}

/* A probe may run on until mp3_tracepoints_synchronize(). */
void mp3_tracepoint_unregister(enum mp3_tracepoint which, bool filtered)
{
	struct probe *probe = &probes[which];

	tracepoint_probe_unregister(probe->tracepoint, filtered ? probe->filtered : probe->all, NULL);
}

void mp3_tracepoints_synchronize(void)
{
	tracepoint_synchronize_unregister();
}

#ifdef CONFIG_X86_64
/* The kernel's clock has new numbers. Called under the lock of its time keeping, before the kernel uses them itself. */
static int clock_has_changed(struct notifier_block *self, unsigned long was_set, void *timekeeper)
{
	const struct timekeeper *tk = timekeeper;
	const struct tk_read_base *base = &tk->tkr_mono;
	bool is_tsc = base->clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	mp3_trace_clock(base->cycle_last, is_tsc ? base->clock->max_cycles : 0, base->mult, base->shift, base->xtime_nsec,
			ktime_to_ns(ktime_add(base->base, tk->offs_boot)));
	return NOTIFY_OK;
}

static struct notifier_block clock_notifier = { .notifier_call = clock_has_changed };

static void clock_start(void)
{
	pvclock_gtod_register_notifier(&clock_notifier);
}

/* No probe runs. */
static void clock_stop(void)
{
	pvclock_gtod_unregister_notifier(&clock_notifier);
	mp3_trace_clock(0, 0, 0, 0, 0, 0);
}
#else
static void clock_start(void) {}
static void clock_stop(void) {}
#endif

/*
 * Has `prepare` called for each CPU that is online, and later for each one before it is. Returns what
 * mp3_recorders_unprepare() takes, or an error: then it is called no more.
 */
int mp3_recorders_prepare(int (*prepare)(unsigned int cpu))
{
	clock_start();
	return cpuhp_setup_state(CPUHP_BP_PREPARE_DYN, "mp3/trace:prepare", prepare, NULL);
}

void mp3_recorders_unprepare(int state)
{
	cpuhp_remove_state_nocalls(state);
}

/* As the CPU itself, or for one that is not online, which begins with an idle task that has never switched voluntarily. */
static void start(unsigned int cpu, const struct task_struct *running)
{
	struct mp3_recorder *recorder = per_cpu(recorder_armed, cpu);

	if (!recorder)
		return;
	if (started_switching && per_cpu(recorder_switching, cpu) == NONE) {
		mp3_trace_switch_from(recorder, running);
		per_cpu(recorder_switching, cpu) = recorder;
	}
	per_cpu(mp3_recorder_live, cpu) = recorder;
}

static void start_here(void *unused)
{
	start(smp_processor_id(), current);
}

/* Gives a CPU its recorder. Called by `prepare`, which the lock of CPU hotplug guards. */
void mp3_recorder_arm(unsigned int cpu, struct mp3_recorder *recorder)
{
	per_cpu(recorder_armed, cpu) = recorder;
	if (!cpu_online(cpu)) {
		/* It may have been here before. */
		per_cpu(recorder_switching, cpu) = NONE;
		if (started)
			start(cpu, NULL);
	}
}

/* Has all CPUs record what their probes are told from now on; with `switching`, also switches. */
void mp3_recorders_start(bool switching)
{
	unsigned int cpu;

	cpus_read_lock();
	started = true;
	started_switching |= switching;
	on_each_cpu(start_here, NULL, 1);
	for_each_possible_cpu(cpu)
		if (!cpu_online(cpu))
			start(cpu, NULL);
	cpus_read_unlock();
}

/* The probe of switches is not registered any more, and does not run. */
void mp3_recorders_stop_switching(void)
{
	unsigned int cpu;

	cpus_read_lock();
	started_switching = false;
	for_each_possible_cpu(cpu)
		per_cpu(recorder_switching, cpu) = NONE;
	cpus_read_unlock();
}

/* No probe is registered and none runs; `prepare` is not called any more. */
void mp3_recorders_stop(void)
{
	unsigned int cpu;

	clock_stop();
	started = false;
	started_switching = false;
	for_each_possible_cpu(cpu) {
		per_cpu(mp3_recorder_live, cpu) = NONE;
		per_cpu(recorder_switching, cpu) = NONE;
		per_cpu(recorder_armed, cpu) = NULL;
		irq_work_sync(per_cpu_ptr(&waker, cpu));
	}
}

unsigned int mp3_cpu_ids(void)
{
	return nr_cpu_ids;
}

/* Zeroed, and on the CPU's memory node where that has some. NULL without memory; vfree() frees it. */
void *mp3_trace_memory(unsigned long size, unsigned int cpu)
{
	return vzalloc_node(size, cpu_to_node(cpu));
}

/* Maps as many pages of a vmalloc'ed region as `vma` takes. They stay for as long as they are mapped. */
int mp3_trace_memory_map(struct vm_area_struct *vma, void *start)
{
	unsigned long address;

	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	for (address = vma->vm_start; address < vma->vm_end; address += PAGE_SIZE, start += PAGE_SIZE) {
		int error = vm_insert_page(vma, address, vmalloc_to_page(start));

		if (error)
			return error;
		cond_resched();
	}
	return 0;
}

/*
 * The first thread whose ID in the initial PID namespace is *nr or more, with its ID in *nr; NULL if there is none. Valid
 * until the end of the caller's RCU section.
 */
struct task_struct *mp3_task_from(int *nr)
{
	for (;; (*nr)++) {
		struct pid *pid = idr_get_next(&init_pid_ns.idr, nr);
		struct task_struct *task;

		if (!pid)
			return NULL;
		task = pid_task(pid, PIDTYPE_PID);
		if (task)
			return task;
	}
}

/* The ID of the task's cgroup in the unified hierarchy, in an RCU section. */
u64 mp3_task_cgroup(struct task_struct *task)
{
#ifdef CONFIG_CGROUPS
	return cgroup_id(task_dfl_cgroup(task));
#else
	return 0;
#endif
}
