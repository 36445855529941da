/* words.h: growing lists of words (argument vectors) and growing text. */
#ifndef WORDS_H
#define WORDS_H

#include <stddef.h>

/* An argument vector: item[count] is NULL. The strings are owned. */
struct words {
    char **item;
    size_t count, capacity;
};

void words_add(struct words *w, const char *word);
void words_addf(struct words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void words_add_all(struct words *w, const char *const *list); /* ended by NULL; NULL is allowed */
void words_free(struct words *w);

/* The words as a shell would need them typed, malloc'd. */
char *words_quoted(const char *const *list);

/* printf to a malloc'd string; ends the process when there is no memory. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes what a program printed fit to show: whatever is neither printable text
   nor valid UTF-8 becomes '?', tabs and line ends stay. In place. */
void text_clean(char *text);

#endif
