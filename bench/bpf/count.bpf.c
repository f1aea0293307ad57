// SPDX-License-Identifier: GPL-2.0
//
// The least that BPF can do at a switch: it raises a number of the CPU's own.

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} switches SEC(".maps");

SEC("tp_btf/sched_switch")
int on_switch(void *ctx)
{
	__u32 first = 0;
	__u64 *count = bpf_map_lookup_elem(&switches, &first);

	if (count)
		++*count;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
