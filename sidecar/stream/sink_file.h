/*
 * A sink into an open file.
 */
#ifndef STREAM_SINK_FILE_H
#define STREAM_SINK_FILE_H

#include "stream/sink.h"

/* Owns fd, an empty file opened for writing; label (copied) names it in messages. Writing to the
 * device begins early, so that finish (fsync) has little left to wait for. Freed unfinished, the
 * file stays as it is: removing it is the business of whoever staged it. */
struct sink *sink_file_new(int fd, const char *label);

#endif
