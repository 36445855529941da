/* mpi_trace_comm.c: a number for every communicator, the same on all its ranks,
   worked out without a message: from the parent's number, how many children the
   parent had before (creating one is collective, so all ranks count alike), and
   the world rank of the child's rank 0 (which tells the parts of a split apart).
   It hangs on the communicator as an attribute (MPI 3.1, section 6.7). */
#include <stdlib.h>

#include "mpi_trace_record.h"

static int keyval = MPI_KEYVAL_INVALID, window_keyval = MPI_KEYVAL_INVALID;

static uint32_t hash(uint32_t a, uint32_t b)
{
    uint64_t z = ((uint64_t)a << 32 | b) + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (uint32_t)z ? (uint32_t)z : 1; /* 0 is the world's */
}

static int forget(MPI_Comm comm, int key, void *value, void *extra)
{
    (void)comm, (void)key, (void)extra;
    struct comm_info *info = value;
    if (info->entry)
        info->entry->state = 2;
    free(info->world);
    free(info);
    return MPI_SUCCESS;
}

static int forget_window(MPI_Win win, int key, void *value, void *extra)
{
    (void)win;
    return forget(MPI_COMM_NULL, key, value, extra);
}

/* An entry that was never used, else one whose communicator is gone. */
static struct mpi_trace_comm *free_entry(struct mpi_trace_file *file)
{
    for (int state = 0; state <= 2; state += 2)
        for (int i = 0; i < MPI_TRACE_COMMS; i++)
            if (file->comm[i].state == state)
                return &file->comm[i];
    file->comms_lost++;
    return NULL;
}

static void write_entry(struct comm_info *info)
{
    trace_lock();
    struct mpi_trace_comm *entry = info->entry = free_entry(trace_file());
    if (entry) {
        *entry = (struct mpi_trace_comm){.id = info->id, .size = info->size, .rank = info->rank, .last_function = -1};
        for (int i = 0; i < MPI_TRACE_MEMBERS; i++)
            entry->member[i] = i < info->peers ? info->world[i] : MPI_TRACE_UNKNOWN;
        entry->state = 1;
    }
    trace_unlock();
}

/* World ranks of those that a rank of comm can send to: its own group, or the other side of an intercommunicator. */
static int *peers_of(MPI_Comm comm, int *peers)
{
    int inter;
    MPI_Group group, world;
    PMPI_Comm_test_inter(comm, &inter);
    if (inter)
        PMPI_Comm_remote_group(comm, &group);
    else
        PMPI_Comm_group(comm, &group);
    PMPI_Comm_group(MPI_COMM_WORLD, &world);
    PMPI_Group_size(group, peers);
    int *here = calloc((size_t)*peers + 1, sizeof *here);
    int *there = calloc((size_t)*peers + 1, sizeof *there);
    if (here && there) {
        for (int i = 0; i < *peers; i++)
            here[i] = i;
        PMPI_Group_translate_ranks(group, *peers, here, world, there);
    } else {
        *peers = 0;
    }
    free(here);
    PMPI_Group_free(&group);
    PMPI_Group_free(&world);
    return there;
}

static struct comm_info *new_info(MPI_Comm comm)
{
    struct comm_info *info = calloc(1, sizeof *info);
    if (!info)
        return NULL;
    PMPI_Comm_size(comm, &info->size);
    PMPI_Comm_rank(comm, &info->rank);
    info->world = peers_of(comm, &info->peers);
    return info;
}

static void attach(MPI_Comm comm, struct comm_info *info, uint32_t id)
{
    info->id = id;
    write_entry(info);
    PMPI_Comm_set_attr(comm, keyval, info);
}

void trace_comms_start(void)
{
    /* MPI_COMM_NULL_COPY_FN: a duplicate gets a number of its own. */
    PMPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, forget, &keyval, NULL);
    PMPI_Win_create_keyval(MPI_WIN_NULL_COPY_FN, forget_window, &window_keyval, NULL);
    struct comm_info *info = new_info(MPI_COMM_WORLD);
    if (info)
        attach(MPI_COMM_WORLD, info, 0);
}

/* For communicators whose parent's other ranks know nothing of them: their members are what their ranks agree on,
   and how many there were before of the same members. */
static uint32_t id_by_members(const struct comm_info *info)
{
    const struct mpi_trace_file *file = trace_file();
    uint32_t id = hash((uint32_t)info->size, 0xffffffffu);
    for (int i = 0; i < info->peers; i++)
        id = hash(id, (uint32_t)info->world[i]);
    for (int i = 0; i < MPI_TRACE_COMMS; i++)
        if (file->comm[i].state != 0 && file->comm[i].id == id) {
            id = hash(id, 0xfffffffeu);
            i = -1; /* the next number may be taken too */
        }
    return id;
}

struct comm_info *trace_comm(MPI_Comm comm)
{
    if (comm == MPI_COMM_NULL || keyval == MPI_KEYVAL_INVALID)
        return NULL;
    struct comm_info *info = NULL;
    int found = 0;
    if (PMPI_Comm_get_attr(comm, keyval, &info, &found) != MPI_SUCCESS)
        return NULL;
    if (found)
        return info;
    info = new_info(comm);
    if (!info)
        return NULL;
    uint32_t id = id_by_members(info);
    attach(comm, info, id);
    return info;
}

void trace_comm_born(MPI_Comm parent, MPI_Comm child)
{
    struct comm_info *from = trace_comm(parent);
    if (!from)
        return;
    uint32_t sequence = ++from->children;
    struct comm_info *info = child == MPI_COMM_NULL ? NULL : new_info(child);
    if (info)
        attach(child, info, hash(hash(from->id, sequence), info->peers > 0 ? (uint32_t)info->world[0] : 0));
}

/* A window has collective calls of its own (MPI_Win_fence, MPI_Win_free), counted apart from its communicator's. */
void trace_window_born(MPI_Comm parent, MPI_Win win)
{
    enum { WINDOW = 0x77696e };
    struct comm_info *from = trace_comm(parent);
    struct comm_info *info = from ? new_info(parent) : NULL;
    if (!info)
        return;
    info->id = hash(hash(from->id, ++from->children), WINDOW);
    write_entry(info);
    PMPI_Win_set_attr(win, window_keyval, info);
}

void trace_window(struct mpi_trace_call *call, MPI_Win win, bool collective)
{
    struct comm_info *info = NULL;
    int found = 0;
    if (!call || win == MPI_WIN_NULL || PMPI_Win_get_attr(win, window_keyval, &info, &found) != MPI_SUCCESS || !found)
        return;
    call->comm = info->id;
    call->comm_size = info->size;
    call->comm_rank = info->rank;
    if (collective)
        trace_collective_on(call, info);
}

int trace_world_rank(uint32_t id, int rank)
{
    struct mpi_trace_file *file = trace_file();
    if (id == 0)
        return rank < file->size ? rank : MPI_TRACE_UNKNOWN;
    for (int i = 0; rank >= 0 && rank < MPI_TRACE_MEMBERS && i < MPI_TRACE_COMMS; i++)
        if (file->comm[i].state != 0 && file->comm[i].id == id)
            return file->comm[i].member[rank];
    return MPI_TRACE_UNKNOWN;
}
