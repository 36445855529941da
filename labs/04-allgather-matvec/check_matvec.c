/* check_matvec.c: the Check suite of lab 04. One launch of mpirun computes many
   products, each on a communicator of its own, and leaves the y of every rank; the
   tracing layer's story tells by which MPI calls they came about. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "mpi_story_run.h"
#include "suite.h"
#include "words.h"

enum { SECONDS = 12 };

/* ---- block_range, which needs no MPI ---- */

struct block {
    uint64_t total;
    int parts, index;
};

/* The first `longer` blocks have one element more. */
static void expected_range(const struct block *b, uint64_t *first, uint64_t *count)
{
    uint64_t parts = (uint64_t)b->parts, index = (uint64_t)b->index, longer = b->total % parts;
    *count = b->total / parts + (index < longer);
    *first = index * (b->total / parts) + (index < longer ? index : longer);
}

/* What all blocks of one total look like together, where all of them were asked for. */
struct habit {
    bool all;         /* every block of this total is there */
    bool lose_rest;   /* all are total / parts long */
    bool round_up;    /* one is longer than it should be by one */
    bool last_takes;  /* the last one has all that is left over */
    bool first_short; /* the first one is not one longer */
    bool counts_right;
    uint64_t long_ones; /* so many blocks are longer by one; the others are not */
};

static struct habit habit_of(const struct block *ask, const int64_t (*came)[2], size_t n, const struct block *b)
{
    uint64_t parts = (uint64_t)b->parts, size = b->total / parts, longer = b->total % parts, found = 0;
    struct habit h = {.lose_rest = longer > 0, .counts_right = true};
    for (size_t i = 0; i < n; i++) {
        if (ask[i].total != b->total || ask[i].parts != b->parts)
            continue;
        uint64_t index = (uint64_t)ask[i].index, count = (uint64_t)came[i][1];
        found++;
        h.lose_rest = h.lose_rest && count == size;
        h.round_up = h.round_up || (longer > 0 && index >= longer && count == size + 1);
        h.last_takes = h.last_takes || (longer > 0 && index == parts - 1 && count == size + longer);
        h.first_short = h.first_short || (longer > 0 && index == 0 && count == size);
        h.long_ones += count == size + 1 ? 1 : count == size ? 0 : parts;
        h.counts_right = h.counts_right && count == size + (index < longer);
    }
    h.all = found >= parts;
    return h;
}

/* The answer to b, as a student would have come to it. */
static const char *range_cause(const struct habit *h, const struct block *b, uint64_t first, uint64_t count)
{
    uint64_t right_first, right_count, unset = (uint64_t)-7;
    expected_range(b, &right_first, &right_count);
    if (first == unset || count == unset)
        return "It was never set: block_range gives its results through the pointers first and count.";
    if (b->total > UINT64_C(1) << 53 && (uint64_t)(double)right_count == (uint64_t)(double)count)
        return "Close, but not right: a double holds whole numbers exactly only up to 2^53.";
    if (b->total >= INT32_MAX)
        return "Was a value cut off to an int, or does a product such as index * total overflow? Calculate in size_t "
               "from "
               "the first step on, and divide before you multiply.";
    if (b->total < (uint64_t)b->parts)
        return "There are fewer elements than blocks: the first total blocks hold one each, the others none.";
    if (h->all && !h->counts_right && b->total % (uint64_t)b->parts > 1 &&
        h->long_ones == b->total % (uint64_t)b->parts)
        return "As many blocks as should be are one element longer, but others: the longer ones are the first total % "
               "parts.";
    if (h->all && h->last_takes && h->first_short)
        return "The last block got all that is left over: the first total % parts blocks should have one each, so that "
               "the sizes differ by at most one.";
    if (h->all && h->round_up)
        return "Every block was made as long as the longest one, so the last ones run short or beyond the end: only "
               "the "
               "first total % parts blocks are one longer.";
    if (h->all && h->lose_rest)
        return "The last total % parts elements were lost: with blocks of total / parts nobody has them.";
    if (h->all && h->counts_right)
        return "The counts are right, but each longer block before this one moves first by one.";
    return "The first total % parts blocks are one element longer than the others.";
}

static void expect_ranges(const struct block *ask, size_t n)
{
    struct run r;
    int64_t(*in)[3] = calloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++) {
        in[i][0] = (int64_t)ask[i].total;
        in[i][1] = ask[i].parts;
        in[i][2] = ask[i].index;
    }
    put_array("blocks.npy", NPY_I8, 2, (size_t[]){n, 3}, in);
    run_program(&r, &(struct launch){.seconds = SECONDS}, ARGS("-b", "blocks.npy", "ranges.npy"));
    expect_success(&r);
    struct npy out = expect_array(&r, "ranges.npy", NPY_I8, 2, (size_t[]){n, 2});
    const int64_t(*came)[2] = out.data;
    for (size_t k = 0; k < 2 * n; k++) { /* where several elements are left over, a mistake shows more of itself */
        size_t i = k % n;
        uint64_t first, count, came_first = (uint64_t)came[i][0], came_count = (uint64_t)came[i][1];
        if (k < n && ask[i].total % (uint64_t)ask[i].parts < 2)
            continue;
        expected_range(&ask[i], &first, &count);
        struct habit habit = habit_of(ask, came, n, &ask[i]);
        if (came_first != first || came_count != count)
            fail_test(CAUSE_WRONG_VALUE, &r,
                      "block_range(total = %llu, parts = %d, index = %d) gave first = %llu, count = %llu; expected "
                      "first = %llu, count = %llu. %s",
                      (unsigned long long)ask[i].total, ask[i].parts, ask[i].index, (unsigned long long)came_first,
                      (unsigned long long)came_count, (unsigned long long)first, (unsigned long long)count,
                      range_cause(&habit, &ask[i], came_first, came_count));
    }
    npy_free(&out);
    run_free(&r);
    free(in);
}

/* Adds all blocks of total over parts (at most 8 of them: the first, the last, those around the change of length). */
static size_t add_blocks(struct block *list, size_t n, uint64_t total, int parts)
{
    int longer = (int)(total % (uint64_t)parts);
    for (int i = 0; i < parts; i++)
        if (parts <= 8 || i < 2 || i >= parts - 2 || abs(i - longer) <= 1)
            list[n++] = (struct block){total, parts, i};
    return n;
}

