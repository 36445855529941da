/* mpi_story_hang.c: who waits for whom, and whether any of them can ever go on.

   Each rank that waits has needs: a message, a receiver, the other ranks of a
   collective. A rank that computes may do anything later. Starting from those, a
   waiting rank is set free when its needs could be met by ranks that are free;
   those that are never set free are deadlocked (the reduction of a wait-for graph
   with AND and OR nodes, as in Umpire and MUST). */
#include <stdlib.h>
#include <string.h>

#include "mpi_story_parts.h"

#define NEEDS 64 /* open requests of one wait that are looked at */

enum need_kind { NEED_MESSAGE, NEED_RECEIVER, NEED_COLLECTIVE, NEED_UNKNOWN };

struct need {
    enum need_kind kind;
    const struct mpi_trace_call *call;     /* the call, or the one that began the request */
    const struct mpi_trace_object *object; /* the request, or NULL */
};

struct waiting {
    bool waits;
    bool any; /* one of the needs is enough */
    int count;
    struct need need[NEEDS];
    const struct mpi_trace_call *call; /* that the rank is in, or keeps making */
};

struct graph {
    struct mpi_story *story;
    struct messages messages;
    struct waiting rank[MPI_TRACE_MAX_RANKS];
    bool free[MPI_TRACE_MAX_RANKS]; /* can go on, or could if others did */
};

/* ---- needs ---- */

static bool takes(const struct mpi_trace_call *receive, const struct message *m)
{
    return m->comm == receive->comm && (receive->from.world == MPI_TRACE_ANY || receive->from.world == m->source) &&
           (receive->from.tag == MPI_TRACE_ANY || receive->from.tag == m->tag);
}

/* Is there a message for this receive? Then nothing holds it up. */
static bool has_message(const struct graph *g, int rank, const struct need *n)
{
    for (size_t i = 0; i < g->messages.count; i++) {
        const struct message *m = &g->messages.list[i];
        if (m->dest == rank &&
            ((n->object && m->claimed == n->object) || (!m->received && !m->claimed && takes(n->call, m))))
            return true;
    }
    return false;
}

/* Was this send's message taken, or does an open receive wait for it? */
static bool has_receiver(const struct graph *g, const struct need *n)
{
    for (size_t i = 0; i < g->messages.count; i++) {
        const struct message *m = &g->messages.list[i];
        if (n->object ? m->call->begin == n->object->made.begin && m->dest == n->call->to.world : m->call == n->call)
            return m->received || m->claimed;
    }
    return false;
}

static void add_need(struct graph *g, int rank, enum need_kind kind, const struct mpi_trace_call *call,
                     const struct mpi_trace_object *object)
{
    struct waiting *w = &g->rank[rank];
    struct need n = {kind, call, object};
    if (w->count == NEEDS || (kind == NEED_MESSAGE && call->from.world == MPI_TRACE_NOBODY) ||
        (kind == NEED_RECEIVER && call->to.world == MPI_TRACE_NOBODY))
        return;
    if ((kind == NEED_MESSAGE && has_message(g, rank, &n)) || (kind == NEED_RECEIVER && has_receiver(g, &n)))
        return; /* met: it only has to be noticed */
    w->need[w->count++] = n;
}

static void needs_of_call(struct graph *g, int rank, const struct mpi_trace_call *call,
                          const struct mpi_trace_object *object)
{
    if (call->sequence > 0)
        add_need(g, rank, NEED_COLLECTIVE, call, object);
    if (call->to.used)
        add_need(g, rank, NEED_RECEIVER, call, object);
    if (call->from.used)
        add_need(g, rank, NEED_MESSAGE, call, object);
    if (call->sequence == 0 && !call->to.used && !call->from.used)
        add_need(g, rank, NEED_UNKNOWN, call, object);
}

