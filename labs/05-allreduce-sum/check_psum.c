/* check_psum.c: the Check suite of lab 05. One launch of mpirun calculates many sums,
   each on a communicator of its own, and leaves what every rank got; the suite knows
   every sum exactly (Shewchuk's expansions) and judges the errors by the bounds that
   psum.h states. How it was done is in the tracing layer's story. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "explain.h"
#include "mpi_story_run.h"
#include "suite.h"
#include "words.h"

enum { SECONDS = 20, RANKS = 5 };

static const char *const function_names[] = {"psum", "psum_compensated"};

static int comm_of(enum comm_kind kind, int size)
{
    return COMM_SIZES * (int)kind + size;
}

/* ---- exact sums: a number as doubles that do not overlap, the smallest first (Shewchuk 1997) ---- */

struct exact {
    double part[64]; /* a double has 2098 binary places, and each part stands for 53 of them or more */
    int parts;
};

static void exact_add(struct exact *e, double x)
{
    int kept = 0;
    for (int i = 0; i < e->parts; i++) {
        double y = e->part[i], sum = x + y, from_y = sum - x, from_x = sum - from_y;
        double lost = (x - from_x) + (y - from_y);
        if (lost != 0)
            e->part[kept++] = lost;
        x = sum;
    }
    e->part[kept++] = x;
    e->parts = kept;
}

/* Right to the last place or two: the parts are added from the smallest on. */
static double exact_value(const struct exact *e)
{
    double value = 0;
    for (int i = 0; i < e->parts; i++)
        value += e->part[i];
    return value;
}

/* result - e, of which not a digit is lost to cancellation. */
static double exact_error(struct exact e, double result)
{
    exact_add(&e, -result);
    return -exact_value(&e);
}

/* ---- the plan of a run ---- */

struct sum_case {
    enum case_function function;
    int comm;
    enum case_spread spread;
    size_t first, count;
    enum mpi_trace_way way;
    uint64_t seed;
    bool at_once;      /* not when all ranks have come, but when each of them is there */
    const char *data;  /* what the elements are, in words */
    const char *cause; /* why the sum could be less exact than it should be, in words; NULL: no special reason */
};

struct plan {
    struct sum_case *list;
    size_t cases;
    double *data;
    size_t elements;
};

static void *grown(void *memory, size_t count, size_t size)
{
    void *larger = realloc(memory, (count + 1) * size);
    if (!larger)
        fail_test(CAUSE_ENVIRONMENT, NULL, "no memory for the inputs");
    return larger;
}

/* Room for count elements; valid until the next call. */
static double *add_elements(struct plan *p, size_t count)
{
    p->data = grown(p->data, p->elements + count, sizeof *p->data);
    p->elements += count;
    return p->data + p->elements - count;
}

static void add_case(struct plan *p, struct sum_case c)
{
    p->list = grown(p->list, p->cases + 1, sizeof *p->list);
    p->list[p->cases++] = c;
}

/* A case over the count elements that were added last. */
static struct sum_case over_last(const struct plan *p, enum case_function function, int comm, size_t count,
                                 const char *data)
{
    return (struct sum_case){
        .function = function, .comm = comm, .first = p->elements - count, .count = count, .data = data};
}

static void add_random(struct plan *p, struct rng *rng, enum case_function function, int comm, size_t count)
{
    rng_fill(rng, add_elements(p, count), count);
    add_case(p, over_last(p, function, comm, count, "random numbers between -1 and 1"));
}

/* ---- what came out ---- */

struct outcome {
    struct plan plan;
    struct run r;
    struct mpi_story *story;
    struct npy sums, codes;
    int ranks;
};

static void put_plan(const struct plan *p)
{
    int64_t(*rows)[CASE_COLUMNS] = grown(NULL, p->cases, sizeof *rows);
    for (size_t k = 0; k < p->cases; k++) {
        const struct sum_case *c = &p->list[k];
        rows[k][CASE_FUNCTION] = c->function;
        rows[k][CASE_COMM] = c->comm;
        rows[k][CASE_SPREAD] = c->spread;
        rows[k][CASE_FIRST] = (int64_t)c->first;
        rows[k][CASE_COUNT] = (int64_t)c->count;
        rows[k][CASE_WAY] = c->way;
        rows[k][CASE_SEED] = (int64_t)c->seed;
        rows[k][CASE_AT_ONCE] = c->at_once;
    }
    put_array("cases.npy", NPY_I8, 2, (size_t[]){p->cases, CASE_COLUMNS}, rows);
    put_array("data.npy", NPY_F8, 1, &p->elements, p->data);
    free(rows);
}

/* Does what the plan says. The program must come to its end by itself. */
static struct outcome carry_out_in(struct plan plan, int ranks, const char *flavour, const char *const *env)
{
    struct launch how = {.ranks = ranks, .seconds = SECONDS, .flavour = flavour, .env = env};
    struct outcome o = {.plan = plan, .ranks = ranks};
    size_t shape[] = {plan.cases, (size_t)ranks};
    put_plan(&plan);
    o.story = run_mpi(&o.r, &how, ARGS("cases.npy", "data.npy", "sums.npy", "codes.npy"));
    const char *advice = mpi_error_advice(o.r.err);
    if (*advice)
        say_also(advice);
    expect_mpi_success(&o.r, o.story);
    o.sums = expect_array(&o.r, "sums.npy", NPY_F8, 2, shape);
    o.codes = expect_array(&o.r, "codes.npy", NPY_I8, 2, shape);
    return o;
}

static struct outcome carry_out(struct plan plan, int ranks, const char *flavour)
{
    return carry_out_in(plan, ranks, flavour, flavour ? explain_leaks_env : NULL);
}

static void finish(struct outcome *o)
{
    run_free(&o->r);
    mpi_story_free(o->story);
    npy_free(&o->sums);
    npy_free(&o->codes);
    free(o->plan.list);
    free(o->plan.data);
}

static int size_of(const struct outcome *o, const struct sum_case *c)
{
    return c->comm / COMM_SIZES == COMM_WORLD ? o->ranks : c->comm % COMM_SIZES;
}