START_TEST(block_range_values)
{
    static const uint64_t totals[] = {16, 17, 23, 7, 8};
    struct block list[1000];
    size_t n = 0;
    struct rng rng = rng_seeded(suite_seed());
    for (int t = 0; t < 5; t++)
        for (int parts = 1; parts <= 7; parts++)
            n = add_blocks(list, n, totals[t], parts);
    for (int i = 0; i < 20; i++)
        n = add_blocks(list, n, 100 + rng_below(&rng, 10000), 1 + (int)rng_below(&rng, 64));
    expect_ranges(list, n);
}
END_TEST

START_TEST(block_range_few)
{
    struct block list[1000];
    size_t n = 0;
    for (int parts = 1; parts <= 8; parts++)
        for (int total = 0; total < parts; total++)
            n = add_blocks(list, n, (uint64_t)total, parts);
    n = add_blocks(list, n, 0, 1000);
    n = add_blocks(list, n, 3, 1000);
    n = add_blocks(list, n, 999, 1000);
    expect_ranges(list, n);
}
END_TEST

START_TEST(block_range_huge)
{
    static const uint64_t totals[] = {
        INT32_MAX,  UINT64_C(1) << 31,       (UINT64_C(1) << 31) + 5, UINT64_C(3000000000),
        UINT32_MAX, (UINT64_C(1) << 53) + 1, UINT64_C(1) << 62,       UINT64_MAX - 1,
        UINT64_MAX};
    static const int parts[] = {1, 2, 3, 5, 7, 1000, 65537};
    struct block list[1000];
    size_t n = 0;
    for (size_t t = 0; t < sizeof totals / sizeof *totals; t++)
        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
            if (parts[p] < 1000) {
                n = add_blocks(list, n, totals[t], parts[p]);
            } else { /* add_blocks looks at every index */
                list[n++] = (struct block){totals[t], parts[p], 0};
                list[n++] = (struct block){totals[t], parts[p], parts[p] - 1};
            }
    expect_ranges(list, n);
}
END_TEST

/* ---- products ---- */

struct product {
    size_t rows, cols;
    const char *comm; /* as main.c's option -c */
    const char *fill; /* as its option -y; NULL: 0 */
};

/* One launch and what it left. */
struct launched {
    struct run run;
    struct mpi_story *story;
    int ranks;
    const char *option; /* -u, -l or NULL */
    const struct product *list;
    size_t count;
};

static int members_of(const char *comm, int ranks)
{
    const char *colon = strchr(comm, ':');
    return colon                       ? atoi(colon + 1)
           : strcmp(comm, "even") == 0 ? (ranks + 1) / 2
           : strcmp(comm, "odd") == 0  ? ranks / 2
                                       : ranks;
}

/* A or x of product k, always the same for one seed. */
static double *values_of(const struct product *p, size_t k, bool matrix)
{
    struct rng rng = rng_seeded(suite_seed() + 2 * k + matrix);
    size_t count = matrix ? p->rows * p->cols : p->cols;
    double *values = calloc(count + 1, sizeof *values);
    rng_fill(&rng, values, count);
    return values;
}

static void put_product(const struct product *p, size_t k)
{
    char name[40];
    double *a = values_of(p, k, true), *x = values_of(p, k, false);
    snprintf(name, sizeof name, "A%zu.npy", k);
    put_array(name, NPY_F8, 2, (size_t[]){p->rows, p->cols}, a);
    snprintf(name, sizeof name, "x%zu.npy", k);
    put_array(name, NPY_F8, 1, &p->cols, x);
    free(a);
    free(x);
}

static void add_arguments(struct words *w, const struct launched *l, size_t k)
{
    words_add(w, "-c");
    words_add(w, l->list[k].comm);
    if (l->list[k].fill || (k > 0 && l->list[k - 1].fill)) {
        words_add(w, "-y");
        words_add(w, l->list[k].fill ? l->list[k].fill : "0");
    }
    words_addf(w, "A%zu.npy", k);
    words_addf(w, "x%zu.npy", k);
    words_addf(w, "Y%zu.npy", k);
}

/* "product 2 (17 x 5, on the communicator first:3 of 3 ranks)" */
static const char *name_of(const struct launched *l, size_t k)
{
    static char text[200];
    const struct product *p = &l->list[k];
    int size = members_of(p->comm, l->ranks);
    snprintf(text, sizeof text, "product %zu (A is %zu x %zu, on %d rank%s: -c %s)", k, p->rows, p->cols, size,
             size == 1 ? "" : "s", p->comm);
    return text;
}

/* ---- what the story tells of a failure ---- */

static bool for_data(const struct mpi_trace_call *call)
{
    return call->function >= CALL_Send; /* not MPI_Init, MPI_Finalize, MPI_Abort */
}

/* Did the student's code use MPI_COMM_WORLD in a product that was given another communicator? Then says so. */
static char *world_words(const struct launched *l)
{
    for (int r = 0; r < l->ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(l->story, r);
        for (size_t i = 0; i <= rank->count; i++) {
            const struct mpi_trace_call *call = i < rank->count ? &rank->calls[i] : &rank->current;
            if ((i == rank->count && !rank->in_call) || call->mark < 0 || (size_t)call->mark >= l->count)
                continue;
            const char *comm = l->list[call->mark].comm;
            if (call->comm == 0 && call->comm_size > 0 && for_data(call) && strcmp(comm, "world") != 0)
                return text_format(
                    "%s was called on MPI_COMM_WORLD, but matvec_mpi was given another communicator (%s, %d "
                    "of the %d ranks): every MPI call in it has to use comm.",
                    mpi_story_name(call->function), comm, members_of(comm, l->ranks), l->ranks);
        }
    }
    return NULL;
}

