/* check_sendrecv.c: the Check suite of lab 03. A test writes a script (script.h): who
   calls what, and what each receive has to bring. One launch of the program does all
   of it; the suite then compares what every rank wrote. Hangs, and what was left over,
   are told by the record that the tracing layer keeps. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "mpi_story_run.h"
#include "script.h"
#include "suite.h"
#include "words.h"

enum { SECONDS = 15, NUMBERS = 4099, LARGE = 1 << 20 }; /* LARGE doubles are 8 MiB */

static const char *const synchronous[] = {"LAB_MPI_SYNC=1", NULL};

/* ---- scripts ---- */

enum expectation { EXPECT_NOTHING, EXPECT_NUMBERS, EXPECT_ONE_OF, EXPECT_UNTOUCHED, EXPECT_RANK_ERROR };

struct step {
    int64_t column[STEP_COLUMNS];
    enum expectation expect;
    int from;            /* EXPECT_NUMBERS: they are that rank's (of the communicator), ... */
    size_t first, count; /* ... and stand here in the data */
    bool taken;          /* this list was already received by an EXPECT_ONE_OF */
};

struct script {
    int ranks;
    int64_t cases;
    struct step *step;
    size_t count, room;
    struct rng rng;
    double data[NUMBERS];
};

static struct script *new_script(int ranks)
{
    struct script *s = calloc(1, sizeof *s);
    if (!s)
        fail_test(CAUSE_ENVIRONMENT, NULL, "out of memory");
    s->ranks = ranks;
    s->rng = rng_seeded(suite_seed());
    rng_fill(&s->rng, s->data, NUMBERS);
    return s;
}

static void free_script(struct script *s)
{
    free(s->step);
    free(s);
}

static int comm_code(enum comm_kind kind, int size)
{
    return (int)kind * COMM_SIZES + size;
}

static void next_case(struct script *s)
{
    s->cases++;
}

static size_t somewhere(struct script *s)
{
    return rng_below(&s->rng, NUMBERS);
}

/* The returned pointer is good until the next step is added. */
static struct step *add(struct script *s, int comm, int rank, enum deed deed, int peer, size_t count, size_t first)
{
    if (s->count == s->room) {
        s->room = 2 * s->room + 64;
        s->step = realloc(s->step, s->room * sizeof *s->step);
        if (!s->step)
            fail_test(CAUSE_ENVIRONMENT, NULL, "out of memory");
    }
    struct step *step = &s->step[s->count++];
    *step = (struct step){.column = {s->cases, comm, rank, deed, peer, (int64_t)count, (int64_t)first, 0}};
    return step;
}

static void expect_numbers(struct step *step, int from, size_t first, size_t count)
{
    step->expect = EXPECT_NUMBERS;
    step->from = from;
    step->first = first;
    step->count = count;
}

/* The two sides of one message, in the case that is being written. */
static void add_list(struct script *s, int comm, int from, int to, size_t count)
{
    size_t first = somewhere(s);
    add(s, comm, from, SEND_LIST, to, count, first);
    expect_numbers(add(s, comm, to, RECV_LIST, from, 0, 0), from, first, count);
}

static void add_array(struct script *s, int comm, int from, int to, size_t count)
{
    size_t first = somewhere(s);
    add(s, comm, from, SEND_ARRAY, to, count, first);
    expect_numbers(add(s, comm, to, RECV_ARRAY, from, count, 0), from, first, count);
}

static void add_exchange(struct script *s, int comm, int a, int b, size_t count)
{
    size_t first_a = somewhere(s), first_b = a == b ? first_a : somewhere(s);
    expect_numbers(add(s, comm, a, EXCHANGE, b, count, first_a), b, first_b, count);
    if (a != b)
        expect_numbers(add(s, comm, b, EXCHANGE, a, count, first_b), a, first_a, count);
}

static void add_ring(struct script *s, int comm, int size, size_t count, int steps)
{
    size_t first[COMM_SIZES];
    for (int rank = 0; rank < size; rank++)
        first[rank] = somewhere(s);
    for (int rank = 0; rank < size; rank++) {
        int from = (int)((((int64_t)rank - steps) % size + size) % size);
        expect_numbers(add(s, comm, rank, RING_SHIFT, steps, count, first[rank]), from, first[from], count);
    }
}

/* main.c's own message: put before, and to be found afterwards. */
static size_t put_message(struct script *s, int comm, int from, int to, size_t count, int tag)
{
    size_t first = somewhere(s);
    add(s, comm, from, PUT, to, count, first)->column[STEP_TAG] = tag;
    return first;
}

static void take_message(struct script *s, int comm, int from, int to, size_t count, int tag, size_t first)
{
    struct step *step = add(s, comm, to, TAKE, from, 0, 0);
    step->column[STEP_TAG] = tag;
    expect_numbers(step, from, first, count);
}

/* ---- words for a step ---- */

static const char *const deed_names[] = {"send_list",  "recv_list", "send_array",
                                         "recv_array", "exchange",  "ring_shift"};

static void peer_words(int64_t peer, char *text, size_t size)
{
    if (peer == PEER_ANY || peer == PEER_NONE)
        snprintf(text, size, "%s", peer == PEER_ANY ? "MPI_ANY_SOURCE" : "MPI_PROC_NULL");
    else
        snprintf(text, size, "%d", (int)peer);
}

