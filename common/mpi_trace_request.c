/* mpi_trace_request.c: the student's waits and tests, and what they end. */
#include <sched.h>
#include <stdlib.h>

#include "mpi_trace_record.h"

#define LOOK_AGAIN 20000000u /* nanoseconds between two looks at which requests are still open */

static uint64_t key(MPI_Request request)
{
    return (uint64_t)(uintptr_t)request;
}

/* ---- requests that are waited for ---- */

/* A list of requests as it was before the call: finished ones lose their handle. */
struct batch {
    int count;
    uint64_t *handles;
    MPI_Status *statuses; /* the student's, or ours where they are ignored */
    MPI_Status *ours;
};

static struct batch batch_of(int count, const MPI_Request *requests, MPI_Status *statuses)
{
    size_t n = count > 0 ? (size_t)count : 0;
    struct batch batch = {.count = (int)n, .handles = calloc(n + 1, sizeof(uint64_t)), .statuses = statuses};
    if (statuses == MPI_STATUSES_IGNORE)
        batch.statuses = batch.ours = calloc(n + 1, sizeof(MPI_Status));
    if (!batch.handles || !batch.statuses)
        abort(); /* no memory left: nothing sensible can be recorded or returned */
    for (size_t i = 0; i < n; i++)
        batch.handles[i] = key(requests[i]);
    return batch;
}

static void batch_free(struct batch *batch)
{
    free(batch->handles);
    free(batch->ours);
}

/* Notes which requests the wait is for. The call tells of the first. */
static void await(struct mpi_trace_call *call, const struct batch *batch, const MPI_Request *requests)
{
    struct mpi_trace_file *file = trace_file();
    trace_lock();
    for (int i = 0; i < MPI_TRACE_OBJECTS; i++)
        file->object[i].waiting = 0;
    for (int i = 0; i < batch->count; i++) {
        struct mpi_trace_object *object = trace_object_find(OBJECT_REQUEST, batch->handles[i], &requests[i]);
        if (!object || !object->active)
            continue;
        object->waiting = 1;
        if (call->of >= 0)
            continue;
        call->of = object->made.function;
        call->comm = object->made.comm;
        call->comm_size = object->made.comm_size;
        call->comm_rank = object->made.comm_rank;
        call->to = object->made.to;
        call->from = object->made.from;
        call->sequence = object->made.sequence;
    }
    call->count = batch->count;
    trace_unlock();
}

/* Takes the mark off requests that are finished by now, without freeing them. */
static void look(const struct batch *batch, const MPI_Request *requests)
{
    for (int i = 0; i < batch->count; i++) {
        int done = 0;
        if (requests[i] == MPI_REQUEST_NULL)
            continue;
        PMPI_Request_get_status(requests[i], &done, MPI_STATUS_IGNORE);
        trace_lock();
        struct mpi_trace_object *object = trace_object_find(OBJECT_REQUEST, batch->handles[i], &requests[i]);
        if (object)
            object->waiting = !done && object->active;
        trace_unlock();
    }
}

/* A request is finished. That of a receive leaves a record of what came. */
static void finished(uint64_t handle, const MPI_Request *variable, int code, const MPI_Status *status)
{
    trace_lock();
    struct mpi_trace_object *object = trace_object_find(OBJECT_REQUEST, handle, variable);
    if (!object || !object->active) {
        trace_unlock();
        return;
    }
    struct mpi_trace_call record = object->made;
    bool touched = trace_was_freed(&record) || (object->content && object->content != trace_content(&record));
    object->waiting = 0;
    object->active = 0;
    if (!object->persistent)
        object->kind = OBJECT_NONE;
    trace_unlock();

    int cancelled = 0;
    if (record.from.used && code == MPI_SUCCESS)
        PMPI_Test_cancelled(status, &cancelled);
    record.flags = MPI_TRACE_COMPLETED;
    record.end = trace_now();
    if (touched) {
        record.flags |= MPI_TRACE_CLASH;
        record.clash = record.function;
        record.clash_site = record.site;
    } else if (!record.from.used || cancelled) {
        return;
    }
    if (record.from.used && !cancelled)
        trace_got(&record, code, status);
    trace_append(&record);
}

/* MPI_ERR_IN_STATUS: each request's own code is in its status, and is only set then. */
static int code_of(int code, const MPI_Status *status)
{
    int class = MPI_SUCCESS;
    if (code != MPI_SUCCESS)
        PMPI_Error_class(code, &class);
    return class == MPI_ERR_IN_STATUS ? status->MPI_ERROR : code;
}