/* What MPI says before it ends the program. Its words may be lost in mpirun, what the ranks wrote down is not. */
static void expect_no_mpi_error(const struct launched *l)
{
    const char *error = strstr(l->run.err, "MPI_ERR_");
    char *world = world_words(l),
         *what = error ? text_format("an MPI call failed: %.*s. ", (int)strcspn(error, "\n"), error)
                       : text_format("%s", "");
    const char *advice =
        error && strncmp(error, "MPI_ERR_TRUNCATE", 16) == 0
            ? "More came than the receiver expected: the counts that the ranks pass do not agree. Every "
              "rank has to fill counts and places alike, for all ranks."
            : "";
    if (world || error)
        fail_test(CAUSE_EXIT, &l->run, "%s%s", what, world ? world : advice);
    free(what);
}

/* What main.c says before it ends the program: "rank 2: matvec_mpi changed x[3] from 1 to 0". */
static void expect_no_complaint(const struct launched *l)
{
    const char *said = strstr(l->run.err, "matvec_mpi ");
    char line[300];
    if (!said)
        return;
    while (said > l->run.err && said[-1] != '\n')
        said--;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(said, "\n"), said);
    if (strstr(line, "matvec_mpi changed"))
        fail_test(CAUSE_WRONG_VALUE, NULL,
                  "%s. x and block belong to the caller and are const: work in a buffer of your own.\n"
                  "  command: %s",
                  line, l->run.command);
    char *objects = mpi_story_objects(l->story, MPI_STORY_ALL);
    if (strstr(line, "bytes in the heap") && objects)
        fail_test(CAUSE_LEAK, NULL, "%s.\n  command: %s", objects, l->run.command);
    free(objects);
    if (strstr(line, "bytes in the heap"))
        fail_test(CAUSE_LEAK, NULL, "%s: memory from malloc that is never freed.%s\n  command: %s", line,
                  explain_leak(NULL), l->run.command);
    if (strstr(line, "matvec_mpi returned"))
        fail_test(CAUSE_EXIT, NULL, "%s. It should return MPI_SUCCESS.\n  command: %s", line, l->run.command);
}

static void expect_end_of_ranks(const struct launched *l)
{
    char *world;
    if ((l->run.given_up || l->run.report.stopped == STOP_TIME) && (world = world_words(l)) != NULL) {
        char *words;
        bool deadlock = mpi_story_hang(l->story, &words) == MPI_STORY_DEADLOCK;
        fail_test(deadlock ? CAUSE_DEADLOCK : CAUSE_TIMEOUT, &l->run, "%s\n%s", world, words);
    }
    if (!l->run.given_up && l->run.report.stopped == STOP_NONE && l->run.report.exit_status != 0) {
        struct explanation sanitizer;
        expect_no_complaint(l);
        if (!explain_sanitizer(&l->run, &sanitizer)) /* damaged memory explains more */
            expect_no_mpi_error(l);
    }
    expect_mpi_success(&l->run, l->story);
}

/* ---- starting ---- */

/* The caller looks how it ended, and calls launched_free. */
static struct launched start_products(const struct launch *how, const char *option, const struct product *list,
                                      size_t count)
{
    struct launched l = {.ranks = how->ranks, .option = option, .list = list, .count = count};
    struct words w = {0};
    if (option)
        words_add(&w, option);
    for (size_t k = 0; k < count; k++) {
        put_product(&list[k], k);
        add_arguments(&w, &l, k);
    }
    l.story = run_mpi(&l.run, how, (const char *const *)w.item);
    words_free(&w);
    return l;
}

static struct launched run_products(const struct launch *how, const char *option, const struct product *list,
                                    size_t count)
{
    struct launched l = start_products(how, option, list, count);
    expect_end_of_ranks(&l);
    return l;
}

static void launched_free(struct launched *l)
{
    run_free(&l->run);
    mpi_story_free(l->story);
}

/* ---- values ---- */

/* The product, and for each row how far rounding may lead away from it. */
struct expected {
    size_t rows, cols;
    double *y, *bound;
};

static struct expected expected_of(const struct product *p, size_t k)
{
    double *a = values_of(p, k, true), *x = values_of(p, k, false);
    struct expected e = {p->rows, p->cols, calloc(p->rows + 1, sizeof(double)), calloc(p->rows + 1, sizeof(double))};
    for (size_t i = 0; i < p->rows; i++) {
        double sum = 0, size = 0;
        for (size_t j = 0; j < p->cols; j++) {
            sum += a[i * p->cols + j] * x[j];
            size += fabs(a[i * p->cols + j] * x[j]);
        }
        e.y[i] = sum;
        /* cols products and cols additions here, and as many there: n eps sum |a||x| each (eps/2 a rounding). */
        e.bound[i] = 2 * ((double)p->cols + 1) * DBL_EPSILON * size;
    }
    free(a);
    free(x);
    return e;
}

static bool is_right(const struct expected *e, size_t i, double value)
{
    return fabs(value - e->y[i]) <= e->bound[i]; /* false for NaN */
}

static size_t wrong_rows(const struct expected *e, const double *y, size_t first, size_t end)
{
    size_t wrong = 0;
    for (size_t i = first; i < end; i++)
        wrong += !is_right(e, i, y[i]);
    return wrong;
}

static void block_of(const struct expected *e, int size, int rank, size_t *first, size_t *end)
{
    uint64_t from, count;
    expected_range(&(struct block){e->rows, size, rank}, &from, &count);
    *first = from;
    *end = from + count;
}

/* The rank that holds row i, and how many rows it holds. */
static int owner_of(const struct expected *e, int size, size_t i, size_t *owned)
{
    size_t first = 0, end = 0;
    int owner = 0;
    for (int r = 0; r < size && end <= i; r++) {
        owner = r;
        block_of(e, size, r, &first, &end);
    }
    *owned = end - first;
    return owner;
}

/* The row whose product stands at a wrong place; rows if there is none. */
static size_t row_of(const struct expected *e, double value)
{
    for (size_t i = 0; i < e->rows; i++)
        if (is_right(e, i, value) && e->bound[i] > 0)
            return i;
    return e->rows;
}

static bool all_equal(const double *y, size_t first, size_t end, double value)
{
    for (size_t i = first; i < end; i++)
        if (memcmp(&y[i], &value, sizeof value) != 0)
            return false;
    return true;
}

