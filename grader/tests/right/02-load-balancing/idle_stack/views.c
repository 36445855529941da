/* Different: the balanced view keeps a stack of idle engines, the direct view gives out its blocks backwards, last block to engine 0. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "views.h"

static bool died, failed; /* of the call in progress; set at its beginning */

static void begin_call(void)
{
    died = failed = false;
}

static int end_call(void)
{
    if (!died && !failed)
        return 0;
    errno = died ? ECHILD : EIO;
    return -1;
}

static bool good(int result)
{
    if (result == 0)
        return true;
    if (errno == EIO)
        failed = true;
    else
        died = true;
    return false;
}

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    if (id < 0 || id >= engines_count(e)) {
        errno = EINVAL;
        return -1;
    }
    begin_call();
    if (good(engines_submit(e, id, task, in, in_size, out_size)))
        good(engines_collect(e, id, out));
    return end_call();
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int n = engines_count(e);
    bool busy[n];
    begin_call();
    for (int id = n; id-- > 0;)
        busy[id] = good(engines_submit(e, id, task, in, in_size, out_size));
    for (int id = 0; id < n; id++)
        if (busy[id])
            good(engines_collect(e, id, (char *)out + (size_t)id * out_size));
    return end_call();
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
               size_t count)
{
    size_t n = (size_t)engines_count(e), left = count, next[n], end[n];
    int busy = 0;
    begin_call();
    for (size_t id = 0; id < n; id++) {
        size_t size = (left + n - id - 1) / (n - id);
        end[id] = left;
        next[id] = left -= size;
    }
    for (size_t id = 0; id < n; id++)
        if (next[id] < end[id])
            busy += good(engines_submit(e, (int)id, task, (const char *)in + next[id] * in_size, in_size, out_size));
    while (busy > 0) {
        int id = engines_any(e);
        bool alive = good(engines_collect(e, id, (char *)out + next[id] * out_size)) || errno == EIO;
        busy--;
        if (alive && ++next[id] < end[id])
            busy += good(engines_submit(e, id, task, (const char *)in + next[id] * in_size, in_size, out_size));
    }
    return end_call();
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size,
                 size_t count)
{
    int n = engines_count(e), idle[n], idles = 0, busy = 0;
    char *place[n];
    size_t next = 0;
    begin_call();
    for (int id = 0; id < n; id++)
        idle[idles++] = id;
    while (next < count || busy > 0) {
        while (idles > 0 && next < count) {
            int id = idle[--idles];
            if (!good(engines_submit(e, id, task, (const char *)in + next * in_size, in_size, out_size)))
                continue; /* dead: it does not come back to the stack */
            place[id] = (char *)out + next++ * out_size;
            busy++;
        }
        if (busy == 0)
            break;
        int id = engines_any(e);
        good(engines_collect(e, id, place[id]));
        busy--;
        idle[idles++] = id;
    }
    return end_call();
}
