// SPDX-License-Identifier: GPL-2.0
//
// A task iterator: one read gives every process's counters, without text and without an open file a process. It walks all
// tasks, as any task iterator does, and writes a sample for those that lead a thread group.

#include "process.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct sample sample = {};

	// NULL comes once, after the last.
	if (!task || task->pid != task->tgid)
		return 0;
	take_sample(&sample, task);
	sample.sequence = ctx->meta->seq_num;
	sample.time = bpf_ktime_get_ns();
	sample.jiffies = bpf_jiffies64();
	// A sample that no longer fits into the read is asked for again with the next.
	bpf_seq_write(ctx->meta->seq, &sample, sizeof(sample));
	return 0;
}
