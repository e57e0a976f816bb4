/* A limit that cannot be asked for is taken for enough: the server will say. */
#include "entrypoint/nofile.h"

#include <sys/resource.h>

void nofile_raise(uint64_t wanted, struct nofile *out)
{
    struct rlimit limit;
    struct nofile result = {.wanted = wanted, .before = wanted, .now = wanted};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        result.before = limit.rlim_cur;
        if (limit.rlim_cur < wanted) {
            struct rlimit both = {.rlim_cur = wanted,
                                  .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
            struct rlimit soft = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

            if (setrlimit(RLIMIT_NOFILE, &both) != 0)
                (void)setrlimit(RLIMIT_NOFILE, &soft); /* what there is now is asked for below */
        }
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
            result.now = limit.rlim_cur;
    }
    *out = result;
}