/* The sum that rank got in case k. */
static double sum_of(const struct outcome *o, size_t k, int rank)
{
    const double *sums = o->sums.data;
    return sums[k * (size_t)o->ranks + (size_t)rank];
}

static int64_t code_of(const struct outcome *o, size_t k, int rank)
{
    const int64_t *codes = o->codes.data;
    return codes[k * (size_t)o->ranks + (size_t)rank];
}

/* The elements of rank index of size begin here, and end where those of the next rank begin. */
static size_t begin_of(const struct sum_case *c, int size, int index)
{
    size_t parts = (size_t)size, i = (size_t)index, longer = c->count % parts;
    if (c->spread == SPREAD_LAST)
        return index == size ? c->count : 0;
    return i * (c->count / parts) + (i < longer ? i : longer);
}

/* "psum of 17 random numbers on 5 ranks (the first of the world; 4, 4, 3, 3, 3 of the elements)"; malloc'd. */
static char *case_words(const struct outcome *o, size_t k)
{
    static const char *const kinds[] = {"the first of the world",
                                        "the last of the world, in reversed order",
                                        "ranks 0, 2, 4 of the world",
                                        "ranks 1, 3 of the world",
                                        "MPI_COMM_WORLD",
                                        "MPI_COMM_NULL"};
    const struct sum_case *c = &o->plan.list[k];
    int size = size_of(o, c);
    char blocks[100] = "all";
    for (int i = 0; i < size && size > 1; i++) {
        size_t used = i ? strlen(blocks) : 0;
        snprintf(blocks + used, sizeof blocks - used, "%s%zu", i ? ", " : "",
                 begin_of(c, size, i + 1) - begin_of(c, size, i));
    }
    return text_format("%s of %zu element%s (%s) on %d rank%s (%s), holding %s of them", function_names[c->function],
                       c->count, c->count == 1 ? "" : "s", c->data, size, size == 1 ? "" : "s",
                       kinds[c->comm / COMM_SIZES], blocks);
}

/* ---- the likely cause of a wrong sum ---- */

static double add_up(const double *a, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += a[i];
    return sum;
}

/* The sum of all parts, each cut to a multiple of `multiple` elements. */
static double cut_sum(const double *a, const struct sum_case *c, int size, size_t multiple)
{
    double sum = 0;
    for (int i = 0; i < size; i++) {
        size_t begin = begin_of(c, size, i), length = begin_of(c, size, i + 1) - begin;
        sum += add_up(a + begin, length - length % multiple);
    }
    return sum;
}

/* What a block has from element `from` to element to - 1; of every block of the case where rank is -1. */
static double range_sum(const double *a, const struct sum_case *c, int size, int rank, size_t from, size_t to)
{
    double sum = 0;
    for (int i = 0; i < size; i++) {
        size_t begin = begin_of(c, size, i), length = begin_of(c, size, i + 1) - begin;
        if ((rank < 0 || i == rank) && from < length)
            sum += add_up(a + begin + from, (to < length ? to : length) - from);
    }
    return sum;
}

/* The exact sum of a case, and how far off a result may be. */
struct truth {
    struct exact sum;
    double value, bound;
    double near; /* about what rounding does to a plain sum */
};

/* Does a sum lack the elements that are left over when each rank adds `multiple` at a time? */
static bool lacks_rest(const double *a, const struct sum_case *c, int size, size_t multiple, double sum, double near)
{
    bool rest = false;
    for (int i = 0; i < size; i++)
        rest = rest || (begin_of(c, size, i + 1) - begin_of(c, size, i)) % multiple != 0;
    return rest && fabs(sum - cut_sum(a, c, size, multiple)) <= near;
}

/* Neighbouring elements of one rank, or of every rank, that make up what is missing; malloc'd, or NULL. */
static char *missing_range(const double *a, const struct sum_case *c, int size, double missing, double near)
{
    for (int rank = size == 1 ? 0 : -1; rank < size; rank++)
        for (size_t from = 0; from < c->count && c->count <= 400; from++)
            for (size_t to = from + 1; to <= c->count; to++) {
                double part = range_sum(a, c, size, rank, from, to);
                if (fabs(part) > 100 * near && fabs(part - missing) <= near)
                    return rank < 0 ? text_format("Elements %zu to %zu of every rank are missing.", from, to - 1)
                                    : text_format("Elements %zu to %zu of rank %d are missing.", from, to - 1, rank);
            }
    return NULL;
}

static const struct mpi_trace_call *call_in(const struct outcome *o, size_t k, const int *functions)
{
    for (int r = 0; r < o->ranks; r++) {
        const struct mpi_story_rank *rank = mpi_story_rank(o->story, r);
        for (size_t i = 0; i < rank->count; i++)
            for (const int *f = functions; rank->calls[i].mark == (int)k && *f != CALL_END; f++)
                if (rank->calls[i].function == *f)
                    return &rank->calls[i];
    }
    return NULL;
}

/* Did this rank of the case's communicator make the collective call that another one made? */
static bool made_too(const struct outcome *o, size_t k, int rank, const struct mpi_trace_call *made)
{
    for (int r = 0; r < o->ranks; r++) {
        const struct mpi_story_rank *own = mpi_story_rank(o->story, r);
        for (size_t i = 0; i < own->count; i++) {
            const struct mpi_trace_call *call = &own->calls[i];
            if (call->mark == (int)k && call->function == made->function && call->comm == made->comm &&
                call->comm_rank == rank)
                return true;
        }
    }
    return false;
}