static void needs_of_wait(struct graph *g, int rank)
{
    const struct mpi_trace_file *file = g->story->rank[rank].file;
    int open = 0;
    for (int i = 0; i < MPI_TRACE_OBJECTS; i++)
        if (file->object[i].kind == OBJECT_REQUEST && file->object[i].waiting) {
            needs_of_call(g, rank, &file->object[i].made, &file->object[i]);
            open++;
        }
    if (open == 0)
        add_need(g, rank, NEED_UNKNOWN, g->rank[rank].call, NULL);
}

static void collect(struct graph *g, int number)
{
    const struct mpi_story_rank *rank = &g->story->rank[number];
    struct waiting *w = &g->rank[number];
    bool blocks = rank->in_call && (rank->current.flags & MPI_TRACE_BLOCKING);
    if (!rank->present || rank->finished || (!blocks && !rank->polling))
        return;
    w->waits = true;
    w->call = blocks ? &rank->current : &rank->calls[rank->count - 1];
    int f = w->call->function;
    w->any = f == CALL_Waitany || f == CALL_Waitsome || f == CALL_Testany || f == CALL_Testsome;
    if (rank->file->slot[1].call.begin != 0) /* its other threads may be computing: nothing is certain */
        add_need(g, number, NEED_UNKNOWN, w->call, NULL);
    else if (is_wait(f))
        needs_of_wait(g, number);
    else
        needs_of_call(g, number, w->call, NULL);
}

/* ---- collectives ---- */

static const struct mpi_trace_comm *comm_of(const struct graph *g, int rank, uint32_t id)
{
    const struct mpi_story_rank *r = &g->story->rank[rank];
    for (int i = 0; r->present && i < MPI_TRACE_COMMS; i++)
        if (r->file->comm[i].state != 0 && r->file->comm[i].id == id)
            return &r->file->comm[i];
    return NULL;
}

/* A full table has entries written over: a communicator that it lacks may be one that the rank used and freed. */
static bool forgets_comms(const struct graph *g, int rank)
{
    const struct mpi_story_rank *r = &g->story->rank[rank];
    for (int i = 0; r->present && i < MPI_TRACE_COMMS; i++)
        if (r->file->comm[i].state == 0)
            return false;
    return r->present;
}

/* Which ranks of the communicator have not entered this collective? */
static int missing(const struct graph *g, int rank, const struct mpi_trace_call *call, bool *absent)
{
    memset(absent, 0, MPI_TRACE_MAX_RANKS * sizeof *absent);
    const struct mpi_trace_comm *mine = comm_of(g, rank, call->comm);
    int count = 0;
    for (int i = 0; mine && i < MPI_TRACE_MEMBERS && i < mine->size; i++) {
        int other = mine->member[i];
        if (other < 0 || other == rank)
            continue;
        const struct mpi_trace_comm *theirs = comm_of(g, other, call->comm);
        absent[other] = theirs ? theirs->collectives < call->sequence : !forgets_comms(g, other);
        count += absent[other];
    }
    return count;
}

/* The call that another rank made, or is in, as the same collective of the communicator; NULL if it is not known. */
static const struct mpi_trace_call *partner(const struct graph *g, int other, const struct mpi_trace_call *call)
{
    const struct mpi_story_rank *r = &g->story->rank[other];
    if (r->in_call && !is_wait(r->current.function) && r->current.comm == call->comm &&
        r->current.sequence == call->sequence)
        return &r->current;
    for (size_t i = r->count; i > 0; i--)
        if (r->calls[i - 1].comm == call->comm && r->calls[i - 1].sequence == call->sequence &&
            !is_wait(r->calls[i - 1].function))
            return &r->calls[i - 1];
    return NULL;
}

/* A rank that entered another collective, or the same with another root: the two will not meet. */
static int mismatch(const struct graph *g, int rank, const struct mpi_trace_call *call)
{
    for (int other = 0; other < g->story->ranks; other++) {
        const struct mpi_trace_call *theirs = other == rank ? NULL : partner(g, other, call);
        if (theirs && (theirs->function != call->function || theirs->root != call->root))
            return other;
    }
    return -1;
}

