/* words.c: see words.h. Memory that cannot be had ends the process: these lists are short. */
#include "words.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void no_memory(void)
{
    fputs("out of memory\n", stderr);
    exit(125);
}

static char *format_list(const char *format, va_list args)
{
    char *text;
    if (vasprintf(&text, format, args) < 0)
        no_memory();
    return text;
}

char *text_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_list(format, args);
    va_end(args);
    return text;
}

static void add_owned(struct words *w, char *word)
{
    if (w->count + 1 >= w->capacity) {
        w->capacity = w->capacity ? 2 * w->capacity : 16;
        w->item = realloc(w->item, w->capacity * sizeof *w->item);
    }
    if (!w->item || !word)
        no_memory();
    w->item[w->count++] = word;
    w->item[w->count] = NULL;
}

void words_add(struct words *w, const char *word)
{
    add_owned(w, strdup(word));
}

void words_addf(struct words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_owned(w, format_list(format, args));
    va_end(args);
}

void words_add_all(struct words *w, const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        words_add(w, list[i]);
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->item[i]);
    free(w->item);
    *w = (struct words){0};
}

static bool needs_quotes(const char *word)
{
    return word[0] == '\0' || word[strcspn(word, " \t\n'\"\\$&|;<>()*?[]#~!{}`")] != '\0';
}

/* One word as a shell needs it typed, malloc'd. Within quotes a quote is written '\''. */
static char *quoted(const char *word)
{
    if (!needs_quotes(word))
        return text_format("%s", word);
    char *text = text_format("'");
    for (const char *p = word; *p; p++) {
        char *longer = text_format(*p == '\'' ? "%s'\\''" : "%s%c", text, *p);
        free(text);
        text = longer;
    }
    char *whole = text_format("%s'", text);
    free(text);
    return whole;
}

char *words_quoted(const char *const *list)
{
    char *text = text_format("%s", "");
    for (size_t i = 0; list[i]; i++) {
        char *word = quoted(list[i]);
        char *longer = text_format("%s%s%s", text, i ? " " : "", word);
        free(word);
        free(text);
        text = longer;
    }
    return text;
}

/* Length of the UTF-8 character at p, or 0 if it is none. */
static size_t utf8_length(const unsigned char *p)
{
    size_t length = p[0] < 0x80                   ? 1
                    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                    : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

void text_clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        size_t length = utf8_length(p);
        bool control =
            *p < 0x20 ? *p != '\n' && *p != '\t' : *p == 0x7f || (length == 2 && p[0] == 0xc2 && p[1] < 0xa0);
        if (length == 0 || control)
            memset(p, '?', length = length ? length : 1);
        p += length;
    }
}
