/* race_mpi.h: races among ranks (race.h): all begin together, and the slowest rank's time counts. */
#ifndef RACE_MPI_H
#define RACE_MPI_H

#include "race.h"

/* MPI_Init and the options. */
struct race race_mpi_options(int argc, char **argv);

/* From here on only the first `ranks` ranks race; the others wait in race_mpi_rejoin
   without using their cores. True on a rank that races. */
bool race_mpi_among(struct race *race, int ranks);
void race_mpi_rejoin(void);

#endif
