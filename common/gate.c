/* gate.c: pages without permission, and a handler for the faults that they cause. */
#include "gate.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "witness.h"

enum { PARTS = 64 }; /* more would only mean more faults */

/* A signal handler has no argument of ours, so the array stands here. */
static struct {
    char *base, *data;  /* where the pages begin, and where the copy does */
    size_t bytes, part; /* of all pages, and of one part */
} gate;

/* A fault in the array is a first touch; any other is the program's own mistake. */
static void touched(int number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr, base = (uintptr_t)gate.base;
    if (at < base || at >= base + gate.bytes) {
        signal(number, SIG_DFL);
        return; /* to the same fault, which now ends the program */
    }
    int saved = errno;
    witness_tell(WITNESS_BEGIN, (int64_t)at - (int64_t)(uintptr_t)gate.data, gettid());
    size_t first = (at - base) / gate.part * gate.part;
    size_t length = gate.bytes - first < gate.part ? gate.bytes - first : gate.part;
    mprotect(gate.base + first, length, PROT_READ | PROT_WRITE);
    errno = saved;
}

void *gate_close(const void *data, size_t bytes, size_t boundary)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), before = (page - boundary % page) % page;
    size_t pages = (before + bytes + page - 1) / page + 1; /* one more: there is a page even for no bytes */
    char *base = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return NULL;
    memcpy(base + before, data, bytes);
    gate.base = base;
    gate.data = base + before;
    gate.bytes = pages * page;
    gate.part = (pages + PARTS - 1) / PARTS * page;
    struct sigaction action = {.sa_sigaction = touched, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGSEGV, &action, NULL) != 0 || mprotect(base, gate.bytes, PROT_NONE) != 0)
        return NULL;
    return gate.data;
}

void gate_open(void)
{
    mprotect(gate.base, gate.bytes, PROT_READ | PROT_WRITE);
}
