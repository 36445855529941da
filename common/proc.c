/* proc.c: reads /proc/PID/stat, statm, schedstat, syscall, smaps_rollup and fd. */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads a small file of /proc/PID whole. Returns its length, or -1. */
static ssize_t read_small(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    size_t n = fread(text, 1, size - 1, f);
    text[n] = '\0';
    fclose(f);
    return n > 0 ? (ssize_t)n : -1;
}

bool proc_read(pid_t pid, struct proc *p)
{
    char text[1024];
    if (read_small(pid, "stat", text, sizeof text) < 0)
        return false;
    /* "PID (name) S PARENT ...": the name may hold anything, so look for the last ')'. */
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    int parent;
    char state;
    if (!open || !close || sscanf(close + 1, " %c %d", &state, &parent) != 2)
        return false;
    *close = '\0';
    *p = (struct proc){.pid = pid, .parent = parent, .state = state};
    snprintf(p->name, sizeof p->name, "%.15s", open + 1);
    for (char *c = p->name; *c; c++) /* it is quoted in messages, whose lines it must not break */
        if (iscntrl((unsigned char)*c))
            *c = '?';
    unsigned long total, resident, shared;
    if (read_small(pid, "statm", text, sizeof text) > 0 &&
        sscanf(text, "%lu %lu %lu", &total, &resident, &shared) == 3) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        p->resident = resident * page;
        p->shared = shared * page;
    }
    return true;
}

struct proc *proc_list(size_t *count)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return NULL;
    size_t n = 0, capacity = 64;
    struct proc *list = malloc(capacity * sizeof *list);
    for (struct dirent *entry; list && (entry = readdir(dir));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (n == capacity) {
            capacity *= 2;
            struct proc *larger = realloc(list, capacity * sizeof *list);
            if (!larger)
                free(list);
            list = larger;
        }
        if (list && proc_read((pid_t)strtol(entry->d_name, NULL, 10), &list[n]))
            n++;
    }
    closedir(dir);
    *count = n;
    return list;
}

static const struct proc *find(const struct proc *list, size_t count, pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].pid == pid)
            return &list[i];
    return NULL;
}

bool proc_descends(const struct proc *list, size_t count, const struct proc *p, pid_t ancestor)
{
    /* A chain of parents cannot be longer than the list. */
    for (size_t steps = 0; p && steps <= count; steps++) {
        if (p->parent == ancestor)
            return true;
        p = find(list, count, p->parent);
    }
    return false;
}

long proc_syscall(pid_t pid)
{
    char text[256];
    if (read_small(pid, "syscall", text, sizeof text) < 0 || !isdigit((unsigned char)text[0]))
        return -1;
    return strtol(text, NULL, 10);
}

size_t proc_share(pid_t pid)
{
    char text[2048];
    if (read_small(pid, "smaps_rollup", text, sizeof text) < 0)
        return 0;
    const char *line = strstr(text, "\nPss:");
    return line ? strtoul(line + 5, NULL, 10) * 1024 : 0;
}

int proc_descriptors(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return -1;
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += isdigit((unsigned char)entry->d_name[0]) != 0;
    closedir(dir);
    return n;
}

size_t proc_mapped_shared(pid_t pid)
{
    char path[64], line[1024];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    if (!maps)
        return 0;
    size_t bytes = 0, from, to;
    char mode[5];
    while (fgets(line, sizeof line, maps)) /* a longer line's rest does not look like a mapping */
        if (sscanf(line, "%zx-%zx %4s", &from, &to, mode) == 3 && mode[3] == 's')
            bytes += to - from;
    fclose(maps);
    return bytes;
}

size_t proc_named_shared(pid_t pid)
{
    char path[64];
    struct stat process, file;
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &process) != 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%d/root/dev/shm", (int)pid); /* in a sandbox it is another one than ours */
    DIR *dir = opendir(path);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += fstatat(dirfd(dir), entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(file.st_mode) &&
             file.st_uid == process.st_uid;
    if (dir)
        closedir(dir);
    return n;
}

/* The state in /proc/PID/NAME, where NAME is "stat" or "task/TID/stat". */
static bool read_state(pid_t pid, const char *name, char *state)
{
    char text[1024];
    if (read_small(pid, name, text, sizeof text) < 0)
        return false;
    const char *close = strrchr(text, ')');
    return close && sscanf(close + 1, " %c", state) == 1;
}

size_t proc_threads(pid_t pid, pid_t *thread, size_t most)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; dir && count < most && (entry = readdir(dir));)
        if (isdigit((unsigned char)entry->d_name[0]))
            thread[count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    if (dir)
        closedir(dir);
    return count;
}

bool proc_runs(pid_t pid)
{
    char path[64], name[64], state;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    bool runs = false;
    for (struct dirent *entry; dir && !runs && (entry = readdir(dir));) {
        snprintf(name, sizeof name, "task/%.20s/stat", entry->d_name);
        runs = isdigit((unsigned char)entry->d_name[0]) && read_state(pid, name, &state) && strchr("RD", state);
    }
    if (dir)
        closedir(dir);
    return runs;
}

double proc_waited(pid_t pid)
{
    char path[64], name[64], text[128];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    double longest = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        unsigned long long ran, waited;
        snprintf(name, sizeof name, "task/%.20s/schedstat", entry->d_name);
        if (isdigit((unsigned char)entry->d_name[0]) && read_small(pid, name, text, sizeof text) > 0 &&
            sscanf(text, "%llu %llu", &ran, &waited) == 2 && 1e-9 * (double)waited > longest)
            longest = 1e-9 * (double)waited;
    }
    if (dir)
        closedir(dir);
    return longest;
}

bool proc_nameless_bytes(pid_t pid, size_t *bytes)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    struct stat info;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (fstatat(dirfd(dir), entry->d_name, &info, 0) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 0)
            *bytes += (size_t)info.st_blocks * 512;
    closedir(dir);
    return true;
}

/* Columns of /proc/sysvipc/shm (proc(5)): the 7th is the number of processes that have the
   segment attached, the 15th its bytes in memory. */
size_t proc_unattached_bytes(void)
{
    char line[512];
    size_t bytes = 0, resident;
    unsigned long attached;
    FILE *f = fopen("/proc/sysvipc/shm", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%*d %*d %*o %*u %*d %*d %lu %*u %*u %*u %*u %*u %*u %*u %zu", &attached, &resident) == 2 &&
            attached == 0)
            bytes += resident;
    if (f)
        fclose(f);
    return bytes;
}

void proc_children(pid_t pid, int *living, int *zombies)
{
    size_t count = 0;
    struct proc *list = proc_list(&count);
    *living = *zombies = 0;
    for (size_t i = 0; list && i < count; i++)
        if (list[i].parent == pid)
            ++*(list[i].state == 'Z' ? zombies : living);
    free(list);
}
