/*
 * The checks of the volume; see check.h.
 */
#include "host/check.h"

const struct check_row check_volume_rows[] = {{.id = NULL}};