/* ---- the reduction ---- */

static bool all_free(const struct graph *g, const bool *ranks)
{
    for (int i = 0; i < g->story->ranks; i++)
        if (ranks[i] && !g->free[i])
            return false;
    return true;
}

static bool another_is_free(const struct graph *g, int rank)
{
    for (int i = 0; i < g->story->ranks; i++)
        if (i != rank && g->free[i])
            return true;
    return false;
}

static bool can_be_met(const struct graph *g, int rank, const struct need *n)
{
    bool absent[MPI_TRACE_MAX_RANKS];
    switch (n->kind) {
    case NEED_MESSAGE:
        return n->call->from.world >= 0 ? g->free[n->call->from.world] : another_is_free(g, rank);
    case NEED_RECEIVER: {
        if (n->call->to.world < 0)
            return true;
        /* A receiver that waits for just this message is about to take it. */
        const struct waiting *other = &g->rank[n->call->to.world];
        bool asks = other->waits && other->call->from.used && other->call->comm == n->call->comm &&
                    (other->call->from.world == rank || other->call->from.world == MPI_TRACE_ANY) &&
                    (other->call->from.tag == n->call->to.tag || other->call->from.tag == MPI_TRACE_ANY) &&
                    other->call->function != CALL_Probe && other->call->function != CALL_Iprobe;
        return asks || g->free[n->call->to.world];
    }
    case NEED_COLLECTIVE:
        if (missing(g, rank, n->call, absent) > 0)
            return all_free(g, absent);
        return mismatch(g, rank, n->call) < 0;
    default:
        return true;
    }
}

static bool can_go_on(const struct graph *g, int rank)
{
    const struct waiting *w = &g->rank[rank];
    int met = 0;
    for (int i = 0; i < w->count; i++)
        met += can_be_met(g, rank, &w->need[i]);
    return w->any && w->count > 0 ? met > 0 : met == w->count;
}

static void reduce(struct graph *g)
{
    for (int i = 0; i < g->story->ranks; i++)
        g->free[i] = !g->rank[i].waits && !g->story->rank[i].finished;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < g->story->ranks; i++)
            if (g->rank[i].waits && !g->free[i] && can_go_on(g, i))
                g->free[i] = changed = true;
    }
}

/* ---- words ---- */

static void say_wait(FILE *out, const struct graph *g, int rank)
{
    const struct waiting *w = &g->rank[rank];
    struct mpi_trace_call call = *w->call;
    /* Of several open requests, tell of one that cannot be finished. */
    if (is_wait(call.function) && w->count > 0 && w->need[0].object) {
        const struct mpi_trace_call *made = w->need[0].call;
        call.of = made->function;
        call.to = made->to;
        call.from = made->from;
        call.comm = made->comm;
        call.comm_size = made->comm_size;
    }
    fputs(w->call->flags & MPI_TRACE_POLL ? "in a loop of " : "in ", out);
    say_call(out, g->story, &call);
    if (is_wait(call.function) && w->count > 0 && w->need[0].object) {
        fputs(", begun", out);
        say_site(out, g->story, w->need[0].call->site);
    }
    if (w->count > 1 && w->need[0].object)
        fprintf(out, ", and for %d more", w->count - 1);
    if (call.mark < 0)
        fputs(", after the tested function", out);
}

static char *wait_text(const struct graph *g, int rank)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    say_wait(out, g, rank);
    fclose(out);
    return text;
}

