/* cases.h: what the suite asks of main.c, and what main.c answers. CASES is an int64
   array of shape (cases, CASE_COLUMNS): every rank reads all of it and takes part in
   the cases whose communicator it belongs to. */
#ifndef CASES_H
#define CASES_H

/* CASE_FIRST, CASE_COUNT: the vector is so many elements of DATA.
   CASE_WAY and CASE_SEED: see mpi_trace_combine.
   CASE_AT_ONCE: 1: the ranks do not wait for each other before it. */
enum case_column {
    CASE_FUNCTION,
    CASE_COMM,
    CASE_SPREAD,
    CASE_FIRST,
    CASE_COUNT,
    CASE_WAY,
    CASE_SEED,
    CASE_AT_ONCE,
    CASE_COLUMNS
};

enum case_function { FUNCTION_PSUM, FUNCTION_COMPENSATED };

enum case_spread {
    SPREAD_BLOCKS, /* rank r of p holds a block, in order: count / p elements, one more if r < count % p */
    SPREAD_LAST    /* the last rank holds all elements */
};

/* Communicators: COMM_SIZES * kind + size. */
enum comm_kind {
    COMM_FIRST,    /* the first `size` ranks of the world, in order */
    COMM_REVERSED, /* the last `size` ranks of the world, the last one first */
    COMM_EVEN,     /* ranks 0, 2, 4, ... of the world */
    COMM_ODD,      /* ranks 1, 3, ...: a case of these runs beside the case before it */
    COMM_WORLD,    /* MPI_COMM_WORLD itself */
    COMM_NONE,     /* MPI_COMM_NULL, on every rank: an error */
    COMM_KINDS
};
enum { COMM_SIZES = 16 };

/* SUMS, float64 (cases, ranks): what rank r of the communicator got in *sum.
   CODES, int64 (cases, ranks): what it returned. */
enum code {
    CODE_SUCCESS,
    CODE_COMM,
    CODE_OTHER,   /* MPI_SUCCESS, MPI_ERR_COMM, another error of MPI */
    CODE_NOT_MPI, /* a number that is not an error code of MPI */
    CODE_CHANGED, /* MPI_SUCCESS, but the elements in local were changed */
    CODE_ABSENT   /* that rank does not belong to the communicator */
};

#define UNTOUCHED (-12345.0) /* what stands in *sum before the call */

#endif