/* Right in one of the ranks, wrong in the others? Which one; -1 otherwise. */
static int only_right_rank(const struct expected *e, const double *y, int size)
{
    int right = 0, which = -1;
    for (int r = 0; r < size; r++)
        if (wrong_rows(e, y + (size_t)r * e->rows, 0, e->rows) == 0) {
            right++;
            which = r;
        }
    return right == 1 && size > 1 ? which : -1;
}

static bool only_own_parts(const struct expected *e, const double *y, int size)
{
    bool only = size > 1;
    for (int r = 0; r < size && only; r++) {
        size_t first, end;
        const double *mine = y + (size_t)r * e->rows;
        block_of(e, size, r, &first, &end);
        only = wrong_rows(e, mine, first, end) == 0 && wrong_rows(e, mine, 0, e->rows) == e->rows - (end - first);
    }
    return only;
}

/* Sums that a loop over the row's columns comes to by mistake; NULL: it is none of them. first: of the rank's rows. */
static const char *sum_words(const struct expected *e, const struct product *p, size_t k, size_t i, size_t first,
                             double value)
{
    static char text[200];
    double *a = values_of(p, k, true), *x = values_of(p, k, false), running = 0, near = 2 * e->bound[i] + DBL_MIN;
    *text = '\0';
    for (size_t r = first; r <= i; r++)
        running += e->y[r];
    if (i > first && fabs(value - running) <= near * (double)(i - first + 1))
        snprintf(text, sizeof text, "That is the sum of all its rows up to this one: each row's sum begins at 0.");
    for (size_t multiple = 2; multiple <= 64 && !*text; multiple++) {
        double sum = 0;
        for (size_t j = 0; j < p->cols - p->cols % multiple; j++)
            sum += a[i * p->cols + j] * x[j];
        if (p->cols % multiple > 0 && fabs(value - sum) <= near)
            snprintf(text, sizeof text, "The last columns are missing in it, those beyond a multiple of %zu.",
                     multiple);
    }
    if (!*text && fabs(value - e->y[i]) <= 1e9 * e->bound[i])
        snprintf(text, sizeof text, "It is nearly right: is something multiplied, added up or sent as float?");
    free(a);
    free(x);
    return *text ? text : NULL;
}

static const struct mpi_trace_call *call_in(const struct launched *l, size_t k, const int *functions)
{
    for (int r = 0; r < l->ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(l->story, r);
        for (size_t i = 0; i < rank->count; i++)
            for (const int *f = functions; rank->calls[i].mark == (int)k && *f != CALL_END; f++)
                if (rank->calls[i].function == *f)
                    return &rank->calls[i];
    }
    return NULL;
}

/* A call that gives this rank's part as elements of 4 bytes, or NULL. */
static const struct mpi_trace_call *half_sent(const struct launched *l, const struct product *p, size_t k)
{
    int size = members_of(p->comm, l->ranks);
    for (int r = 0; r < l->ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(l->story, r);
        for (size_t i = 0; i < rank->count; i++) {
            const struct mpi_trace_call *call = &rank->calls[i];
            uint64_t first, count;
            if (call->mark != (int)k || call->sequence == 0 || call->comm_size != size || call->comm_rank < 0)
                continue;
            expected_range(&(struct block){p->rows, size, call->comm_rank}, &first, &count);
            if (count > 1 && call->count == (int64_t)count && call->bytes == 4 * call->count)
                return call;
        }
    }
    return NULL;
}

/* What collective calls that do not fit each other, or the lab, do to y; NULL: nothing of that kind. */
static const char *calls_words(const struct launched *l, size_t k)
{
    static char text[600];
    char *mismatch = mpi_story_mismatch(l->story, (int)k), *left = mpi_story_objects(l->story, (int)k);
    if (!mismatch)
        mismatch = mpi_story_clash(l->story, (int)k);
    if (mismatch || (left && strstr(left, "request was never"))) {
        snprintf(text, sizeof text, "%s.", mismatch ? mismatch : left);
        free(mismatch);
        free(left);
        return text;
    }
    free(left);
    const struct mpi_trace_call *half = half_sent(l, &l->list[k], k);
    if (half) {
        snprintf(text, sizeof text,
                 "%s was told that the elements have 4 bytes each (MPI_FLOAT? MPI_INT?); y has doubles: MPI_DOUBLE.",
                 mpi_story_name(half->function));
        return text;
    }
    const struct mpi_trace_call *get = call_in(l, k, MPI_CALLS(CALL_Get)), *put = call_in(l, k, MPI_CALLS(CALL_Put));
    if (get || put) {
        snprintf(
            text, sizeof text,
            "The parts travel through a window by %s. What is fetched has to be computed before the synchronization "
            "that comes first (MPI_Win_fence), what is put is there only after the one that follows, and y may be "
            "written by others between the two.",
            mpi_story_name(get ? get->function : put->function));
        return text;
    }
    const struct mpi_trace_call *scatter = call_in(l, k, MPI_CALLS(CALL_Scatter, CALL_Scatterv)),
                                *gather = call_in(l, k, MPI_CALLS(CALL_Gather, CALL_Gatherv, CALL_Reduce)),
                                *bcast = call_in(l, k, MPI_CALLS(CALL_Bcast));
    if (gather && bcast && gather->root != bcast->root && gather->comm == bcast->comm)
        snprintf(
            text, sizeof text,
            "%s brought the parts to rank %d, but MPI_Bcast gives all ranks what rank %d has: the two need the same "
            "root.",
            mpi_story_name(gather->function), gather->root, bcast->root);
    else if (scatter)
        snprintf(
            text, sizeof text,
            "%s deals out what rank %d has. But main.c has dealt the rows out already: block has this rank's own rows "
            "only, on every rank.",
            mpi_story_name(scatter->function), scatter->root);
    else
        return NULL;
    return text;
}

/* Are all that are wrong 0 where they should be negative (or, all of them, positive)? */
static bool lost_by_sign(const struct expected *e, const double *mine)
{
    size_t negative = 0, positive = 0, others = 0, kept = 0;
    for (size_t i = 0; i < e->rows; i++) {
        bool right = is_right(e, i, mine[i]);
        kept += right && e->y[i] > 0;
        negative += !right && mine[i] == 0 && e->y[i] < 0;
        positive += !right && mine[i] == 0 && e->y[i] > 0;
        others += !right && mine[i] != 0;
    }
    return others == 0 && positive == 0 && negative > 1 && kept > 1;
}

