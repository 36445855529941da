/* ocl_story.c: see ocl_story.h. */
#include "ocl_story.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ocl_error.h"
#include "source_line.h"

/* ---- reading ---- */

static void end_texts(struct ocl_trace_file *t)
{
    if (t->calls > OCL_TRACE_CALLS)
        t->calls = OCL_TRACE_CALLS;
    if (t->objects > OCL_TRACE_OBJECTS)
        t->objects = OCL_TRACE_OBJECTS;
    for (size_t i = 0; i < OCL_TRACE_CALLS; i++) {
        t->call[i].function[OCL_TRACE_NAME - 1] = '\0';
        t->call[i].device[sizeof t->call[i].device - 1] = '\0';
    }
    for (size_t i = 0; i < OCL_TRACE_OBJECTS; i++) {
        t->object[i].made_by[OCL_TRACE_NAME - 1] = '\0';
        t->object[i].kind[sizeof t->object[i].kind - 1] = '\0';
    }
}

static bool read_whole(int fd, void *to, size_t size)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size != (off_t)size)
        return false;
    for (size_t got = 0; got < size;) {
        ssize_t n = read(fd, (char *)to + got, size - got);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

struct ocl_trace_file *ocl_story_read(const char *path)
{
    struct ocl_trace_file *t = malloc(sizeof *t);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    bool sound = t && fd >= 0 && read_whole(fd, t, sizeof *t) && t->magic == OCL_TRACE_MAGIC;
    if (fd >= 0)
        close(fd);
    if (!sound) {
        free(t);
        return NULL;
    }
    end_texts(t);
    return t;
}

/* ---- counting ---- */

static bool named(const char *name, const char *pattern)
{
    size_t length = strlen(pattern);
    return length > 0 && pattern[length - 1] == '*' ? strncmp(name, pattern, length - 1) == 0
                                                    : strcmp(name, pattern) == 0;
}

size_t ocl_story_count(const struct ocl_trace_file *t, const char *function, enum ocl_phase phase, int index)
{
    size_t count = 0;
    for (size_t i = 0; i < t->calls; i++) {
        const struct ocl_trace_call *c = &t->call[i];
        count += named(c->function, function) && c->phase == (int32_t)phase && (index < 0 || c->index == index);
    }
    return count;
}

const char *ocl_story_device(const struct ocl_trace_file *t, enum ocl_phase phase, int index)
{
    for (size_t i = 0; i < t->calls; i++)
        if (t->call[i].items && t->call[i].phase == (int32_t)phase && t->call[i].index == index)
            return t->call[i].device;
    return "";
}

uint64_t ocl_story_items(const struct ocl_trace_file *t, enum ocl_phase phase, int index, size_t *launches)
{
    uint64_t items = 0;
    *launches = 0;
    for (size_t i = 0; i < t->calls; i++) {
        const struct ocl_trace_call *c = &t->call[i];
        if (c->items == 0 || c->code != 0 || c->phase != (int32_t)phase || c->index != index)
            continue;
        items = c->items > items ? c->items : items;
        ++*launches;
    }
    return items;
}

/* Memory that host and device share (SVM) may need no fetching at all. */
bool ocl_story_unfetched(const struct ocl_trace_file *t, enum ocl_phase phase, int index)
{
    static const char *const fetching[] = {"clEnqueueRead*", "clEnqueueMap*", "clEnqueueMigrate*", "clSVM*"};
    bool host_memory = false, waits = false;
    for (size_t i = 0; i < t->calls; i++) {
        const struct ocl_trace_call *c = &t->call[i];
        host_memory = host_memory || c->host_memory;
        if (c->phase != (int32_t)phase || c->index != index)
            continue;
        waits = waits || (c->items > 0 && c->code == 0);
        for (size_t k = 0; k < sizeof fetching / sizeof *fetching; k++)
            waits = waits && !named(c->function, fetching[k]);
    }
    return host_memory && waits;
}

/* ---- source lines ---- */

const char *ocl_story_place(const char *program, uint64_t site)
{
    static char place[100];
    char *line;
    source_lines(program, &site, 1, &line);
    snprintf(place, sizeof place, line[0] ? " at %.90s" : "%s", line);
    free(line);
    return place;
}

/* ---- words ---- */

void ocl_story_failure(const struct ocl_trace_file *t, const char *program, char *text, size_t size)
{
    enum { DEVICE_NOT_FOUND = -1 }; /* not a failure: the platform has none of that type */
    text[0] = '\0';
    for (size_t i = 0; i < t->calls; i++) {
        const struct ocl_trace_call *c = &t->call[i];
        if (c->code == 0 || c->code == DEVICE_NOT_FOUND)
            continue;
        snprintf(text, size, "\n  the first OpenCL call that failed: %s%s returned %d (%s)", c->function,
                 ocl_story_place(program, c->site), c->code, ocl_error(c->code));
        return;
    }
}

/* Places in one source line (a function that the compiler has copied to several callers)
   become one: each fault's site is replaced by the first one of the same line. */
static void join_places(struct ocl_trace_file *t, const char *program)
{
    enum { MOST = 32, LENGTH = 100 };
    char place[MOST][LENGTH];
    uint64_t site[MOST], same[MOST];
    size_t known = 0;
    for (size_t i = 0; i < t->objects; i++) {
        size_t k = 0, first = 0;
        while (k < known && site[k] != t->object[i].site)
            k++;
        if (t->object[i].references == 0 || (k == known && known == MOST))
            continue;
        if (k == known) {
            site[k] = t->object[i].site;
            snprintf(place[k], LENGTH, "%s", ocl_story_place(program, site[k]));
            while (strcmp(place[first], place[k]) != 0)
                first++;
            same[k] = place[k][0] ? site[first] : site[k];
            known++;
        }
        t->object[i].site = same[k];
    }
}

static bool same_place(const struct ocl_trace_object *a, const struct ocl_trace_object *b)
{
    return a->site == b->site && strcmp(a->made_by, b->made_by) == 0 && strcmp(a->kind, b->kind) == 0 &&
           (a->references > 0) == (b->references > 0);
}

/* Is there an object before number i with the same fault at the same place? It was told of then. */
static bool told(const struct ocl_trace_file *t, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (t->object[j].references != 0 && same_place(&t->object[j], &t->object[i]))
            return true;
    return false;
}

void ocl_story_objects(struct ocl_trace_file *t, const char *program, size_t *leaks, size_t *extra, char *text,
                       size_t size)
{
    text[0] = '\0';
    *leaks = *extra = 0;
    join_places(t, program);
    for (size_t i = 0; i < t->objects; i++) {
        const struct ocl_trace_object *o = &t->object[i];
        *leaks += o->references > 0;
        *extra += o->references < 0;
        if (o->references == 0 || told(t, i))
            continue;
        size_t same = 0, used = strlen(text);
        for (size_t j = i; j < t->objects; j++)
            same += t->object[j].references != 0 && same_place(o, &t->object[j]);
        if (used + 100 > size)
            continue; /* no room for more words, and each place costs a look into the program */
        const char *plural = same == 1 ? "" : "s", *place = ocl_story_place(program, o->site);
        if (o->references > 0)
            snprintf(text + used, size - used, "\n  %zu %s%s made by %s%s %s never released", same, o->kind, plural,
                     o->made_by, place, same == 1 ? "was" : "were");
        else
            snprintf(text + used, size - used, "\n  %zu %s%s made by %s %s released once too often%s", same, o->kind,
                     plural, o->made_by, same == 1 ? "was" : "were", place);
    }
}