/* "recv_list(source = 0) on rank 1 of a communicator of 3 ranks" */
static void step_words(const struct script *s, const struct step *step, char *text, size_t size)
{
    static const char *const peer_names[] = {"dest", "source", "dest", "source", "peer", "steps"};
    const int64_t *c = step->column;
    char peer[32], count[40] = "", who[120] = "";
    if (c[STEP_DO] == RING_SHIFT)
        snprintf(peer, sizeof peer, "%d", (int)c[STEP_PEER]);
    else
        peer_words(c[STEP_PEER], peer, sizeof peer);
    if (c[STEP_DO] != RECV_LIST)
        snprintf(count, sizeof count, "count = %d, ", (int)c[STEP_COUNT]);
    int kind = (int)c[STEP_COMM] / COMM_SIZES, ranks = kind == COMM_WORLD ? s->ranks : (int)c[STEP_COMM] % COMM_SIZES;
    if (kind == COMM_REVERSED)
        snprintf(who, sizeof who, " (its rank 0 is rank %d of the world, and so on downwards)", s->ranks - 1);
    if (c[STEP_DO] > RING_SHIFT)
        snprintf(text, size, "main.c on rank %d", (int)c[STEP_RANK]);
    else
        snprintf(text, size, "%s(%s%s = %s) on rank %d of a communicator of %d rank%s%s", deed_names[c[STEP_DO]], count,
                 peer_names[c[STEP_DO]], peer, (int)c[STEP_RANK], ranks, ranks == 1 ? "" : "s", who);
}

/* ---- what came ---- */

/* What one rank wrote, read as hostile data. */
struct answers {
    struct npy calls, values;
    size_t next, used; /* the next call, the values of those before */
};

/* One step and its answer. */
struct outcome {
    const struct run *run;
    struct script *script;
    struct step *step;
    const int64_t *called;
    const double *values;
    char words[300]; /* the step in words */
};

static int world_rank(const struct script *s, const struct step *step)
{
    int rank = (int)step->column[STEP_RANK];
    return step->column[STEP_COMM] / COMM_SIZES == COMM_REVERSED ? s->ranks - 1 - rank : rank;
}

/* Does main.c write a row for it? */
static bool has_answer(const struct step *step)
{
    return step->column[STEP_DO] <= TAKE ? step->column[STEP_DO] != PUT : step->column[STEP_DO] == HEAP;
}

static struct answers read_answers(const struct run *r, const struct script *s, int rank)
{
    char calls[40], values[40];
    size_t count = 0, sum = 0;
    for (size_t i = 0; i < s->count; i++)
        count += has_answer(&s->step[i]) && world_rank(s, &s->step[i]) == rank;
    snprintf(calls, sizeof calls, "calls-%d.npy", rank);
    snprintf(values, sizeof values, "rank-%d.npy", rank);
    struct answers a = {.calls = expect_array(r, calls, NPY_I8, 2, (size_t[]){count, CALLED_COLUMNS})};
    const int64_t(*called)[CALLED_COLUMNS] = a.calls.data;
    for (size_t i = 0; i < count; i++) {
        if (called[i][CALLED_VALUES] < 0 || called[i][CALLED_VALUES] > MOST_VALUES)
            fail_test(CAUSE_TAMPER, r, "%s says what main.c cannot have written.", calls);
        sum += (size_t)called[i][CALLED_VALUES];
    }
    a.values = expect_array(r, values, NPY_F8, 1, &sum);
    return a;
}

static double number(const struct script *s, size_t first, size_t i)
{
    return s->data[(first + i) % NUMBERS];
}

/* Is the rank that steps further on in the ring another one than that from which the array should come? */
static bool turned_round(const struct outcome *o, int64_t came_from)
{
    const int64_t *mine = o->step->column;
    int64_t size = 0;
    for (size_t i = 0; i < o->script->count; i++) {
        const int64_t *c = o->script->step[i].column;
        size += c[STEP_DO] == RING_SHIFT && c[STEP_CASE] == mine[STEP_CASE] && c[STEP_COMM] == mine[STEP_COMM];
    }
    return mine[STEP_DO] == RING_SHIFT && size > 0 && (mine[STEP_RANK] + mine[STEP_PEER] - came_from) % size == 0;
}

/* Whose number is this? It came as number `at` of its array. */
static void origin_words(const struct outcome *o, size_t at, char *text, size_t size)
{
    double came = o->values[at];
    const struct script *s = o->script;
    const int64_t *mine = o->step->column;
    *text = '\0';
    if (came == UNTOUCHED)
        snprintf(text, size, " That is what stood there before the call: nothing was received into it.");
    for (size_t i = 0; i < s->count && !*text; i++) {
        const int64_t *c = s->step[i].column;
        bool sends = c[STEP_COUNT] > (int64_t)at && c[STEP_DO] != RECV_ARRAY;
        if (!sends || c[STEP_CASE] != mine[STEP_CASE] || number(s, (size_t)c[STEP_FIRST], at) != came)
            continue;
        if (c[STEP_DO] == PUT)
            snprintf(text, size,
                     " That is from another message, with the tag %d%s: which messages does your receive ask for?",
                     (int)c[STEP_TAG], c[STEP_COMM] != mine[STEP_COMM] ? " and on another communicator" : "");
        else if (&s->step[i] == o->step)
            snprintf(text, size, " That is what rank %d itself had before the call.", (int)c[STEP_RANK]);
        else
            snprintf(text, size, " That is what rank %d had.%s", (int)c[STEP_RANK],
                     turned_round(o, c[STEP_RANK]) ? " The ring was turned the other way: mind the sign of steps, and "
                                                     "that % keeps the sign of a negative number."
                                                   : "");
    }
}