/* The first element from i on that is another row's; rows if there is none. */
static size_t misplaced(const struct expected *e, const double *mine, size_t i)
{
    while (i < e->rows && (is_right(e, i, mine[i]) || row_of(e, mine[i]) == e->rows))
        i++;
    return i;
}

static const char *never_came(int owner, size_t first, size_t end)
{
    static char text[120];
    snprintf(text, sizeof text, " That is the part of rank %d, y[%zu] to y[%zu]: it never came to this rank.", owner,
             first, end - 1);
    return text;
}

/* Why mine[i] may be wrong, judging by the values alone. */
static void say_value_cause(char *text, size_t n, const struct launched *l, size_t k, const struct expected *e,
                            const double *mine, size_t i, double fill)
{
    const struct product *p = &l->list[k];
    int size = members_of(p->comm, l->ranks);
    size_t owned, first, end;
    int owner = owner_of(e, size, i, &owned);
    block_of(e, size, owner, &first, &end);
    const char *sum = sum_words(e, p, k, i, first, mine[i]);
    if (lost_by_sign(e, mine))
        snprintf(
            text, n,
            "All elements that are wrong should be negative and are 0: where parts filled up with zeros are combined, "
            "MPI_SUM keeps them, MPI_MAX does not.");
    else if (misplaced(e, mine, i) < e->rows)
        snprintf(
            text, n,
            "And y[%zu] is the value of row %zu: the parts are in the wrong places. If each was filled up to the same "
            "length, what was filled in has to be left out again.",
            misplaced(e, mine, i), row_of(e, mine[misplaced(e, mine, i)]));
    else if (all_equal(mine, i, i + 1, fill))
        snprintf(text, n, "That is what stood there before: nothing was written.%s%s",
                 e->rows < (size_t)size ? " (With blocks of rows / size rows no rank has any.)" : "",
                 owned > 0 && all_equal(mine, first, end, fill) ? never_came(owner, first, end) : "");
    else if (e->bound[i] > 0 && fabs(mine[i] / e->y[i] - round(mine[i] / e->y[i])) < 1e-9 &&
             fabs(mine[i] / e->y[i]) > 1.5)
        snprintf(text, n, "That is %.0f times the right value: was it added up more than once?",
                 round(mine[i] / e->y[i]));
    else if (sum)
        snprintf(text, n, "%s", sum);
    else
        snprintf(text, n,
                 "It is the sum over j of block[i * cols + j] * x[j], with i counted from the first row of the rank "
                 "that holds "
                 "it: rank %d of the communicator, whose block has %zu rows.",
                 owner, owned);
}

/* An earlier product with as many rows, on another number of ranks; k if there is none. */
static size_t same_rows_before(const struct launched *l, size_t k)
{
    for (size_t j = 0; j < k; j++)
        if (l->list[j].rows == l->list[k].rows &&
            members_of(l->list[j].comm, l->ranks) != members_of(l->list[k].comm, l->ranks))
            return j;
    return k;
}

/* Why y[i] of a rank may be wrong. y: all ranks'; mine: that rank's. */
/* Is y[i] of product k right on that rank, in a run of its own? */
static bool is_right_alone(const struct launched *l, size_t k, const struct expected *e, int rank, size_t i)
{
    struct words w = {0};
    struct run r;
    char name[40];
    snprintf(name, sizeof name, "Y%zu.npy", k);
    add_arguments(&w, l, k);
    mpi_story_free(run_mpi(&r, &(struct launch){.ranks = l->ranks, .seconds = SECONDS}, (const char *const *)w.item));
    words_free(&w);
    bool right = run_ended_well(&r);
    if (right) {
        size_t shape[] = {(size_t)members_of(l->list[k].comm, l->ranks), e->rows};
        struct npy all = expect_array(&r, name, NPY_F8, 2, shape);
        right = is_right(e, i, ((const double *)all.data)[(size_t)rank * e->rows + i]);
        npy_free(&all);
    }
    run_free(&r);
    return right;
}

static void say_cause(char *text, size_t n, const struct launched *l, size_t k, const struct expected *e,
                      const double *y, int rank, size_t i)
{
    const struct product *p = &l->list[k];
    int size = members_of(p->comm, l->ranks), only = only_right_rank(e, y, size);
    const double *mine = y + (size_t)rank * e->rows;
    double fill = p->fill ? strtod(p->fill, NULL) : 0;
    size_t left = e->rows % (size_t)size, from = row_of(e, mine[i]), first, end, missing = 0;
    size_t before = same_rows_before(l, k);
    char *world = world_words(l);
    const char *calls = calls_words(l, k);
    block_of(e, size, rank, &first, &end);
    while (missing < e->rows && all_equal(mine, e->rows - missing - 1, e->rows, fill))
        missing++; /* so many at the end are as they were */
    if (world || calls)
        snprintf(text, n, "%s", world ? world : calls);
    else if (isnan(fill) && isnan(mine[i]))
        snprintf(text, n,
                 "Before the call y was full of NaN, and still is there: assign the sums to y, do not add to what "
                 "stands in it, and write every element, also where cols is 0.");
    else if (only_own_parts(e, y, size))
        snprintf(text, n,
                 "Each rank has its own part of y and nothing else: the parts were never exchanged, or before they "
                 "were computed.");
    else if (only >= 0)
        snprintf(text, n,
                 "Rank %d is the only one that has the whole y. MPI_Gather, MPI_Reduce and the like give the result "
                 "to one rank only; MPI_Allgather and its family give it to all.",
                 only);
    else if (e->cols == 0)
        snprintf(text, n, "Without columns every element is a sum of nothing, 0, and has to be written as such.");
    else if (left > 0 && e->rows >= (size_t)size && missing == left)
        snprintf(text, n,
                 "The last rows %% size = %zu rows were lost: with blocks of rows / size rows nobody has them. "
                 "MPI_Allgatherv "
                 "takes another count from each rank.",
                 left);
    else if (missing > 0 && before < k)
        snprintf(text, n,
                 "The last %zu rows are missing. Product %zu had as many rows, on %d ranks: which rank has how many "
                 "depends on the communicator, too. Keep nothing from one call to the next (static, global).",
                 missing, before, members_of(l->list[before].comm, l->ranks));
    else if (first == end && all_equal(mine, 0, e->rows, fill))
        snprintf(text, n,
                 "This rank has no rows, and its y is untouched: it gives nothing, but it has to make the collective "
                 "call like all others, or it gets nothing.");
    else if (k > 0 && is_right_alone(l, k, e, rank, i))
        snprintf(
            text, n,
            "In a run of its own this product is right: something is left over from an earlier one, in a static or "
            "global variable (counts, places, a buffer, ranks).");
    else if (from < e->rows)
        snprintf(
            text, n,
            "That is the value of row %zu: the parts are in the wrong places. Part r begins where block_range(rows, "
            "size, r, ...) says, and r is the rank in comm.",
            from);
    else
        say_value_cause(text, n, l, k, e, mine, i, fill);
    free(world);
}