/* What is wrong with the MPI calls of case k, where that shows in the calls themselves; malloc'd, or NULL. */
static char *calls_cause(const struct outcome *o, size_t k, int rank)
{
    char *words = mpi_story_mismatch(o->story, (int)k), *left = mpi_story_objects(o->story, (int)k);
    if (!words && left && strstr(left, "request was never"))
        words = text_format("%s", left);
    free(left);
    const struct mpi_trace_call *reduce = call_in(o, k, MPI_CALLS(CALL_Reduce, CALL_Ireduce)),
                                *bcast = call_in(o, k, MPI_CALLS(CALL_Bcast, CALL_Ibcast)),
                                *all = call_in(o, k, MPI_CALLS(CALL_Allreduce, CALL_Iallreduce));
    const struct mpi_trace_call *sends = all ? all : reduce;
    if (!words)
        words = mpi_story_clash(o->story, (int)k);
    if (!words && bcast && !made_too(o, k, rank, bcast))
        return text_format(
            "%s is a collective call, which every rank has to make, also those that only receive; rank %d "
            "never made it.",
            mpi_story_name(bcast->function), rank);
    if (!words && reduce && bcast && reduce->root != bcast->root && reduce->comm == bcast->comm)
        return text_format(
            "%s brought the sum to rank %d, but MPI_Bcast gives all ranks what rank %d has: the two need "
            "the same root.",
            mpi_story_name(reduce->function), reduce->root, bcast->root);
    if (!words && sends && sends->count > 0 && sends->bytes == 4 * sends->count)
        return text_format("%s was told that a number has 4 bytes (MPI_FLOAT? MPI_INT?); a double is MPI_DOUBLE.",
                           mpi_story_name(sends->function));
    return words;
}

/* Does case k's reduction call an operation that the program made? */
static bool has_own_operation(const struct outcome *o, size_t k)
{
    const struct mpi_trace_call *call =
        call_in(o, k, MPI_CALLS(CALL_Reduce, CALL_Ireduce, CALL_Allreduce, CALL_Iallreduce, CALL_Scan, CALL_Exscan));
    return call && (call->flags & MPI_TRACE_OWN_OP);
}

static const char between_cause[] =
    "The ranks' sums are large and cancel: if they are rounded to a double before they are combined (MPI_SUM), what is "
    "left is rounding error. Sum and correction have to travel together, and to be combined without loss.";
static const char own_operation_cause[] =
    "The ranks' sums are large and cancel, and your operation does not combine them without loss: what rounding takes "
    "from in + inout has to be found whichever of the two is the larger (a TwoSum that compares nothing, or that "
    "compares first), and the corrections of both sides have to be kept.";

/* The only rank whose sum is right; -1: there are others, or none. */
static int only_right_rank(const struct outcome *o, size_t k, const struct truth *t)
{
    int which = -1, count = 0;
    for (int rank = 0; rank < size_of(o, &o->plan.list[k]); rank++)
        if (fabs(exact_error(t->sum, sum_of(o, k, rank))) <= t->bound) {
            which = rank;
            count++;
        }
    return count == 1 ? which : -1;
}

/* Is case c right on that rank, in a run of its own? */
static bool is_right_alone(const struct outcome *o, struct sum_case c, int rank, const struct truth *t)
{
    struct plan p = {.list = &c, .cases = 1, .data = o->plan.data, .elements = o->plan.elements};
    struct launch how = {.ranks = o->ranks, .seconds = SECONDS};
    struct run r;
    put_plan(&p);
    mpi_story_free(run_mpi(&r, &how, ARGS("cases.npy", "data.npy", "sums.npy", "codes.npy")));
    bool right = run_ended_well(&r);
    if (right) {
        struct npy sums = expect_array(&r, "sums.npy", NPY_F8, 2, (size_t[]){1, (size_t)o->ranks});
        right = fabs(exact_error(t->sum, ((const double *)sums.data)[rank])) <= t->bound;
        npy_free(&sums);
    }
    run_free(&r);
    return right;
}

/* What two further runs tell of a wrong sum; NULL: nothing. */
static const char *tried_cause(const struct outcome *o, size_t k, int rank, const struct truth *t)
{
    struct sum_case c = o->plan.list[k];
    if (c.way != MPI_TRACE_LIBRARY || c.at_once)
        return NULL; /* that these are the reason is said already */
    if (k > 0 && is_right_alone(o, c, rank, t))
        return "In a run of its own this sum is right: something is left over from an earlier call, in a static or "
               "global "
               "variable that is not set again.";
    if (c.comm / COMM_SIZES == COMM_FIRST || c.comm / COMM_SIZES == COMM_WORLD)
        return NULL;
    c.comm = comm_of(COMM_FIRST, size_of(o, &c));
    if (is_right_alone(o, c, rank, t))
        return "On as many ranks that are numbered as in the world the same sum is right: in this communicator a rank "
               "has "
               "another number than in the world. Ask comm for rank and size, and give comm to every call.";
    return NULL;
}

/* What a wrong sum looks like, as a student would have come to it; malloc'd. */
static char *sum_cause(const struct outcome *o, size_t k, int rank, double sum, const struct truth *t)
{
    const struct sum_case *c = &o->plan.list[k];
    const double *a = o->plan.data + c->first;
    int size = size_of(o, c);
    char *calls = calls_cause(o, k, rank);
    int only = only_right_rank(o, k, t);
    const char *tried = calls ? NULL : tried_cause(o, k, rank, t);
    if (calls)
        return calls;
    if (tried)
        return text_format("%s", tried);
    if (fabs(sum - UNTOUCHED - t->value) <= t->near)
        return text_format("That is the sum plus what stood in *sum before the call. Assign it; and MPI_Exscan leaves "
                           "what it has for rank 0 as it was.");
    if (begin_of(c, size, rank) == begin_of(c, size, rank + 1) && sum == 0 && c->count > 0)
        return text_format(
            "This rank has no elements, and got a sum of nothing: it has to take part in the reduction of "
            "all ranks of comm, or it does not get theirs.");
    if (c->function == FUNCTION_COMPENSATED && fabs(sum - t->value) <= t->near)
        return text_format("%s", c->cause == between_cause && has_own_operation(o, k) ? own_operation_cause
                                 : c->cause                                           ? c->cause
                                            : "Something that rounding takes away is lost.");
    if (only >= 0)
        return text_format(
            "Rank %d is the only one that has the sum: MPI_Reduce and the like give the result to one rank "
            "only, MPI_Scan the whole sum to the last.",
            only);
    if (sum == 0)
        return text_format(
            "The last elements of each rank are missing, here all of them: is what fills no whole step of "
            "a loop left out?");
    if (sum == UNTOUCHED)
        return text_format("*sum was not written on this rank.%s",
                           c->comm == 0
                               ? ""
                               : " In this communicator a rank has another number than in the world: ask comm for "
                                 "rank and size.");
    for (int i = 0; i < size && size > 1; i++) {
        size_t begin = begin_of(c, size, i), end = begin_of(c, size, i + 1);
        double part = add_up(a + begin, end - begin);
        if (begin < end && fabs(sum - part) <= t->near && i == rank)
            return text_format("That is the sum of this rank's own elements: the ranks' sums have to be combined, for "
                               "every rank.");
        if (begin < end && fabs(sum - (t->value - part)) <= t->near)
            return text_format("The elements of rank %d are missing.", i);
    }
    if (size > 1 && fabs(sum - t->value * size) <= t->near * size)
        return text_format("That is the sum times the number of ranks: it was combined twice.");
    if (size > 1 && fabs(sum - t->value / size) <= t->near)
        return text_format("That is the sum divided by the number of ranks.");
    for (size_t multiple = 2; multiple <= 64; multiple++)
        if (lacks_rest(a, c, size, multiple, sum, t->near))
            return text_format("The last elements of each rank are missing, those beyond a multiple of %zu.", multiple);
    if (c->function == FUNCTION_PSUM && fabs(sum - t->value) <= t->near * 1e9)
        return text_format("It is nearly right: is something added up, or sent, as float?");
    char *range = missing_range(a, c, size, t->value - sum, t->near);
    if (range)
        return range;
    return text_format("Is every element of every rank added once?");
}

