/* mpi_story_chart.c: what the ranks said to each other, as a message sequence
   chart: a column a rank, time runs downwards, messages are arrows. A rank's line
   is | where it works and : where it waits in an MPI call. */
#include <stdlib.h>
#include <string.h>

#include "mpi_story_parts.h"

#define ROWS 200
#define COLUMN 12

/* A line of the chart: a message, or a collective call. */
struct row {
    uint64_t time; /* when the first of its ranks began */
    const struct message *message;
    const struct mpi_trace_call *collective;
};

static int compare_rows(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

static bool waits_at(const struct mpi_story_rank *rank, uint64_t time)
{
    if (rank->in_call && (rank->current.flags & MPI_TRACE_BLOCKING) && rank->current.begin < time)
        return true;
    for (size_t i = 0; i < rank->count; i++) {
        const struct mpi_trace_call *call = &rank->calls[i];
        if ((call->flags & MPI_TRACE_BLOCKING) && call->begin < time && time < call->end)
            return true;
    }
    return false;
}

/* The ranks' lines at that time. width = ranks * COLUMN; rank r stands at r * COLUMN. */
static void draw_ranks(char *line, const struct mpi_story *story, uint64_t time)
{
    memset(line, ' ', (size_t)story->ranks * COLUMN);
    line[story->ranks * COLUMN] = '\0';
    for (int r = 0; r < story->ranks; r++)
        line[r * COLUMN] = waits_at(&story->rank[r], time) ? ':' : '|';
}

static void draw_arrow(char *line, const struct message *m)
{
    int from = m->source * COLUMN, to = m->dest * COLUMN;
    char tag[32];
    int length = snprintf(tag, sizeof tag, "%d", m->tag);
    if (from == to) {
        line[from] = 'o';
        return;
    }
    int step = from < to ? 1 : -1;
    for (int i = from + step; i != to; i += step)
        line[i] = '-';
    line[from] = 'o';
    line[to - step] = m->received ? (step > 0 ? '>' : '<') : 'x';
    int middle =
        (from + 6 * step < from ? from - 6 : from + 6) - length / 2; /* near the sender, where it is read first */
    if (length <= COLUMN - 4)
        memcpy(line + middle, tag, (size_t)length);
}

bool same_collective(const struct mpi_trace_call *a, const struct mpi_trace_call *b)
{
    return a->sequence > 0 && a->sequence == b->sequence && a->comm == b->comm && !is_wait(a->function) &&
           !(a->flags & MPI_TRACE_COMPLETED);
}

/* Stars for the ranks that made the call; returns when the last of them came, and who. */
static int draw_collective(char *line, const struct mpi_story *story, const struct mpi_trace_call *call, uint64_t *came)
{
    int first = -1, end = -1, last = -1;
    bool in[MPI_TRACE_MAX_RANKS] = {0};
    *came = 0;
    for (int r = 0; r < story->ranks; r++) {
        const struct mpi_story_rank *rank = &story->rank[r];
        const struct mpi_trace_call *own =
            rank->in_call && same_collective(&rank->current, call) ? &rank->current : NULL;
        for (size_t i = 0; i < rank->count && !own; i++)
            own = same_collective(&rank->calls[i], call) ? &rank->calls[i] : NULL;
        if (!own)
            continue;
        in[r] = true;
        first = first < 0 ? r : first;
        end = r;
        if (own->begin >= *came) {
            *came = own->begin;
            last = r;
        }
    }
    for (int i = first * COLUMN; first >= 0 && i < end * COLUMN; i++)
        if (i % COLUMN != 0)
            line[i] = '=';
    for (int r = 0; r < story->ranks; r++)
        if (in[r])
            line[r * COLUMN] = '*';
    return last;
}

static double milliseconds(uint64_t from, uint64_t to)
{
    return to > from ? (double)(to - from) / 1e6 : 0;
}

static void say_message(FILE *out, struct mpi_story *story, const struct message *m)
{
    fprintf(out, "%s", mpi_story_name(m->call->function));
    say_site(out, story, m->call->site);
    fprintf(out, ", tag %d, %lld bytes", m->tag, (long long)m->call->to.bytes);
    if (!m->received) {
        fprintf(out, ": not received");
        return;
    }
    fprintf(out, "; %s", mpi_story_name(m->taken->function));
    say_site(out, story, m->taken->site);
    double waited = milliseconds(m->taken->begin, m->call->begin);
    if (waited >= 0.1 && !(m->taken->flags & MPI_TRACE_COMPLETED))
        fprintf(out, " had waited %.1f ms", waited);
}

static void draw_row(FILE *out, struct mpi_story *story, const struct row *row, uint64_t start)
{
    char line[MPI_TRACE_MAX_RANKS * COLUMN + 1];
    draw_ranks(line, story, row->time);
    if (row->message) {
        draw_arrow(line, row->message);
        fprintf(out, "%8.1f ms  %s ", milliseconds(start, row->time), line);
        say_message(out, story, row->message);
    } else {
        uint64_t came;
        int last = draw_collective(line, story, row->collective, &came);
        fprintf(out, "%8.1f ms  %s ", milliseconds(start, row->time), line);
        say_call(out, story, row->collective);
        if (milliseconds(row->time, came) >= 0.1)
            fprintf(out, "; rank %d came last, %.1f ms later", last, milliseconds(row->time, came));
    }
    fputc('\n', out);
}

/* Is this the first of the ranks' calls that make up the collective? Then it stands for all. */
static bool begins(const struct row *rows, size_t count, const struct mpi_trace_call *call)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].collective && same_collective(rows[i].collective, call))
            return false;
    return true;
}

static void add_collective(struct row *rows, size_t *count, int mark, const struct mpi_trace_call *call)
{
    if (call->sequence == 0 || !mark_matches(mark, call->mark) || !same_collective(call, call))
        return;
    if (!begins(rows, *count, call)) {
        for (size_t i = 0; i < *count; i++)
            if (rows[i].collective && same_collective(rows[i].collective, call) && call->begin < rows[i].time)
                rows[i].time = call->begin;
        return;
    }
    if (*count < ROWS)
        rows[(*count)++] = (struct row){.time = call->begin, .collective = call};
}

char *mpi_story_chart(struct mpi_story *story, int mark)
{
    struct row rows[2 * ROWS];
    size_t count = 0, left_out = 0, size;
    struct messages m = messages_of(story);
    for (int r = 0; r < story->ranks; r++) {
        for (size_t i = 0; i < story->rank[r].count; i++)
            add_collective(rows, &count, mark, &story->rank[r].calls[i]);
        if (story->rank[r].in_call)
            add_collective(rows, &count, mark, &story->rank[r].current);
    }
    for (size_t i = 0; i < m.count; i++) {
        if (!mark_matches(mark, m.list[i].call->mark))
            continue;
        if (count < 2 * ROWS)
            rows[count++] = (struct row){.time = m.list[i].call->begin, .message = &m.list[i]};
        else
            left_out++;
    }
    qsort(rows, count, sizeof *rows, compare_rows);

    char *words = NULL;
    FILE *out = open_memstream(&words, &size);
    if (!out)
        abort();
    fprintf(out, "%13s", "");
    for (int r = 0; r < story->ranks; r++)
        fprintf(out, "rank %-*d", COLUMN - 5, r);
    fputc('\n', out);
    for (size_t i = 0; i < count; i++)
        draw_row(out, story, &rows[i], rows[0].time);
    if (left_out > 0)
        fprintf(out, "and %zu more messages\n", left_out);
    fclose(out);
    free(m.list);
    if (count > 0)
        return words;
    free(words);
    return NULL;
}