static void all_finished(const struct batch *batch, const MPI_Request *requests, int code)
{
    for (int i = 0; i < batch->count; i++)
        finished(batch->handles[i], &requests[i], code_of(code, &batch->statuses[i]), &batch->statuses[i]);
}

static void some_finished(const struct batch *batch, const MPI_Request *requests, int code, int count,
                          const int indices[])
{
    for (int k = 0; count != MPI_UNDEFINED && k < count; k++)
        finished(batch->handles[indices[k]], &requests[indices[k]], code_of(code, &batch->statuses[k]),
                 &batch->statuses[k]);
}

/* ---- waits ---- */

int MPI_Wait(MPI_Request *request, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Wait, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Wait(request, status));
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    uint64_t handle = key(*request);
    trace_blocks(call);
    await(call, &(struct batch){.count = 1, .handles = &handle}, request);
    int code = PMPI_Wait(request, seen);
    finished(handle, request, code, seen);
    return trace_end(call, code);
}

/* Waits by testing, so that a hang shows which of the requests were open and which were not. */
static int wait_for_all(const struct batch *batch, MPI_Request requests[])
{
    for (uint64_t looked = trace_now();;) {
        int done = 0;
        int code = PMPI_Testall(batch->count, requests, &done, batch->statuses);
        if (code != MPI_SUCCESS || done)
            return code;
        if (trace_now() - looked > LOOK_AGAIN) {
            look(batch, requests);
            looked = trace_now();
        }
        sched_yield();
    }
}

int MPI_Waitall(int count, MPI_Request requests[], MPI_Status *statuses)
{
    struct mpi_trace_call *call = trace_begin(CALL_Waitall, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Waitall(count, requests, statuses));
    struct batch batch = batch_of(count, requests, statuses);
    trace_blocks(call);
    await(call, &batch, requests);
    int code = wait_for_all(&batch, requests);
    all_finished(&batch, requests, code);
    batch_free(&batch);
    return trace_end(call, code);
}

int MPI_Waitany(int count, MPI_Request requests[], int *index, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Waitany, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Waitany(count, requests, index, status));
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    struct batch batch = batch_of(count, requests, MPI_STATUSES_IGNORE);
    trace_blocks(call);
    await(call, &batch, requests);
    int code = PMPI_Waitany(count, requests, index, seen);
    if (*index != MPI_UNDEFINED && *index >= 0 && *index < batch.count)
        finished(batch.handles[*index], &requests[*index], code, seen);
    batch_free(&batch);
    return trace_end(call, code);
}

int MPI_Waitsome(int count, MPI_Request requests[], int *ended, int indices[], MPI_Status statuses[])
{
    struct mpi_trace_call *call = trace_begin(CALL_Waitsome, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Waitsome(count, requests, ended, indices, statuses));
    struct batch batch = batch_of(count, requests, statuses);
    trace_blocks(call);
    await(call, &batch, requests);
    int code = PMPI_Waitsome(count, requests, ended, indices, batch.statuses);
    some_finished(&batch, requests, code, *ended, indices);
    batch_free(&batch);
    return trace_end(call, code);
}

/* ---- tests ---- */

/* To ask about a request that has ended before is answered at once, as often as a loop does it: no record each time. */
static int end_question(struct mpi_trace_call *call, int code, bool answered)
{
    return trace_end_poll(call, code, answered && (code != MPI_SUCCESS || call->of >= 0));
}

int MPI_Test(MPI_Request *request, int *flag, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Test, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Test(request, flag, status));
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    uint64_t handle = key(*request);
    await(call, &(struct batch){.count = 1, .handles = &handle}, request);
    int code = PMPI_Test(request, flag, seen);
    bool answered = code != MPI_SUCCESS || *flag;
    if (answered)
        finished(handle, request, code, seen);
    return end_question(call, code, answered);
}

int MPI_Testall(int count, MPI_Request requests[], int *flag, MPI_Status statuses[])
{
    struct mpi_trace_call *call = trace_begin(CALL_Testall, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Testall(count, requests, flag, statuses));
    struct batch batch = batch_of(count, requests, statuses);
    await(call, &batch, requests);
    int code = PMPI_Testall(count, requests, flag, batch.statuses);
    bool answered = code != MPI_SUCCESS || *flag;
    if (answered)
        all_finished(&batch, requests, code);
    else
        look(&batch, requests);
    batch_free(&batch);
    return end_question(call, code, answered);
}

