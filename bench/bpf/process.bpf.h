/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the iterator and the timer have in common: the sample of a process, with the fields that a record of mp3 has, and how
 * it is read.
 *
 * Three things are left to the reader, so that the programs are as cheap as they can be: times are raw (how run time divides
 * into user and system time is computed later), totals begin with the process and not with a registration, and a thread that
 * exits while a process of several is read may be counted twice or not at all.
 */
#ifndef PROCESS_BPF_H
#define PROCESS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef __u64 u64;
typedef __u32 u32;

/* The kernel's structures, as far as they are read here. Where a field really lies is looked up when the program is loaded. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	u64 sum_exec_runtime;
};

struct sched_info {
	unsigned long long run_delay;
};

struct task_delay_info {
	u64 blkio_delay;
	u64 swapin_delay;
	u64 freepages_delay;
	u64 thrashing_delay;
	u64 compact_delay;
	u64 wpcopy_delay;
};

struct percpu_counter {
	__s64 count;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
};

struct signal_struct {
	int nr_threads;
	u64 utime;
	u64 stime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	unsigned long min_flt;
	unsigned long maj_flt;
	unsigned long long sum_sched_runtime;
};

struct task_struct {
	struct sched_entity se;
	struct sched_info sched_info;
	struct mm_struct *mm;
	int exit_state;
	int pid;
	int tgid;
	u64 utime;
	u64 stime;
	unsigned long nvcsw;
	unsigned long nivcsw;
	unsigned long min_flt;
	unsigned long maj_flt;
	char comm[16];
	struct signal_struct *signal;
	struct task_delay_info *delays;
};

#pragma clang attribute pop

/* 24 numbers in the machine's byte order, as many as a record of mp3 has. Times are in ns. */
struct sample {
	u64 sequence;
	u64 time;
	u64 tick;
	u64 jiffies;
	u64 pid;
	u64 threads;
	u64 comm[2];
	u64 runtime;
	u64 min_flt;
	u64 maj_flt;
	u64 utime;
	u64 stime;
	u64 nvcsw;
	u64 nivcsw;
	u64 run_delay;
	u64 delays[6];
	u64 resident;
	u64 swapped;
};

/* An iterator over tasks, of the kernel's. */
struct bpf_iter_task {
	u64 opaque[3];
} __attribute__((aligned(8)));

enum { ALL_THREADS = 2 }; /* BPF_TASK_ITER_PROC_THREADS */

extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task, unsigned int flags) __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *task) __ksym;
extern void bpf_task_release(struct task_struct *task) __ksym;
extern struct task_struct *bpf_task_from_pid(__s32 pid) __ksym;

#define EACH_TOTAL(of) of(min_flt) of(maj_flt) of(utime) of(stime) of(nvcsw) of(nivcsw)

/* Adds what a thread has counted. */
static __always_inline void add_thread(struct sample *to, struct task_struct *thread)
{
	struct task_delay_info *delays = thread->delays;

#define ADD(total) to->total += thread->total;
	EACH_TOTAL(ADD)
#undef ADD
	to->runtime += thread->se.sum_exec_runtime;
	to->run_delay += thread->sched_info.run_delay;
	if (delays) {
		to->delays[0] += delays->blkio_delay;
		to->delays[1] += delays->swapin_delay;
		to->delays[2] += delays->freepages_delay;
		to->delays[3] += delays->thrashing_delay;
		to->delays[4] += delays->compact_delay;
		to->delays[5] += delays->wpcopy_delay;
	}
}

/* Fills in all fields that stand in the kernel's structures; `leader` leads its thread group. */
static __always_inline void take_sample(struct sample *to, struct task_struct *leader)
{
	struct signal_struct *signal = leader->signal;
	struct mm_struct *mm = leader->mm;
	int threads = signal->nr_threads;

	to->pid = (u32)leader->tgid | (u64)(u32)leader->exit_state << 32;
	to->threads = threads;
	to->comm[0] = *(u64 *)&leader->comm[0];
	to->comm[1] = *(u64 *)&leader->comm[8];
#define START(total) to->total = signal->total;
	EACH_TOTAL(START)
#undef START
	to->runtime = signal->sum_sched_runtime;
	to->run_delay = 0;
	to->delays[0] = to->delays[1] = to->delays[2] = to->delays[3] = to->delays[4] = to->delays[5] = 0;
	if (threads == 1) {
		add_thread(to, leader);
	} else {
		struct task_struct *held = bpf_task_acquire(leader), *thread;
		struct bpf_iter_task threads;

		if (held) {
			bpf_iter_task_new(&threads, held, ALL_THREADS);
			while ((thread = bpf_iter_task_next(&threads)))
				add_thread(to, thread);
			bpf_iter_task_destroy(&threads);
			bpf_task_release(held);
		}
	}
	to->resident = 0;
	to->swapped = 0;
	if (mm) {
		/* File, anonymous, swap, shared. */
		to->resident = mm->rss_stat[0].count + mm->rss_stat[1].count + mm->rss_stat[3].count;
		to->swapped = mm->rss_stat[2].count;
	}
}

char LICENSE[] SEC("license") = "GPL";

#endif
