/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs at sched_switch and sched_waking have in common: the events that a record of mp3 has, in 32 bytes, in a BPF
 * ring buffer.
 *
 * Left out are the flags for throttled tasks and for the fair server, and whether a switch was voluntary: each would only cost
 * more. A reader is woken each time an eighth of the ring is full, as mp3 wakes it, and not by every event.
 */
#ifndef EVENTS_BPF_H
#define EVENTS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

typedef __u64 u64;
typedef __u32 u32;
typedef _Bool bool;

/* The kernel's structures, as far as they are read here. Where a field really lies is looked up when the program is loaded. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	u64 sum_exec_runtime;
};

struct sched_info {
	unsigned long long run_delay;
};

struct task_struct {
	unsigned int __state;
	int prio;
	int wake_cpu;
	int nr_cpus_allowed;
	struct sched_entity se;
	struct sched_info sched_info;
	int pid;
	unsigned int in_iowait : 1;
	unsigned long nvcsw;
	unsigned long nivcsw;
};

struct pt_regs___kernel {
	unsigned long di;
	unsigned long orig_ax;
};

#pragma clang attribute pop

#define RING (16 << 20)
#define EIGHTH (RING / 8)
/* An event and its header. */
#define RECORD (sizeof(struct event) + 8)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING);
} events SEC(".maps");

struct event {
	u64 words[4];
};

enum { SWITCH = 1, WAKING = 2 };

static __always_inline u64 bits(u64 value, int width, int shift)
{
	return (value & ((1ULL << width) - 1)) << shift;
}

static __always_inline void submit(struct event *event)
{
	u64 pending = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA);

	/* Once for each eighth, also where nothing is read. */
	bool wake = pending >= EIGHTH && (pending & (EIGHTH - 1)) < RECORD;

	bpf_ringbuf_submit(event, wake ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline int record_switch(int preempt, struct task_struct *prev, struct task_struct *next, u32 state)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	u64 flags;

	if (!event)
		return 0;
	flags = !!preempt | prev->in_iowait << 2 | (next->nr_cpus_allowed == 1) << 5 | !!(state & 0x80) << 6;
	event->words[0] = SWITCH | bpf_ktime_get_boot_ns() << 8;
	event->words[1] = bits(prev->pid, 22, 0) | bits(next->pid, 22, 22) | bits(state, 4, 44) | bits(flags, 8, 48) |
			  bits(prev->nivcsw, 8, 56);
	event->words[2] = bits(prev->nvcsw, 16, 0) | prev->se.sum_exec_runtime << 16;
	event->words[3] = bits(prev->prio + 1, 8, 0) | bits(next->prio + 1, 8, 8) | prev->sched_info.run_delay << 16;
	submit(event);
	return 0;
}

static __always_inline int record_waking(struct task_struct *wakee)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	struct task_struct *waker = (void *)bpf_get_current_task_btf();
	struct pt_regs___kernel *of_wakee, *of_waker;

	if (!event)
		return 0;
	of_wakee = (void *)bpf_task_pt_regs((void *)wakee);
	of_waker = (void *)bpf_task_pt_regs((void *)waker);
	event->words[0] = WAKING | bpf_ktime_get_boot_ns() << 8;
	event->words[1] = bits(wakee->pid, 22, 0) | bits(waker->pid, 22, 22) | bits(wakee->__state, 4, 44) |
			  bits(wakee->in_iowait, 1, 48);
	event->words[2] = bits(wakee->wake_cpu, 13, 0) | bits(waker->prio + 1, 8, 13) | bits(wakee->prio + 1, 8, 21) |
			  bits(of_wakee->orig_ax, 12, 32) | bits(of_waker->orig_ax, 12, 44);
	event->words[3] = of_wakee->di;
	submit(event);
	return 0;
}

#define ON_SWITCH \
	SEC("tp_btf/sched_switch") \
	int BPF_PROG(on_switch, int preempt, struct task_struct *prev, struct task_struct *next, u32 state) \
	{ \
		return record_switch(preempt, prev, next, state); \
	}

#define ON_WAKING \
	SEC("tp_btf/sched_waking") \
	int BPF_PROG(on_waking, struct task_struct *wakee) \
	{ \
		return record_waking(wakee); \
	}

char LICENSE[] SEC("license") = "GPL";

#endif