/* "rank 0 waits in A, ranks 1 and 2 wait in B", for the ranks that are chosen. */
static void say_waits(FILE *out, const struct graph *g, const bool *chosen)
{
    char *text[MPI_TRACE_MAX_RANKS] = {0};
    bool said[MPI_TRACE_MAX_RANKS] = {0}, first = true;
    for (int i = 0; i < g->story->ranks; i++)
        if (chosen[i])
            text[i] = wait_text(g, i);
    for (int i = 0; i < g->story->ranks; i++) {
        bool same[MPI_TRACE_MAX_RANKS] = {0};
        int count = 0;
        for (int k = i; k < g->story->ranks; k++)
            if (text[i] && !said[k] && text[k] && strcmp(text[i], text[k]) == 0) {
                said[k] = same[k] = true;
                count++;
            }
        if (count == 0)
            continue;
        fputs(first ? "" : ", ", out);
        say_ranks(out, same, g->story->ranks);
        fprintf(out, " %s %s", count == 1 ? "waits" : "wait", text[i]);
        first = false;
    }
    for (int i = 0; i < g->story->ranks; i++)
        free(text[i]);
}

/* What a rank does that others wait for. */
static void say_state(FILE *out, const struct graph *g, int rank)
{
    const struct mpi_story_rank *r = &g->story->rank[rank];
    fprintf(out, "rank %d ", rank);
    if (!r->present) {
        fputs("has not come out of MPI_Init", out);
    } else if (r->finished) {
        fputs(r->file->exited ? "has ended" : "is in MPI_Finalize", out);
    } else if (g->rank[rank].waits) {
        fputs("is ", out);
        say_wait(out, g, rank);
    } else if (r->in_call) {
        fputs("is in ", out);
        say_call(out, g->story, &r->current);
    } else {
        uint64_t since = r->count ? r->calls[r->count - 1].end : r->file->slot[0].call.begin;
        double seconds = since <= g->story->now ? (double)(g->story->now - since) / 1e9 : 0;
        fprintf(out, "is computing: it has made no MPI call for %.1f s", seconds);
        if (r->count) {
            fputs(" (the last was ", out);
            say_call(out, g->story, &r->calls[r->count - 1]);
            fputc(')', out);
        }
    }
}

/* Has the rank come back from the tested function, and waits in a call of main.c's? That is no mistake of its own. */
static bool is_back(const struct graph *g, int rank)
{
    return g->rank[rank].waits && g->rank[rank].call->mark < 0;
}

/* True: a message was sent, but not the one that is waited for; nothing more need be said. */
static bool explain_message(FILE *out, const struct graph *g, int rank, const struct need *n)
{
    char wanted[32], sent[32];
    for (size_t i = 0; i < g->messages.count; i++) {
        const struct message *m = &g->messages.list[i];
        if (m->claimed && m->claimed->kind == OBJECT_MESSAGE && m->dest == rank && takes(n->call, m)) {
            fprintf(out, "\nrank %d has that message already: ", rank);
            say_call(out, g->story, &m->claimed->made);
            fputs(" took it out, and then only MPI_Mrecv receives it", out);
            return true;
        }
        if (m->received || m->claimed || m->dest != rank ||
            (n->call->from.world >= 0 && n->call->from.world != m->source))
            continue;
        if (m->comm != n->call->comm)
            fprintf(out, "\nrank %d sent rank %d a message with tag %s", m->source, rank, tag_text(m->tag, sent));
        else
            fprintf(out, "\nrank %d waits for tag %s, but the message that rank %d sent it has tag %s", rank,
                    tag_text(n->call->from.tag, wanted), m->source, tag_text(m->tag, sent));
        fputs(": ", out);
        say_call(out, g->story, m->call);
        if (m->comm != n->call->comm)
            fprintf(out, "; but rank %d receives on another communicator", rank);
        return true;
    }
    int source = n->call->from.world;
    if (source == rank)
        fprintf(out, "\nrank %d waits for a message from itself, which it cannot send while it waits", rank);
    else if (source >= 0 && is_back(g, source))
        fprintf(out,
                "\nrank %d waits for a message from rank %d that was never sent: rank %d has returned from the tested "
                "function",
                rank, source, source);
    else if (source >= 0 && !g->rank[source].waits) {
        fprintf(out, "\nrank %d waits for a message from rank %d that was never sent: ", rank, source);
        say_state(out, g, source);
    }
    return false;
}

