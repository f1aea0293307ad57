// SPDX-License-Identifier: GPL-2.0
/*
 * Shows that the ORC unwinder takes one instruction of return_to_handler for a corrupt stack.
 *
 *     unwind-return [SECONDS]
 *
 * The program has the kernel's function_graph tracer watch one system call, makes that call all the time for SECONDS (default
 * 10), and meanwhile has a timer's interrupt unwind the stack every 10 us, as `perf record -g -e cpu-clock` does. At some time
 * an interrupt comes while the instruction is next. The kernel says so once a boot.
 *
 * Run it as root. Exit status: 1 if the kernel has warned, 0 if not. Build: cc -O2 -static -o unwind-return unwind-return.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing"
#define PAGE 4096
/* Of the ring: the samples themselves are not read. */
#define PAGES 9

static void fail(const char *what)
{
	fprintf(stderr, "unwind-return: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail(path);
	close(fd);
}

/* Prints the kernel's warnings from its unwinder and returns how many there are. */
static int warnings(void)
{
	char line[8192];
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK), count = 0;
	ssize_t length;

	if (fd < 0)
		fail("/dev/kmsg");
	for (;;) {
		length = read(fd, line, sizeof(line) - 1);
		if (length < 0 && errno == EPIPE)
			continue;
		if (length <= 0)
			break;
		line[length] = 0;
		if (strstr(line, "wrong direction") && strstr(line, "return_to_handler")) {
			printf("%s", strchr(line, ';') + 1);
			count++;
		}
	}
	close(fd);
	return count;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 10;
	struct perf_event_attr sampling = {
		.size = sizeof(sampling),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 10007,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.exclude_callchain_user = 1,
		.disabled = 1,
	};
	struct timespec begin, now;
	unsigned long calls = 0;
	int fd, warned;

	if (access(TRACING "/current_tracer", F_OK) && mount("none", TRACING, "tracefs", 0, NULL))
		fail("tracefs");
	/* The kernel would lower the rate where a sample takes long. */
	put("/proc/sys/kernel/perf_cpu_time_max_percent", "0");
	fd = syscall(SYS_perf_event_open, &sampling, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		fail("perf_event_open");
	if (mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED)
		fail("perf_event_open");
	put(TRACING "/set_ftrace_filter", "*sys_getppid");
	put(TRACING "/current_tracer", "function_graph");
	ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		int i;

		for (i = 0; i < 1000; i++)
			syscall(SYS_getppid);
		calls += 1000;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec + (now.tv_nsec - begin.tv_nsec) / 1e9 < seconds);
	ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	put(TRACING "/current_tracer", "nop");
	warned = warnings();
	printf("%lu calls; the unwinder has %s\n", calls, warned ? "warned" : "not warned");
	return warned != 0;
}
