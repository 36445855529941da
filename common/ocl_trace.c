/* ocl_trace.c: the recorder of the OpenCL tracing layer: the mapped file, its calls
   and its objects. The wrappers are in ocl_calls.c. */
#include "ocl_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ocl_trace_record.h"

static struct {
    struct ocl_trace_file *file; /* NULL: nothing is written */
    pthread_mutex_t lock;        /* a student may call OpenCL from several threads */
    pthread_once_t once;
    uint64_t load_address;
    int phase, index;
    bool skip_kernels, exchange, hold_writes, block_writes, in_order;
    float *matrix;
    size_t count; /* of its elements */
    unsigned hold;
    const char *fail;
} trace = {.lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT};

/* ---- start ---- */

/* The first object that the dynamic linker lists is the program itself. */
static int note_load_address(struct dl_phdr_info *info, size_t size, void *address)
{
    (void)size;
    *(uint64_t *)address = info->dlpi_addr;
    return 1;
}

static void *map_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return MAP_FAILED;
    /* Allocate now: a full disk must show here, not as SIGBUS in the middle of a call. */
    errno = posix_fallocate(fd, 0, sizeof(struct ocl_trace_file));
    void *memory = MAP_FAILED;
    if (errno == 0)
        memory = mmap(NULL, sizeof(struct ocl_trace_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory;
}

/* Is the variable 1? Then nobody can learn that from the environment any more, nor from /proc/self/environ. */
static bool take_flag(const char *name)
{
    char *value = getenv(name);
    bool set = value && strcmp(value, "1") == 0;
    if (value)
        memset(value - strlen(name) - 1, 'x', strlen(name) + 1 + strlen(value));
    return set;
}

static void start(void)
{
    const char *path = getenv("LAB_OCL_TRACE"), *hold = getenv("LAB_OCL_HOLD"), *fail = getenv("LAB_OCL_FAIL");
    trace.hold = hold ? (unsigned)strtoul(hold, NULL, 10) : 0;
    trace.hold_writes = take_flag("LAB_OCL_HOLD_WRITES");
    trace.block_writes = take_flag("LAB_OCL_BLOCK_WRITES");
    trace.in_order = take_flag("LAB_OCL_IN_ORDER");
    trace.skip_kernels = take_flag("LAB_OCL_SKIP_KERNELS");
    trace.exchange = take_flag("LAB_OCL_EXCHANGE");
    trace.fail = fail ? fail : "";
    dl_iterate_phdr(note_load_address, &trace.load_address);
    if (!path || !*path)
        return;
    void *memory = map_file(path);
    if (memory == MAP_FAILED) {
        fprintf(stderr, "OpenCL trace: cannot write %s: %s\n", path, strerror(errno));
        return;
    }
    trace.file = memory;
    trace.file->magic = OCL_TRACE_MAGIC;
}

void ocl_trace_mark(enum ocl_phase phase, int index)
{
    pthread_once(&trace.once, start);
    trace.phase = (int)phase;
    trace.index = index;
}

void ocl_trace_given(const float *matrix, size_t count)
{
    pthread_once(&trace.once, start);
    free(trace.matrix);
    trace.matrix = trace.exchange && matrix ? malloc((count + 1) * sizeof *matrix) : NULL;
    trace.count = count;
    if (trace.matrix)
        memcpy(trace.matrix, matrix, count * sizeof *matrix);
}

const float *ocl_trace_matrix(size_t *count)
{
    *count = trace.count;
    return trace.matrix;
}

bool ocl_trace_buffer(uint64_t number, void **handle)
{
    if (!trace.file || number >= trace.file->objects || number >= OCL_TRACE_OBJECTS)
        return false;
    const struct ocl_trace_object *o = &trace.file->object[number];
    *handle = strcmp(o->kind, "buffer") == 0 && o->references > 0 ? (void *)(uintptr_t)o->handle : NULL;
    return true;
}

unsigned ocl_trace_hold_kernels(void)
{
    pthread_once(&trace.once, start);
    return trace.hold_writes ? 0 : trace.hold;
}

unsigned ocl_trace_hold_writes(void)
{
    pthread_once(&trace.once, start);
    return trace.hold_writes ? trace.hold : 0;
}

bool ocl_trace_blocks_writes(void)
{
    pthread_once(&trace.once, start);
    return trace.block_writes;
}

bool ocl_trace_in_order(void)
{
    pthread_once(&trace.once, start);
    return trace.in_order;
}

bool ocl_trace_fails(const char *what)
{
    pthread_once(&trace.once, start);
    return trace.phase == OCL_RUN && strcmp(trace.fail, what) == 0;
}

bool ocl_trace_skips_kernels(void)
{
    pthread_once(&trace.once, start);
    return trace.skip_kernels;
}

/* ---- calls ---- */

static uint64_t nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct ocl_call ocl_trace_begin(const char *function, const void *site)
{
    pthread_once(&trace.once, start);
    return (struct ocl_call){
        .function = function, .site = (uint64_t)(uintptr_t)site - trace.load_address, .begin = nanoseconds()};
}

void ocl_trace_on_device(struct ocl_call *call, const char *name)
{
    snprintf(call->device, sizeof call->device, "%s", name);
}

bool ocl_trace_writes(void)
{
    return trace.file != NULL;
}

int ocl_trace_end(const struct ocl_call *call, int code, uint64_t items)
{
    if (!trace.file)
        return code;
    pthread_mutex_lock(&trace.lock);
    if (trace.file->calls < OCL_TRACE_CALLS) {
        struct ocl_trace_call *c = &trace.file->call[trace.file->calls];
        *c = (struct ocl_trace_call){.phase = trace.phase,
                                     .index = trace.index,
                                     .code = code,
                                     .host_memory = call->host_memory,
                                     .items = items,
                                     .site = call->site,
                                     .begin = call->begin,
                                     .end = nanoseconds()};
        snprintf(c->function, sizeof c->function, "%s", call->function);
        snprintf(c->device, sizeof c->device, "%s", call->device);
    }
    trace.file->calls++;
    pthread_mutex_unlock(&trace.lock);
    return code;
}

/* ---- objects ---- */

/* The newest entry with this handle (an address is used again after a release), or NULL. */
static struct ocl_trace_object *find(const void *handle)
{
    uint64_t kept = trace.file->objects < OCL_TRACE_OBJECTS ? trace.file->objects : OCL_TRACE_OBJECTS;
    for (uint64_t i = kept; i-- > 0;)
        if (trace.file->object[i].handle == (uint64_t)(uintptr_t)handle)
            return &trace.file->object[i];
    return NULL;
}

/* A new object's entry: that of a released one with the same handle, else the next free one. */
static struct ocl_trace_object *entry_for(const void *handle)
{
    struct ocl_trace_object *o = find(handle);
    if (o && o->references == 0)
        return o;
    return trace.file->objects++ < OCL_TRACE_OBJECTS ? &trace.file->object[trace.file->objects - 1] : NULL;
}

void ocl_trace_made(const struct ocl_call *call, const char *kind, const void *handle)
{
    if (!trace.file || !handle)
        return;
    pthread_mutex_lock(&trace.lock);
    struct ocl_trace_object *o = entry_for(handle);
    if (o) {
        *o = (struct ocl_trace_object){.handle = (uint64_t)(uintptr_t)handle, .references = 1, .site = call->site};
        snprintf(o->made_by, sizeof o->made_by, "%s", call->function);
        snprintf(o->kind, sizeof o->kind, "%s", kind);
    }
    pthread_mutex_unlock(&trace.lock);
}

void ocl_trace_retained(const void *handle)
{
    if (!trace.file || !handle)
        return;
    pthread_mutex_lock(&trace.lock);
    struct ocl_trace_object *o = find(handle);
    if (o)
        o->references++;
    pthread_mutex_unlock(&trace.lock);
}

void ocl_trace_released(const struct ocl_call *call, const void *handle)
{
    if (!trace.file || !handle)
        return;
    pthread_mutex_lock(&trace.lock);
    struct ocl_trace_object *o = find(handle);
    if (o && --o->references < 0)
        o->site = call->site;
    pthread_mutex_unlock(&trace.lock);
}