static void explain_send(FILE *out, const struct graph *g, int rank, const struct need *n)
{
    int dest = n->call->to.world;
    if (dest < 0)
        return;
    if (dest == rank && !n->call->from.used)
        fprintf(out,
                "\nrank %d sends to itself, and cannot receive before the send returns: begin the receive first "
                "(MPI_Irecv), or use MPI_Sendrecv",
                rank);
    else if (g->story->rank[dest].finished || is_back(g, dest))
        fprintf(out, "\nrank %d never receives the message that rank %d sends: it has %s", dest, rank,
                is_back(g, dest) ? "returned from the tested function" : "left the program");
}

static void explain_collective(FILE *out, const struct graph *g, int rank, const struct need *n)
{
    bool absent[MPI_TRACE_MAX_RANKS];
    const char *name = mpi_story_name(n->call->function);
    if (missing(g, rank, n->call, absent) > 0) {
        fprintf(out, "\n%s is a collective call: every rank of %s must make it, but ", name,
                n->call->comm == 0 ? "MPI_COMM_WORLD, which the call was given," : "the communicator");
        say_ranks(out, absent, g->story->ranks);
        fputs(" never entered it", out);
        for (int i = 0; i < g->story->ranks; i++)
            if (absent[i]) {
                fputs("; ", out);
                say_state(out, g, i);
            }
        return;
    }
    int other = mismatch(g, rank, n->call);
    if (other < 0)
        return;
    const struct mpi_trace_call *theirs = partner(g, other, n->call);
    if (theirs->function != n->call->function)
        fprintf(out, "\nevery rank of a communicator must make the same collective calls in the same order, but ");
    else
        fprintf(out, "\nevery rank must name the same root in %s, but ", name);
    fprintf(out, "rank %d made ", rank);
    say_call(out, g->story, n->call);
    fprintf(out, " where rank %d made ", other);
    say_call(out, g->story, theirs);
}

/* All stuck in receives, or all in sends: the two classics. */
static void explain_cycle(FILE *out, const struct graph *g, const bool *stuck)
{
    int all = 0, receiving = 0, sending = 0;
    for (int i = 0; i < g->story->ranks; i++) {
        if (!stuck[i])
            continue;
        const struct waiting *w = &g->rank[i];
        all++;
        if (w->count == 0 || (w->need[0].kind == NEED_MESSAGE && !g->rank[i].waits))
            continue;
        const struct mpi_trace_peer *peer =
            w->need[0].kind == NEED_MESSAGE ? &w->need[0].call->from : &w->need[0].call->to;
        bool in_cycle = peer->used && (peer->world >= 0 ? stuck[peer->world] : true);
        receiving += in_cycle && w->need[0].kind == NEED_MESSAGE;
        sending += in_cycle && w->need[0].kind == NEED_RECEIVER && !w->need[0].call->from.used;
    }
    if (all > 1 && receiving == all)
        fputs("\nthey all wait for a message and none of them sends what another waits for: one rank of each pair has "
              "to send first, "
              "or use MPI_Sendrecv",
              out);
    if (all > 1 && sending == all)
        fputs("\nthey all send first: a send may wait until the other rank receives (short messages only seem to work, "
              "because they are buffered). Let one rank of each pair receive first, or use MPI_Sendrecv",
              out);
}