/* Why a sum of finite elements could be infinite or NaN; malloc'd. */
static char *infinite_cause(const struct outcome *o, const struct sum_case *c)
{
    int size = size_of(o, c);
    for (int i = 0; i < size; i++)
        if (begin_of(c, size, i) == begin_of(c, size, i + 1))
            return text_format(
                "Rank %d has no elements: its pointer must not be used. Is something read there although "
                "count is 0 (local[0], say)?",
                i);
    return text_format("All elements are finite, and so is their sum.");
}

/* ---- judging a case ---- */

/* The bounds of psum.h. n eps sum|a| is twice what any order of n - 1 additions can do (Higham, section 4.2);
   2 eps |S| + n^2 eps^2 sum|a| four times what two sums and their corrections can (Ogita, Rump, Oishi 2005). */
static double bound_of(enum case_function function, double n, double sum, double absolute)
{
    if (function == FUNCTION_PSUM)
        return n * DBL_EPSILON * absolute;
    return 2 * DBL_EPSILON * fabs(sum) + n * n * DBL_EPSILON * DBL_EPSILON * absolute;
}

static void expect_code(const struct outcome *o, size_t k, int rank)
{
    char *what = case_words(o, k);
    switch (code_of(o, k, rank)) {
    case CODE_SUCCESS:
        break;
    case CODE_CHANGED:
        fail_test(CAUSE_WRONG_VALUE, &o->r, "%s: rank %d changed its elements. local is const: they are the caller's.",
                  what, rank);
    case CODE_NOT_MPI:
        fail_test(
            CAUSE_WRONG_VALUE, &o->r,
            "%s: rank %d returned a number that is no error code of MPI. Return MPI_SUCCESS, or what the MPI call "
            "that failed returned.",
            what, rank);
    case CODE_ABSENT:
        fail_test(CAUSE_TAMPER, &o->r, "%s: rank %d left no result.", what, rank);
    default:
        fail_test(CAUSE_WRONG_VALUE, &o->r,
                  "%s: rank %d returned an error of MPI (its words are below); MPI_SUCCESS was "
                  "expected.",
                  what, rank);
    }
    free(what);
}

static struct truth truth_of(const struct plan *p, const struct sum_case *c)
{
    struct truth t = {0};
    double absolute = 0;
    for (size_t i = 0; i < c->count; i++) {
        exact_add(&t.sum, p->data[c->first + i]);
        absolute += fabs(p->data[c->first + i]);
    }
    t.value = exact_value(&t.sum);
    t.bound = bound_of(c->function, (double)c->count, t.value, absolute);
    t.near = 4 * sqrt((double)c->count) * DBL_EPSILON * absolute;
    return t;
}

/* The first `ranks` ranks of case k's communicator (all, if it has fewer) got the right sum. */
static void expect_sum(const struct outcome *o, size_t k, int ranks)
{
    const struct sum_case *c = &o->plan.list[k];
    struct truth t = truth_of(&o->plan, c);
    for (int rank = 0; rank < ranks && rank < size_of(o, c); rank++) {
        expect_code(o, k, rank);
        double sum = sum_of(o, k, rank), error = exact_error(t.sum, sum);
        if (isfinite(sum) && fabs(error) <= t.bound)
            continue;
        char *what = case_words(o, k);
        char *cause = isfinite(sum) ? sum_cause(o, k, rank, sum, &t) : infinite_cause(o, c);
        fail_test(CAUSE_WRONG_VALUE, &o->r,
                  "%s: rank %d got %.17g; exactly it is %.17g: the error %.2g is larger than the "
                  "%.2g that rounding allows. %s",
                  what, rank, sum, t.value, fabs(error), t.bound, cause);
    }
}

static void expect_sums(const struct outcome *o, int ranks)
{
    for (size_t k = 0; k < o->plan.cases; k++)
        expect_sum(o, k, ranks);
}

/* ---- data that cancels: condition sum|a| / |S| = 1e12 ---- */

static const double condition = 1e12;

static void shuffle(double *a, size_t count, struct rng *rng)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = rng_below(rng, i);
        double x = a[i - 1];
        a[i - 1] = a[other];
        a[other] = x;
    }
}

/* A block for each rank: a third small numbers, and between them large ones and their opposites. */
static void fill_within(double *a, size_t block, int size, struct rng *rng)
{
    size_t pairs = block / 3;
    double scale = condition / 3; /* small ones: block / 3 of mean 1/2; large ones: 2 block / 3 of mean 3/4 scale */
    for (int i = 0; i < size; i++, a += block) {
        for (size_t j = 0; j < block; j++)
            a[j] = j < pairs ? scale * (0.5 + rng_double(rng) / 2) : j < 2 * pairs ? -a[j - pairs] : rng_double(rng);
        shuffle(a, block, rng);
    }
}

