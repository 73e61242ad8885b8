/* Comes before the C library (LD_PRELOAD, ld.so(8)): each call that waits for the medium is written down with its moment, and takes
 * as much longer as a card would. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static void note(void) {
    struct timespec now;
    char line[64];
    const char *path = getenv("FLUSHES_FILE");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
    if (file < 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(line, sizeof line, "%lld.%06ld\n", (long long)now.tv_sec, now.tv_nsec / 1000);
    if (write(file, line, length) != length)
        abort();
    close(file);
}

static int late(long result) {
    int error = errno;
    const char *delay = getenv("FLUSHES_DELAY_US");
    long us = delay ? atol(delay) : 0;
    if (us > 0) {
        /* A sleep would be as late as its thread's timer slack allows. */
        struct itimerspec once = {.it_value = {us / 1000000, us % 1000000 * 1000}};
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        long long expired;
        if (timer < 0 || timerfd_settime(timer, 0, &once, NULL) < 0 || read(timer, &expired, sizeof expired) < 0)
            abort();
        close(timer);
    }
    errno = error;
    return (int)result;
}

int fsync(int file) {
    note();
    return late(syscall(SYS_fsync, file));
}

int fdatasync(int file) {
    note();
    return late(syscall(SYS_fdatasync, file));
}

int syncfs(int file) {
    note();
    return late(syscall(SYS_syncfs, file));
}

int msync(void *from, size_t length, int how) {
    note();
    return late(syscall(SYS_msync, from, length, how));
}

void sync(void) {
    note();
    late(syscall(SYS_sync));
}