/* Ranks that only wait in main.c for the others are told of last, and explain nothing. */
static void say_deadlock(FILE *out, const struct graph *g, const bool *all_stuck)
{
    bool stuck[MPI_TRACE_MAX_RANKS] = {0}, back[MPI_TRACE_MAX_RANKS] = {0};
    int stuck_count = 0, back_count = 0;
    for (int i = 0; i < g->story->ranks; i++) {
        stuck_count += stuck[i] = all_stuck[i] && !is_back(g, i);
        back_count += back[i] = all_stuck[i] && is_back(g, i);
    }
    fputs("deadlock: ", out);
    if (stuck_count == 0)
        memcpy(stuck, back, sizeof stuck);
    say_waits(out, g, stuck);
    if (stuck_count > 0 && back_count > 0) {
        fputs("; ", out);
        say_ranks(out, back, g->story->ranks);
        fprintf(out, " %s returned from the tested function and %s for the others", back_count == 1 ? "has" : "have",
                back_count == 1 ? "waits" : "wait");
    }
    bool astray = false, explained[CALL_COUNT] = {0}; /* a collective is explained once, not by each rank in it */
    for (int i = 0; i < g->story->ranks; i++)
        for (int k = 0; stuck[i] && k < g->rank[i].count; k++) {
            const struct need *n = &g->rank[i].need[k];
            if (can_be_met(g, i, n))
                continue;
            if (n->kind == NEED_MESSAGE)
                astray = explain_message(out, g, i, n) || astray;
            if (n->kind == NEED_RECEIVER)
                explain_send(out, g, i, n);
            if (n->kind == NEED_COLLECTIVE && !explained[n->call->function])
                explain_collective(out, g, i, n);
            if (n->kind != NEED_COLLECTIVE)
                continue;
            explained[n->call->function] = true;
            int other = mismatch(g, i, n->call);
            if (other >= 0)
                explained[partner(g, other, n->call)->function] = true;
        }
    if (!astray)
        explain_cycle(out, g, stuck);
}

/* Ranks that wait in parts of one reduction that do not fit: what such a call does is anybody's guess. */
static void explain_unlike(FILE *out, const struct graph *g)
{
    for (int i = 0; i < g->story->ranks; i++)
        for (int k = 0; k < g->rank[i].count; k++)
            for (int other = 0; other < g->story->ranks && g->rank[i].need[k].kind == NEED_COLLECTIVE; other++) {
                const struct mpi_trace_call *call = g->rank[i].need[k].call, *theirs = partner(g, other, call);
                if (other == i || !theirs || !unlike(call, theirs))
                    continue;
                fputc('\n', out);
                say_unlike(out, g->story, i, call, other, theirs);
                return;
            }
}

static void say_busy(FILE *out, const struct graph *g)
{
    bool waits[MPI_TRACE_MAX_RANKS] = {0}, any = false, first = true;
    fputs("no deadlock, but not done in time: ", out);
    for (int i = 0; i < g->story->ranks; i++) {
        waits[i] = g->rank[i].waits;
        any = any || waits[i];
        if (waits[i] || g->story->rank[i].finished)
            continue;
        fputs(first ? "" : ", ", out);
        say_state(out, g, i);
        first = false;
    }
    if (any) {
        fputs(first ? "" : "; ", out);
        say_waits(out, g, waits);
    }
    explain_unlike(out, g);
}

enum mpi_verdict mpi_story_hang(struct mpi_story *story, char **words)
{
    struct graph *g = calloc(1, sizeof *g);
    size_t size;
    FILE *out = open_memstream(words, &size);
    if (!g || !out)
        abort();
    g->story = story;
    g->messages = messages_of(story);
    bool ended = true, deadlock = false, stuck[MPI_TRACE_MAX_RANKS] = {0};
    for (int i = 0; i < story->ranks; i++) {
        collect(g, i);
        ended = ended && story->rank[i].finished;
    }
    reduce(g);
    for (int i = 0; i < story->ranks; i++) {
        stuck[i] = g->rank[i].waits && !g->free[i];
        deadlock = deadlock || stuck[i];
    }
    if (ended)
        fputs("every rank has come to MPI_Finalize or to its end", out);
    else if (deadlock)
        say_deadlock(out, g, stuck);
    else
        say_busy(out, g);
    fclose(out);
    free(g->messages.list);
    free(g);
    return ended ? MPI_STORY_ENDED : deadlock ? MPI_STORY_DEADLOCK : MPI_STORY_BUSY;
}