static void expect_right_numbers(const struct outcome *o, size_t first, size_t count, const char *array)
{
    size_t wrong = 0, at = 0;
    char origin[200];
    for (size_t i = count; i-- > 0;)
        if (o->values[i] != number(o->script, first, i)) {
            wrong++;
            at = i;
        }
    if (!wrong)
        return;
    origin_words(o, at, origin, sizeof origin);
    fail_test(CAUSE_WRONG_VALUE, o->run,
              "%s: %s[%zu] is %.17g; expected %.17g, as rank %d had it (%zu of %zu are wrong).%s", o->words, array, at,
              o->values[at], number(o->script, first, at), o->step->from, wrong, count, origin);
}

/* ---- each kind of expectation ---- */

static void expect_result(const struct outcome *o)
{
    static const char *const words[] = {"MPI_SUCCESS", "MPI_ERR_RANK", "MPI_ERR_TRUNCATE", "an error code",
                                        "something that is no code of MPI"};
    int64_t result = o->called[CALLED_RESULT];
    int wanted = o->step->expect == EXPECT_RANK_ERROR ? RESULT_RANK : RESULT_SUCCESS;
    if (result == RESULT_MISSING)
        fail_test(
            CAUSE_WRONG_VALUE, o->run,
            "before your functions were called, main.c had sent a message with the tag %d from "
            "rank %d to rank %d. Afterwards it is not there any more: a receive of yours took it. Which tag, and which "
            "communicator, does it ask for?",
            (int)o->step->column[STEP_TAG], (int)o->step->column[STEP_PEER], (int)o->step->column[STEP_RANK]);
    if (result == RESULT_CHANGED)
        fail_test(
            CAUSE_WRONG_VALUE, o->run,
            "%s changed the array that it was to send. It is const: it belongs to the caller, and he may need it. "
            "Receive into the other one.",
            o->words);
    if (result == wanted)
        return;
    const char *cause =
        wanted == RESULT_RANK ? " That rank is not in the communicator: return the code of the MPI call that says so."
        : result == RESULT_TRUNCATED && o->step->expect == EXPECT_ONE_OF
            ? " The message is longer than the one that was looked at: after a probe with MPI_ANY_SOURCE, another "
              "rank's message may be the next. Receive from status.MPI_SOURCE."
        : result == RESULT_TRUNCATED
            ? " The message is longer than the room for it: a message from another rank or with another tag, or a "
              "length that is wrong."
            : "";
    const char *advice = result == RESULT_OTHER ? mpi_error_advice(o->run->err) : "";
    fail_test(CAUSE_WRONG_VALUE, o->run, "%s returned %s; expected %s.%s%s%s", o->words,
              result >= 0 && result <= RESULT_NO_CODE ? words[result] : "nonsense", words[wanted], cause,
              *advice ? " " : "", advice);
}

/* Some list that was sent to this rank in this case. */
static const struct step *list_for(const struct outcome *o, size_t index)
{
    const struct step *sent = &o->script->step[index];
    const int64_t *c = sent->column, *mine = o->step->column;
    return c[STEP_DO] == SEND_LIST && c[STEP_CASE] == mine[STEP_CASE] && c[STEP_COMM] == mine[STEP_COMM] &&
                   c[STEP_PEER] == mine[STEP_RANK]
               ? sent
               : NULL;
}

static const char more_messages[] =
    " If a list is more than one message, all of them have to come from the same rank: MPI_ANY_SOURCE is for the first "
    "one, whose status says whom the others are from.";

/* recv_list with MPI_ANY_SOURCE: one of the lists that were sent, and each only once. */
static void expect_one_of(const struct outcome *o)
{
    int64_t count = o->called[CALLED_COUNT];
    const struct step *near = NULL;
    for (size_t i = 0; i < o->script->count; i++) {
        const struct step *sent = list_for(o, i);
        if (!sent)
            continue;
        size_t first = (size_t)sent->column[STEP_FIRST], length = (size_t)sent->column[STEP_COUNT], same = 0;
        while (same < length && (int64_t)same < o->called[CALLED_VALUES] &&
               o->values[same] == number(o->script, first, same))
            same++;
        if (same > 0)
            near = sent;
        if (same < length || count != (int64_t)length || sent->taken)
            continue;
        o->script->step[i].taken = true;
        return;
    }
    if (near && near->taken)
        fail_test(CAUSE_WRONG_VALUE, o->run, "%s: the list of rank %d was received twice.", o->words,
                  (int)near->column[STEP_RANK]);
    if (near)
        fail_test(CAUSE_WRONG_VALUE, o->run,
                  "%s: count is %lld and the elements begin as those of rank %d, who sent %d. Length "
                  "and elements are not of the same message: after a probe with MPI_ANY_SOURCE, another rank's message "
                  "may be "
                  "the next. Receive from status.MPI_SOURCE.",
                  o->words, (long long)count, (int)near->column[STEP_RANK], (int)near->column[STEP_COUNT]);
    fail_test(CAUSE_WRONG_VALUE, o->run, "%s: a list of %lld elements that none of the ranks sent.%s", o->words,
              (long long)count, more_messages);
}

