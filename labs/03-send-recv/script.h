/* script.h: what the suite asks of main.c, and what main.c answers. The script is an
   int64 array of shape (steps, STEP_COLUMNS): every rank reads all of it, does the
   steps that are its own in their order, and waits for all others between two cases. */
#ifndef SCRIPT_H
#define SCRIPT_H

enum step_column {
    STEP_CASE,
    STEP_COMM,
    STEP_RANK,
    STEP_DO,
    STEP_PEER,
    STEP_COUNT,
    STEP_FIRST,
    STEP_TAG,
    STEP_COLUMNS
};

/* What to do: SEND_LIST to RING_SHIFT are calls of the student's functions. STEP_RANK does it (a rank of the communicator); STEP_PEER is the other
   rank (for the ring: the steps), STEP_COUNT the number of doubles, STEP_FIRST the
   place in the data (taken round and round) where what is sent begins. */
enum deed {
    SEND_LIST,
    RECV_LIST,
    SEND_ARRAY,
    RECV_ARRAY,
    EXCHANGE,
    RING_SHIFT,
    PUT,   /* main.c sends a message of its own with STEP_TAG, and does not wait for it to be taken */
    TAKE,  /* main.c receives such a message; it has to be there */
    AWAIT, /* main.c waits until some message from STEP_PEER has come, and leaves it there */
    HEAP,  /* main.c notes how many bytes of the heap are in use */
    REST,  /* main.c does nothing for STEP_COUNT milliseconds */
    DEEDS
};

enum { PEER_ANY = -1, PEER_NONE = -2 }; /* MPI_ANY_SOURCE, MPI_PROC_NULL */

/* Communicators: COMM_SIZES * kind + size. */
enum comm_kind {
    COMM_FIRST,    /* the first `size` ranks of the world, in order */
    COMM_REVERSED, /* the last `size` ranks of the world, the last one first */
    COMM_WORLD,    /* MPI_COMM_WORLD itself */
    COMM_KINDS
};
enum { COMM_SIZES = 16 };

/* calls-K.npy of rank K: a row for each of its steps up to TAKE, and for HEAP. */
enum call_column { CALLED_STEP, CALLED_RESULT, CALLED_COUNT, CALLED_POINTER, CALLED_VALUES, CALLED_COLUMNS };
/* CALLED_COUNT: what recv_list stored in *count (for HEAP: bytes in use).
   CALLED_VALUES: how many values of this call stand in rank-K.npy, after those before. */
enum result {
    RESULT_SUCCESS,
    RESULT_RANK,
    RESULT_TRUNCATED,
    RESULT_OTHER,   /* MPI_SUCCESS, MPI_ERR_RANK, MPI_ERR_TRUNCATE, another */
    RESULT_NO_CODE, /* not a code of MPI at all */
    RESULT_MISSING, /* TAKE: the message is not there */
    RESULT_CHANGED, /* an array that was to be sent has other numbers now */
};
enum pointer { POINTER_NULL, POINTER_SET, POINTER_UNTOUCHED }; /* what recv_list stored in *list */

#define UNTOUCHED (-12345.0)    /* what stands in an array before it is received into */
enum { MOST_VALUES = 1 << 21 }; /* of one call; a longer list is not written down */

#endif
