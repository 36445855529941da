/* mpi_trace.c: the recorder of the MPI tracing layer: the mapped file, the
   current call, the ring of finished calls, the delays. The wrappers are in
   mpi_trace_p2p.c, mpi_trace_request.c, mpi_trace_collective.c, mpi_trace_object.c. */
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

#include "mpi_trace_record.h"

#define QUESTIONS 32       /* that are asked in turns, and each written down once */
#define HOLD_BUDGET 500000 /* microseconds that a rank sleeps at most in all */

static struct {
    struct mpi_trace_file *file; /* NULL: tracing is off, or MPI is not initialised */
    pthread_mutex_t lock;
    uint64_t load_address;
    int mark;
    int slots; /* given out */
    bool synchronous;
    int fails; /* from this mark on; -1: never */
    bool fails_once;
    bool hold;
    uint64_t hold_state;
    bool held_back; /* this rank is the one that is held back */
    long slept;     /* microseconds, of HOLD_BUDGET */
} trace = {.lock = PTHREAD_MUTEX_INITIALIZER, .mark = MPI_TRACE_OURS, .fails = -1};

static _Thread_local int depth; /* wrappers that this thread is in: the library's own calls are at depth 2 */
static _Thread_local struct mpi_trace_slot *slot;
static _Thread_local struct mpi_trace_slot spare; /* for threads beyond MPI_TRACE_SLOTS */

uint64_t trace_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void trace_lock(void)
{
    pthread_mutex_lock(&trace.lock);
}

void trace_unlock(void)
{
    pthread_mutex_unlock(&trace.lock);
}

struct mpi_trace_file *trace_file(void)
{
    return trace.file;
}

bool trace_fails(const struct mpi_trace_call *call)
{
    bool fails = call && trace.fails >= 0 && call->mark >= trace.fails;
    if (fails && trace.fails_once)
        trace.fails = -1;
    return fails;
}

bool trace_synchronous(void)
{
    return trace.synchronous;
}

/* ---- start and end ---- */

/* The first object that the dynamic linker lists is the program itself. */
static int note_load_address(struct dl_phdr_info *info, size_t size, void *address)
{
    (void)size;
    *(uint64_t *)address = info->dlpi_addr;
    return 1;
}

static struct mpi_trace_file *map_file(const char *folder, int rank)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/rank-%d", folder, rank) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return NULL;
    /* Allocate now: a full disk must show here, not as SIGBUS in the middle of a call. */
    errno = posix_fallocate(fd, 0, sizeof(struct mpi_trace_file));
    void *memory = MAP_FAILED;
    if (errno == 0)
        memory = mmap(NULL, sizeof(struct mpi_trace_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int saved = errno;
    close(fd);
    errno = saved;
    return memory == MAP_FAILED ? NULL : memory;
}

static void start_hold(int rank, int size)
{
    const char *seed = getenv("LAB_MPI_HOLD");
    if (!seed || !*seed)
        return;
    uint64_t value = strtoull(seed, NULL, 10);
    trace.hold = true;
    trace.held_back = value % (uint64_t)size == (uint64_t)rank;
    trace.hold_state = value * 0x9e3779b97f4a7c15u + (uint64_t)rank;
}

static void start(void)
{
    int rank, size;
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Comm_size(MPI_COMM_WORLD, &size);
    const char *sync = getenv("LAB_MPI_SYNC");
    trace.synchronous = sync && strcmp(sync, "1") == 0;
    const char *fail = getenv("LAB_MPI_FAIL");
    trace.fails = fail && *fail ? atoi(fail) : -1;
    trace.fails_once = fail && strstr(fail, ",once") != NULL;
    start_hold(rank, size);

    const char *folder = getenv("LAB_MPI_TRACE");
    if (!folder || !*folder)
        return;
    struct mpi_trace_file *file = map_file(folder, rank);
    if (!file) {
        fprintf(stderr, "MPI trace: cannot write %s/rank-%d: %s\n", folder, rank, strerror(errno));
        return;
    }
    dl_iterate_phdr(note_load_address, &trace.load_address);
    file->magic = MPI_TRACE_MAGIC;
    file->version = MPI_TRACE_VERSION;
    file->rank = rank;
    file->size = size;
    file->pid = getpid();
    file->mark = trace.mark;
    trace.file = file;
    trace_comms_start();
}

/* A rank that left without MPI_Finalize must not look as if it were computing. */
__attribute__((destructor)) static void note_exit(void)
{
    if (trace.file)
        trace.file->exited = 1;
}

/* A message that has come and that nobody asked for, in the world: the program's own word. The story finds those on
   other communicators by counting. */
static void note_unreceived(struct mpi_trace_file *file)
{
    MPI_Status status;
    int found = 0;
    PMPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &status);
    if (!found)
        return;
    MPI_Count bytes = 0;
    PMPI_Get_elements_x(&status, MPI_BYTE, &bytes);
    file->unreceived = (struct mpi_trace_peer){1, status.MPI_SOURCE, status.MPI_SOURCE, status.MPI_TAG, bytes};
}

