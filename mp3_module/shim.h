/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust cannot express: macros and static inline functions of the kernel's headers, and tables of a type that the
 * kernel's Rust bindings leave out. ffi.rs declares the same functions for Rust; nothing here decides anything.
 */
#ifndef MP3_SHIM_H
#define MP3_SHIM_H

#include <linux/mm_types.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/seqlock.h>

/* Delay accounting of one task, all in ns. */
struct mp3_delays {
	u64 blkio;
	u64 swapin;
	u64 reclaim;
	u64 thrashing;
	u64 compact;
	u64 wpcopy;
};

void mp3_task_add_delays(const struct task_struct *task, struct mp3_delays *delays);
int mp3_task_dumpable(const struct task_struct *task);
bool mp3_task_times_if_tickless(struct task_struct *task, u64 *utime, u64 *stime);
struct mm_struct *mp3_task_mm_grab(struct task_struct *task);

unsigned int mp3_read_seqbegin(const seqlock_t *lock);
bool mp3_read_seqretry(const seqlock_t *lock, unsigned int start);
unsigned long mp3_read_seqlock_excl_irqsave(seqlock_t *lock);
void mp3_read_sequnlock_excl_irqrestore(seqlock_t *lock, unsigned long flags);

bool mp3_vma_is_shared(const struct vm_area_struct *vma);
void *mp3_vmalloc_user(unsigned long size);

struct proc_dir_entry *mp3_proc_mkdir(void);
struct proc_dir_entry *mp3_proc_create_status(struct proc_dir_entry *directory, void *data);

void mp3_fs_reclaim_acquire(void);
void mp3_fs_reclaim_release(void);

int mp3_follow_register(const void *profiler);
void mp3_follow_unregister(void);
void mp3_follow_synchronize(void);

/* Defined in follower.rs. */
void mp3_follow_newtask(const void *profiler, struct task_struct *child);

/* Defined in procfs.rs. */
ssize_t mp3_status_write(struct file *file, const char __user *buffer, size_t length, loff_t *offset);
void *mp3_status_start(struct seq_file *seq, loff_t *position);
void *mp3_status_next(struct seq_file *seq, void *token, loff_t *position);
void mp3_status_stop(struct seq_file *seq, void *token);
int mp3_status_show(struct seq_file *seq, void *token);

#endif
