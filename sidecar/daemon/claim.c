/* A write lock needs a descriptor open for writing, which no directory has; to ask whether one
 * could be had does not, and finds every read lock but our own. */
#include "daemon/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int claim_directory(int dir_fd, const char *label, bool *out_is_claimed, struct err *err)
{
    struct flock mine = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    struct flock others = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

    if (fcntl(dir_fd, F_OFD_SETLK, &mine) != 0 || fcntl(dir_fd, F_OFD_GETLK, &others) != 0) {
        if (errno != EBADF && errno != EINVAL && errno != ENOLCK && errno != EOPNOTSUPP)
            return err_sys(err, ERR_FAILED, "cannot lock %s", label);
        *out_is_claimed = false;
        return 0;
    }
    if (others.l_type != F_UNLCK) {
        mine.l_type = F_UNLCK;
        (void)fcntl(dir_fd, F_OFD_SETLK, &mine); /* closing it would do the same */
        return err_set(err, ERR_BUSY,
                       "another `redkeep run` is at work on %s. HINT: one sidecar for each volume",
                       label);
    }
    *out_is_claimed = true;
    return 0;
}
