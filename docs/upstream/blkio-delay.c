// SPDX-License-Identifier: GPL-2.0
/*
 * Shows that the kernel charges block-I/O delay to the wrong task when a dequeue is delayed.
 *
 *     blkio-delay DEVICE [READS]
 *
 * A reader computes for 2 ms and then reads one block of DEVICE with O_DIRECT, READS times (default 50). Two busy loops
 * share its CPU, so that it has used more than its share when it blocks, and its dequeue is delayed. For each read the
 * program compares two times:
 *
 *   took     the time from before the read to after it, CLOCK_MONOTONIC
 *   counted  what the thread's block-I/O delay (field 42 of /proc/thread-self/stat, in clock ticks) rose by meanwhile
 *
 * The wait for a block is a part of the read, so `counted` cannot exceed `took` by more than one clock tick.
 *
 * kernel.task_delayacct must be 1 before the program starts. Exit status: 0 if no read breaks the rule, 1 if one does.
 * Build: cc -O2 -static -o blkio-delay blkio-delay.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define HOGS 2

static void fail(const char *what)
{
	fprintf(stderr, "blkio-delay: %s: %s\n", what, strerror(errno));
	exit(2);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void compute_ms(double ms)
{
	double end = now_ms() + ms;

	while (now_ms() < end)
		;
}

/* Block-I/O delay of this thread, in ms. */
static double blkio_delay_ms(void)
{
	char line[1024], *field;
	int fd = open("/proc/thread-self/stat", O_RDONLY), index;
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (length <= 0)
		fail("/proc/thread-self/stat");
	close(fd);
	line[length] = 0;
	/* Field 2 is the name and may contain blanks; field 3 follows its last parenthesis. */
	field = strrchr(line, ')') + 1;
	for (index = 3; index <= 42; index++)
		field = strchr(field, ' ') + 1;
	return strtoull(field, NULL, 10) * 1e3 / sysconf(_SC_CLK_TCK);
}

int main(int argc, char **argv)
{
	int reads = argc > 2 ? atoi(argv[2]) : 50, wrong = 0, fd, i;
	double tick_ms = 1e3 / sysconf(_SC_CLK_TCK), took_sum = 0, counted_sum = 0, worst_took = 0, worst_counted = 0;
	pid_t hogs[HOGS];
	cpu_set_t cpu;
	void *block;

	if (argc < 2 || reads < 1) {
		fprintf(stderr, "usage: blkio-delay DEVICE [READS]\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0)
		fail(argv[1]);
	if (posix_memalign(&block, BLOCK, BLOCK))
		fail("posix_memalign");
	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		fail("sched_setaffinity");

	for (i = 0; i < HOGS; i++) {
		hogs[i] = fork();
		if (hogs[i] < 0)
			fail("fork");
		if (hogs[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				;
		}
	}
	for (i = 0; i < reads; i++) {
		double counted, took;

		compute_ms(2);
		counted = blkio_delay_ms();
		took = now_ms();
		if (pread(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK)
			fail("pread");
		took = now_ms() - took;
		counted = blkio_delay_ms() - counted;
		took_sum += took;
		counted_sum += counted;
		if (counted > took + tick_ms)
			wrong++;
		if (counted - took > worst_counted - worst_took) {
			worst_counted = counted;
			worst_took = took;
		}
	}
	for (i = 0; i < HOGS; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
	printf("reads: %d, of them with more delay counted than they took: %d\n", reads, wrong);
	printf("all reads: took %.0f ms, counted %.0f ms\n", took_sum, counted_sum);
	if (wrong)
		printf("the worst: took %.1f ms, counted %.0f ms\n", worst_took, worst_counted);
	return wrong != 0;
}
