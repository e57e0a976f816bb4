/*
 * The checks of the host; see check.h.
 */
#include "host/check.h"

const struct check_row check_host_rows[] = {{.id = NULL}};
