/* A clock that is set, and a disk that fails, for one process: see preloaded.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Seconds that the clock is ahead, failures of a thousand tries, and how often one has failed. */
static volatile long *control;

__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("FAULTS_CONTROL"), O_RDWR);
    void *there = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (there != MAP_FAILED) control = there;
    close(file);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(which, now);
    if (!done && control && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += control[0];
    return done;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int done = real(now, zone);
    if (!done && control) now->tv_sec += control[0];
    return done;
}

/* Whether a call on this file fails: one of the record's, by chance. */
static int fails(int file) {
    char link[64], path[4096];
    if (!control || rand() % 1000 >= control[1]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    if (!strstr(path, "/calls.db") && !strstr(path, ".jsonl")) return 0;
    control[2]++;
    errno = EIO;
    return 1;
}

#define FAILING(type, name, parameters, ...)        \
    type name parameters {                          \
        REAL(name);                                 \
        return fails(file) ? -1 : real(__VA_ARGS__); \
    }

FAILING(int, fsync, (int file), file)
FAILING(int, fdatasync, (int file), file)
FAILING(ssize_t, read, (int file, void *to, size_t size), file, to, size)
FAILING(ssize_t, write, (int file, const void *from, size_t size), file, from, size)
FAILING(ssize_t, pread64, (int file, void *to, size_t size, off64_t at), file, to, size, at)
FAILING(ssize_t, pwrite64, (int file, const void *from, size_t size, off64_t at), file, from, size, at)
