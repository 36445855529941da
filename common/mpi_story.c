/* mpi_story.c: reads the files that the MPI tracing layer left, as hostile data,
   and has the words for one call. Who waits for whom is in mpi_story_hang.c, what
   was asked for and not done in mpi_story_method.c. */
#include "mpi_story.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mpi_story_parts.h"
#include "source_line.h"

/* ---- reading ---- */

/* The whole file, or NULL. Follows no link, never blocks, reads no more than a trace file has. */
static struct mpi_trace_file *read_file(const char *folder, int rank)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/rank-%d", folder, rank) >= (int)sizeof path)
        return NULL;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct stat about;
    struct mpi_trace_file *file = NULL;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == (off_t)sizeof *file)
        file = malloc(sizeof *file);
    size_t have = 0;
    while (file && have < sizeof *file) {
        ssize_t n = pread(fd, (char *)file + have, sizeof *file - have, (off_t)have);
        if (n <= 0) {
            free(file);
            file = NULL;
        } else {
            have += (size_t)n;
        }
    }
    close(fd);
    return file;
}

static void make_peer_safe(struct mpi_trace_peer *peer, int ranks)
{
    if (peer->world >= ranks || peer->world < MPI_TRACE_UNKNOWN)
        peer->world = MPI_TRACE_UNKNOWN;
}

/* False: not a call that the layer could have written. */
static bool make_call_safe(struct mpi_trace_call *call, int ranks)
{
    make_peer_safe(&call->to, ranks);
    make_peer_safe(&call->from, ranks);
    make_peer_safe(&call->got, ranks);
    if (call->of < 0 || call->of >= CALL_COUNT)
        call->of = -1;
    return call->function >= 0 && call->function < CALL_COUNT && call->clash >= 0 && call->clash < CALL_COUNT &&
           call->end <= INT64_MAX && call->begin <= INT64_MAX;
}

static void take_comms(struct mpi_trace_file *file, int ranks)
{
    for (int i = 0; i < MPI_TRACE_COMMS; i++)
        for (int k = 0; k < MPI_TRACE_MEMBERS; k++)
            if (file->comm[i].member[k] >= ranks || file->comm[i].member[k] < 0)
                file->comm[i].member[k] = MPI_TRACE_UNKNOWN;
}

static void take_objects(struct mpi_trace_file *file, int ranks)
{
    for (int i = 0; i < MPI_TRACE_OBJECTS; i++) {
        struct mpi_trace_object *object = &file->object[i];
        if (!make_call_safe(&object->made, ranks) || object->kind < 0 || object->kind >= OBJECT_KINDS)
            object->kind = OBJECT_NONE;
    }
}

static void take_ring(struct mpi_story_rank *rank, int ranks)
{
    const struct mpi_trace_file *file = rank->file;
    rank->lost = file->written > MPI_TRACE_RING;
    size_t count = rank->lost ? MPI_TRACE_RING : (size_t)file->written;
    size_t first = rank->lost ? (size_t)(file->written % MPI_TRACE_RING) : 0;
    rank->calls = calloc(count + 1, sizeof *rank->calls);
    for (size_t i = 0; rank->calls && i < count; i++) {
        struct mpi_trace_call call = file->ring[(first + i) % MPI_TRACE_RING];
        if (make_call_safe(&call, ranks))
            rank->calls[rank->count++] = call;
    }
}

/* A rank that asks again and again does so until it is ended: it spent most of the time since its first question. */
static bool is_polling(const struct mpi_story_rank *rank, uint64_t now)
{
    if (rank->count == 0 || (rank->in_call && (rank->current.flags & MPI_TRACE_BLOCKING)))
        return false;
    const struct mpi_trace_call *last = &rank->calls[rank->count - 1];
    if (!(last->flags & MPI_TRACE_POLL) || last->repeats < 20 || last->end < last->begin || now < last->begin)
        return false;
    return last->end - last->begin > (now - last->begin) / 2;
}

static void take_rank(struct mpi_story *story, const char *folder, int number)
{
    struct mpi_story_rank *rank = &story->rank[number];
    struct mpi_trace_file *file = rank->file = read_file(folder, number);
    if (!file || file->magic != MPI_TRACE_MAGIC || file->version != MPI_TRACE_VERSION || file->rank != number ||
        file->size != story->ranks)
        return;
    take_comms(file, story->ranks);
    take_objects(file, story->ranks);
    take_ring(rank, story->ranks);
    rank->present = rank->calls != NULL;
    for (int i = 0; i < MPI_TRACE_SLOTS && !rank->in_call; i++) {
        rank->current = file->slot[i].call;
        rank->in_call = file->slot[i].active && make_call_safe(&rank->current, story->ranks);
    }
    rank->finished = file->finalized || file->exited || (rank->in_call && rank->current.function == CALL_Finalize);
    rank->polling = !rank->finished && is_polling(rank, story->now);
}