/* Why a list has another length than the one that was sent. */
static const char *count_cause(const struct outcome *o)
{
    int64_t count = o->called[CALLED_COUNT], length = (int64_t)o->step->count;
    if (length > 0 && (count == 8 * length || count == 2 * length))
        return " MPI_Get_count counts elements of the type it is told: MPI_DOUBLE.";
    for (const struct step *sent = o->script->step; sent < o->step; sent++) {
        const int64_t *c = sent->column, *mine = o->step->column;
        if (c[STEP_DO] == SEND_LIST && c[STEP_CASE] < mine[STEP_CASE] && c[STEP_COMM] == mine[STEP_COMM] &&
            c[STEP_RANK] == o->step->from && c[STEP_PEER] == mine[STEP_RANK] && c[STEP_COUNT] == count)
            return " An earlier list from there was that long: was its message received, or only looked at? A message "
                   "stays "
                   "until it is received, also an empty one.";
    }
    return count == 0 ? " Is *count set once the length is known?" : "";
}

static void expect_list(const struct outcome *o)
{
    int64_t count = o->called[CALLED_COUNT], length = (int64_t)o->step->count, pointer = o->called[CALLED_POINTER];
    if (pointer == POINTER_UNTOUCHED || count == -1)
        fail_test(CAUSE_WRONG_VALUE, o->run, "%s did not set *%s.", o->words,
                  pointer == POINTER_UNTOUCHED ? "list" : "count");
    if (count != length)
        fail_test(CAUSE_WRONG_VALUE, o->run, "%s: count is %lld; rank %d sent %lld element%s.%s", o->words,
                  (long long)count, o->step->from, (long long)length, length == 1 ? "" : "s", count_cause(o));
    if (length > 0 && pointer == POINTER_NULL)
        fail_test(CAUSE_WRONG_VALUE, o->run, "%s: count is right, but *list is NULL.", o->words);
    expect_right_numbers(o, o->step->first, o->step->count, "list");
}

static void expect_error_state(const struct outcome *o)
{
    if (o->step->column[STEP_DO] != RECV_LIST)
        return;
    if (o->called[CALLED_POINTER] != POINTER_NULL || o->called[CALLED_COUNT] != 0)
        fail_test(CAUSE_WRONG_VALUE, o->run,
                  "%s failed, as it should, but left *list %s and *count = %lld; expected NULL and 0.", o->words,
                  o->called[CALLED_POINTER] == POINTER_NULL ? "= NULL" : "not NULL",
                  (long long)o->called[CALLED_COUNT]);
}

static void expect_outcome(const struct outcome *o)
{
    static const char *const arrays[] = {"", "list", "", "array", "theirs", "array", "", "the message"};
    int64_t deed = o->step->column[STEP_DO];
    expect_result(o);
    if (o->step->expect == EXPECT_RANK_ERROR)
        expect_error_state(o);
    else if (o->step->expect == EXPECT_ONE_OF)
        expect_one_of(o);
    else if (o->step->expect == EXPECT_NUMBERS && deed == RECV_LIST)
        expect_list(o);
    else if (o->step->expect == EXPECT_NUMBERS && o->called[CALLED_VALUES] != (int64_t)o->step->count)
        fail_test(CAUSE_WRONG_VALUE, o->run, "%s: a message of %lld elements where rank %d sent %zu.", o->words,
                  (long long)o->called[CALLED_VALUES], o->step->from, o->step->count);
    else if (o->step->expect == EXPECT_NUMBERS)
        expect_right_numbers(o, o->step->first, o->step->count, arrays[deed]);
    for (int64_t i = 0; o->step->expect == EXPECT_UNTOUCHED && i < o->called[CALLED_VALUES]; i++)
        if (o->values[i] != UNTOUCHED)
            fail_test(CAUSE_WRONG_VALUE, o->run,
                      "%s: theirs[%lld] is %.17g; nobody is there, so theirs stays as it was (%g).", o->words,
                      (long long)i, o->values[i], UNTOUCHED);
}

/* Compares all that the ranks wrote; heap gets what HEAP steps found, in the script's order (or is NULL). */
static void judge(const struct run *r, struct script *s, int64_t *heap)
{
    struct answers answers[COMM_SIZES];
    for (int rank = 0; rank < s->ranks; rank++)
        answers[rank] = read_answers(r, s, rank);
    for (size_t i = 0; i < s->count; i++) {
        if (!has_answer(&s->step[i]))
            continue;
        struct answers *a = &answers[world_rank(s, &s->step[i])];
        struct outcome o = {.run = r, .script = s, .step = &s->step[i]};
        o.called = (const int64_t *)a->calls.data + CALLED_COLUMNS * a->next++;
        o.values = (const double *)a->values.data + a->used;
        a->used += (size_t)o.called[CALLED_VALUES];
        step_words(s, o.step, o.words, sizeof o.words);
        if (o.called[CALLED_STEP] != (int64_t)i)
            fail_test(CAUSE_TAMPER, r, "the ranks' files do not tell of the steps that were asked for.");
        if (o.step->column[STEP_DO] != HEAP)
            expect_outcome(&o);
        else if (heap)
            *heap++ = o.called[CALLED_COUNT];
    }
    for (int rank = 0; rank < s->ranks; rank++) {
        npy_free(&answers[rank].calls);
        npy_free(&answers[rank].values);
    }
}

