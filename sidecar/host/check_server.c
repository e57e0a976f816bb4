/*
 * The checks of the server; see check.h.
 */
#include "host/check.h"

const struct check_row check_server_rows[] = {{.id = NULL}};
