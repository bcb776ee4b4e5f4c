// Makes calls of the C library fail or wait, in a program that is started with this library in LD_PRELOAD.
//
// FAULT_CALL names functions and FAULT_FILE the ends of paths, separated by commas. From call number FAULT_FIRST (counted from
// 1) on, each such call on such a file fails with EIO or, if FAULT_WAIT is a path, waits for that file to appear, creating
// FAULT_WAIT.reached. With FAULT_ONCE only call number FAULT_FIRST fails. With FAULT_KILL the program is killed instead. A write
// that fails or is killed has written half of its bytes.
//
// All such calls are logged to the file FAULT_LOG, a line each: function, name of the file, the offset of a write or the length
// after a truncation, and the number of bytes to write.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_int calls;

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

// True if the file has this name, or that of its staged file.
static int is_named(const char *path, const char *name) {
    char prefix[256];
    const char *base = strrchr(path, '/');
    snprintf(prefix, sizeof prefix, ".%s.sqload-", name);
    return ends_with(path, name) || strncmp(base ? base + 1 : path, prefix, strlen(prefix)) == 0;
}

static int is_same(const char *text, const char *other) { return strcmp(text, other) == 0; }

// True if a part of `list`, which has commas between them, matches `text`.
static int matches(const char *text, const char *list, int (*match)(const char *, const char *)) {
    char parts[1024], *rest = parts, *part;
    snprintf(parts, sizeof parts, "%s", list);
    while ((part = strsep(&rest, ","))) {
        if (match(text, part)) return 1;
    }
    return 0;
}

// True if the call must fail, which `fail` then does. Waits in a call that must wait.
static int is_due(const char *call, const char *path, long long position, size_t bytes) {
    const char *wanted = getenv("FAULT_CALL"), *file = getenv("FAULT_FILE"), *first = getenv("FAULT_FIRST");
    if (!wanted || !file || !matches(call, wanted, is_same) || !matches(path, file, is_named)) return 0;
    int number = atomic_fetch_add(&calls, 1) + 1, first_number = first ? atoi(first) : 1;
    FILE *log = getenv("FAULT_LOG") ? fopen(getenv("FAULT_LOG"), "a") : NULL;
    if (log) {
        const char *base = strrchr(path, '/');
        fprintf(log, "%s %s %lld %zu\n", call, base ? base + 1 : path, position, bytes);
        fclose(log);
    }
    if (number < first_number || (getenv("FAULT_ONCE") && number > first_number)) return 0;
    const char *wait = getenv("FAULT_WAIT");
    if (!wait) return 1;
    char reached[4096];
    snprintf(reached, sizeof reached, "%s.reached", wait);
    FILE *signal = fopen(reached, "w");
    if (signal) fclose(signal);
    for (int turn = 0; turn < 20000 && access(wait, F_OK) != 0; turn++) usleep(1000);
    return 0;
}

static int is_due_of(const char *call, int descriptor, long long position, size_t bytes) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_due(call, path, position, bytes);
}

static int fail(void) {
    if (getenv("FAULT_KILL")) kill(getpid(), SIGKILL);
    errno = EIO;
    return -1;
}

// True if the call must fail.
static int fault(const char *call, const char *path) { return is_due(call, path, 0, 0) && fail(); }

static int fault_of(const char *call, int descriptor) { return is_due_of(call, descriptor, 0, 0) && fail(); }

#define REAL(type, name) \
    static __typeof__(type) *real; \
    if (!real) real = (__typeof__(type) *)dlsym(RTLD_NEXT, name)

int close(int descriptor) {
    REAL(int(int), "close");
    int failed = fault_of("close", descriptor);
    int result = real(descriptor);
    if (failed) errno = EIO;
    return failed ? -1 : result;
}