/* ---- running a script ---- */

static void put_script(const struct script *s)
{
    int64_t(*rows)[STEP_COLUMNS] = calloc(s->count + 1, sizeof *rows);
    if (!rows)
        fail_test(CAUSE_ENVIRONMENT, NULL, "out of memory");
    for (size_t i = 0; i < s->count; i++)
        memcpy(rows[i], s->step[i].column, sizeof rows[i]);
    put_array("script.npy", NPY_I8, 2, (size_t[]){s->count, STEP_COLUMNS}, rows);
    put_array("data.npy", NPY_F8, 1, (size_t[]){NUMBERS}, s->data);
    free(rows);
}

/* To a wrong result belongs what else is wrong with the messages: it is often the reason. */
static void say_what_is_left(struct mpi_story *story)
{
    char *clash = mpi_story_clash(story, MPI_STORY_ALL), *left = mpi_story_objects(story, MPI_STORY_ALL);
    if (clash || left)
        say_also(text_format("%s.", clash ? clash : left)); /* is in use to the end of the test */
    free(clash);
    free(left);
}

static struct mpi_story *run_script(struct run *r, const struct launch *how, const struct script *s)
{
    struct launch launch = *how;
    launch.ranks = s->ranks;
    launch.seconds = how->seconds > 0 ? how->seconds : SECONDS;
    put_script(s);
    struct mpi_story *story = run_mpi(r, &launch, ARGS("script.npy", "data.npy"));
    expect_mpi_success(r, story);
    return story;
}

/* Does the script, expects all of it to be right, and frees it. */
static void perform(struct script *s, const struct launch *how)
{
    struct run r;
    struct mpi_story *story = run_script(&r, how, s);
    if (!how->env || how->env == synchronous) /* else there are words already */
        say_what_is_left(story);
    judge(&r, s, NULL);
    mpi_story_free(story);
    run_free(&r);
    free_script(s);
}

static const struct launch plain = {0}, unbuffered = {.env = synchronous};

/* ---- lists ---- */

START_TEST(list_arrives)
{
    static const size_t counts[] = {4, 1, 10, 100};
    struct script *s = new_script(3);
    for (size_t i = 0; i < 4; i++) {
        next_case(s);
        add_list(s, comm_code(COMM_FIRST, 2), 0, 1, counts[i]);
        add_list(s, comm_code(COMM_FIRST, 2), 1, 0, counts[i] + 1);
        next_case(s);
        add_list(s, comm_code(COMM_FIRST, 3), 2, 0, counts[i]);
        add_list(s, comm_code(COMM_FIRST, 3), 2, 1, counts[i] + 2);
    }
    perform(s, &plain);
}
END_TEST

/* Rank 0 sends the empty lists, and short ones: if an empty one was left lying, those come out wrong and nothing hangs. */
START_TEST(list_lengths)
{
    /* Who sends in blocks has one that is full, or none, at the end: round numbers of all kinds. The long ones go from
       rank 1 to rank 0: an empty list that was left lying, all of which go the other way, is not to stop them. */
    static const size_t counts[] = {0,    512,   1,    513,   100,  511,    0,    LARGE, 0,    1000, 8,
                                    1024, 10,    2000, 16,    2048, 32,     4096, 50,    5000, 64,   8192,
                                    128,  10000, 200,  65536, 250,  100000, 256,  3000,  500};
    struct script *s = new_script(2);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        next_case(s);
        add_list(s, comm_code(COMM_FIRST, 2), (int)i % 2, 1 - (int)i % 2, counts[i]);
    }
    perform(s, &plain);
}
END_TEST

/* Every other rank of comm sends `each` lists to rank `to`, all of different lengths. With
   wait, the receiver begins when something has come from each of them. */
static void add_many_lists(struct script *s, int comm, int size, int to, int each, bool wait)
{
    next_case(s);
    for (int k = 0; k < each; k++)
        for (int from = 0; from < size; from++)
            if (from != to)
                add(s, comm, from, SEND_LIST, to, 1 + 7 * (size_t)from + (size_t)k, somewhere(s));
    for (int from = 0; wait && from < size; from++)
        if (from != to)
            add(s, comm, to, AWAIT, from, 0, 0);
    for (int k = 0; k < each * (size - 1); k++)
        add(s, comm, to, RECV_LIST, PEER_ANY, 0, 0)->expect = EXPECT_ONE_OF;
}

START_TEST(list_any_source)
{
    struct script *s = new_script(5);
    for (int round = 0; round < 3; round++)
        for (int size = 2; size <= 5; size++) {
            add_many_lists(s, comm_code(COMM_FIRST, size), size, round % size, 2, true);
            add_many_lists(s, comm_code(COMM_FIRST, size), size, round % size, 3, false);
        }
    perform(s, &plain);
}
END_TEST

/* ---- arrays ---- */

START_TEST(array_arrives)
{
    static const size_t counts[] = {10, 1, 2, 100};
    struct script *s = new_script(3);
    for (size_t i = 0; i < 4; i++) {
        next_case(s);
        add_array(s, comm_code(COMM_FIRST, 2), 0, 1, counts[i]);
        add_array(s, comm_code(COMM_FIRST, 2), 1, 0, counts[i]);
        next_case(s);
        add_array(s, comm_code(COMM_FIRST, 3), 2, 0, counts[i]);
        add_array(s, comm_code(COMM_FIRST, 3), 2, 1, counts[i]);
    }
    perform(s, &plain);
}
END_TEST