int MPI_Init(int *argc, char ***argv)
{
    depth++;
    int code = PMPI_Init(argc, argv);
    if (code == MPI_SUCCESS)
        start();
    depth--;
    return trace_end(trace_begin(CALL_Init, MPI_COMM_WORLD, SITE), code);
}

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided)
{
    depth++;
    int code = PMPI_Init_thread(argc, argv, required, provided);
    if (code == MPI_SUCCESS)
        start();
    depth--;
    return trace_end(trace_begin(CALL_Init_thread, MPI_COMM_WORLD, SITE), code);
}

int MPI_Finalize(void)
{
    struct mpi_trace_call *call = trace_begin(CALL_Finalize, MPI_COMM_WORLD, SITE);
    trace_blocks(call);
    struct mpi_trace_file *file = trace.file;
    if (call)
        note_unreceived(file);
    int code = trace_end(call, PMPI_Finalize());
    if (file)
        file->finalized = 1;
    trace.hold = false;
    return code;
}

int MPI_Abort(MPI_Comm comm, int error)
{
    struct mpi_trace_call *call = trace_begin(CALL_Abort, comm, SITE);
    if (call)
        trace.file->aborted = 1;
    return trace_end(call, PMPI_Abort(comm, error));
}

void mpi_trace_mark(int mark)
{
    trace.mark = mark;
    if (trace.file)
        trace.file->mark = mark;
}

/* ---- one call ---- */

