/* mpi_chart.c: shows what the ranks of a traced run said to each other.

     mpi_chart FOLDER RANKS PROGRAM PICTURE

   FOLDER is where the run left its files rank-0, rank-1, ... (LAB_MPI_TRACE). Prints the message
   sequence chart as text, who waits for whom if the run hung, and writes the chart as SVG to PICTURE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpi_story.h"

static int write_picture(const char *path, const char *svg)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(svg, file) == EOF || fclose(file) != 0) {
        fprintf(stderr, "mpi_chart: cannot write %s: %s\n", path, strerror(errno));
        return EXIT_FAILURE;
    }
    printf("\nas a picture: %s\n", path);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    int ranks = argc == 5 ? atoi(argv[2]) : 0;
    if (ranks < 1 || ranks > MPI_TRACE_MAX_RANKS) {
        fprintf(stderr, "usage: mpi_chart FOLDER RANKS PROGRAM PICTURE    (1 to %d ranks)\n", MPI_TRACE_MAX_RANKS);
        return 2;
    }
    struct mpi_story *story = mpi_story_read(argv[1], ranks, argv[3]);
    char *chart = mpi_story_chart(story, MPI_STORY_ALL), *svg = mpi_story_svg(story, MPI_STORY_ALL), *hang = NULL;
    enum mpi_verdict verdict = mpi_story_hang(story, &hang);
    int status = EXIT_SUCCESS;
    if (chart)
        printf("\n%s", chart);
    if (verdict != MPI_STORY_ENDED)
        printf("\n%s\n", hang);
    if (svg)
        status = write_picture(argv[4], svg);
    else
        puts("your functions made no MPI call");
    free(chart);
    free(svg);
    free(hang);
    mpi_story_free(story);
    return status;
}