/* The opposite of a large number lies half a vector further on: on two ranks or more, on another rank. The vector is
   turned by so many elements. count is even. */
static void fill_between(double *a, size_t count, size_t turn, struct rng *rng)
{
    size_t half = count / 2;
    double scale = condition / 3 / 7; /* small ones: count / 8 of mean 1/2; large ones: 7 count / 8 of mean 3/4 scale */
    for (size_t i = 0; i < half; i++) {
        bool small = i % 8 == 0;
        double x = small ? rng_double(rng) : scale * (0.5 + rng_double(rng) / 2);
        a[(i + turn) % count] = x;
        a[(i + half + turn) % count] = small ? rng_double(rng) : -x;
    }
}

static const char *const within_words = "they cancel within each rank, condition 1e12";
static const char *const between_words = "they cancel between the ranks, condition 1e12";
static const char *const within_cause = "That is no better than a plain sum: what rounding takes from every addition "
                                        "has to be kept, also where the element "
                                        "is larger than the sum so far, and to be added at the end.";
static const char *const ranks_cause = "On one rank it is exact enough, so it is lost between the ranks: the "
                                       "corrections have to travel with the sums, and "
                                       "the operation has to keep those of both sides.";

/* The data must be hard: a plain sum must miss the bound of the compensated one, or the test would prove nothing. */
static void expect_hard(const struct plan *p, const struct sum_case *c)
{
    struct truth t = truth_of(p, c);
    if (fabs(exact_error(t.sum, add_up(p->data + c->first, c->count))) <= t.bound)
        fail_test(CAUSE_ENVIRONMENT, NULL, "the data for this test are too easy: a plain sum is exact enough.");
}

/* block elements on each rank. A multiple of 16, here and below: what becomes of elements left over when several
   are added at a time is the affair of compensated_counts alone. */
static void add_within(struct plan *p, struct rng *rng, enum comm_kind kind, int size, size_t block)
{
    size_t count = block * (size_t)size;
    fill_within(add_elements(p, count), block, size, rng);
    struct sum_case c = over_last(p, FUNCTION_COMPENSATED, comm_of(kind, size), count, within_words);
    c.cause = size == 1 ? within_cause : ranks_cause;
    add_case(p, c);
    expect_hard(p, &c);
}

/* turn: by so many blocks; the ranks' sums are then not in the order of their size. */
static void add_between(struct plan *p, struct rng *rng, enum comm_kind kind, int size, size_t block, int turn)
{
    size_t count = block * (size_t)size;
    fill_between(add_elements(p, count), count, (size_t)turn * block, rng);
    struct sum_case c = over_last(p, FUNCTION_COMPENSATED, comm_of(kind, size), count, between_words);
    c.cause = between_cause;
    add_case(p, c);
    expect_hard(p, &c);
}

/* ---- values of psum ---- */

static struct plan even_blocks(struct rng *rng)
{
    struct plan p = {0};
    static const size_t counts[] = {128, 4, 400, 4096};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        add_random(&p, rng, FUNCTION_PSUM, comm_of(COMM_WORLD, 4), counts[i]);
    return p;
}

START_TEST(even_sums)
{
    struct rng rng = rng_seeded(suite_seed());
    struct outcome o = carry_out(even_blocks(&rng), 4, NULL);
    expect_sums(&o, 1);
    finish(&o);
}
END_TEST