struct mpi_story *mpi_story_read(const char *folder, int ranks, const char *program)
{
    struct mpi_story *story = calloc(1, sizeof *story);
    if (!story)
        abort();
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    story->now = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
    story->ranks = ranks < 0 ? 0 : ranks > MPI_TRACE_MAX_RANKS ? MPI_TRACE_MAX_RANKS : ranks;
    story->program = program ? strdup(program) : NULL;
    for (int i = 0; i < story->ranks; i++)
        take_rank(story, folder, i);
    return story;
}

void mpi_story_free(struct mpi_story *story)
{
    if (!story)
        return;
    for (int i = 0; i < story->ranks; i++) {
        free(story->rank[i].file);
        free(story->rank[i].calls);
    }
    for (size_t i = 0; i < story->site_count; i++)
        free(story->line[i]);
    free(story->program);
    free(story);
}

const struct mpi_story_rank *mpi_story_rank(const struct mpi_story *story, int rank)
{
    return rank >= 0 && rank < story->ranks ? &story->rank[rank] : NULL;
}

bool mpi_story_whole(const struct mpi_story *story)
{
    for (int i = 0; i < story->ranks; i++)
        if (!story->rank[i].present || story->rank[i].lost || story->rank[i].file->objects_lost ||
            story->rank[i].file->comms_lost)
            return false;
    return true;
}

bool mpi_story_present(const struct mpi_story *story)
{
    for (int i = 0; i < story->ranks; i++)
        if (!story->rank[i].present)
            return false;
    return true;
}

int mpi_story_overflow(const struct mpi_story *story)
{
    for (int i = 0; i < story->ranks; i++)
        if (story->rank[i].present && story->rank[i].lost)
            return i;
    return -1;
}

uint64_t mpi_story_changes(const struct mpi_story *story)
{
    uint64_t changes = 0;
    for (int i = 0; i < story->ranks; i++)
        if (story->rank[i].present)
            changes += story->rank[i].file->changes;
    return changes;
}

/* ---- source lines ---- */

static void want_site(struct mpi_story *story, uint64_t site)
{
    for (size_t i = 0; i < story->site_count; i++)
        if (story->site[i] == site)
            return;
    if (site != 0 && story->site_count < SITES)
        story->site[story->site_count++] = site;
}

/* What is told of first comes first: the current calls, the objects, then the finished calls. */
static void want_all_sites(struct mpi_story *story)
{
    for (int r = 0; r < story->ranks; r++) {
        const struct mpi_story_rank *rank = &story->rank[r];
        if (rank->in_call)
            want_site(story, rank->current.site);
        for (int i = 0; rank->present && i < MPI_TRACE_OBJECTS; i++)
            if (rank->file->object[i].kind != OBJECT_NONE)
                want_site(story, rank->file->object[i].made.site);
    }
    for (int r = 0; r < story->ranks; r++)
        for (size_t i = story->rank[r].count; i > 0; i--)
            want_site(story, story->rank[r].calls[i - 1].site);
}

static void resolve_sites(struct mpi_story *story)
{
    story->resolved = true;
    want_all_sites(story);
    source_lines(story->program, story->site, story->site_count, story->line);
}

static const char *line_of(struct mpi_story *story, uint64_t site)
{
    if (!story->resolved)
        resolve_sites(story);
    for (size_t i = 0; i < story->site_count; i++)
        if (story->site[i] == site)
            return story->line[i] ? story->line[i] : "";
    return "";
}

/* ---- words ---- */

const char *mpi_story_name(int function)
{
#define NAME(name) "MPI_" #name,
    static const char *const names[] = {MPI_TRACE_CALLS(NAME)};
#undef NAME
    return function >= 0 && function < CALL_COUNT ? names[function] : "an unknown call";
}

const char *tag_text(int tag, char buffer[32])
{
    if (tag == MPI_TRACE_ANY)
        return "MPI_ANY_TAG";
    snprintf(buffer, 32, "%d", tag);
    return buffer;
}

void say_site(FILE *out, struct mpi_story *story, uint64_t site)
{
    const char *line = line_of(story, site);
    if (*line)
        fprintf(out, " at %s", line);
}