START_TEST(array_lengths)
{
    static const size_t counts[] = {0, 1, 511, 512, 513, LARGE, 0};
    struct script *s = new_script(2);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        next_case(s);
        add_array(s, comm_code(COMM_FIRST, 2), (int)i % 2, 1 - (int)i % 2, counts[i]);
    }
    perform(s, &plain);
}
END_TEST

/* ---- what is under way beside them ---- */

/* A tag that no submission uses but by chance, up to what every MPI allows. */
static int foreign_tag(void)
{
    return 20000 + (int)(suite_seed() % 12000);
}

/* Before a call come messages with other tags, and on MPI_COMM_WORLD one with the same tag. */
static void add_among_others(struct script *s, bool list, size_t count)
{
    const int other_tags[2][2] = {{11, 0}, {13, foreign_tag()}};
    int comm = comm_code(COMM_FIRST, 3), world = comm_code(COMM_WORLD, 3), tag = list ? 11 : 13;
    size_t first[3];
    next_case(s);
    for (int i = 0; i < 2; i++)
        first[i] = put_message(s, comm, 0, 1, count, other_tags[list][i]);
    first[2] = put_message(s, world, 0, 1, count, tag);
    add(s, comm, 1, AWAIT, 0, 0, 0);
    add(s, world, 1, AWAIT, 0, 0, 0);
    if (list)
        add_list(s, comm, 0, 1, count);
    else
        add_array(s, comm, 0, 1, count);
    for (int i = 0; i < 2; i++)
        take_message(s, comm, 0, 1, count, other_tags[list][i], first[i]);
    take_message(s, world, 0, 1, count, tag, first[2]);
}

START_TEST(other_messages)
{
    struct script *s = new_script(3);
    for (int round = 0; round < 3; round++) {
        add_among_others(s, true, 5 * (size_t)round + 1);
        add_among_others(s, false, 5 * (size_t)round + 1);
    }
    perform(s, &plain);
}
END_TEST

static const char other_numbers[] =
    "In this run the ranks of comm have other numbers than in the world: ask comm for rank and size, and give comm to\n"
    "  every call.";

START_TEST(communicators)
{
    say_also(other_numbers);
    struct script *s = new_script(5);
    for (int size = 2; size <= 5; size++) {
        int comm = comm_code(COMM_REVERSED, size);
        for (int from = 0; from < size; from++) {
            next_case(s);
            add_list(s, comm, from, (from + 1) % size, 6);
            next_case(s);
            add_array(s, comm, from, (from + size - 1) % size, 6);
        }
        add_many_lists(s, comm, size, size - 1, 1, true);
    }
    perform(s, &plain);
}
END_TEST

/* ---- exchange ---- */

/* In each round another way to make pairs; all pairs swap at once. */
static void add_pairs(struct script *s, int comm, int size, size_t count)
{
    for (int round = 0; round < size; round++) {
        next_case(s);
        for (int a = 0; a < size; a++) {
            int b = (round - a + size) % size;
            if (a < b)
                add_exchange(s, comm, a, b, count);
        }
    }
}

START_TEST(exchange_pairs)
{
    static const size_t counts[] = {1, 0, 10, 100};
    struct script *s = new_script(5);
    for (size_t i = 0; i < 4; i++)
        for (int size = 2; size <= 5; size++)
            add_pairs(s, comm_code(COMM_FIRST, size), size, counts[i]);
    perform(s, &plain);
}
END_TEST

START_TEST(exchange_unbuffered)
{
    static const size_t counts[] = {1, 10, 0, 513, LARGE};
    struct script *s = new_script(2);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        next_case(s);
        add_exchange(s, comm_code(COMM_FIRST, 2), 0, 1, counts[i]);
    }
    perform(s, &unbuffered);
}
END_TEST

START_TEST(exchange_self_and_none)
{
    static const size_t counts[] = {10, 0, 100000};
    struct script *s = new_script(3);
    for (size_t i = 0; i < 3; i++)
        for (int size = 1; size <= 3; size++)
            for (int rank = 0; rank < size; rank++) {
                int comm = comm_code(COMM_FIRST, size);
                next_case(s);
                add(s, comm, rank, EXCHANGE, PEER_NONE, counts[i], somewhere(s))->expect = EXPECT_UNTOUCHED;
                next_case(s);
                add_exchange(s, comm, rank, rank, counts[i]);
            }
    perform(s, &plain);
}
END_TEST

/* ---- the ring ---- */

static void add_rings(struct script *s, enum comm_kind kind, const int *steps, size_t steps_count, size_t count)
{
    for (int i = 1; i <= s->ranks; i++) {
        int size = i % s->ranks + 1; /* the ring of one rank comes last: its hang would say less */
        for (size_t k = 0; k < steps_count; k++) {
            next_case(s);
            add_ring(s, comm_code(kind, size), size, count, steps[k]);
        }
    }
}

START_TEST(ring_steps)
{
    static const int steps[] = {1, 0, 2};
    struct script *s = new_script(5);
    say_also(
        "In this run ring_shift is called on several communicators, one after the other, and each has its own size:\n"
        "  ask comm for rank and size in every call, and keep neither in a static variable.");
    add_rings(s, COMM_FIRST, steps, 3, 7);
    add_rings(s, COMM_FIRST, steps, 3, 1);
    add_rings(s, COMM_FIRST, steps, 3, 0);
    perform(s, &plain);
}
END_TEST

