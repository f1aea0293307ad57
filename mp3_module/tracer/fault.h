/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two sides of the probes of page faults: fault.c collects what only C can read, faults.rs starts and stops it, and
 * fault_records.rs, with interrupts off, makes records of it.
 */
#ifndef MP3_FAULT_H
#define MP3_FAULT_H

#include <linux/types.h>

struct mp3_recorder;

/* From the beginning of an attempt to its end: struct RawFault of fault_records.rs. The kernel keeps it for the task. */
struct mp3_fault {
	/* Word 1 of Fault in abi/src/events/fault/mod.rs, but for what only the end tells. */
	u64 who;
	/* Its word 2. */
	u64 where;
	/* Word 1 of FaultPlace. */
	u64 ip;
	/* Its word 2 without the result. */
	u64 mapping;
	/* Its word 3. */
	u64 page;
	/* CLOCK_BOOTTIME, ns. */
	u64 began;
	/* The thread's faults before this one. */
	u32 minor;
	u32 major;
	/* The page's entry in its table. */
	u64 entry;
	/* The address space where the end is to look once more; else NULL. It lives longer than the attempt. */
	struct mm_struct *mm;
};

/* A mapping: struct RawMap of fault_records.rs. */
struct mp3_map {
	u64 first_page;
	u64 pages;
	u64 inode;
	u64 offset;
	/* NULL without one. */
	const char *text;
	u32 device;
	u32 tgid;
	u32 id;
	u16 path_bytes;
	u8 text_bytes;
	u8 class;
	u8 protection;
};

/* fault.c */
int mp3_faults_begin(const unsigned long *filter_bits);
int mp3_faults_register(bool ends);
void mp3_faults_unregister(bool ends);
void mp3_faults_end(void);

/* fault_records.rs. CLOCK_BOOTTIME, ns; callable anywhere. */
u64 mp3_trace_now(void);

/*
 * Interrupts are off in the rest of them. True, but for mp3_trace_map(): a part of the ring has been written since the last time,
 * and the records of mappings are to be written again.
 */
bool mp3_trace_fault(struct mp3_recorder *recorder, const struct mp3_fault *fault, u64 who, u64 counts, u64 result);
bool mp3_trace_fault_entry(struct mp3_recorder *recorder, const struct mp3_fault *fault);
bool mp3_trace_map(struct mp3_recorder *recorder, const struct mp3_map *map);
void mp3_trace_fault_signal(struct mp3_recorder *recorder, u64 who, u64 address, u64 ip);
void mp3_trace_fault_totals(struct mp3_recorder *recorder, u64 who, u64 minor, u64 major);

#endif
