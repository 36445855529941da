/* folder.h: folders that a student's program may have filled: listed and removed without following links. */
#ifndef FOLDER_H
#define FOLDER_H

#include <stddef.h>

#include "words.h"

/* Adds the names in the folder at path to list. */
void folder_names(const char *path, struct words *list);

/* Removes path and all below it; what is not there is no error. */
void folder_remove(const char *path);

/* Bytes on the disk of all below path; stops counting beyond limit. */
size_t folder_bytes(const char *path, size_t limit);

#endif
