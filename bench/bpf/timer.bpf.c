// SPDX-License-Identifier: GPL-2.0
//
// A timer that samples the registered processes at a fixed rate into a ring that user space maps: what mp3 does, in BPF.
//
// It holds the tasks, so nothing is looked up; times are taken once a tick; the ring is a mapped array, and nothing is copied; the
// loop and the lookup of a task are inlined by the verifier.

#include "process.bpf.h"

#define CLOCK_MONOTONIC 1
#define RING (1 << 16)
#define PROCESSES 16384

// As user space maps it.
struct ring {
	// Samples that are there, and those that are there or being written.
	u64 committed;
	u64 reserved;
	// Ticks that are done, and what they took in all, ns.
	u64 ticks;
	u64 spent;
	u64 unused[4];
	struct sample samples[RING];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct ring);
} ring SEC(".maps");

struct process {
	struct task_struct __kptr *task;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROCESSES);
	__type(key, u32);
	__type(value, struct process);
} processes SEC(".maps");

struct sampler {
	struct bpf_timer timer;
	u64 deadline;
	u64 interval;
	u64 registered;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sampler);
} samplers SEC(".maps");

struct tick {
	struct ring *ring;
	u64 position;
	u64 time;
	u64 number;
	u64 jiffies;
};

static long sample_one(u64 index, struct tick *tick)
{
	u32 key = index;
	struct process *process = bpf_map_lookup_elem(&processes, &key);
	struct sample *to;
	struct task_struct *task;

	if (!process)
		return 1;
	task = process->task;
	if (!task)
		return 0;
	to = &tick->ring->samples[tick->position & (RING - 1)];
	to->sequence = tick->position++;
	to->time = tick->time;
	to->tick = tick->number;
	to->jiffies = tick->jiffies;
	take_sample(to, task);
	return 0;
}

static int sample_all(void *map, u32 *key, struct sampler *sampler)
{
	u32 first = 0;
	struct ring *to = bpf_map_lookup_elem(&ring, &first);
	struct tick tick = {};

	if (!to)
		return 0;
	tick.ring = to;
	tick.position = to->committed;
	tick.number = to->ticks + 1;
	tick.time = bpf_ktime_get_ns();
	tick.jiffies = bpf_jiffies64();
	*(volatile u64 *)&to->reserved = tick.position + sampler->registered;
	bpf_loop(sampler->registered, sample_one, &tick, 0);
	*(volatile u64 *)&to->committed = tick.position;
	to->spent += bpf_ktime_get_ns() - tick.time;
	*(volatile u64 *)&to->ticks = tick.number;
	sampler->deadline += sampler->interval;
	bpf_timer_start(&sampler->timer, sampler->deadline, BPF_F_TIMER_ABS);
	return 0;
}

// Registers the process of this number.
struct registration {
	u64 pid;
};

SEC("syscall")
int add(struct registration *of)
{
	u32 first = 0, index;
	struct sampler *sampler = bpf_map_lookup_elem(&samplers, &first);
	struct process *process;
	struct task_struct *task;

	if (!sampler)
		return 1;
	index = sampler->registered;
	process = bpf_map_lookup_elem(&processes, &index);
	if (!process)
		return 2;
	task = bpf_task_from_pid(of->pid);
	if (!task)
		return 3;
	task = bpf_kptr_xchg(&process->task, task);
	if (task)
		bpf_task_release(task);
	sampler->registered++;
	return 0;
}

// Begins to sample, this many ns apart.
struct rate {
	u64 interval;
};

SEC("syscall")
int start(struct rate *rate)
{
	u32 first = 0;
	struct sampler *sampler = bpf_map_lookup_elem(&samplers, &first);

	if (!sampler)
		return 1;
	sampler->interval = rate->interval;
	sampler->deadline = bpf_ktime_get_ns() + rate->interval;
	bpf_timer_init(&sampler->timer, &samplers, CLOCK_MONOTONIC);
	bpf_timer_set_callback(&sampler->timer, sample_all);
	bpf_timer_start(&sampler->timer, sampler->deadline, BPF_F_TIMER_ABS);
	return 0;
}