void say_ranks(FILE *out, const bool *in, int ranks)
{
    int count = 0, said = 0;
    for (int i = 0; i < ranks; i++)
        count += in[i];
    fputs(count == 1 ? "rank " : "ranks ", out);
    for (int i = 0; i < ranks; i++)
        if (in[i]) {
            said++;
            fprintf(out, "%s%d", said == 1 ? "" : said == count ? " and " : ", ", i);
        }
}

static void say_peer(FILE *out, const char *word, const struct mpi_trace_peer *peer)
{
    char tag[32];
    if (peer->rank == MPI_TRACE_ANY)
        fprintf(out, "%s=MPI_ANY_SOURCE", word);
    else if (peer->rank == MPI_TRACE_NOBODY)
        fprintf(out, "%s=MPI_PROC_NULL", word);
    else
        fprintf(out, "%s=%d", word, peer->rank);
    fprintf(out, ", tag=%s", tag_text(peer->tag, tag));
}

static void say_arguments(FILE *out, const struct mpi_trace_call *c)
{
    if (c->root >= 0)
        fprintf(out, "(root=%d)", c->root);
    if (!c->to.used && !c->from.used)
        return;
    fputc('(', out);
    if (c->to.used)
        say_peer(out, "dest", &c->to);
    if (c->to.used && c->from.used)
        fputs(", ", out);
    if (c->from.used)
        say_peer(out, "source", &c->from);
    fputc(')', out);
}

/* Ranks in a message are ranks of the world; those in the arguments are the student's. Say so where they differ. */
static void say_comm(FILE *out, const struct mpi_trace_call *c)
{
    if (c->comm == 0 || c->comm_size == 0)
        return;
    fprintf(out, " on a communicator of %d rank%s", c->comm_size, c->comm_size == 1 ? "" : "s");
    if (c->to.used && c->to.world >= 0 && c->to.world != c->to.rank)
        fprintf(out, " (its rank %d is rank %d of the world)", c->to.rank, c->to.world);
    else if (c->from.used && c->from.world >= 0 && c->from.world != c->from.rank)
        fprintf(out, " (its rank %d is rank %d of the world)", c->from.rank, c->from.world);
}

void say_call(FILE *out, struct mpi_story *story, const struct mpi_trace_call *c)
{
    fputs(mpi_story_name(c->function), out);
    if (c->of >= 0)
        fprintf(out, " for %s", mpi_story_name(c->of));
    say_arguments(out, c);
    say_site(out, story, c->site);
    say_comm(out, c);
}

static void say_part(FILE *out, struct mpi_story *story, int rank, const struct mpi_trace_call *c)
{
    fprintf(out, "rank %d gave %" PRId64 " element%s (%" PRId64 " bytes) to ", rank, c->count, c->count == 1 ? "" : "s",
            c->bytes);
    fputs(c->flags & MPI_TRACE_OWN_OP ? "an operation of its own in " : "", out);
    say_call(out, story, c);
}

void say_unlike(FILE *out, struct mpi_story *story, int rank, const struct mpi_trace_call *call, int other,
                const struct mpi_trace_call *theirs)
{
    say_part(out, story, rank, call);
    fputs(" where ", out);
    say_part(out, story, other, theirs);
    fputs(": every rank has to give as many elements of the same datatype, for the same operation", out);
}

/* ---- small questions ---- */

/* Elements without bytes, of MPI_DATATYPE_NULL: MPI says so to that rank, and nothing has come to the others. */
static bool refused(const struct mpi_trace_call *call)
{
    return call->count > 0 && call->bytes <= 0;
}

bool unlike(const struct mpi_trace_call *call, const struct mpi_trace_call *theirs)
{
    bool own = call->flags & MPI_TRACE_OWN_OP, their_own = theirs->flags & MPI_TRACE_OWN_OP;
    return call->function == theirs->function && call->root == theirs->root &&
           in_set(call->function, MPI_CALLS(CALL_Reduce, CALL_Ireduce, CALL_Allreduce, CALL_Iallreduce)) &&
           !refused(call) && !refused(theirs) && (call->bytes != theirs->bytes || own != their_own);
}

bool mark_matches(int asked, int mark)
{
    return asked == MPI_STORY_ALL ? mark >= 0 : asked == mark;
}

bool is_wait(int function)
{
    return function >= CALL_Wait && function <= CALL_Testsome;
}

bool in_set(int function, const int *functions)
{
    for (; *functions != CALL_END; functions++)
        if (*functions == function)
            return true;
    return false;
}