/* The command for product k alone, where it was one of many. */
static char *alone_words(const struct launched *l, size_t k)
{
    if (l->count == 1)
        return text_format("%s", "");
    struct words w = {0};
    add_arguments(&w, l, k);
    char *arguments = words_quoted((const char *const *)w.item);
    char *text = text_format("\n  this product alone: mpirun -n %d ./matvec %s", l->ranks, arguments);
    words_free(&w);
    free(arguments);
    return text;
}

/* The Y of product k on ranks 0 ... look - 1 of its communicator. */
static void expect_y(const struct launched *l, size_t k, int look)
{
    const struct product *p = &l->list[k];
    int size = members_of(p->comm, l->ranks);
    struct expected e = expected_of(p, k);
    char name[40], cause[900];
    snprintf(name, sizeof name, "Y%zu.npy", k);
    struct npy all = expect_array(&l->run, name, NPY_F8, 2, (size_t[]){(size_t)size, p->rows});
    const double *y = all.data;
    for (int rank = 0; rank < size && rank < look; rank++)
        for (size_t i = 0; i < p->rows; i++) {
            double value = y[(size_t)rank * p->rows + i];
            if (is_right(&e, i, value))
                continue;
            size_t wrong = wrong_rows(&e, y + (size_t)rank * p->rows, 0, p->rows);
            say_cause(cause, sizeof cause, l, k, &e, y, rank, i);
            fail_test(CAUSE_WRONG_VALUE, &l->run,
                      "%s: on rank %d of the communicator y[%zu] is %.17g, expected %.17g (allowed rounding error "
                      "%.2g); %zu of "
                      "%zu elements are wrong there. %s%s",
                      name_of(l, k), rank, i, value, e.y[i], e.bound[i], wrong, p->rows, cause, alone_words(l, k));
        }
    npy_free(&all);
    free(e.y);
    free(e.bound);
}

static void expect_all(const struct launched *l)
{
    for (size_t k = 0; k < l->count; k++)
        expect_y(l, k, l->ranks);
}

static void check(int ranks, const struct product *list, size_t count)
{
    struct launched l = run_products(&(struct launch){.ranks = ranks, .seconds = SECONDS}, NULL, list, count);
    expect_all(&l);
    launched_free(&l);
}

#define CHECK(ranks, list) check(ranks, list, sizeof(list) / sizeof *(list))

/* Where a lab's test is not about rows that are left over, the ranks share the rows
   evenly: one mistake shall cost one test. */
static const struct product shared_evenly[] = {
    {16, 16, "world", NULL}, {4, 9, "all", NULL}, {20, 3, "all", NULL}, {8, 1, "all", NULL}};

START_TEST(product)
{
    struct launched l = run_products(&(struct launch){.ranks = 4, .seconds = SECONDS}, NULL, shared_evenly, 4);
    for (size_t k = 0; k < l.count; k++)
        expect_y(&l, k, 1);
    launched_free(&l);
}
END_TEST

START_TEST(everywhere)
{
    CHECK(4, shared_evenly);
}
END_TEST

START_TEST(uneven_rows)
{
    static const struct product list[] = {{17, 9, "all", NULL}, {8, 3, "all", NULL},  {23, 40, "all", NULL},
                                          {9, 1, "all", NULL},  {6, 17, "all", NULL}, {101, 33, "all", NULL}},
                                long_y[] = {{1100003, 1, "all", NULL}}; /* more than a stack of 8 MiB holds */
    CHECK(5, list);
    say_also("A has 1100003 rows in this run: an array of that many doubles does not fit on the stack, take it from "
             "malloc.");
    CHECK(5, long_y);
}
END_TEST

START_TEST(few_rows)
{
    static const struct product list[] = {
        {4, 6, "all", NULL}, {3, 7, "all", NULL}, {2, 50, "all", NULL}, {1, 33, "all", NULL}, {1, 1, "all", NULL}};
    say_also(
        "In this run A has fewer rows than there are ranks. A rank that has no rows gives nothing, but it makes\n  "
        "the collective call like all others.");
    CHECK(5, list);
}
END_TEST

/* A product that is not empty stands among them: who does nothing does not pass. */
START_TEST(empty)
{
    static const struct product list[] = {{6, 4, "all", NULL}, {0, 4, "all", NULL}, {6, 0, "all", "7"},
                                          {3, 0, "all", "7"},  {0, 0, "all", NULL}, {3, 2, "all", NULL}};
    CHECK(3, list);
}
END_TEST

START_TEST(sizes)
{
    static const struct product list[] = {{7, 5, "first:1", NULL}, {8, 5, "first:2", NULL},  {9, 3, "first:3", NULL},
                                          {8, 4, "first:4", NULL}, {12, 6, "first:4", NULL}, {10, 2, "all", NULL}};
    CHECK(5, list);
}
END_TEST

