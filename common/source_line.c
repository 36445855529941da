/* source_line.c: see source_line.h. */
#include "source_line.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "words.h"

/* "/path/sendrecv.c:31 (discriminator 2)" becomes "sendrecv.c:31"; "??:0" and strange names become "". */
static char *plain_line(const char *text)
{
    const char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : text;
    size_t length = strcspn(name, " \n");
    if (length == 0 || length > 80 || name[0] == '?' || (length > 2 && memcmp(name + length - 2, ":?", 2) == 0))
        return strdup("");
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("._-+:", name[i]))
            return strdup("");
    return strndup(name, length);
}

/* Where the sandbox has the program. */
static char *path_inside(const char *program)
{
    const char *outside = getenv("LAB_PROGRAMS"), *inside = getenv("LAB_PROGRAMS_INSIDE");
    size_t length = outside ? strlen(outside) : 0;
    if (getenv("LAB_LAUNCH") && inside && length > 0 && strncmp(program, outside, length) == 0)
        return text_format("%s%s", inside, program + length);
    return strdup(program);
}

static void add_command(struct words *w, const char *program, const uint64_t *site, size_t count)
{
    char *path = path_inside(program);
    run_sandbox_words(w);
    words_add_all(w, (const char *const[]){"addr2line", "-e", path, NULL});
    for (size_t i = 0; i < count; i++)
        words_addf(w, "0x%" PRIx64, site[i] ? site[i] - 1 : 0); /* in the call, not after it */
    free(path);
}

/* Child only. Outside a sandbox these limits are all that there is. */
static _Noreturn void become(char **argv, int out)
{
    setrlimit(RLIMIT_CPU, &(struct rlimit){5, 5});
    setrlimit(RLIMIT_AS, &(struct rlimit){1u << 30, 1u << 30});
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, 0);
    dup2(out, 1);
    dup2(nothing, 2);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* Check's log and messages, as in run.c */
    execvp(argv[0], argv);
    _exit(127);
}

static void read_lines(FILE *in, char **line, size_t count)
{
    char text[4096];
    for (size_t i = 0; i < count && fgets(text, sizeof text, in); i++) {
        free(line[i]);
        line[i] = plain_line(text);
    }
}

void source_lines(const char *program, const uint64_t *site, size_t count, char **line)
{
    int ends[2];
    for (size_t i = 0; i < count; i++)
        line[i] = strdup("");
    if (!program || count == 0 || pipe2(ends, O_CLOEXEC) != 0)
        return;
    struct words command = {0};
    add_command(&command, program, site, count);
    pid_t child = fork();
    if (child == 0)
        become(command.item, ends[1]);
    close(ends[1]);
    FILE *in = fdopen(ends[0], "r");
    if (in && child > 0)
        read_lines(in, line, count);
    if (in)
        fclose(in);
    else
        close(ends[0]);
    while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue;
    words_free(&command);
}
