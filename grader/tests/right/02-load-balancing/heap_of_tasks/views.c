/* Different: the tasks that wait are in a heap, one for each engine or one for all, and every idle engine is looked for again after each result. */
#include "views.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int apply_sync(struct engines *e, int id, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int rc = engines_submit(e, id, task, in, in_size, out_size);
    if (rc == 0) {
        rc = engines_collect(e, id, out);
    }
    return rc;
}

int apply_all(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size)
{
    int n = engines_count(e);
    char *took = malloc(n);
    int eio = 0, echild = 0, other = 0;
    for (int i = 0; i < n; i++) {
        took[i] = engines_submit(e, i, task, in, in_size, out_size) == 0;
        if (!took[i]) { if (errno == ECHILD) echild++; else other = errno; }
    }
    char *p = out;
    for (int i = 0; i < n; i++, p += out_size) {
        if (!took[i]) continue;
        if (engines_collect(e, i, p) == -1) {
            if (errno == EIO) eio++; else echild++;
        }
    }
    free(took);
    if (echild) { errno = ECHILD; return -1; }
    if (eio) { errno = EIO; return -1; }
    if (other) { errno = other; return -1; }
    return 0;
}

/* min-heap of pending task numbers; overkill, but it is always the smallest that goes next */
struct heap { size_t *a; size_t n; };
static void push(struct heap *h, size_t v)
{
    size_t i = h->n++;
    h->a[i] = v;
    while (i > 0 && h->a[(i - 1) / 2] > h->a[i]) {
        size_t t = h->a[i]; h->a[i] = h->a[(i-1)/2]; h->a[(i-1)/2] = t;
        i = (i - 1) / 2;
    }
}
static size_t pop(struct heap *h)
{
    size_t r = h->a[0];
    h->a[0] = h->a[--h->n];
    for (size_t i = 0;;) {
        size_t c = 2 * i + 1;
        if (c >= h->n) break;
        if (c + 1 < h->n && h->a[c + 1] < h->a[c]) c++;
        if (h->a[i] <= h->a[c]) break;
        size_t t = h->a[i]; h->a[i] = h->a[c]; h->a[c] = t;
        i = c;
    }
    return r;
}

/* one heap per engine (direct), or one heap for all (balanced) */
static int run(struct engines *e, task_fn task, const char *in, size_t is, char *out, size_t os, struct heap **of, int n)
{
    size_t *cur = malloc(sizeof(size_t) * n);
    char *dead = calloc(n, 1), *busy = calloc(n, 1);
    int eio = 0, echild = 0;
    for (;;) {
        int anybusy = 0;
        for (int id = 0; id < n; id++) {
            if (!busy[id] && !dead[id] && of[id]->n > 0) {
                size_t t = pop(of[id]);
                if (engines_submit(e, id, task, in + t * is, is, os) != 0) {
                    dead[id] = 1;
                    echild = 1;
                    push(of[id], t);
                } else {
                    busy[id] = 1;
                    cur[id] = t;
                }
            }
            anybusy |= busy[id];
        }
        if (!anybusy) break;
        int id = engines_any(e);
        busy[id] = 0;
        if (engines_collect(e, id, out + cur[id] * os) != 0) {
            if (errno == ECHILD) { dead[id] = 1; echild = 1; }
            else eio = 1;
        }
    }
    free(cur); free(dead); free(busy);
    if (echild) errno = ECHILD;
    else if (eio) errno = EIO;
    return echild || eio ? -1 : 0;
}

int direct_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    int n = engines_count(e);
    struct heap *h = calloc(n, sizeof *h), **of = calloc(n, sizeof *of);
    for (int i = 0; i < n; i++) {
        h[i].a = calloc(count + 1, sizeof(size_t));
        of[i] = &h[i];
    }
    for (size_t t = 0; t < count; t++)
        push(&h[t * n / count], t);
    int rc = run(e, task, in, in_size, out, out_size, of, n);
    int err = errno;
    for (int i = 0; i < n; i++) free(h[i].a);
    free(h); free(of);
    errno = err;
    return rc;
}

int balanced_map(struct engines *e, task_fn task, const void *in, size_t in_size, void *out, size_t out_size, size_t count)
{
    int n = engines_count(e);
    struct heap h = { calloc(count + 1, sizeof(size_t)), 0 };
    struct heap **of = calloc(n, sizeof *of);
    for (int i = 0; i < n; i++) of[i] = &h;
    for (size_t t = count; t > 0; t--) push(&h, t - 1);
    int rc = run(e, task, in, in_size, out, out_size, of, n);
    int err = errno;
    free(h.a); free(of);
    errno = err;
    return rc;
}
