/* explain_kernel.c: see explain_kernel.h. oclgrind's reports are text; each begins
   with one of the signs below and names the line as "At line 8 (column 14) of input.cl:",
   followed by the line itself. */
#include "explain_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kernel_fault {
    const char *sign;
    enum cause cause;
    const char *words;
};

static const struct kernel_fault faults[] = {
    {"Read-write data race at local", CAUSE_RACE,
     "data race: a work-item reads local memory that another one writes, without a barrier between the two"},
    {"Write-write data race at local", CAUSE_RACE,
     "data race: two work-items write the same place of local memory, without a barrier between the two"},
    {"Read-write data race at global", CAUSE_RACE,
     "data race: a work-item reads global memory that another one writes in the same launch"},
    {"Write-write data race at global", CAUSE_RACE,
     "data race: two work-items write the same element of global memory"},
    {"data race", CAUSE_RACE, "data race: two work-items use the same memory at the same time, and one writes"},
    {"Work-group divergence detected", CAUSE_RACE,
     "divergent barrier: only some work-items of a group come to this barrier, or not equally often; all or none must"},
    {"Invalid read from write-only", CAUSE_MEMORY,
     "the kernel reads a buffer that dmv.c made with CL_MEM_WRITE_ONLY: what it holds then is not defined"},
    {"Invalid write to read-only", CAUSE_MEMORY, "the kernel writes a buffer that dmv.c made with CL_MEM_READ_ONLY"},
    {"Invalid memory load", CAUSE_MEMORY,
     "the kernel reads a vector at an address that is not a multiple of its size; vload takes any"},
    {"Invalid memory store", CAUSE_MEMORY,
     "the kernel writes a vector at an address that is not a multiple of its size; vstore takes any"},
    {"Invalid read", CAUSE_MEMORY, "the kernel reads beyond the end of a buffer or local array"},
    {"Invalid write", CAUSE_MEMORY, "the kernel writes beyond the end of a buffer or local array"},
    {"exceeds static array size", CAUSE_MEMORY, "the kernel uses an array beyond its end"},
    {"Invalid ", CAUSE_MEMORY, "the kernel does what OpenCL C does not allow"},
};

static const struct kernel_fault *find_fault(const char *err, const char **at)
{
    const struct kernel_fault *first = NULL;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *found = strstr(err, faults[i].sign);
        if (found && (!first || found < *at)) {
            first = &faults[i];
            *at = found;
        }
    }
    return first;
}

/* Adds "\n  dmv.cl:8: part[me] = s;" for the next line that the report names; returns
   what comes after it, or NULL. Stops at the next report, which begins without a tab. */
static const char *add_line(const char *p, const char *file, char *text, size_t size)
{
    const char *place = strstr(p, "At line "), *next = strstr(p, "\n\n");
    if (!place || (next && next < place))
        return NULL;
    int line = atoi(place + strlen("At line "));
    const char *source = strchr(place, '\n');
    if (!source)
        return NULL;
    source += strspn(source, "\n\t ");
    size_t used = strlen(text);
    snprintf(text + used, size - used, "\n  %s:%d: %.*s", file, line, (int)strcspn(source, "\n"), source);
    return source;
}

static void add_entity(const char *at, char *text, size_t size)
{
    const char *entity = strstr(at, "Global("), *next = strstr(at, "\n\n");
    if (!entity || (next && next < entity))
        return;
    size_t used = strlen(text);
    snprintf(text + used, size - used, "\n  first seen in work-item %.*s", (int)strcspn(entity, "\n"), entity);
}

bool explain_kernel(const struct run *r, const char *file, struct explanation *e)
{
    const char *at = NULL;
    const struct kernel_fault *fault = find_fault(r->err, &at);
    if (!fault || !at)
        return false;
    e->cause = fault->cause;
    snprintf(e->text, sizeof e->text, "%s.", fault->words);
    const char *p = at;
    for (int lines = 0; p && lines < 2; lines++)
        p = add_line(p, file, e->text, sizeof e->text);
    add_entity(at, e->text, sizeof e->text);
    return true;
}
