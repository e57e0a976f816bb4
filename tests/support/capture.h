/*
 * What this process writes to its stderr while a test looks. Begin and end in the same test.
 */
#ifndef SUPPORT_CAPTURE_H
#define SUPPORT_CAPTURE_H

struct capture {
    int file_fd;
    int saved_fd;
};

/* From now on stderr goes to a file without a name. */
void capture_begin(struct capture *capture);
/* stderr is what it was; returns what was written, which the caller frees. */
char *capture_end(struct capture *capture);

#endif