START_TEST(ring_round)
{
    static const int steps[] = {-1, -2, 5, 7, -5, -8, 23, -101};
    struct script *s = new_script(5);
    add_rings(s, COMM_FIRST, steps, sizeof steps / sizeof *steps, 3);
    perform(s, &plain);
}
END_TEST

START_TEST(ring_unbuffered)
{
    static const int steps[] = {1, 0, 2};
    struct script *s = new_script(5);
    add_rings(s, COMM_FIRST, steps, 3, 3);
    add_rings(s, COMM_FIRST, steps, 2, 20000);
    perform(s, &unbuffered);
}
END_TEST

/* The others are older than what exchange and ring_shift send: a receive of any tag takes them. */
static void add_calls_among_others(struct script *s)
{
    const int tags[] = {foreign_tag(), 11, 13}; /* a list and an array may be under way, too */
    int comm = comm_code(COMM_FIRST, 3), world = comm_code(COMM_WORLD, 3);
    for (int i = 0; i < 6; i++) {
        int tag = tags[i / 2];
        next_case(s);
        size_t same = put_message(s, comm, 0, 1, 4, tag), other = put_message(s, world, 0, 1, 4, tag);
        add(s, comm, 1, AWAIT, 0, 0, 0);
        if (i % 2)
            add_ring(s, comm, 3, 4, 1);
        else
            add_exchange(s, comm, 0, 1, 4);
        take_message(s, comm, 0, 1, 4, tag, same);
        take_message(s, world, 0, 1, 4, tag, other);
    }
}

START_TEST(communicators_ring)
{
    say_also(other_numbers);
    static const int steps[] = {1, 2};
    struct script *s = new_script(5);
    add_rings(s, COMM_REVERSED, steps, 2, 4);
    for (int size = 2; size <= 5; size++)
        add_pairs(s, comm_code(COMM_REVERSED, size), size, 4);
    add_calls_among_others(s);
    perform(s, &plain);
}
END_TEST

/* ---- errors, and what is left ---- */

static void note_heaps(struct script *s)
{
    next_case(s);
    for (int rank = 0; rank < s->ranks; rank++)
        add(s, comm_code(COMM_FIRST, s->ranks), rank, HEAP, 0, 0, 0);
}

static const enum deed failing_deeds[] = {SEND_ARRAY, RECV_ARRAY, SEND_LIST, RECV_LIST, EXCHANGE};
enum { FAILING = sizeof failing_deeds / sizeof *failing_deeds };

/* What a function made before the call that failed is to be freed. */
static void expect_errors_free(void)
{
    enum { ROUNDS = 40, COUNT = 40, LEAST = 200 }; /* bytes: the MPI library may lose some itself */
    int64_t heap[4];
    int comm = comm_code(COMM_FIRST, 2);
    struct script *s = new_script(2);
    struct run r;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        if (i == ROUNDS) /* the first half is there to fill the MPI library's own stores */
            note_heaps(s);
        next_case(s);
        for (int k = 0; k < 2 * FAILING; k++)
            add(s, comm, k % 2, failing_deeds[k / 2], 2, COUNT, somewhere(s))->expect = EXPECT_RANK_ERROR;
    }
    note_heaps(s);
    mpi_story_free(run_script(&r, &plain, s));
    judge(&r, s, heap);
    for (int rank = 0; rank < 2; rank++) {
        double each = (double)(heap[2 + rank] - heap[rank]) / ROUNDS;
        if (each > LEAST)
            fail_test(
                CAUSE_LEAK, NULL,
                "on rank %d the heap grows by about %.0f bytes each time that every function is called with a rank "
                "that there is not. On the way out through an error, too, what malloc gave is to be freed.%s\n"
                "  command: %s",
                rank, each, explain_leak(NULL), r.command);
    }
    run_free(&r);
    free_script(s);
}

START_TEST(error_codes)
{
    int comm = comm_code(COMM_FIRST, 2);
    struct script *s = new_script(2);
    for (int far = 2; far <= 5; far += 3) /* ranks 2 and 5 of a communicator of 2 */
        for (size_t i = 0; i < FAILING; i++) {
            next_case(s);
            add(s, comm, (int)i % 2, failing_deeds[i], far, 3, somewhere(s))->expect = EXPECT_RANK_ERROR;
        }
    next_case(s); /* and after all these errors everything works as before */
    add_list(s, comm, 0, 1, 5);
    add_array(s, comm, 1, 0, 5);
    next_case(s);
    add_exchange(s, comm, 0, 1, 5);
    perform(s, &plain);
    expect_errors_free();
}
END_TEST

/* Every function once, among three ranks. Short, no empty list, nobody sends to itself:
   whether that works is the matter of other tests. */
static void add_everything(struct script *s, size_t count)
{
    int comm = comm_code(COMM_FIRST, 3);
    next_case(s);
    add_list(s, comm, 0, 1, count);
    add_array(s, comm, 1, 2, count);
    next_case(s);
    add_exchange(s, comm, 0, 2, count);
    next_case(s);
    add_ring(s, comm, 3, count, 1);
    next_case(s);
    add_ring(s, comm, 3, count, 2);
}

