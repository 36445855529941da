/* Different: apply_all recurses over the engines; both maps work off linked lists of tasks, one list an engine or one for all. */
#include "views.h"

#include <errno.h>
#include <stdlib.h>

struct node {
    const char *in;
    char *out;
    struct node *next;
};

static int combine(int before, int now)
{
    if (before == ECHILD || now == ECHILD)
        return ECHILD;
    return before != 0 ? before : now;
}

static int finish(int error)
{
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : -1;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (engines_submit(e, id, task, in, in_size, out_size) != 0)
        return -1;
    return engines_collect(e, id, out);
}

/* Submits on the way down, collects on the way back. */
static int on_all_from(struct engines *e, int id, task_fn task, const void *in, size_t in_size, char *out,
                       size_t out_size)
{
    if (id == engines_count(e))
        return 0;
    int mine = engines_submit(e, id, task, in, in_size, out_size) == 0 ? 0 : errno;
    int others = on_all_from(e, id + 1, task, in, in_size, out, out_size);
    if (mine == 0 && engines_collect(e, id, out + (size_t)id * out_size) != 0)
        mine = errno;
    return combine(others, mine);
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    return finish(on_all_from(e, 0, task, in, in_size, out, out_size));
}

static void chain(struct node *nodes, size_t first, size_t end)
{
    for (size_t i = first; i + 1 < end; i++)
        nodes[i].next = &nodes[i + 1];
}

/* list[lists of them]: engine id takes from list[id % lists]. */
static int work_off(struct engines *e, struct node **list, size_t lists, task_fn task, size_t in_size, size_t out_size)
{
    size_t n = (size_t)engines_count(e), busy = 0;
    int error = 0, id;
    struct node **at = calloc(n, sizeof(struct node *));
    if (at == NULL)
        return errno;
    for (size_t turn = 0; turn < n || busy > 0; turn++) {
        if (turn < n) {
            id = (int)turn;
        } else {
            id = engines_any(e);
            if (engines_collect(e, id, at[id]->out) != 0)
                error = combine(error, errno);
            busy--;
        }
        struct node **head = &list[(size_t)id % lists];
        if (*head == NULL)
            continue;
        if (engines_submit(e, id, task, (*head)->in, in_size, out_size) != 0) {
            error = combine(error, errno);
            continue;
        }
        at[id] = *head;
        *head = (*head)->next;
        busy++;
    }
    free(at);
    return error;
}

static int map_by_lists(struct engines *e, size_t lists, task_fn task, const void *in, size_t in_size, void *out,
                        size_t out_size, size_t count)
{
    struct node *nodes = calloc(count + 1, sizeof(struct node)), **list = calloc(lists, sizeof(struct node *));
    int error = ENOMEM;
    if (nodes != NULL && list != NULL) {
        for (size_t i = 0; i < count; i++)
            nodes[i] = (struct node){(const char *)in + i * in_size, (char *)out + i * out_size, NULL};
        size_t first = 0;
        for (size_t k = 0; k < lists; k++) {
            size_t end = first + (count - first) / (lists - k); /* a fair share of what is left */
            chain(nodes, first, end);
            list[k] = first < end ? &nodes[first] : NULL;
            first = end;
        }
        error = work_off(e, list, lists, task, in_size, out_size);
    }
    free(nodes);
    free(list);
    return finish(error);
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    return map_by_lists(e, (size_t)engines_count(e), task, in, in_size, out, out_size, count);
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    return map_by_lists(e, 1, task, in, in_size, out, out_size, count);
}
