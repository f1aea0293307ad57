/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tracer cannot express in Rust: probes whose prototypes the compiler checks against the kernel's headers, data of
 * each CPU, and macros and static inline functions. encode.rs, ffi.rs and the kernel's headers have the other side.
 */
#ifndef MP3_TRACEPOINTS_H
#define MP3_TRACEPOINTS_H

#include <linux/mm_types.h>
#include <linux/percpu.h>
#include <linux/poll.h>
#include <linux/sched.h>

/* A CPU's ring and what goes with it: struct Recorder of recorder.rs. */
struct mp3_recorder;

/* A recorder that takes nothing. encode.rs has it. */
extern const struct mp3_recorder mp3_recorder_none;
#define NONE ((struct mp3_recorder *)&mp3_recorder_none)

/* The recorder of this CPU. Where nothing is to be recorded it is NONE, which the encoders of events know: so their probes do not ask. */
DECLARE_PER_CPU(struct mp3_recorder *, mp3_recorder_live);

/* The same for those who ask: NULL where nothing is to be recorded. Interrupts are off. */
static inline struct mp3_recorder *mp3_recorder_here(void)
{
	struct mp3_recorder *recorder = this_cpu_read(mp3_recorder_live);

	return recorder == NONE ? NULL : recorder;
}

/* The tracepoints, in the order of enum Tracepoint in probes.rs. */
enum mp3_tracepoint {
	MP3_SCHED_SWITCH,
	MP3_SCHED_WAKING,
	MP3_SCHED_MIGRATE_TASK,
	MP3_SCHED_PI_SETPRIO,
	MP3_TASK_NEWTASK,
	MP3_SCHED_PROCESS_EXEC,
	MP3_SCHED_PROCESS_EXIT,
	MP3_TASK_RENAME,
	MP3_LOCAL_TIMER_ENTRY,
	MP3_LOCAL_TIMER_EXIT,
	MP3_IRQ_HANDLER_ENTRY,
	MP3_IRQ_HANDLER_EXIT,
	MP3_SOFTIRQ_ENTRY,
	MP3_SOFTIRQ_EXIT,
	MP3_TRACEPOINTS,
};

/* tracepoints.c */
void mp3_tracepoints_find(void);
int mp3_tracepoint_register(enum mp3_tracepoint which, bool filtered);
void mp3_tracepoint_unregister(enum mp3_tracepoint which, bool filtered);
void mp3_tracepoints_synchronize(void);

int mp3_recorders_prepare(int (*prepare)(unsigned int cpu));
void mp3_recorders_unprepare(int state);
void mp3_recorder_arm(unsigned int cpu, struct mp3_recorder *recorder);
void mp3_recorders_start(bool switching);
void mp3_recorders_stop_switching(void);
void mp3_recorders_stop(void);
unsigned int mp3_cpu_ids(void);

void mp3_trace_wake(void);
void mp3_trace_wake_readers(void);
void mp3_trace_poll_wait(struct file *file, struct poll_table_struct *table);

void *mp3_trace_memory(unsigned long size, unsigned int cpu);
int mp3_trace_memory_map(struct vm_area_struct *vma, void *start);

struct task_struct *mp3_task_from(int *nr);
u64 mp3_task_cgroup(struct task_struct *task);

/* encode.rs. Interrupts are off in all of them. */
void mp3_trace_switch_from(struct mp3_recorder *recorder, const struct task_struct *running);
void mp3_trace_switch(struct mp3_recorder *recorder, bool preempt, const struct task_struct *prev,
		      const struct task_struct *next, unsigned int prev_state);
void mp3_trace_switch_filtered(struct mp3_recorder *recorder, bool preempt, const struct task_struct *prev,
			       const struct task_struct *next, unsigned int prev_state);
void mp3_trace_waking(struct mp3_recorder *recorder, const struct task_struct *wakee, const struct task_struct *waker,
		      u64 calls, u64 argument);
void mp3_trace_waking_filtered(struct mp3_recorder *recorder, const struct task_struct *wakee,
			       const struct task_struct *waker, u64 calls, u64 argument);
void mp3_trace_flagged_waking(struct mp3_recorder *recorder, const struct task_struct *wakee,
			      const struct task_struct *waker, u64 calls, u64 argument, unsigned int flags);
void mp3_trace_flagged_waking_filtered(struct mp3_recorder *recorder, const struct task_struct *wakee,
				       const struct task_struct *waker, u64 calls, u64 argument, unsigned int flags);
void mp3_trace_migrate(struct mp3_recorder *recorder, const struct task_struct *task, const struct task_struct *by,
		       u64 places);
void mp3_trace_migrate_filtered(struct mp3_recorder *recorder, const struct task_struct *task,
				const struct task_struct *by, u64 places);
void mp3_trace_priority(struct mp3_recorder *recorder, const struct task_struct *task,
			const struct task_struct *donor, const struct task_struct *by, unsigned int context);
void mp3_trace_priority_filtered(struct mp3_recorder *recorder, const struct task_struct *task,
				 const struct task_struct *donor, const struct task_struct *by, unsigned int context);
void mp3_trace_newtask(struct mp3_recorder *recorder, const struct task_struct *child,
		       const struct task_struct *parent, u64 clone_flags, const char *comm);
void mp3_trace_newtask_filtered(struct mp3_recorder *recorder, const struct task_struct *child,
				const struct task_struct *parent, u64 clone_flags, const char *comm);
void mp3_trace_exec(struct mp3_recorder *recorder, const struct task_struct *task, int old_pid, const char *path);
void mp3_trace_exec_filtered(struct mp3_recorder *recorder, const struct task_struct *task, int old_pid,
			     const char *path);
void mp3_trace_exit(struct mp3_recorder *recorder, const struct task_struct *task, const struct task_struct *parent,
		    bool group_dead);
void mp3_trace_exit_filtered(struct mp3_recorder *recorder, const struct task_struct *task,
			     const struct task_struct *parent, bool group_dead);
void mp3_trace_rename(struct mp3_recorder *recorder, const struct task_struct *task, const char *comm);
void mp3_trace_rename_filtered(struct mp3_recorder *recorder, const struct task_struct *task, const char *comm);
void mp3_trace_irq_entry(struct mp3_recorder *recorder, unsigned int irq);
void mp3_trace_irq_exit(struct mp3_recorder *recorder, unsigned int irq, const struct task_struct *interrupted);
void mp3_trace_irq_exit_filtered(struct mp3_recorder *recorder, unsigned int irq,
				 const struct task_struct *interrupted);

/* clock.rs. There is one call at a time, with interrupts off or with no probe registered. */
void mp3_trace_clock(u64 cycles, u64 limit, u32 mult, u32 shift, u64 fraction, u64 base_ns);

#endif
