/* A disk that fails on command: loaded into a process before libc (LD_PRELOAD), it has writes to the files below one
   folder fail, and their syncs fail or take long, as a page of memory says that it shares with who runs the test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const volatile struct {
    int write_errno;
    int sync_errno;
    int sync_delay_ms;
} *fault;
static const char *folder;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTY_DISK_CONTROL");
    folder = getenv("FAULTY_DISK_FOLDER");
    int file = path && folder ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *page = mmap(NULL, sizeof *fault, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (page != MAP_FAILED) fault = page;
}

static int is_on_disk(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(int error, int file) {
    if (!error || !is_on_disk(file)) return 0;
    errno = error;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t length) {
    return fault && fails(fault->write_errno, file) ? -1 : NEXT(write)(file, data, length);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    return fault && fails(fault->write_errno, file) ? -1 : NEXT(pwrite)(file, data, length, at);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    return fault && fails(fault->write_errno, file) ? -1 : NEXT(pwrite64)(file, data, length, at);
}

static int sync_fails(int file) {
    if (!fault) return 0;
    if (fault->sync_delay_ms && is_on_disk(file)) usleep(fault->sync_delay_ms * 1000);
    return fails(fault->sync_errno, file);
}

int fsync(int file) { return sync_fails(file) ? -1 : NEXT(fsync)(file); }

int fdatasync(int file) { return sync_fails(file) ? -1 : NEXT(fdatasync)(file); }
