// SPDX-License-Identifier: GPL-2.0
/*
 * Shows how much of the wait for pages in swap the kernel counts as swap-in delay.
 *
 *     swapin-delay [PAGES]
 *
 * PAGES pages (default 50) are written to swap and leave the swap cache. Then they are touched one after the other, without
 * readahead. The program compares two times:
 *
 *   took     the time of the touches, CLOCK_MONOTONIC
 *   counted  what the thread's swap-in delay (swapin_delay_total of taskstats) rose by meanwhile
 *
 * It prints the thrashing and the block-I/O delay beside them. Nothing but swap keeps the program waiting, so on a slow disk
 * almost all of `took` is the wait for it.
 *
 * Run it as root, with swap on, cgroup2 and kernel.task_delayacct=1. Exit status: 0 if at least half of the time is counted
 * as swap-in delay, 1 if less is. Build: cc -O2 -static -o swapin-delay swapin-delay.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/taskstats.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define GROUP "/sys/fs/cgroup/swapin-delay"

struct message {
	struct nlmsghdr header;
	struct genlmsghdr general;
	char attributes[2048];
};

static void fail(const char *what)
{
	fprintf(stderr, "swapin-delay: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Returns 0, or -1 with errno. */
static int put(const char *path, const char *format, ...)
{
	char text[64];
	va_list values;
	int fd = open(path, O_WRONLY), length;
	ssize_t written;

	if (fd < 0)
		return -1;
	va_start(values, format);
	length = vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	written = write(fd, text, length);
	close(fd);
	return written == length ? 0 : -1;
}

/* How many of the pages are in memory: mapped, or in the swap cache. */
static int in_memory(char *memory, int pages)
{
	unsigned char *resident = malloc(pages);
	int count = 0, i;

	if (!resident || mincore(memory, (size_t)pages * PAGE, resident))
		fail("mincore");
	for (i = 0; i < pages; i++)
		count += resident[i] & 1;
	free(resident);
	return count;
}

/* The attribute of this type among those in [at, end), or NULL. */
static struct nlattr *find(char *at, char *end, int type)
{
	while (at + NLA_HDRLEN <= end) {
		struct nlattr *attribute = (struct nlattr *)at;

		if (attribute->nla_len < NLA_HDRLEN)
			return NULL;
		if (attribute->nla_type == type)
			return attribute;
		at += NLA_ALIGN(attribute->nla_len);
	}
	return NULL;
}

/* Sends a command with one attribute and waits for the answer, which replaces it in `m`. Returns the end of its attributes. */
static char *ask(int fd, struct message *m, int family, int command, int type, const void *value, int size)
{
	struct nlattr *attribute = (struct nlattr *)m->attributes;
	ssize_t length;

	memset(m, 0, sizeof(*m));
	m->header.nlmsg_type = family;
	m->header.nlmsg_flags = NLM_F_REQUEST;
	m->general.cmd = command;
	m->general.version = 1;
	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + size;
	memcpy(m->attributes + NLA_HDRLEN, value, size);
	m->header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(attribute->nla_len);
	if (send(fd, m, m->header.nlmsg_len, 0) < 0)
		fail("netlink");
	length = recv(fd, m, sizeof(*m), 0);
	if (length < 0)
		fail("netlink");
	if (m->header.nlmsg_type == NLMSG_ERROR) {
		errno = -((struct nlmsgerr *)NLMSG_DATA(&m->header))->error;
		fail("taskstats");
	}
	return (char *)m + length;
}

/* The statistics of this thread. */
static struct taskstats taskstats(void)
{
	static int fd = -1, family;
	struct message m;
	struct taskstats stats;
	struct nlattr *attribute;
	size_t length;
	char *end;
	__u32 pid = getpid();

	if (fd < 0) {
		fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
		if (fd < 0)
			fail("netlink");
		end = ask(fd, &m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, TASKSTATS_GENL_NAME,
			  sizeof(TASKSTATS_GENL_NAME));
		attribute = find(m.attributes, end, CTRL_ATTR_FAMILY_ID);
		if (!attribute)
			fail("taskstats");
		family = *(__u16 *)((char *)attribute + NLA_HDRLEN);
	}
	end = ask(fd, &m, family, TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_PID, &pid, sizeof(pid));
	attribute = find(m.attributes, end, TASKSTATS_TYPE_AGGR_PID);
	if (attribute)
		attribute = find((char *)attribute + NLA_HDRLEN, end, TASKSTATS_TYPE_STATS);
	if (!attribute || attribute->nla_len < NLA_HDRLEN + offsetof(struct taskstats, thrashing_delay_total) + 8) {
		errno = EPROTO;
		fail("taskstats");
	}
	/* The kernel's may be longer or shorter than the one of these headers. */
	length = attribute->nla_len - NLA_HDRLEN;
	memset(&stats, 0, sizeof(stats));
	memcpy(&stats, (char *)attribute + NLA_HDRLEN, length < sizeof(stats) ? length : sizeof(stats));
	return stats;
}

int main(int argc, char **argv)
{
	int pages = argc > 1 ? atoi(argv[1]) : 50, i, tries;
	struct taskstats before, after;
	struct rusage usage;
	double took, counted;
	long majors;
	char *memory;

	if (pages < 1) {
		fprintf(stderr, "usage: swapin-delay [PAGES]\n");
		return 2;
	}
	/* One page a read. */
	if (put("/proc/sys/vm/page-cluster", "0"))
		fail("/proc/sys/vm/page-cluster");
	put("/sys/kernel/mm/swap/vma_ra_enabled", "0");
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) && mount("none", "/sys/fs/cgroup", "cgroup2", 0, NULL))
		fail("cgroup2");
	if (put("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		fail("the memory controller");
	if ((mkdir(GROUP, 0755) && errno != EEXIST) || put(GROUP "/cgroup.procs", "%d", getpid()))
		fail(GROUP);

	memory = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	madvise(memory, (size_t)pages * PAGE, MADV_NOHUGEPAGE);
	srand(1);
	for (i = 0; i < pages * PAGE; i++)
		memory[i] = rand();
	taskstats();
	/* Written to swap, and gone from the swap cache. */
	for (tries = 0; in_memory(memory, pages); tries++) {
		if (tries == 200) {
			fprintf(stderr, "swapin-delay: %d pages stay in memory; is there swap?\n", in_memory(memory, pages));
			return 2;
		}
		madvise(memory, (size_t)pages * PAGE, MADV_PAGEOUT);
		put(GROUP "/memory.reclaim", "64M");
		usleep(100000);
	}

	/* Its own code comes back from swap, or not, before it is measured. */
	before = taskstats();
	before = taskstats();
	getrusage(RUSAGE_SELF, &usage);
	majors = usage.ru_majflt;
	took = now_ms();
	for (i = 0; i < pages; i++)
		((volatile char *)memory)[(size_t)i * PAGE]++;
	took = now_ms() - took;
	getrusage(RUSAGE_SELF, &usage);
	majors = usage.ru_majflt - majors;
	after = taskstats();

	counted = (after.swapin_delay_total - before.swapin_delay_total) / 1e6;
	printf("%ld major faults took %.1f ms; counted as swap-in %.1f ms, as thrashing %.1f ms, as block I/O %.1f ms\n",
	       majors, took, counted, (after.thrashing_delay_total - before.thrashing_delay_total) / 1e6,
	       (after.blkio_delay_total - before.blkio_delay_total) / 1e6);
	put("/sys/fs/cgroup/cgroup.procs", "%d", getpid());
	rmdir(GROUP);
	return counted < took / 2;
}