START_TEST(communicators)
{
    /* The number of ranks divides all of these, and the first ones differ in nothing else. */
    static const struct product list[] = {{15, 3, "all", NULL},   {15, 3, "reversed", NULL}, {15, 3, "even", NULL},
                                          {4, 6, "odd", NULL},    {6, 5, "even", NULL},      {8, 2, "odd", NULL},
                                          {9, 3, "last:3", NULL}, {15, 2, "reversed", NULL}};
    say_also(
        "The products of this run are on different communicators, one after the other: a rank or a size that was kept\n"
        "  from an earlier call, in a static variable, or asked of MPI_COMM_WORLD, need not be true.");
    CHECK(5, list);
}
END_TEST

START_TEST(buffers)
{
    static const struct product list[] = {{6, 5, "all", "nan"}, {9, 3, "all", "1e300"}, {3, 4, "all", "nan"}};
    struct launched l = run_products(&(struct launch){.ranks = 3, .seconds = SECONDS}, "-u", list, 3);
    expect_all(&l);
    launched_free(&l);
}
END_TEST

/* ---- method ---- */

/* The first call of the student's in product k that sends a message by itself; NULL: none. */
static const struct mpi_trace_call *single_message(const struct launched *l, int k, int *who)
{
    for (int r = 0; r < l->ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(l->story, r);
        for (size_t i = 0; i < rank->count; i++)
            if (rank->calls[i].mark == k && rank->calls[i].to.used) {
                *who = r;
                return &rank->calls[i];
            }
    }
    return NULL;
}

START_TEST(collective)
{
    static const struct product list[] = {{9, 4, "all", NULL}, {12, 3, "all", NULL}};
    /* With those that serve one rank, too, as when each rank is the root once: that y is everywhere is another test. */
    static const int to_all[] = {CALL_Allgather,
                                 CALL_Allgatherv,
                                 CALL_Iallgather,
                                 CALL_Iallgatherv,
                                 CALL_Allreduce,
                                 CALL_Iallreduce,
                                 CALL_Bcast,
                                 CALL_Ibcast,
                                 CALL_Alltoall,
                                 CALL_Alltoallv,
                                 CALL_Alltoallw,
                                 CALL_Ialltoall,
                                 CALL_Ialltoallv,
                                 CALL_Ialltoallw,
                                 CALL_Scatter,
                                 CALL_Scatterv,
                                 CALL_Gather,
                                 CALL_Gatherv,
                                 CALL_Igather,
                                 CALL_Igatherv,
                                 CALL_Iscatter,
                                 CALL_Iscatterv,
                                 CALL_Reduce,
                                 CALL_Ireduce,
                                 CALL_Reduce_scatter,
                                 CALL_Reduce_scatter_block,
                                 CALL_Ireduce_scatter,
                                 CALL_Ireduce_scatter_block,
                                 CALL_Scan,
                                 CALL_Exscan,
                                 CALL_Neighbor_allgather,
                                 CALL_Neighbor_allgatherv,
                                 CALL_Ineighbor_allgather,
                                 CALL_Ineighbor_allgatherv,
                                 CALL_Neighbor_alltoall,
                                 CALL_Neighbor_alltoallv,
                                 CALL_Neighbor_alltoallw,
                                 CALL_Win_fence,
                                 CALL_Win_create,
                                 CALL_Win_allocate,
                                 CALL_Win_allocate_shared,
                                 CALL_END};
    struct launched l = run_products(&(struct launch){.ranks = 3, .seconds = SECONDS}, NULL, list, 2);
    expect_all(&l);
    expect_written_down(&l.run, l.story);
    for (int k = 0; k < 2; k++) {
        int who;
        const struct mpi_trace_call *call = single_message(&l, k, &who);
        if (call)
            fail_test(
                CAUSE_METHOD, &l.run,
                "%s: rank %d sends a message of its own by %s. One collective call, such as MPI_Allgatherv, does what "
                "this loop does, in fewer steps and with nothing to go wrong.",
                name_of(&l, (size_t)k), who, mpi_story_name(call->function));
        char *words = mpi_story_collective(l.story, k, members_of(list[k].comm, l.ranks), to_all, 0);
        if (words)
            fail_test(CAUSE_METHOD, &l.run, "%s: the parts of y have to come to every rank by a collective call. %s.",
                      name_of(&l, (size_t)k), words);
    }
    launched_free(&l);
}
END_TEST

/* What rank gives to others in product k: bytes in all, and the call that gave most. */
static int64_t given(const struct mpi_story_rank *rank, int k, int *function)
{
    int64_t bytes = 0, most = -1;
    for (size_t i = 0; i < rank->count; i++) {
        const struct mpi_trace_call *call = &rank->calls[i];
        bool one_sided = call->function >= CALL_Put && call->function <= CALL_Fetch_and_op;
        if (call->mark != k || (call->sequence == 0 && !call->to.used && !one_sided) || call->bytes < 0)
            continue;
        bytes += call->bytes;
        if (call->bytes > most) {
            most = call->bytes;
            *function = call->function;
        }
    }
    return bytes;
}

START_TEST(own_rows)
{
    static const struct product list[] = {{12, 2000, "all", NULL}};
    struct launched l = run_products(&(struct launch){.ranks = 3, .seconds = SECONDS}, NULL, list, 1);
    int64_t block = 4 * 2000 * (int64_t)sizeof(double);
    expect_all(&l);
    expect_written_down(&l.run, l.story);
    for (int r = 0; r < l.ranks; r++) {
        int function = -1;
        int64_t bytes = given(mpi_story_rank(l.story, r), 0, &function);
        if (bytes >= block / 2)
            fail_test(CAUSE_METHOD, &l.run,
                      "%s: rank %d handed %lld bytes to the other ranks, most of them by %s. Its part of y has 4 "
                      "elements, 32 "
                      "bytes; its rows of A have %lld bytes. Each rank has to multiply its own rows: y travels, the "
                      "matrix stays.",
                      name_of(&l, 0), r, (long long)bytes, mpi_story_name(function), (long long)block);
    }
    launched_free(&l);
}
END_TEST

/* ---- calls that follow each other at once, while some ranks are late ---- */

/* Several products on one communicator: what belongs to one could be taken for a part of the next. And some on two
   communicators at the same time. Nobody waits between them: a rank may be several calls ahead of another. */