START_TEST(everywhere)
{
    struct rng rng = rng_seeded(suite_seed());
    struct outcome o = carry_out(even_blocks(&rng), 4, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

START_TEST(odd_counts)
{
    static const size_t few[] = {0, 1, 2, 3, 4, 6, 17, 129, 1003};
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++)
        add_random(&p, &rng, FUNCTION_PSUM, comm_of(COMM_FIRST, RANKS), few[i]);
    add_random(&p, &rng, FUNCTION_PSUM, comm_of(COMM_FIRST, RANKS), 1200007);
    struct sum_case on_one = p.list[p.cases - 1];
    on_one.spread = SPREAD_LAST; /* more than a stack of 8 MiB holds */
    add_case(&p, on_one);
    struct outcome o = carry_out(p, RANKS, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

/* Cases on communicators of 1 to 5 ranks, in other orders, and two at the same time. */
static struct plan on_communicators(struct rng *rng, enum case_function function)
{
    struct plan p = {0};
    for (int size = 1; size <= RANKS; size++)
        add_random(&p, rng, function, comm_of(COMM_FIRST, size), 1001);
    for (int size = 2; size <= RANKS; size += 3)
        add_random(&p, rng, function, comm_of(COMM_REVERSED, size), 997);
    for (int times = 0; times < 3; times++) {
        add_random(&p, rng, function, comm_of(COMM_EVEN, (RANKS + 1) / 2), 500);
        add_random(&p, rng, function, comm_of(COMM_ODD, RANKS / 2), 501);
    }
    return p;
}

START_TEST(communicators)
{
    struct rng rng = rng_seeded(suite_seed());
    struct outcome o = carry_out(on_communicators(&rng, FUNCTION_PSUM), RANKS, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

/* ---- how psum does it ---- */

static const int *const messages =
    MPI_CALLS(CALL_Send, CALL_Ssend, CALL_Bsend, CALL_Rsend, CALL_Isend, CALL_Issend, CALL_Ibsend, CALL_Irsend,
              CALL_Sendrecv, CALL_Sendrecv_replace, CALL_Start, CALL_Startall);
static const int *const collectives =
    MPI_CALLS(CALL_Allreduce, CALL_Iallreduce, CALL_Reduce, CALL_Ireduce, CALL_Scan, CALL_Iscan, CALL_Reduce_scatter,
              CALL_Reduce_scatter_block, CALL_Allgather, CALL_Iallgather, CALL_Allgatherv, CALL_Iallgatherv,
              CALL_Gather, CALL_Igather, CALL_Gatherv, CALL_Igatherv, CALL_Alltoall, CALL_Bcast, CALL_Ibcast);

static void expect_collective(const struct outcome *o, size_t k)
{
    char *what = case_words(o, k);
    for (int rank = 0; rank < o->ranks; rank++) {
        long sent = mpi_story_count(o->story, rank, (int)k, messages);
        if (sent > 0)
            fail_test(CAUSE_METHOD, &o->r,
                      "%s: rank %d of the world sent %ld message%s of its own to other ranks. A collective "
                      "call, made by every rank of the communicator, does it in fewer steps: MPI_Allreduce.",
                      what, rank, sent, sent == 1 ? "" : "s");
    }
    char *words = mpi_story_collective(o->story, (int)k, size_of(o, &o->plan.list[k]), collectives, 0);
    if (words)
        fail_test(CAUSE_METHOD, &o->r, "%s: a collective call by every rank was expected, such as MPI_Allreduce. %s.",
                  what, words);
    free(what);
}

/* One number a rank is 8 bytes; a few of them, and a few calls, are allowed. */
static void expect_little_traffic(const struct outcome *o, size_t k)
{
    enum { LIMIT = 1024 };
    for (int rank = 0; rank < o->ranks; rank++) {
        const struct mpi_story_rank *story = mpi_story_rank(o->story, rank);
        int64_t bytes = 0;
        const struct mpi_trace_call *last = NULL;
        for (size_t i = 0; i < story->count; i++)
            if (story->calls[i].mark == (int)k && story->calls[i].bytes > 0 && story->calls[i].of < 0) {
                last = &story->calls[i];
                bytes += last->bytes;
            }
        if (bytes > LIMIT)
            fail_test(CAUSE_METHOD, &o->r,
                      "%s: rank %d of the world gave %lld bytes to its collective calls (the last: %s of "
                      "%lld). Each rank can add up its own elements; what has to travel is one number, 8 bytes.",
                      case_words(o, k), rank, (long long)bytes, mpi_story_name(last->function), (long long)last->bytes);
    }
}

START_TEST(collective)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    add_random(&p, &rng, FUNCTION_PSUM, comm_of(COMM_FIRST, 4), 4096);
    add_random(&p, &rng, FUNCTION_PSUM, comm_of(COMM_REVERSED, 4), 1500);
    struct outcome o = carry_out(p, 4, NULL);
    expect_sums(&o, RANKS);
    expect_written_down(&o.r, o.story);
    for (size_t k = 0; k < o.plan.cases; k++) {
        expect_collective(&o, k);
        expect_little_traffic(&o, k);
    }
    finish(&o);
}
END_TEST

/* ---- values of psum_compensated ---- */

START_TEST(compensated_within)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (int size = 1; size <= RANKS; size++)
        add_within(&p, &rng, COMM_FIRST, size, 800);
    add_within(&p, &rng, COMM_REVERSED, RANKS, 160);
    add_within(&p, &rng, COMM_FIRST, 2, 32);
    add_within(&p, &rng, COMM_FIRST, RANKS, 20000);
    struct outcome o = carry_out(p, RANKS, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

START_TEST(compensated_between)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (int size = 2; size <= RANKS; size++)
        for (int times = 0; times < 3; times++)
            add_between(&p, &rng, times == 1 ? COMM_REVERSED : COMM_FIRST, size, 240, times == 2 ? (size + 1) / 2 : 0);
    add_between(&p, &rng, COMM_EVEN, 3, 256, 0);
    add_between(&p, &rng, COMM_ODD, 2, 400, 0);
    struct outcome o = carry_out(p, RANKS, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

START_TEST(compensated_counts)
{
    static const size_t counts[] = {0, 1, 2, 3, 4, 6, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 129, 1003};
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        add_random(&p, &rng, FUNCTION_COMPENSATED, comm_of(COMM_FIRST, i % 2 ? 1 : 3), counts[i]);
        add_random(&p, &rng, FUNCTION_COMPENSATED, comm_of(COMM_FIRST, i % 2 ? 3 : 2), counts[i]);
    }
    struct outcome o = carry_out(p, 3, NULL);
    expect_sums(&o, RANKS);
    finish(&o);
}
END_TEST

/* ---- the same bits ---- */

static void expect_same_bits(const struct outcome *o, size_t k)
{
    double first = sum_of(o, k, 0);
    for (int rank = 1; rank < size_of(o, &o->plan.list[k]); rank++) {
        double other = sum_of(o, k, rank);
        if (memcmp(&first, &other, sizeof first) != 0)
            fail_test(
                CAUSE_WRONG_VALUE, &o->r,
                "%s: rank 0 got %.17g, rank %d got %.17g. Both are near enough, but every rank "
                "has to have the same bits: ranks that go on to compare sums would else go different ways. Add in the "
                "same order on every rank, or give one rank's result to all.",
                case_words(o, k), first, rank, other);
    }
}

START_TEST(same_bits)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (int times = 0; times < 8; times++)
        for (int kind = COMM_FIRST; kind <= COMM_REVERSED; kind++) {
            add_random(&p, &rng, FUNCTION_PSUM, comm_of((enum comm_kind)kind, RANKS), 320);
            add_between(&p, &rng, (enum comm_kind)kind, RANKS, 64, 0);
        }
    struct outcome o = carry_out(p, RANKS, NULL);
    expect_sums(&o, RANKS);
    for (size_t k = 0; k < o.plan.cases; k++)
        expect_same_bits(&o, k);
    finish(&o);
}
END_TEST

/* ---- infinities, NaN, overflow ---- */

enum { SPECIAL_RANKS = 3, SPECIAL_COUNT = 24 };

struct special {
    const char *words;
    double fill; /* the other elements; 0: random numbers */
    struct {
        size_t place;
        double value;
    } put[2];
    size_t puts;
    double expected;
};

/* Three ranks hold eight elements each: places 0 ... 7, 8 ... 15, 16 ... 23. */
static const struct special specials[] = {
    {"an infinity on rank 0", 0, {{4, INFINITY}}, 1, INFINITY},
    {"an infinity at the end of rank 2", 0, {{23, INFINITY}}, 1, INFINITY},
    {"a negative infinity on rank 1", 0, {{10, -INFINITY}}, 1, -INFINITY},
    {"two infinities on one rank", 0, {{0, INFINITY}, {7, INFINITY}}, 2, INFINITY},
    {"an infinity on each of two ranks", 0, {{3, INFINITY}, {20, INFINITY}}, 2, INFINITY},
    {"inf and -inf on one rank", 0, {{12, INFINITY}, {13, -INFINITY}}, 2, NAN},
    {"inf on rank 0 and -inf on rank 2", 0, {{0, INFINITY}, {16, -INFINITY}}, 2, NAN},
    {"a NaN on rank 1", 0, {{8, NAN}}, 1, NAN},
    {"a NaN on rank 2 and an infinity on rank 0", 0, {{23, NAN}, {1, INFINITY}}, 2, NAN},
    {"24 times 1e308: the sum overflows", 1e308, {{0}}, 0, INFINITY},
    {"24 times -1e308: the sum overflows", -1e308, {{0}}, 0, -INFINITY},
    {"24 times 1.2e307: only the sum of all ranks overflows", 1.2e307, {{0}}, 0, INFINITY},
};

static void add_special(struct plan *p, struct rng *rng, enum case_function function, const struct special *s)
{
    double *a = add_elements(p, SPECIAL_COUNT);
    for (size_t i = 0; i < SPECIAL_COUNT; i++)
        a[i] = s->fill != 0 ? s->fill : rng_double(rng);
    for (size_t i = 0; i < s->puts; i++)
        a[s->put[i].place] = s->put[i].value;
    add_case(p, over_last(p, function, comm_of(COMM_FIRST, SPECIAL_RANKS), SPECIAL_COUNT, s->words));
}

static const char *special_cause(double sum, double expected)
{
    if (isnan(sum) && isinf(expected))
        return "What rounding takes from an infinite sum is inf - inf, which is NaN: where the sum is not finite, it "
               "is the "
               "result, without its correction.";
    if (isfinite(sum) && !isfinite(expected))
        return "Does the calculation leave out what is not finite?";
    return "A sum of several elements is infinite if one of them is, and NaN if one is NaN or if inf meets -inf.";
}

static void expect_special(const struct outcome *o, size_t k, double expected)
{
    for (int rank = 0; rank < SPECIAL_RANKS; rank++) {
        double sum = sum_of(o, k, rank);
        expect_code(o, k, rank);
        if (isnan(expected) ? !isnan(sum) : sum != expected)
            fail_test(CAUSE_WRONG_VALUE, &o->r, "%s: rank %d got %g, expected %g. %s", case_words(o, k), rank, sum,
                      expected, special_cause(sum, expected));
    }
}

START_TEST(special_values)
{
    enum { SPECIALS = sizeof specials / sizeof *specials };
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (size_t i = 0; i < 2 * SPECIALS; i++)
        add_special(&p, &rng, i < SPECIALS ? FUNCTION_PSUM : FUNCTION_COMPENSATED, &specials[i % SPECIALS]);
    struct outcome o = carry_out(p, SPECIAL_RANKS, NULL);
    for (size_t i = 0; i < 2 * SPECIALS; i++)
        expect_special(&o, i, specials[i % SPECIALS].expected);
    finish(&o);
}
END_TEST

/* ---- the operation ---- */

static const char *const way_causes[] = {
    NULL,
    "MPI may combine the ranks in any order and in any brackets; here it began with other neighbours than usual. The "
    "operation has to keep what it is given in both operands: both sums, both corrections, and what rounding takes "
    "now.",
    "MPI called the operation for one element at a time, as it may. Sum and correction must be one element, of a "
    "datatype of "
    "your own (MPI_Type_contiguous, MPI_Type_create_struct): two elements of MPI_DOUBLE may be parted.",
    "MPI called the operation for several elements at a time, as it may: the function has to combine all *len of them.",
};

START_TEST(any_order)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (int way = MPI_TRACE_BRACKETS; way <= MPI_TRACE_MANY; way++)
        for (int times = 0; times < 8; times++) {
            add_between(&p, &rng, COMM_FIRST, times % 2 ? RANKS : 4, 96, 0);
            p.list[p.cases - 1].way = (enum mpi_trace_way)way;
            p.list[p.cases - 1].seed = rng_next(&rng) >> 2;
            p.list[p.cases - 1].cause = way_causes[way];
        }
    struct outcome o = carry_out(p, RANKS, NULL);
    for (size_t k = 0; k < o.plan.cases; k++) {
        struct sum_case *c = &o.plan.list[k];
        struct truth t = truth_of(&o.plan, c);
        for (int rank = 0; rank < size_of(&o, c); rank++) {
            expect_code(&o, k, rank);
            double sum = sum_of(&o, k, rank), error = exact_error(t.sum, sum);
            if (!(fabs(error) <= t.bound))
                fail_test(CAUSE_WRONG_VALUE, &o.r,
                          "%s: rank %d got %.17g; exactly it is %.17g, and %.2g is allowed. %s", case_words(&o, k),
                          rank, sum, t.value, t.bound, c->cause);
        }
    }
    finish(&o);
}
END_TEST

/* Reductions by an operation of its own that a rank made in case k, on a communicator of that size. */
static long own_reductions(const struct outcome *o, int rank, size_t k, int size)
{
    const struct mpi_story_rank *story = mpi_story_rank(o->story, rank);
    long count = 0;
    for (size_t i = 0; i < story->count; i++) {
        const struct mpi_trace_call *call = &story->calls[i];
        count += call->mark == (int)k && (call->flags & MPI_TRACE_OWN_OP) && !(call->flags & MPI_TRACE_FAILED) &&
                 call->comm_size == size;
    }
    return count;
}

static void expect_own_operation(const struct outcome *o, size_t k, int rank)
{
    int size = size_of(o, &o->plan.list[k]);
    long made = mpi_story_count(o->story, rank, (int)k, MPI_CALLS(CALL_Op_create));
    if (own_reductions(o, rank, k, size) > 0 || mpi_story_own_reduction(o->story, (int)k, size))
        return;
    fail_test(CAUSE_METHOD, &o->r,
              "%s: rank %d %s. psum_compensated is to combine the pairs by an operation of its own: a function "
              "that adds two pairs, MPI_Op_create, and MPI_Allreduce with that operation, by every rank.",
              case_words(o, k), rank,
              made ? "made an operation, but no reduction on the communicator used it"
                   : "made no operation (MPI_Op_create)");
}

START_TEST(own_operation)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    add_between(&p, &rng, COMM_FIRST, 3, 160, 0);
    add_between(&p, &rng, COMM_FIRST, 2, 240, 0);
    struct outcome o = carry_out(p, 3, NULL);
    expect_sums(&o, RANKS);
    expect_written_down(&o.r, o.story);
    for (size_t k = 0; k < o.plan.cases; k++)
        for (int rank = 0; rank < size_of(&o, &o.plan.list[k]); rank++)
            expect_own_operation(&o, k, rank);
    finish(&o);
}
END_TEST

/* ---- calls that follow each other at once, while some ranks are late ---- */

START_TEST(any_schedule)
{
    struct rng rng = rng_seeded(suite_seed());
    say_also(
        "In this run (LAB_MPI_HOLD, by its seed) your MPI calls are held back for some milliseconds, those of one\n"
        "  rank most of all, and the sums follow each other without waiting for all ranks. A message of the next\n"
        "  sum may come first; a collective is never mistaken for the next one.");
    for (uint64_t i = 0; i < 3; i++) {
        char seed[40];
        struct plan p = {0};
        snprintf(seed, sizeof seed, "LAB_MPI_HOLD=%" PRIu64, (suite_seed() + i) % 1000000);
        for (int k = 0; k < 6; k++) {
            add_random(&p, &rng, k % 3 == 2 ? FUNCTION_COMPENSATED : FUNCTION_PSUM, comm_of(COMM_FIRST, RANKS), 40);
            p.list[p.cases - 1].at_once = true;
        }
        struct outcome o = carry_out_in(p, RANKS, NULL, (const char *const[]){seed, NULL});
        expect_sums(&o, RANKS);
        finish(&o);
    }
}
END_TEST

/* ---- hygiene ---- */

START_TEST(nothing_left)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (int times = 0; times < 3; times++) {
        add_random(&p, &rng, FUNCTION_PSUM, comm_of(COMM_FIRST, 2), 96);
        add_random(&p, &rng, FUNCTION_COMPENSATED, comm_of(COMM_FIRST, 2), 96);
    }
    struct outcome o = carry_out(p, 2, NULL);
    expect_sums(&o, RANKS);
    expect_nothing_left(&o.r, o.story, MPI_STORY_ALL);
    finish(&o);
}
END_TEST

/* From case 1 on, collective calls fail. Case 0 is an ordinary one: what it leaves is nothing_left's affair. */
START_TEST(error_returned)
{
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    add_random(&p, &rng, FUNCTION_COMPENSATED, comm_of(COMM_FIRST, 2), 96);
    for (int function = FUNCTION_PSUM; function <= FUNCTION_COMPENSATED; function++)
        add_random(&p, &rng, (enum case_function)function, comm_of(COMM_FIRST, 2), 96);
    struct outcome o = carry_out_in(p, 2, NULL, (const char *const[]){"LAB_MPI_FAIL=1", NULL});
    expect_sum(&o, 0, RANKS);
    for (size_t k = 1; k < o.plan.cases; k++)
        for (int rank = 0; rank < o.ranks; rank++) {
            int64_t code = code_of(&o, k, rank);
            if (code == CODE_SUCCESS || code == CODE_CHANGED || code == CODE_NOT_MPI)
                fail_test(
                    CAUSE_WRONG_VALUE, &o.r,
                    "in this run (LAB_MPI_FAIL=1) the collective calls in %s fail: they return MPI_ERR_OTHER. But %s "
                    "returned %s. MPI calls return an error code: look at it, and return the first one that is "
                    "not MPI_SUCCESS.",
                    function_names[o.plan.list[k].function], function_names[o.plan.list[k].function],
                    code == CODE_NOT_MPI ? "a number that is no error code of MPI" : "MPI_SUCCESS");
        }
    char *usual = mpi_story_objects(o.story, 0), *after_error = mpi_story_objects(o.story, 2);
    if (!usual && after_error)
        fail_test(
            CAUSE_LEAK, &o.r,
            "in this run (LAB_MPI_FAIL=1) the reduction fails, and psum_compensated returned its error, as it should. "
            "But then %s. What was made has to be freed on every way out.",
            after_error);
    free(usual);
    free(after_error);
    finish(&o);
}
END_TEST

START_TEST(memory_clean)
{
    static const size_t counts[] = {0, 1, 2, 17, 100, 1001};
    struct rng rng = rng_seeded(suite_seed());
    struct plan p = {0};
    for (size_t i = 0; i < 2 * sizeof counts / sizeof *counts; i++)
        add_random(&p, &rng, i % 2 ? FUNCTION_COMPENSATED : FUNCTION_PSUM, comm_of(COMM_FIRST, 2), counts[i / 2]);
    struct outcome o = carry_out(p, 2, "asan");
    char *clash = mpi_story_clash(o.story, MPI_STORY_ALL);
    if (clash)
        fail_test(CAUSE_MEMORY, &o.r, "%s.", clash);
    for (size_t k = 0; k < o.plan.cases; k++)
        if (o.plan.list[k].function == FUNCTION_PSUM)
            expect_sum(&o, k, RANKS);
    finish(&o);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        even_sums,           everywhere,         odd_counts,     communicators,  collective, compensated_within,
        compensated_between, compensated_counts, same_bits,      special_values, any_order,  own_operation,
        any_schedule,        nothing_left,       error_returned, memory_clean,
    };
    return suite_main(argc, argv, "psum", tests, sizeof tests / sizeof *tests);
}
