/* explain_race.c: reads ThreadSanitizer's report of a data race, which is text:

     Write of size 8 at 0x7ffd39160ce0 by thread T1:
       #0 .omp_outlined._debug__ /submission/threads.c:9:27 (threads+0xd030e)
       #3 sum_omp /submission/threads.c:8:1 (threads+0xd04ac)
     Previous write of size 8 at 0x7ffd39160ce0 by main thread:
       ...
     Location is stack of main thread.                                          */
#include "explain_race.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "explain.h"
#include "words.h"

enum { LINE = 400, SHOWN = 80 };

/* Where a frame stands. */
struct place {
    char function[80], file[60];
    int line, column; /* 0: unknown */
};

struct side {
    char who[40], does[24];
    struct place at;   /* the first frame in a source file */
    char function[80]; /* that the student wrote, around the region */
    bool in_region;
    bool openmp;      /* a region is somewhere on its stack */
    char code[SHOWN]; /* the line, if it can be had */
    char name[40];    /* the variable in it, if it can be made out */
};

/* Copies the next line of *p without leading blanks; false at the end of the report. */
static bool next_line(const char **p, char line[LINE])
{
    if (**p == '\0' || strncmp(*p, "SUMMARY:", 8) == 0)
        return false;
    size_t length = strcspn(*p, "\n"), blanks = strspn(*p, " ");
    snprintf(line, LINE, "%.*s", (int)(length > blanks ? length - blanks : 0),
             *p + (blanks < length ? blanks : length));
    *p += length + ((*p)[length] == '\n');
    return true;
}

/* "#0 name /path/file.c:9:27 (module+0x...)" */
static bool read_frame(const char *line, struct place *place)
{
    char name[80], path[300];
    if (sscanf(line, "#%*d %79s %299s", name, path) != 2)
        return false;
    char *dot = strstr(path, ".c:");
    if (!dot || !isdigit((unsigned char)dot[3]))
        return false;
    const char *colon = strchr(dot + 3, ':');
    *place = (struct place){.line = atoi(dot + 3), .column = colon ? atoi(colon + 1) : 0};
    dot[2] = '\0';
    const char *slash = strrchr(path, '/');
    snprintf(place->file, sizeof place->file, "%.59s", slash ? slash + 1 : path);
    snprintf(place->function, sizeof place->function, "%.79s", name);
    return true;
}

/* clang makes a function of every parallel region; its name means nothing to people. */
static bool is_region(const char *function)
{
    return strncmp(function, ".omp", 4) == 0 || strncmp(function, "__omp", 5) == 0;
}

/* "Previous write of size 8 at 0x7f by thread T1 (mutexes: ...):" */
static bool read_header(const char *line, struct side *side)
{
    bool before = strncasecmp(line, "previous ", 9) == 0, atomic = strcasestr(line, "atomic ") != NULL;
    bool writes = strcasestr(line, "write of size") != NULL, reads = strcasestr(line, "read of size") != NULL;
    const char *by = strstr(line, " by ");
    if ((!writes && !reads) || !by)
        return false;
    *side = (struct side){0};
    snprintf(side->does, sizeof side->does, "%s%s",
             before ? (writes ? "wrote" : "read") : (writes ? "writes" : "reads"), atomic ? " atomically" : "");
    bool main_thread = strncmp(by, " by main", 8) == 0;
    snprintf(side->who, sizeof side->who, "%s%.*s", main_thread ? "the main thread" : "",
             main_thread ? 0 : (int)strcspn(by + 4, "(:"), by + 4);
    for (size_t n = strlen(side->who); n > 0 && side->who[n - 1] == ' '; n--)
        side->who[n - 1] = '\0';
    return true;
}

/* The student's line says more than the one of ours that he called. */
static bool says_more(const struct place *found, const struct place *before)
{
    return before->line == 0 || (explain_is_ours(before->file) && !explain_is_ours(found->file));
}

static void add_frame(struct side *side, const char *line)
{
    struct place place;
    if (!read_frame(line, &place))
        return;
    if (says_more(&place, &side->at)) {
        side->at = place;
        side->function[0] = '\0';
    }
    side->openmp = side->openmp || is_region(place.function);
    if (is_region(place.function))
        side->in_region = side->in_region || side->function[0] == '\0';
    else if (side->function[0] == '\0')
        snprintf(side->function, sizeof side->function, "%s", place.function);
}

