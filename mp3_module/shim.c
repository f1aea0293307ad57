// SPDX-License-Identifier: GPL-2.0

#include "shim.h"

#include <linux/delayacct.h>
#include <linux/mm.h>
#include <linux/sched/cputime.h>
#include <linux/sched/exec_state.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/tracepoint.h>
#include <linux/vmalloc.h>
#include <linux/vtime.h>

#include <trace/events/task.h>

/* struct task_delay_info is opaque to the bindings. Adds nothing where the kernel does not count for this task. */
void mp3_task_add_delays(const struct task_struct *task, struct mp3_delays *delays)
{
#ifdef CONFIG_TASK_DELAY_ACCT
	const struct task_delay_info *info = READ_ONCE(task->delays);

	if (!info)
		return;
	delays->blkio += READ_ONCE(info->blkio_delay);
	delays->swapin += READ_ONCE(info->swapin_delay);
	delays->reclaim += READ_ONCE(info->freepages_delay);
	delays->thrashing += READ_ONCE(info->thrashing_delay);
	delays->compact += READ_ONCE(info->compact_delay);
	delays->wpcopy += READ_ONCE(info->wpcopy_delay);
#endif
}

/* Who may trace the task: struct task_exec_state is opaque to the bindings. */
int mp3_task_dumpable(const struct task_struct *task)
{
	int dumpable;

	rcu_read_lock();
	dumpable = READ_ONCE(rcu_dereference(task->exec_state)->dumpable);
	rcu_read_unlock();
	return dumpable;
}

/*
 * The task's user and system time up to now, which add up to its run time, where it runs on a CPU without a timer
 * interrupt. False where the task's own fields are as exact.
 */
bool mp3_task_times_if_tickless(struct task_struct *task, u64 *utime, u64 *stime)
{
#ifdef CONFIG_VIRT_CPU_ACCOUNTING_GEN
	if (!vtime_accounting_enabled_cpu(task_cpu(task)))
		return false;
	task_cputime_adjusted(task, utime, stime);
	return true;
#else
	return false;
#endif
}

/* The task's mm with a reference to the struct itself (not to the address space), or NULL. */
struct mm_struct *mp3_task_mm_grab(struct task_struct *task)
{
	struct mm_struct *mm;

	/* exit and exec change task->mm, and drop what it was, under this lock. */
	task_lock(task);
	mm = task->mm;
	if (task->flags & PF_KTHREAD)
		mm = NULL;
	if (mm)
		mmgrab(mm);
	task_unlock(task);
	return mm;
}

unsigned int mp3_read_seqbegin(const seqlock_t *lock)
{
	return read_seqbegin(lock);
}

bool mp3_read_seqretry(const seqlock_t *lock, unsigned int start)
{
	return read_seqretry(lock, start);
}

unsigned long mp3_read_seqlock_excl_irqsave(seqlock_t *lock)
{
	unsigned long flags;

	read_seqlock_excl_irqsave(lock, flags);
	return flags;
}

void mp3_read_sequnlock_excl_irqrestore(seqlock_t *lock, unsigned long flags)
{
	read_sequnlock_excl_irqrestore(lock, flags);
}

/*
 * Whether user space asked for MAP_SHARED. VM_SHARED does not say so: it is off where the file was opened for reading only.
 * Linux 7.2's bindings have VM_MAYSHARE with the value of VM_MAYEXEC.
 */
bool mp3_vma_is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MAYSHARE;
}

/* Without lockdep these are inline functions that do nothing. */
void mp3_fs_reclaim_acquire(void)
{
	fs_reclaim_acquire(GFP_KERNEL);
}

void mp3_fs_reclaim_release(void)
{
	fs_reclaim_release(GFP_KERNEL);
}

/* Zeroed pages that may be mapped into user space. A macro since memory allocation profiling. */
void *mp3_vmalloc_user(unsigned long size)
{
	return vmalloc_user(size);
}

static const struct seq_operations status_seq_operations = {
	.start = mp3_status_start,
	.next = mp3_status_next,
	.stop = mp3_status_stop,
	.show = mp3_status_show,
};

static int status_open(struct inode *inode, struct file *file)
{
	int error = seq_open(file, &status_seq_operations);

	if (!error)
		((struct seq_file *)file->private_data)->private = pde_data(inode);
	return error;
}

/* struct proc_ops is not in the bindings. procfs itself keeps the module's functions from being called after proc_remove(). */
static const struct proc_ops status_operations = {
	.proc_open = status_open,
	.proc_read = seq_read,
	.proc_write = mp3_status_write,
	.proc_lseek = seq_lseek,
	.proc_release = seq_release,
};

struct proc_dir_entry *mp3_proc_mkdir(void)
{
	return proc_mkdir("mp3", NULL);
}

struct proc_dir_entry *mp3_proc_create_status(struct proc_dir_entry *directory, void *data)
{
	return proc_create_data("status", 0666, directory, &status_operations, data);
}

/* Threads belong to the process of their maker. */
static void probe_newtask(void *profiler, struct task_struct *task, u64 clone_flags)
{
	if (!(clone_flags & CLONE_THREAD))
		mp3_follow_newtask(profiler, task);
}

/* The tracepoint is not exported. It is found by name; that the probe is of its type, the kernel's header checks here. */
static void find_newtask(struct tracepoint *tracepoint, void *found)
{
	check_trace_callback_type_task_newtask(probe_newtask);
	if (!strcmp(tracepoint->name, "task_newtask"))
		*(struct tracepoint **)found = tracepoint;
}

static struct tracepoint *newtask;
static void *followed_for;

/* ENOENT where this kernel has no such tracepoint. */
int mp3_follow_register(const void *profiler)
{
	followed_for = (void *)profiler;
	newtask = NULL;
	for_each_kernel_tracepoint(find_newtask, &newtask);
	return newtask ? tracepoint_probe_register(newtask, probe_newtask, followed_for) : -ENOENT;
}

/* The probe may run on until mp3_follow_synchronize(). */
void mp3_follow_unregister(void)
{
	tracepoint_probe_unregister(newtask, probe_newtask, followed_for);
}

void mp3_follow_synchronize(void)
{
	tracepoint_synchronize_unregister();
}