/* splitmix64: small, and the same on every machine, so a seed replays a failure. */
static uint64_t hold_random(void)
{
    uint64_t z = trace.hold_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void hold(void)
{
    if (!trace.hold || trace.mark < 0)
        return;
    trace_lock();
    uint64_t random = hold_random();
    bool sleeps = trace.held_back || random % 4 == 0;
    long time = (long)((random >> 8) % 3000) + (trace.held_back ? 3000 : 0);
    sleeps = sleeps && trace.slept + time <= HOLD_BUDGET;
    if (sleeps)
        trace.slept += time;
    trace_unlock();
    if (sleeps)
        usleep((useconds_t)time);
}

static struct mpi_trace_slot *take_slot(void)
{
    trace_lock();
    struct mpi_trace_slot *free = trace.slots < MPI_TRACE_SLOTS ? &trace.file->slot[trace.slots++] : &spare;
    trace_unlock();
    return free;
}

struct mpi_trace_call *trace_begin(enum mpi_trace_function function, MPI_Comm comm, const void *site)
{
    if (depth++ > 0)
        return NULL;
    hold();
    struct mpi_trace_file *file = trace.file;
    if (!file || file->finalized)
        return NULL;
    if (!slot)
        slot = take_slot();
    struct mpi_trace_call *call = &slot->call;
    *call = (struct mpi_trace_call){.function = (int32_t)function, .mark = trace.mark, .root = -1, .of = -1};
    call->site = (uint64_t)(uintptr_t)site - trace.load_address;
    struct comm_info *info = trace_comm(comm);
    if (info) {
        call->comm = info->id;
        call->comm_size = info->size;
        call->comm_rank = info->rank;
    }
    call->begin = trace_now();
    trace_lock();
    file->counters[call->mark >= 0][function]++;
    file->changes++;
    trace_unlock();
    __atomic_store_n(&slot->active, 1, __ATOMIC_RELEASE);
    return call;
}

/* The caller holds the lock. */
static void append(const struct mpi_trace_call *call)
{
    struct mpi_trace_file *file = trace.file;
    file->ring[file->written % MPI_TRACE_RING] = *call;
    __atomic_store_n(&file->written, file->written + 1, __ATOMIC_RELEASE);
}

void trace_append(const struct mpi_trace_call *call)
{
    trace_lock();
    append(call);
    trace_unlock();
}

/* Are the last records of the ring unanswered questions, and is this one of them? Then it is asked once more. Several,
   for a loop may ask about one request after the other. */
static bool asked_again(const struct mpi_trace_call *call)
{
    struct mpi_trace_file *file = trace.file;
    for (uint64_t back = 1; back <= file->written && back <= QUESTIONS; back++) {
        struct mpi_trace_call *last = &file->ring[(file->written - back) % MPI_TRACE_RING];
        if (!(last->flags & MPI_TRACE_POLL))
            return false;
        if (last->function != call->function || last->site != call->site || last->mark != call->mark ||
            last->comm != call->comm || last->from.rank != call->from.rank || last->from.tag != call->from.tag)
            continue;
        last->repeats++;
        last->end = call->end;
        return true;
    }
    return false;
}

static int finish(struct mpi_trace_call *call, int code, bool answered)
{
    depth--;
    if (!call)
        return code;
    call->end = trace_now();
    if (code != MPI_SUCCESS)
        call->flags |= MPI_TRACE_FAILED;
    trace_lock();
    if (!answered) {
        call->flags |= MPI_TRACE_POLL;
        call->repeats = 1;
    }
    if (answered || !asked_again(call))
        append(call);
    trace.file->changes++;
    trace_unlock();
    __atomic_store_n(&slot->active, 0, __ATOMIC_RELEASE);
    if (trace.held_back) /* what it computes next is late, too */
        hold();
    return code;
}

int trace_end(struct mpi_trace_call *call, int code)
{
    return finish(call, code, true);
}

int trace_end_poll(struct mpi_trace_call *call, int code, bool answered)
{
    return finish(call, code, answered);
}

/* ---- what a call is about ---- */

static int64_t bytes_of(int64_t count, MPI_Datatype type)
{
    int size = 0;
    if (type == MPI_DATATYPE_NULL || PMPI_Type_size(type, &size) != MPI_SUCCESS)
        return 0;
    return count * size;
}

static void set_peer(struct mpi_trace_peer *peer, uint32_t comm, int rank, int tag, int64_t bytes)
{
    peer->used = 1;
    peer->rank = rank == MPI_ANY_SOURCE ? MPI_TRACE_ANY : rank == MPI_PROC_NULL ? MPI_TRACE_NOBODY : rank;
    peer->world = peer->rank < 0 ? peer->rank : trace_world_rank(comm, rank);
    peer->tag = tag == MPI_ANY_TAG ? MPI_TRACE_ANY : tag;
    peer->bytes = bytes;
}

void trace_to(struct mpi_trace_call *call, int dest, int tag, int count, MPI_Datatype type)
{
    if (!call)
        return;
    set_peer(&call->to, call->comm, dest, tag, bytes_of(count, type));
    call->count = count;
    call->bytes = call->to.bytes;
}

void trace_from(struct mpi_trace_call *call, int source, int tag, int count, MPI_Datatype type)
{
    if (!call)
        return;
    set_peer(&call->from, call->comm, source, tag, bytes_of(count, type));
    call->count = count;
    call->bytes = call->from.bytes;
}

void trace_sent(struct mpi_trace_call *call)
{
    if (call && call->to.world >= 0)
        call->flags |= MPI_TRACE_SENT;
}

void trace_blocks(struct mpi_trace_call *call)
{
    if (call)
        call->flags |= MPI_TRACE_BLOCKING;
}

void trace_got(struct mpi_trace_call *call, int code, const MPI_Status *status)
{
    if (!call)
        return;
    /* A message that was too long for its buffer has been taken out of the queue all the same. */
    int class = MPI_SUCCESS;
    if (code != MPI_SUCCESS)
        PMPI_Error_class(code, &class);
    if ((class != MPI_SUCCESS && class != MPI_ERR_TRUNCATE) || status->MPI_SOURCE < 0)
        return;
    MPI_Count bytes = 0;
    PMPI_Get_elements_x(status, MPI_BYTE, &bytes);
    set_peer(&call->got, call->comm, status->MPI_SOURCE, status->MPI_TAG, bytes);
}

void trace_collective(struct mpi_trace_call *call, MPI_Comm comm, int root, int64_t count, MPI_Datatype type)
{
    struct comm_info *info = call ? trace_comm(comm) : NULL;
    if (!info)
        return;
    call->root = root;
    trace_gives(call, count, type);
    trace_collective_on(call, info);
}

void trace_gives(struct mpi_trace_call *call, int64_t count, MPI_Datatype type)
{
    if (!call)
        return;
    call->count = count;
    call->bytes = bytes_of(count, type);
}

void trace_collective_on(struct mpi_trace_call *call, struct comm_info *info)
{
    trace_lock();
    call->sequence = ++info->collectives;
    if (info->entry) {
        info->entry->collectives = info->collectives;
        info->entry->last_function = call->function;
    }
    trace_unlock();
}
