/* folder.c: see folder.h. */
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ENTRIES = 100000, MAX_DEPTH = 64 };

void folder_names(const char *path, struct words *list)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            words_add(list, entry->d_name);
    if (dir)
        closedir(dir);
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *level)
{
    (void)info, (void)level;
    if (type == FTW_DNR) /* a folder that its maker closed to others */
        chmod(path, 0700);
    remove(path);
    return 0;
}

void folder_remove(const char *path)
{
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

/* nftw gives its visitor no argument of its own. */
static struct {
    size_t bytes, limit;
    int entries;
} sum;

/* What cannot be looked into (a folder that its maker closed, or one that is too deep) may
   hold any amount, and counts as too much. A file that is just gone counts nothing, and one
   that was gone for a moment, because its maker put a new one in its place, what it has now. */
static int add_entry(const char *path, const struct stat *info, int type, struct FTW *level)
{
    struct stat again;
    bool seen = type != FTW_NS && type != FTW_DNR;
    if (type == FTW_NS) {
        seen = lstat(path, &again) == 0;
        if (!seen && errno == ENOENT)
            return 0;
        info = &again;
    }
    if (!seen || level->level > MAX_DEPTH)
        sum.bytes = sum.limit + 1;
    else
        sum.bytes += (size_t)info->st_blocks * 512;
    return sum.bytes > sum.limit || ++sum.entries > MAX_ENTRIES;
}

size_t folder_bytes(const char *path, size_t limit)
{
    sum.bytes = 0;
    sum.limit = limit;
    sum.entries = 0;
    nftw(path, add_entry, 32, FTW_PHYS);
    return sum.entries > MAX_ENTRIES ? limit + 1 : sum.bytes;
}
