/* mpi_story_messages.c: pairs what was sent with what was received. */
#include <stdlib.h>

#include "mpi_story_parts.h"

/* One receive, only as much of it as is needed to find its message. */
struct receipt {
    int source, dest;
    uint32_t comm;
    int tag;
    const struct mpi_trace_call *call;
};

static int by_route(int s1, int d1, uint32_t c1, int t1, int s2, int d2, uint32_t c2, int t2)
{
    if (s1 != s2)
        return s1 < s2 ? -1 : 1;
    if (d1 != d2)
        return d1 < d2 ? -1 : 1;
    if (c1 != c2)
        return c1 < c2 ? -1 : 1;
    return (t1 > t2) - (t1 < t2);
}

static int compare_messages(const void *a, const void *b)
{
    const struct message *x = a, *y = b;
    int order = by_route(x->source, x->dest, x->comm, x->tag, y->source, y->dest, y->comm, y->tag);
    return order != 0 ? order : (x->call->begin > y->call->begin) - (x->call->begin < y->call->begin);
}

static int compare_receipts(const void *a, const void *b)
{
    const struct receipt *x = a, *y = b;
    int order = by_route(x->source, x->dest, x->comm, x->tag, y->source, y->dest, y->comm, y->tag);
    return order != 0 ? order : (x->call->begin > y->call->begin) - (x->call->begin < y->call->begin);
}

static void add_message(struct messages *m, int source, const struct mpi_trace_call *call)
{
    if ((call->flags & MPI_TRACE_SENT) && !(call->flags & MPI_TRACE_FAILED) && call->to.world >= 0)
        m->list[m->count++] = (struct message){
            .source = source, .dest = call->to.world, .comm = call->comm, .tag = call->to.tag, .call = call};
}

/* Messages between two ranks on one communicator with one tag do not overtake each other, so counting is enough. */
static void match(struct messages *m, struct receipt *receipts, size_t count)
{
    qsort(m->list, m->count, sizeof *m->list, compare_messages);
    qsort(receipts, count, sizeof *receipts, compare_receipts);
    size_t i = 0, k = 0;
    while (i < m->count && k < count) {
        const struct message *x = &m->list[i];
        const struct receipt *y = &receipts[k];
        int order = by_route(x->source, x->dest, x->comm, x->tag, y->source, y->dest, y->comm, y->tag);
        if (order == 0) {
            m->list[i].received = true;
            m->list[i].taken = y->call;
        }
        i += order <= 0;
        k += order >= 0;
    }
}

/* A receive that was begun and not waited for has its message, if there is one; so has an MPI_Mprobe. */
static void claim(struct messages *m, int rank, const struct mpi_trace_object *object)
{
    const struct mpi_trace_call *made = &object->made;
    for (size_t i = 0; i < m->count; i++) {
        struct message *x = &m->list[i];
        if (x->received || x->claimed || x->dest != rank || x->comm != made->comm)
            continue;
        if ((made->from.world == MPI_TRACE_ANY || made->from.world == x->source) &&
            (made->from.tag == MPI_TRACE_ANY || made->from.tag == x->tag)) {
            x->claimed = object;
            return;
        }
    }
}

struct messages messages_of(const struct mpi_story *story)
{
    size_t most = 1;
    for (int r = 0; r < story->ranks; r++)
        most += story->rank[r].count + 1;
    struct messages m = {.list = calloc(most, sizeof *m.list)};
    struct receipt *receipts = calloc(most, sizeof *receipts);
    if (!m.list || !receipts)
        abort();
    size_t count = 0;
    for (int r = 0; r < story->ranks; r++) {
        const struct mpi_story_rank *rank = &story->rank[r];
        for (size_t i = 0; i < rank->count; i++) {
            const struct mpi_trace_call *call = &rank->calls[i];
            add_message(&m, r, call);
            if (call->got.used && call->got.world >= 0)
                receipts[count++] = (struct receipt){call->got.world, r, call->comm, call->got.tag, call};
        }
        if (rank->in_call)
            add_message(&m, r, &rank->current);
    }
    match(&m, receipts, count);
    free(receipts);
    for (int r = 0; r < story->ranks; r++)
        for (int i = 0; story->rank[r].present && i < MPI_TRACE_OBJECTS; i++) {
            const struct mpi_trace_object *object = &story->rank[r].file->object[i];
            if ((object->kind == OBJECT_REQUEST ? object->active : object->kind == OBJECT_MESSAGE) &&
                object->made.from.used)
                claim(&m, r, object);
        }
    return m;
}
