/*
 * The checks of the limits; see check.h.
 */
#include "host/check.h"

const struct check_row check_limit_rows[] = {{.id = NULL}};
