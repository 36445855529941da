/* mpi_story_method.c: how the student's code did its work: which collective was
   called by whom, what was left unfreed, and what was sent for nobody. */
#include <stdlib.h>
#include <string.h>

#include "mpi_story_parts.h"

static FILE *words_to(char **words, size_t *size)
{
    *words = NULL;
    FILE *out = open_memstream(words, size);
    if (!out)
        abort();
    return out;
}

/* Nothing was written: NULL. */
static char *finish(FILE *out, char **words)
{
    fclose(out);
    if (**words)
        return *words;
    free(*words);
    return NULL;
}

/* A finished call of the student's (not the end of an earlier one, not a question without an answer). */
static bool is_call(const struct mpi_trace_call *call, int mark)
{
    return mark_matches(mark, call->mark) && !(call->flags & (MPI_TRACE_COMPLETED | MPI_TRACE_FAILED | MPI_TRACE_POLL));
}

long mpi_story_count(const struct mpi_story *story, int rank, int mark, const int *functions)
{
    const struct mpi_story_rank *r = mpi_story_rank(story, rank);
    long count = 0;
    for (size_t i = 0; r && i < r->count; i++)
        count += is_call(&r->calls[i], mark) && in_set(r->calls[i].function, functions);
    return count;
}

/* ---- collectives ---- */

enum { MOST_USES = 16 }; /* communicators in one case */

/* Calls out of the set on one communicator, for each of its ranks. */
struct use {
    uint32_t comm;
    int size;
    long calls[MPI_TRACE_MAX_RANKS]; /* by rank in the communicator */
    int world[MPI_TRACE_MAX_RANKS];
};

static struct use *use_of(struct use *uses, int *count, int max, const struct mpi_trace_call *call)
{
    for (int i = 0; i < *count; i++)
        if (uses[i].comm == call->comm && uses[i].size == call->comm_size)
            return &uses[i];
    if (*count == max)
        return NULL;
    uses[*count] = (struct use){.comm = call->comm, .size = call->comm_size};
    return &uses[(*count)++];
}

/* functions: which calls; NULL: those by an operation of the program's own. */
static int collect_uses(const struct mpi_story *story, int mark, const int *functions, struct use *uses, int max)
{
    int count = 0;
    for (int r = 0; r < story->ranks; r++)
        for (size_t i = 0; i < story->rank[r].count; i++) {
            const struct mpi_trace_call *call = &story->rank[r].calls[i];
            bool asked = functions ? in_set(call->function, functions) : (call->flags & MPI_TRACE_OWN_OP) != 0;
            if (!is_call(call, mark) || !asked || call->comm_rank < 0 || call->comm_rank >= MPI_TRACE_MAX_RANKS)
                continue;
            struct use *use = use_of(uses, &count, max, call);
            if (use) {
                use->calls[call->comm_rank]++;
                use->world[call->comm_rank] = r;
            }
        }
    return count;
}

/* Do calls on several communicators, each made equally often by all of its ranks, join size ranks in all? */
static bool joins(const struct use *uses, int count, int size)
{
    int group[MPI_TRACE_MAX_RANKS], most = 0;
    for (int r = 0; r < MPI_TRACE_MAX_RANKS; r++)
        group[r] = r;
    for (int i = 0; i < count; i++) {
        bool even = uses[i].size <= MPI_TRACE_MAX_RANKS;
        for (int k = 0; even && k < uses[i].size; k++)
            even = uses[i].calls[k] > 0 && uses[i].calls[k] == uses[i].calls[0];
        for (int k = 1; even && k < uses[i].size; k++) {
            int from = group[uses[i].world[k]], into = group[uses[i].world[0]];
            for (int r = 0; r < MPI_TRACE_MAX_RANKS; r++)
                group[r] = group[r] == from ? into : group[r];
        }
    }
    for (int r = 0; r < MPI_TRACE_MAX_RANKS; r++) {
        int members = 0;
        for (int k = 0; k < MPI_TRACE_MAX_RANKS; k++)
            members += group[k] == r;
        most = members > most ? members : most;
    }
    return most == size && count > 1;
}

/* The same number of calls by every rank, and the number that was asked for. */
static bool is_proper(const struct use *use, int size, int times)
{
    if (use->size != size || use->calls[0] == 0 || (times > 0 && use->calls[0] != times))
        return false;
    for (int i = 1; i < size; i++)
        if (use->calls[i] != use->calls[0])
            return false;
    return true;
}