START_TEST(nothing_left)
{
    enum { ROUNDS = 40, COUNT = 300 };
    int64_t heap[6];
    struct script *s = new_script(3);
    struct run r;
    for (int i = 0; i < 2 * ROUNDS; i++) {
        if (i == ROUNDS) /* the first half is there to fill the MPI library's own stores */
            note_heaps(s);
        add_everything(s, COUNT);
    }
    note_heaps(s);
    struct mpi_story *story = run_script(&r, &plain, s);
    judge(&r, s, heap);
    expect_nothing_left(&r, story, MPI_STORY_ALL);
    for (int rank = 0; rank < 3; rank++) {
        double each = (double)(heap[3 + rank] - heap[rank]) / ROUNDS;
        if (each > COUNT * sizeof(double) * 0.8)
            fail_test(CAUSE_LEAK, &r,
                      "on rank %d the heap grows by about %.0f bytes each time round, where arrays of %d bytes "
                      "are sent: a block from malloc is never freed.%s",
                      rank, each, (int)(COUNT * sizeof(double)), explain_leak(NULL));
    }
    mpi_story_free(story);
    run_free(&r);
    free_script(s);
}
END_TEST

/* ---- calls that follow each other at once, while some ranks are late ---- */

/* Nobody waits between these calls, as main.c does between two cases: a rank may be two calls ahead of another. */
static void add_calls_in_a_row(struct script *s, int size)
{
    static const int steps[] = {1, 2, -1, 3, 1, -2, 2, -3};
    int comm = comm_code(COMM_FIRST, size);
    next_case(s);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        add_ring(s, comm, size, 4, steps[i]);
    next_case(s);
    for (int round = 0; round < size; round++)
        for (int a = 0; a < size; a++) {
            int b = (round - a + size) % size;
            if (a < b)
                add_exchange(s, comm, a, b, 4);
        }
    next_case(s);
    for (int round = 0; round < 2; round++)
        for (int i = 1; i < size; i++) {
            int from = round % 2 ? i : size - i; /* not in the order in which they come */
            add_list(s, comm, from, 0, 3 + (size_t)from);
            add_array(s, comm, from, 0, 3 + (size_t)from);
        }
}

/* One rank comes when the other has long been waiting. */
static void wait_for_late_ranks(void)
{
    enum { LATE = 700 }; /* ms */
    int comm = comm_code(COMM_FIRST, 6);
    struct script *s = new_script(6);
    say_also("In this run one rank of each pair comes 0.7 s after the other. Wait for it, however long: MPI_Probe, "
             "MPI_Recv and MPI_Wait "
             "do that,\n  who looks only so many times (MPI_Iprobe, MPI_Test) gives up too early.");
    next_case(s); /* three pairs at the same time */
    for (int late = 0; late < 6; late += 2)
        add(s, comm, late, REST, 0, LATE, 0);
    add_list(s, comm, 0, 1, 5);
    add_array(s, comm, 2, 3, 5);
    add_exchange(s, comm, 4, 5, 5);
    perform(s, &plain);
}

START_TEST(any_schedule)
{
    say_also(
        "In this run (LAB_MPI_HOLD, by its seed) your MPI calls are held back for some milliseconds, those of one\n"
        "  rank most of all, and your functions are called one after the other without waiting for the other ranks.\n"
        "  So a message of a later call, or of another rank, may be there first: name the source and the tag.");
    for (uint64_t i = 0; i < 3; i++) {
        char seed[40];
        snprintf(seed, sizeof seed, "LAB_MPI_HOLD=%" PRIu64, (suite_seed() + i) % 1000000);
        struct launch held = {.env = (const char *const[]){seed, NULL}};
        struct script *s = new_script(5);
        add_calls_in_a_row(s, 5);
        struct run r;
        struct mpi_story *story = run_script(&r, &held, s);
        judge(&r, s, NULL);
        char *words = mpi_story_not_ready(story, MPI_STORY_ALL);
        if (words)
            fail_test(CAUSE_RACE, &r, "%s.", words);
        mpi_story_free(story);
        run_free(&r);
        free_script(s);
    }
    wait_for_late_ranks();
}
END_TEST

START_TEST(memory_clean)
{
    static const struct launch asan = {.flavour = "asan", .env = explain_leaks_env, .seconds = 2 * SECONDS};
    struct script *s = new_script(3);
    struct run r;
    add_everything(s, 0);
    add_everything(s, 1);
    add_everything(s, 7);
    add_everything(s, 300);
    struct mpi_story *story = run_script(&r, &asan, s);
    char *words = mpi_story_clash(story, MPI_STORY_ALL);
    if (words)
        fail_test(CAUSE_MEMORY, &r, "%s.", words);
    judge(&r, s, NULL);
    mpi_story_free(story);
    run_free(&r);
    free_script(s);
}
END_TEST

int main(int argc, char **argv)
{
    const TTest *const tests[] = {
        list_arrives,    list_lengths,       list_any_source,     array_arrives,          array_lengths, other_messages,
        communicators,   exchange_pairs,     exchange_unbuffered, exchange_self_and_none, ring_steps,    ring_round,
        ring_unbuffered, communicators_ring, error_codes,         nothing_left,           any_schedule,  memory_clean,
    };
    return suite_main(argc, argv, "sendrecv", tests, sizeof tests / sizeof *tests);
}