START_TEST(any_schedule)
{
    static const struct product list[] = {{10, 3, "world", NULL}, {15, 2, "world", NULL}, {5, 7, "world", NULL},
                                          {10, 4, "world", NULL}, {9, 4, "even", NULL},   {4, 6, "odd", NULL},
                                          {5, 6, "world", NULL},  {5, 3, "world", NULL}};
    enum { COUNT = sizeof list / sizeof *list };
    say_also(
        "In this run (LAB_MPI_HOLD, by its seed) your MPI calls are held back for some milliseconds, those of one\n"
        "  rank most of all, and the products follow each other without waiting for all ranks. What a rank sends or\n"
        "  writes may be of the next product, and what it reads may not be there yet.");
    for (uint64_t i = 0; i < 3; i++) {
        char seed[40];
        snprintf(seed, sizeof seed, "LAB_MPI_HOLD=%" PRIu64, (suite_seed() + i) % 1000000);
        const struct launch how = {.ranks = 5, .seconds = SECONDS, .env = (const char *const[]){seed, NULL}};
        struct launched l = run_products(&how, NULL, list, COUNT);
        expect_all(&l);
        launched_free(&l);
    }
}
END_TEST

/* ---- errors ---- */

/* main.c ends the program when matvec_mpi returns an error, and says which. (Its words may be lost in mpirun.) */
static void expect_error(const char *env, const char *rows, const char *code, const char *why)
{
    static const struct product usual = {9, 4, "all", NULL};
    struct launched l = {.ranks = 3, .list = &usual, .count = 1};
    struct words w = {0};
    const struct launch how = {.ranks = 3, .seconds = SECONDS, .env = (const char *const[]){env, NULL}};
    put_product(&usual, 0);
    if (rows) {
        words_add(&w, "-r");
        words_add(&w, rows);
    }
    add_arguments(&w, &l, 0);
    l.story = run_mpi(&l.run, &how, (const char *const *)w.item);
    words_free(&w);
    const char *said = strstr(l.run.err, "matvec_mpi returned");
    char line[200] = "MPI_SUCCESS";
    if (l.run.report.stopped != STOP_NONE || l.run.given_up ||
        (l.run.report.exit_status != 0 && mpi_aborting_rank(l.story, true) < 0))
        expect_end_of_ranks(&l);
    if (said)
        snprintf(line, sizeof line, "%.*s", (int)strcspn(said + 20, "\n"), said + 20);
    bool right = l.run.report.exit_status != 0 && (!said || strstr(line, code));
    if (!right || strstr(line, "not an error code"))
        fail_test(CAUSE_WRONG_VALUE, &l.run, "%s, but matvec_mpi returned %s.", why, line);
    launched_free(&l);
}

START_TEST(error_returned)
{
    expect_error(
        "LAB_MPI_FAIL=0", NULL, "MPI_ERR",
        "in this run (LAB_MPI_FAIL=0) the collective calls in matvec_mpi fail: they return MPI_ERR_OTHER. Its code is "
        "to be handed on");
    expect_error("LAB_MPI_FAIL=0,once", NULL, "MPI_ERR",
                 "in this run (LAB_MPI_FAIL=0,once) the first collective call in matvec_mpi fails: it returns "
                 "MPI_ERR_OTHER. Its code is to be handed on, whatever the calls return that follow");
    say_also(
        "In this run matvec_mpi is told of too many rows, without columns. MPI counts in int: rows itself has to be\n"
        "  compared with INT_MAX, as a size_t, on every rank and before the collective call, not this rank's part "
        "alone.");
    expect_error(NULL, "2147483648", "MPI_ERR_COUNT",
                 "rows = 2147483648 is more than an int of MPI can count, so that MPI_ERR_COUNT is to be returned");
    expect_error(
        NULL, "4294967301", "MPI_ERR_COUNT",
        "rows = 4294967301 (of which an int would keep the last 32 bits, 5) is more than an int of MPI can count, "
        "so that MPI_ERR_COUNT is to be returned");
}
END_TEST

/* MPI keeps notes of its own of some objects, windows among them, which are never freed. Are such all that grew? */
static bool only_mpi_grows(const struct run *r)
{
    enum { LIBRARY = 200 }; /* bytes a call */
    const char *said = strstr(r->err, "matvec_mpi leaves ");
    bool known;
    if (!said || strtoul(said + strlen("matvec_mpi leaves "), NULL, 10) > LIBRARY)
        return false;
    return !*explain_leak(&known) && known;
}

START_TEST(nothing_left)
{
    static const struct product list[] = {{9, 5, "all", NULL}};
    struct launched l = start_products(&(struct launch){.ranks = 3, .seconds = SECONDS}, "-l", list, 1);
    if (only_mpi_grows(&l.run)) {
        launched_free(&l);
        l = start_products(&(struct launch){.ranks = 3, .seconds = SECONDS}, NULL, list, 1);
    }
    expect_end_of_ranks(&l);
    expect_all(&l);
    expect_nothing_left(&l.run, l.story, MPI_STORY_ALL);
    launched_free(&l);
}
END_TEST

/* Only the first product's values are judged: what is wrong in the others costs other
   tests. */
START_TEST(memory_clean)
{
    static const struct product list[] = {{9, 12, "all", NULL}, {17, 9, "all", NULL}, {2, 5, "all", NULL},
                                          {0, 3, "all", NULL},  {5, 0, "all", NULL},  {3, 4, "first:1", NULL}};
    struct launched l =
        run_products(&(struct launch){.ranks = 3, .seconds = 3 * SECONDS, .flavour = "asan", .env = explain_leaks_env},
                     NULL, list, 6);
    char *clash = mpi_story_clash(l.story, MPI_STORY_ALL);
    if (clash)
        fail_test(CAUSE_MEMORY, &l.run, "%s.", clash);
    expect_y(&l, 0, l.ranks);
    launched_free(&l);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        block_range_values,
        block_range_few,
        block_range_huge,
        product,
        everywhere,
        uneven_rows,
        few_rows,
        empty,
        sizes,
        communicators,
        buffers,
        collective,
        own_rows,
        any_schedule,
        error_returned,
        nothing_left,
        memory_clean,
    };
    return suite_main(argc, argv, "matvec", tests, sizeof tests / sizeof *tests);
}