/* Line number at->line of the student's file, malloc'd; NULL if it cannot be had. */
static char *source_line(const struct place *at)
{
    const char *folder = getenv("LAB_SUBMISSION");
    struct stat info;
    if (!folder)
        return NULL;
    char *path = text_format("%s/%s", folder, at->file), *line = NULL;
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* hostile: it may be a FIFO by now */
    free(path);
    bool regular = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size < 1 << 20;
    FILE *f = regular ? fdopen(fd, "r") : NULL;
    if (!f) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    bool found = true;
    for (int i = 0; i < at->line && found; i++)
        found = getline(&line, &size, f) >= 0;
    fclose(f);
    if (!found || !line) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\r\n")] = '\0';
    text_clean(line);
    return line;
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The column is that of a variable that is read, or of the operator behind one that
   is written: "s += ..." Copies the variable's name, with [...] if it has an index. */
static void variable_at(const char *line, size_t column, char *name, size_t size)
{
    size_t at = column - 1, end;
    if (column < 1 || column > strlen(line))
        return;
    if (in_name(line[at])) {
        for (end = at; in_name(line[end]); end++)
            ;
        snprintf(name, size, "%.*s%s", (int)(end - at), line + at, line[end] == '[' ? "[...]" : "");
        return;
    }
    while (at > 0 && line[at - 1] == ' ')
        at--;
    bool indexed = at > 0 && line[at - 1] == ']';
    for (int depth = 0; indexed && at > 0; at--) { /* back to the bracket that opens */
        depth += (line[at - 1] == ']') - (line[at - 1] == '[');
        if (depth == 0) {
            at--;
            break;
        }
    }
    for (end = at; at > 0 && in_name(line[at - 1]); at--)
        ;
    snprintf(name, size, "%.*s%s", (int)(end - at), line + at, indexed && end > at ? "[...]" : "");
}

static void look_up(struct side *side)
{
    char *line = side->at.line ? source_line(&side->at) : NULL;
    if (!line)
        return;
    snprintf(side->code, sizeof side->code, "%s", line + strspn(line, " \t"));
    variable_at(line, (size_t)side->at.column, side->name, sizeof side->name);
    free(line);
}

static void add_side(const struct side *side, char *text, size_t size)
{
    size_t used = strlen(text);
    const char *in = !side->function[0] ? "" : side->in_region ? ", in the parallel region of " : ", in ";
    if (side->at.line == 0)
        snprintf(text + used, size - used, "\n  %s %s it in code without line numbers", side->who, side->does);
    else
        snprintf(text + used, size - used, "\n  %s %s it at %s:%d%s%s%s%s", side->who, side->does, side->at.file,
                 side->at.line, in, side->function, side->code[0] ? ":  " : "", side->code);
}

/* What to do about an array whose elements two threads use. One that reads what another one writes, elsewhere in the
   code, comes too early or too late; two at the same place take the same element for theirs. */
static void add_remedy(const struct side sides[2], char *text, size_t size)
{
    size_t used = strlen(text), n = strlen(sides[0].name);
    if (n == 0 || sides[0].name[n - 1] != ']' || strcmp(sides[0].name, sides[1].name) != 0)
        return;
    bool same_place = sides[0].at.line == sides[1].at.line;
    snprintf(text + used, size - used, "%s",
             same_place
                 ? ": both take the same element for theirs. Do their parts overlap, or does each of them run the "
                   "whole loop?"
                 : ": one thread comes here before the other has done with it there. Between the two all threads "
                   "have to wait for each other: omp barrier, or the end of an omp for without nowait");
}

/* "Location is ..." in words. name: what the code calls it, or "". frame: where a
   block was allocated. openmp: else the threads are the student's own. */
static void add_variable(const char *location, const char *name, const struct place *frame, bool openmp, char *text,
                         size_t size)
{
    size_t used = strlen(text);
    char global[80];
    unsigned long bytes;
    if (sscanf(location, "Location is global '%79[^'.]", global) == 1 && global[0] != '?')
        snprintf(text + used, size - used, "\n  it is %s, a static or global variable, which all threads share",
                 global);
    else if (sscanf(location, "Location is heap block of size %lu", &bytes) == 1)
        snprintf(text + used, size - used, "\n  it is %s%sin a block of %lu bytes%s%s", name, name[0] ? ", " : "",
                 bytes, frame->line ? ", allocated in " : " from malloc", frame->function);
    else if (strncmp(location, "Location is stack", 17) == 0 && !openmp)
        snprintf(text + used, size - used,
                 "\n  it is %s%sa local variable of a function that gave several threads a pointer to it: lock a mutex "
                 "around every use, or make it atomic",
                 name, name[0] ? ", in " : "");
    else if (strncmp(location, "Location is stack", 17) == 0)
        snprintf(text + used, size - used,
                 "\n  it is %s%sa local variable from outside the region, which the whole team shares%s", name,
                 name[0] ? ", " : "",
                 strchr(name, '[')
                     ? ""
                     : ": if each thread needs one of its own, declare it inside, or name it in private; if "
                       "all add to one, name it in reduction");
    else if (name[0])
        snprintf(text + used, size - used, "\n  it is %s", name);
}

bool explain_race(const char *report, char *text, size_t size)
{
    struct side sides[2] = {0};
    struct place frame = {0}, place;
    char line[LINE], location[LINE] = "";
    int count = 0;
    enum { BEFORE, IN_SIDE, IN_LOCATION, AFTER } state = BEFORE;
    while (next_line(&report, line)) {
        struct side side;
        if (count < 2 && state != IN_LOCATION && read_header(line, &side)) {
            sides[count++] = side;
            state = IN_SIDE;
        } else if (strncmp(line, "Location is ", 12) == 0 && !location[0]) {
            snprintf(location, sizeof location, "%s", line);
            state = IN_LOCATION;
        } else if (line[0] != '#') {
            state = line[0] == '\0' ? AFTER : state;
        } else if (state == IN_SIDE) {
            add_frame(&sides[count - 1], line);
        } else if (state == IN_LOCATION && read_frame(line, &place) && says_more(&place, &frame)) {
            frame = place;
        }
    }
    if (count < 2)
        return false;
    snprintf(text, size,
             "data race: two threads use the same variable at the same time, and at least one of them writes");
    for (int i = 0; i < 2; i++) {
        look_up(&sides[i]);
        add_side(&sides[i], text, size);
    }
    bool agree = strcmp(sides[0].name, sides[1].name) == 0; /* else one of them is misread */
    bool openmp = sides[0].openmp || sides[1].openmp;
    add_variable(location, agree ? sides[0].name : "", &frame, openmp, text, size);
    if (openmp)
        add_remedy(sides, text, size);
    return true;
}
