/*
 * A directory as text, to compare before and after.
 */
#ifndef SUPPORT_TREE_H
#define SUPPORT_TREE_H

#include <stdbool.h>

/* A line for everything below dir_fd, in order: path, type, mode, and of files how many bytes they
 * have and their checksum; heap. The random part of a name "before-restore-12ab34" is left out, and
 * so are sockets. */
char *tree_text(int dir_fd);
/* The same without directories of redkeep's own that hold nothing anybody needs: .partial. */
char *tree_text_but_rubbish(int dir_fd);
bool tree_has(int dir_fd, const char *path);
/* Writes a file, with the directories that it is in. */
void tree_write(int dir_fd, const char *path, const void *data, unsigned long len);
/* Writes it as a server does: a new file, renamed to where the old one may be. */
void tree_replace(int dir_fd, const char *path, const void *data, unsigned long len);

#endif
