/* source_line.h: turns places in a student's program into "sendrecv.c:31", with addr2line. */
#ifndef SOURCE_LINE_H
#define SOURCE_LINE_H

#include <stddef.h>
#include <stdint.h>

/* For each of count return addresses (offsets in the program file; 0: none) the line of
   the call before it. line[i] is malloc'd, "" where nothing is known. addr2line reads a
   file that is made from the student's, so it runs where the student's program runs: in
   the sandbox. program: its path as the suite sees it; NULL: every line is "". */
void source_lines(const char *program, const uint64_t *site, size_t count, char **line);

#endif
