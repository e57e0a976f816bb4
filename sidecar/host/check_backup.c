/*
 * The checks of the backups; see check.h.
 */
#include "host/check.h"

const struct check_row check_backup_rows[] = {{.id = NULL}};