int MPI_Testany(int count, MPI_Request requests[], int *index, int *flag, MPI_Status *status)
{
    struct mpi_trace_call *call = trace_begin(CALL_Testany, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Testany(count, requests, index, flag, status));
    MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
    struct batch batch = batch_of(count, requests, MPI_STATUSES_IGNORE);
    await(call, &batch, requests);
    int code = PMPI_Testany(count, requests, index, flag, seen);
    bool answered = code != MPI_SUCCESS || *flag;
    if (answered && *index != MPI_UNDEFINED && *index >= 0 && *index < batch.count)
        finished(batch.handles[*index], &requests[*index], code, seen);
    batch_free(&batch);
    return end_question(call, code, answered);
}

int MPI_Testsome(int count, MPI_Request requests[], int *ended, int indices[], MPI_Status statuses[])
{
    struct mpi_trace_call *call = trace_begin(CALL_Testsome, MPI_COMM_NULL, SITE);
    if (!call)
        return trace_end(call, PMPI_Testsome(count, requests, ended, indices, statuses));
    struct batch batch = batch_of(count, requests, statuses);
    await(call, &batch, requests);
    int code = PMPI_Testsome(count, requests, ended, indices, batch.statuses);
    some_finished(&batch, requests, code, *ended, indices);
    bool answered = code != MPI_SUCCESS || *ended != 0;
    batch_free(&batch);
    return end_question(call, code, answered);
}

/* ---- persistent requests, and requests that are given up ---- */

/* Marks a persistent request as started; record, if not NULL, becomes the message's. */
static void started(MPI_Request *request, struct mpi_trace_call *record)
{
    trace_lock();
    struct mpi_trace_object *object = trace_object_find(OBJECT_REQUEST, key(*request), request);
    if (object) {
        object->made.begin = record->begin; /* by which a story finds the message */
        record->comm = object->made.comm;
        record->comm_size = object->made.comm_size;
        record->comm_rank = object->made.comm_rank;
        record->of = object->made.function;
        record->to = object->made.to;
        record->from = object->made.from;
        record->count = object->made.count;
        record->bytes = object->made.bytes;
        record->buffer = object->made.buffer;
        record->length = object->made.length;
        record->writes = object->made.writes;
    }
    trace_unlock();
    trace_clash(record);
    if (object) {
        object->active = 1;
        object->content = trace_content(record);
    }
    if (record->to.used)
        trace_sent(record);
}

int MPI_Start(MPI_Request *request)
{
    struct mpi_trace_call *call = trace_begin(CALL_Start, MPI_COMM_NULL, SITE);
    if (call)
        started(request, call);
    return trace_end(call, PMPI_Start(request));
}

int MPI_Startall(int count, MPI_Request requests[])
{
    struct mpi_trace_call *call = trace_begin(CALL_Startall, MPI_COMM_NULL, SITE);
    for (int i = 0; call && i < count; i++) {
        struct mpi_trace_call record = *call; /* one for each message, as if each had been started by itself */
        record.function = CALL_Start;
        started(&requests[i], &record);
        record.end = trace_now();
        trace_append(&record);
    }
    return trace_end(call, PMPI_Startall(count, requests));
}

/* MPI allows to free what is not finished, but nobody learns any more when the array may be used again: the
   request of a send that was not waited for stays in the table, where no handle finds it, as one that was
   never completed. Not that of a receive, which may be freed after MPI_Cancel. */
static void freed(uint64_t handle, const MPI_Request *variable)
{
    trace_lock();
    struct mpi_trace_object *object = trace_object_find(OBJECT_REQUEST, handle, variable);
    if (object && object->active && object->made.to.used && !object->made.from.used) {
        object->given_away = 1;
        object->active = 0;
        object->handle = object->variable = 0;
    } else if (object) {
        object->kind = OBJECT_NONE;
    }
    trace_unlock();
}

int MPI_Request_free(MPI_Request *request)
{
    struct mpi_trace_call *call = trace_begin(CALL_Request_free, MPI_COMM_NULL, SITE);
    if (call)
        freed(key(*request), request);
    return trace_end(call, PMPI_Request_free(request));
}

int MPI_Cancel(MPI_Request *request)
{
    struct mpi_trace_call *call = trace_begin(CALL_Cancel, MPI_COMM_NULL, SITE);
    return trace_end(call, PMPI_Cancel(request));
}