static void say_set(FILE *out, const int *functions)
{
    for (int i = 0; functions[i] != CALL_END; i++)
        fprintf(out, "%s%s", i == 0 ? "" : functions[i + 1] == CALL_END ? " or " : ", ", mpi_story_name(functions[i]));
}

/* "instead, rank 0 called MPI_Send (3 times), MPI_Recv": what the first rank that did anything did. */
static void say_instead(FILE *out, const struct mpi_story *story, int mark, const int *functions)
{
    for (int r = 0; r < story->ranks; r++) {
        long counts[CALL_COUNT] = {0}, all = 0;
        for (size_t i = 0; i < story->rank[r].count; i++) {
            const struct mpi_trace_call *call = &story->rank[r].calls[i];
            bool other = is_call(call, mark) && !in_set(call->function, functions);
            counts[call->function] += other;
            all += other;
        }
        if (all == 0)
            continue;
        fprintf(out, "; rank %d called ", r);
        const char *comma = "";
        for (int f = 0; f < CALL_COUNT; f++)
            if (counts[f] > 0) {
                fprintf(out, "%s%s", comma, mpi_story_name(f));
                if (counts[f] > 1)
                    fprintf(out, " (%ld times)", counts[f]);
                comma = ", ";
            }
        return;
    }
    fputs("; no rank made any other MPI call there", out);
}

static void say_use(FILE *out, const struct use *use, int size, int times)
{
    if (use->size != size) {
        fprintf(out, "it was called on a communicator of %d rank%s%s, but the one that was given has %d", use->size,
                use->size == 1 ? "" : "s", use->comm == 0 ? " (MPI_COMM_WORLD)" : "", size);
        return;
    }
    bool seen = false;
    for (int i = 0; i < size; i++)
        seen = seen || use->calls[i] != use->calls[0];
    if (!seen) {
        fprintf(out, "every rank called it %ld times, and %d %s enough", use->calls[0], times,
                times == 1 ? "is" : "are");
        return;
    }
    fputs("every rank of the communicator has to call it equally often, but", out);
    for (int i = 0; i < size; i++)
        fprintf(out, "%s its rank %d called it %ld time%s", i == 0 ? "" : ",", i, use->calls[i],
                use->calls[i] == 1 ? "" : "s");
}

char *mpi_story_collective(struct mpi_story *story, int mark, int size, const int *functions, int times)
{
    struct use *uses = calloc(MOST_USES, sizeof *uses);
    if (!uses)
        abort();
    if (size > MPI_TRACE_MAX_RANKS)
        size = MPI_TRACE_MAX_RANKS;
    int count = collect_uses(story, mark, functions, uses, MOST_USES);
    const struct use *nearest = NULL;
    bool proper = false;
    for (int i = 0; i < count; i++) {
        proper = proper || is_proper(&uses[i], size, times);
        if (!nearest || (uses[i].size == size && nearest->size != size))
            nearest = &uses[i];
    }
    proper = proper || (times == 0 && joins(uses, count, size));
    char *words;
    size_t length;
    FILE *out = words_to(&words, &length);
    if (!proper) {
        say_set(out, functions);
        if (nearest) {
            fputs(": ", out);
            say_use(out, nearest, size, times);
        } else {
            fputs(" was called by no rank", out);
            say_instead(out, story, mark, functions);
        }
    }
    free(uses);
    return finish(out, &words);
}

/* A part of a collective call of the student's, also one that failed: it may have failed because the parts do not fit. */
static bool is_part(const struct mpi_trace_call *call, int mark)
{
    return call->sequence > 0 && !is_wait(call->function) && mark_matches(mark, call->mark) &&
           !(call->flags & (MPI_TRACE_COMPLETED | MPI_TRACE_POLL));
}

/* The collective of the same number on the same communicator, by another rank; NULL: it made none. */
static const struct mpi_trace_call *same_number(const struct mpi_story *story, int rank,
                                                const struct mpi_trace_call *call)
{
    const struct mpi_story_rank *r = &story->rank[rank];
    for (size_t i = 0; i < r->count; i++)
        if (is_part(&r->calls[i], call->mark) && r->calls[i].sequence == call->sequence &&
            r->calls[i].comm == call->comm)
            return &r->calls[i];
    return NULL;
}

