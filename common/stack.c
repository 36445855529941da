/* stack.c: see stack.h. */
#include "stack.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST_CALL = 7, SEARCHED = 4096 /* words of the stack */, MAPPINGS = 1000 /* lines that are looked at */ };

/* Where the program's own file is mapped. */
struct program {
    uint64_t base, begin, end; /* its first byte; its instructions */
};

/* The registers of a thread that waits in a system call, or was stopped outside of one. */
struct registers {
    uint64_t stack, instruction; /* 0: it runs, or they cannot be seen */
};

/* /proc/PID/task/TID/syscall: number, six arguments, stack pointer, program counter; or -1 and the last two (proc(5)). */
static struct registers registers_of(pid_t pid, pid_t thread)
{
    char path[80], text[256] = "";
    struct registers r = {0, 0};
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, (int)thread);
    FILE *f = fopen(path, "re");
    if (f && fgets(text, sizeof text, f) && sscanf(text, "-1 %" SCNx64 " %" SCNx64, &r.stack, &r.instruction) != 2 &&
        sscanf(text, "%*d %*x %*x %*x %*x %*x %*x %" SCNx64 " %" SCNx64, &r.stack, &r.instruction) != 2)
        r = (struct registers){0, 0};
    if (f)
        fclose(f);
    return r;
}

static struct program find_program(pid_t pid)
{
    struct program found = {0, 0, 0};
    char path[64], file[PATH_MAX], line[PATH_MAX + 128];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t length = readlink(path, file, sizeof file - 1);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = length > 0 ? fopen(path, "re") : NULL;
    if (!f)
        return found;
    file[length] = '\0';
    for (int lines = 0; lines < MAPPINGS && found.end == 0 && fgets(line, sizeof line, f); lines++) {
        uint64_t begin, end, offset;
        char rights[5];
        int name = 0;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &begin, &end, rights, &offset, &name) <
                4 ||
            name == 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line + name, file) != 0)
            continue;
        if (offset == 0)
            found.base = begin;
        if (rights[2] == 'x')
            found = (struct program){found.base, begin, end};
    }
    fclose(f);
    return found;
}

/* Do the bytes in front of an address end in a call instruction? */
static bool after_call(const unsigned char before[LONGEST_CALL])
{
#ifdef __x86_64__
    if (before[LONGEST_CALL - 5] == 0xe8)
        return true;
    for (int length = 2; length <= LONGEST_CALL; length++) { /* ff /2: a call through a register or memory */
        const unsigned char *call = before + LONGEST_CALL - length;
        if (length != 5 && call[0] == 0xff && (call[1] >> 3 & 7) == 2)
            return true;
    }
    return false;
#else
    (void)before;
    return true;
#endif
}

size_t stack_sites(pid_t pid, pid_t thread, uint64_t *site, size_t most)
{
    uint64_t stack[SEARCHED];
    struct registers at = registers_of(pid, thread);
    struct program program = at.stack ? find_program(pid) : (struct program){0, 0, 0};
    char path[64];
    size_t found = 0;
    snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int memory = program.end ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t bytes = memory >= 0 ? pread(memory, stack, sizeof stack, (off_t)at.stack) : 0;
    if (found < most && at.instruction >= program.begin && at.instruction < program.end)
        site[found++] = at.instruction + 1 - program.base; /* source_lines looks at what is in front of it */
    for (size_t i = 0; bytes > 0 && i < (size_t)bytes / sizeof *stack && found < most; i++) {
        unsigned char before[LONGEST_CALL];
        if (stack[i] < program.begin + sizeof before || stack[i] >= program.end)
            continue;
        if (pread(memory, before, sizeof before, (off_t)(stack[i] - sizeof before)) == sizeof before &&
            after_call(before))
            site[found++] = stack[i] - program.base;
    }
    if (memory >= 0)
        close(memory);
    return found;
}