int fsync(int descriptor) {
    REAL(int(int), "fsync");
    return fault_of("fsync", descriptor) ? -1 : real(descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    REAL(ssize_t(int, const void *, size_t), "write");
    int is_failing = is_due_of("write", descriptor, lseek(descriptor, 0, SEEK_CUR), count);
    ssize_t written = real(descriptor, bytes, is_failing ? count / 2 : count);
    return is_failing ? fail() : written;
}

static size_t bytes_of(const struct iovec *slices, int count) {
    size_t bytes = 0;
    for (int slice = 0; slice < count; slice++) bytes += slices[slice].iov_len;
    return bytes;
}

ssize_t writev(int descriptor, const struct iovec *slices, int count) {
    REAL(ssize_t(int, const struct iovec *, int), "writev");
    int is_failing = is_due_of("write", descriptor, lseek(descriptor, 0, SEEK_CUR), bytes_of(slices, count));
    ssize_t written = real(descriptor, slices, is_failing ? count / 2 : count);
    return is_failing ? fail() : written;
}

static ssize_t write_at(int descriptor, const void *bytes, size_t count, off64_t offset, const char *name) {
    REAL(ssize_t(int, const void *, size_t, off64_t), name);
    int is_failing = is_due_of("write", descriptor, offset, count);
    ssize_t written = real(descriptor, bytes, is_failing ? count / 2 : count, offset);
    return is_failing ? fail() : written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
    return write_at(descriptor, bytes, count, offset, "pwrite");
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
    return write_at(descriptor, bytes, count, offset, "pwrite64");
}

static ssize_t write_slices_at(int descriptor, const struct iovec *slices, int count, off64_t offset, const char *name) {
    REAL(ssize_t(int, const struct iovec *, int, off64_t), name);
    int is_failing = is_due_of("write", descriptor, offset, bytes_of(slices, count));
    ssize_t written = real(descriptor, slices, is_failing ? count / 2 : count, offset);
    return is_failing ? fail() : written;
}

ssize_t pwritev(int descriptor, const struct iovec *slices, int count, off_t offset) {
    return write_slices_at(descriptor, slices, count, offset, "pwritev");
}

ssize_t pwritev64(int descriptor, const struct iovec *slices, int count, off64_t offset) {
    return write_slices_at(descriptor, slices, count, offset, "pwritev64");
}

int ftruncate(int descriptor, off_t length) {
    REAL(int(int, off_t), "ftruncate");
    return is_due_of("truncate", descriptor, length, 0) ? fail() : real(descriptor, length);
}

int ftruncate64(int descriptor, off64_t length) {
    REAL(int(int, off64_t), "ftruncate64");
    return is_due_of("truncate", descriptor, length, 0) ? fail() : real(descriptor, length);
}

int fdatasync(int descriptor) {
    REAL(int(int), "fdatasync");
    return fault_of("fsync", descriptor) ? -1 : real(descriptor);
}

int rename(const char *from, const char *to) {
    REAL(int(const char *, const char *), "rename");
    return fault("rename", to) ? -1 : real(from, to);
}

int unlink(const char *path) {
    REAL(int(const char *), "unlink");
    return fault("unlink", path) ? -1 : real(path);
}

// The file cannot be mapped, as on some file systems.
void *mmap(void *address, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
    REAL(void *(void *, size_t, int, int, int, off_t), "mmap");
    if (descriptor >= 0 && fault_of("mmap", descriptor)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(address, bytes, protection, flags, descriptor, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int descriptor, off64_t offset) {
    REAL(void *(void *, size_t, int, int, int, off64_t), "mmap64");
    if (descriptor >= 0 && fault_of("mmap", descriptor)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    return real(address, bytes, protection, flags, descriptor, offset);
}

// The call `thread` starts a thread, and has no file.
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    REAL(int(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *), "pthread_create");
    return fault("thread", "") ? EAGAIN : real(thread, attributes, run, argument);
}

// The calls `lock` and `unlock` are those for POSIX locks.
static int control(int descriptor, int command, void *argument, const char *name) {
    REAL(int(int, int, ...), name);
    if (command == F_SETLK) {
        const struct flock *lock = argument;
        if (fault_of(lock->l_type == F_UNLCK ? "unlock" : lock->l_type == F_WRLCK ? "lock" : "share", descriptor)) return -1;
    }
    return real(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(descriptor, command, argument, "fcntl");
}

int fcntl64(int descriptor, int command, ...) {
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    return control(descriptor, command, argument, "fcntl64");
}

// The call `open` is one for reading and writing.
static int open_file(const char *path, int flags, mode_t mode, const char *name) {
    REAL(int(const char *, int, ...), name);
    if ((flags & O_ACCMODE) == O_RDWR && fault("open", path)) return -1;
    return real(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return open_file(path, flags, mode, "open");
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return open_file(path, flags, mode, "open64");
}