char *mpi_story_mismatch(struct mpi_story *story, int mark)
{
    char *words;
    size_t length;
    FILE *out = words_to(&words, &length);
    for (int r = 0; r < story->ranks && ftell(out) <= 0; r++)
        for (size_t i = 0; i < story->rank[r].count && ftell(out) <= 0; i++) {
            const struct mpi_trace_call *call = &story->rank[r].calls[i];
            if (!is_part(call, mark))
                continue;
            for (int other = r + 1; other < story->ranks && ftell(out) <= 0; other++) {
                const struct mpi_trace_call *theirs = same_number(story, other, call);
                if (theirs && unlike(call, theirs))
                    say_unlike(out, story, r, call, other, theirs);
                if (!theirs || (theirs->function == call->function && theirs->root == call->root))
                    continue;
                fprintf(out, "rank %d made ", r);
                say_call(out, story, call);
                fprintf(out, " where rank %d made ", other);
                say_call(out, story, theirs);
                fputs(theirs->function == call->function
                          ? ": every rank has to name the same root"
                          : ": every rank has to make the same collective calls, in the same order",
                      out);
            }
        }
    return finish(out, &words);
}

bool mpi_story_own_reduction(struct mpi_story *story, int mark, int size)
{
    struct use *uses = calloc(MOST_USES, sizeof *uses);
    if (!uses)
        abort();
    int count = collect_uses(story, mark, NULL, uses, MOST_USES);
    bool proper = joins(uses, count, size);
    for (int i = 0; i < count; i++)
        proper = proper || is_proper(&uses[i], size, 0);
    free(uses);
    return proper;
}

/* ---- what was left ---- */

static const char *left_words(const struct mpi_trace_object *object)
{
    switch (object->kind) {
    case OBJECT_TYPE:
        return "a datatype was never freed (MPI_Type_free)";
    case OBJECT_OP:
        return "an operation was never freed (MPI_Op_free)";
    case OBJECT_COMM:
        return "a communicator was never freed (MPI_Comm_free)";
    case OBJECT_REQUEST:
        if (object->given_away)
            return "the request of a send was freed before the send had ended (MPI_Wait tells when it has)";
        return object->persistent ? "a persistent request was never freed (MPI_Request_free)"
                                  : "a request was never completed (MPI_Wait and the like)";
    case OBJECT_WINDOW:
        return "a window was never freed (MPI_Win_free)";
    default:
        return "a probed message was never received (MPI_Mrecv)";
    }
}

/* The same thing left by several ranks, or several times, is told once. */
static bool told_before(const struct mpi_story *story, int mark, int rank, int index)
{
    const struct mpi_trace_object *mine = &story->rank[rank].file->object[index];
    for (int r = 0; r <= rank; r++)
        for (int i = 0; story->rank[r].present && i < (r == rank ? index : MPI_TRACE_OBJECTS); i++) {
            const struct mpi_trace_object *o = &story->rank[r].file->object[i];
            if (o->kind == mine->kind && o->made.site == mine->made.site && mark_matches(mark, o->made.mark))
                return true;
        }
    return false;
}

static int times_left(const struct mpi_story *story, int mark, const struct mpi_trace_object *object, bool *ranks)
{
    int times = 0;
    for (int r = 0; r < story->ranks; r++)
        for (int i = 0; story->rank[r].present && i < MPI_TRACE_OBJECTS; i++) {
            const struct mpi_trace_object *o = &story->rank[r].file->object[i];
            if (o->kind == object->kind && o->made.site == object->made.site && mark_matches(mark, o->made.mark)) {
                ranks[r] = true;
                times++;
            }
        }
    return times;
}

char *mpi_story_objects(struct mpi_story *story, int mark)
{
    char *words;
    size_t size;
    FILE *out = words_to(&words, &size);
    for (int r = 0; r < story->ranks; r++)
        for (int i = 0; story->rank[r].present && i < MPI_TRACE_OBJECTS; i++) {
            const struct mpi_trace_object *object = &story->rank[r].file->object[i];
            if (object->kind == OBJECT_NONE || !mark_matches(mark, object->made.mark) || told_before(story, mark, r, i))
                continue;
            bool ranks[MPI_TRACE_MAX_RANKS] = {0};
            int times = times_left(story, mark, object, ranks);
            fprintf(out, "%s%s: made by ", ftell(out) > 0 ? "\n" : "", left_words(object));
            say_call(out, story, &object->made);
            fputs(" on ", out);
            say_ranks(out, ranks, story->ranks);
            if (times > 1)
                fprintf(out, ", %d times in all", times);
        }
    return finish(out, &words);
}

/* ---- memory ---- */

static void say_clash(FILE *out, struct mpi_story *story, int rank, const struct mpi_trace_call *call)
{
    struct mpi_trace_call other = {.function = call->clash, .site = call->clash_site, .of = -1, .root = -1};
    fprintf(out, "rank %d: ", rank);
    say_call(out, story, call);
    if (call->flags & MPI_TRACE_BEYOND) {
        fprintf(
            out,
            " is told of room for %llu bytes, but the memory there ends before: a longer message would be written past "
            "the end. What it is given is a number of elements, and for those that fit",
            (unsigned long long)call->length);
        return;
    }
    if (call->flags & MPI_TRACE_COMPLETED) {
        fputs(" only begins, and memory that it was given was changed or freed before MPI_Wait (or the like) had "
              "completed its request. Until then it belongs to MPI",
              out);
        return;
    }
    if (other.site == call->site && other.function == call->function) {
        fprintf(
            out,
            " sends from and receives into the same memory. The two arrays of one call must not overlap: use another "
            "array, or %s",
            call->sequence > 0 ? "MPI_IN_PLACE" : "MPI_Sendrecv_replace");
        return;
    }
    fputs(call->writes ? " receives into memory that " : " sends from memory that ", out);
    say_call(out, story, &other);
    fputs(" still uses: that call only began. Until MPI_Wait (or the like) has completed its request, an array that is "
          "sent must not be changed, and one that is received into must not be touched",
          out);
}

char *mpi_story_clash(struct mpi_story *story, int mark)
{
    char *words;
    size_t size;
    FILE *out = words_to(&words, &size);
    for (int r = 0; r < story->ranks && ftell(out) <= 0; r++)
        for (size_t i = 0; i < story->rank[r].count; i++) {
            const struct mpi_trace_call *call = &story->rank[r].calls[i];
            if (mark_matches(mark, call->mark) && (call->flags & (MPI_TRACE_CLASH | MPI_TRACE_BEYOND))) {
                say_clash(out, story, r, call);
                break;
            }
        }
    return finish(out, &words);
}

/* The clock is one for all processes of a machine. A persistent request's record is MPI_Start's. */
char *mpi_story_not_ready(struct mpi_story *story, int mark)
{
    char *words;
    size_t size;
    FILE *out = words_to(&words, &size);
    struct messages m = messages_of(story);
    for (size_t i = 0; i < m.count && ftell(out) <= 0; i++) {
        const struct mpi_trace_call *call = m.list[i].call, *taken = m.list[i].taken;
        int function = call->function == CALL_Start ? call->of : call->function;
        bool ready = function == CALL_Rsend || function == CALL_Irsend || function == CALL_Rsend_init;
        if (!ready || !taken || taken->begin <= call->begin || !mark_matches(mark, call->mark))
            continue;
        fprintf(out, "rank %d called ", m.list[i].source);
        say_call(out, story, call);
        fprintf(out, " before rank %d had begun to receive, by ", m.list[i].dest);
        say_call(out, story, taken);
        fputs(": a ready send is allowed only where the receive is known to have begun. Use MPI_Send", out);
    }
    free(m.list);
    return finish(out, &words);
}

/* Sent in the same way by the same call? Such messages stand next to each other. */
static bool same_message(const struct message *a, const struct message *b)
{
    return a->source == b->source && a->dest == b->dest && a->comm == b->comm && a->tag == b->tag &&
           a->call->site == b->call->site;
}

char *mpi_story_unreceived(struct mpi_story *story, int mark)
{
    char *words;
    size_t size, told = 0, times = 0, left = 0;
    FILE *out = words_to(&words, &size);
    struct messages m = messages_of(story);
    const struct message *last = NULL;
    for (size_t i = 0; i <= m.count; i++) {
        const struct message *x = i < m.count ? &m.list[i] : NULL;
        if (x && (x->received || x->claimed || !mark_matches(mark, x->call->mark)))
            continue;
        left += x != NULL;
        if (last && x && same_message(last, x)) {
            times++;
            continue;
        }
        if (last && told <= 5 && times > 1)
            fprintf(out, ", %zu times", times);
        if (x && ++told <= 5) {
            fprintf(out, "%sa message was never received: rank %d sent it to rank %d by ", told == 1 ? "" : "\n",
                    x->source, x->dest);
            say_call(out, story, x->call);
        }
        last = x;
        times = 1;
    }
    if (told > 5)
        fprintf(out, "\n%zu messages in all", left);
    free(m.list);
    return finish(out, &words);
}
