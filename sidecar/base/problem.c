/*
 * The table of problem.h, in the order of the enumeration. The causes are what the servers really
 * do (a failed save makes them refuse writes, a full disk leaves zeros in an append-only file), so
 * that a remedy begins with what gets the service back. It holds no advice that loses data.
 */
#include "base/problem.h"

#include <stddef.h>
#include <string.h>

static const struct problem_row rows[PROBLEM_COUNT] = {
    [PROBLEM_NONE] = {"", "Nothing is wrong.", "There is nothing to do."},
    [PROBLEM_FORK_FAILED] =
        {"FORK_FAILED",
         "The server could not fork a child for a save: the kernel gave it no memory or no "
         "process.",
         "Set vm.overcommit_memory=1 on the host, and raise the container's limits of memory and "
         "of processes. Until a save succeeds, a server with save points refuses writes."},
    [PROBLEM_BGSAVE_ERR] =
        {"BGSAVE_ERR",
         "The server's last save failed: no space or no permission in its directory, or its child "
         "was killed.",
         "Read the server's log for the reason, mend it, and run BGSAVE. Until a save succeeds, a "
         "server with save points refuses writes (MISCONF)."},
    [PROBLEM_SAVE_BUSY] =
        {"SAVE_BUSY",
         "The server was busy with another save or an AOF rewrite, or its save went on for longer "
         "than save-timeout.",
         "Look at what starts saves and rewrites (save points, cron jobs, replicas that resync "
         "again and again) and at the speed of the disk, or raise save-timeout."},
    [PROBLEM_MEMORY_LOW] =
        {"MEMORY_LOW",
         "No save was started: the pages that the server copies during one may not fit into its "
         "memory limit.",
         "Raise the memory limit of the container, or lower maxmemory. A child that runs out of "
         "memory is killed, and the server then refuses writes."},
    [PROBLEM_DISK_FULL] =
        {"DISK_FULL",
         "There is not enough room on the server's volume, or in the repository's file system.",
         "Enlarge the volume, or free space that is not the server's own. After a full disk, "
         "rewrite the append-only file (BGREWRITEAOF) before the server is restarted: it may hold "
         "a run of zeros that stops the next start."},
    [PROBLEM_PERMISSION] =
        {"PERMISSION",
         "A local file or directory may not be read or written by the user that redkeep, or the "
         "server, runs as.",
         "Run redkeep as the server's own user (999 in the official images), or correct owner and "
         "mode of what the message names."},
    [PROBLEM_READ_ONLY] =
        {"READ_ONLY", "A file system that should be written to is mounted read-only.",
         "Mount it read-write; when it was, look at the kernel's log: a file system that met "
         "errors on its disk makes itself read-only."},
    [PROBLEM_RDB_CORRUPT] =
        {"RDB_CORRUPT",
         "The dump that the server wrote is not whole: its end or its checksum is wrong.",
         "Keep the server running, since its memory is the good copy, and take another backup. "
         "When that fails too, suspect the disk or the memory of the host."},
    [PROBLEM_AOF_CORRUPT] =
        {"AOF_CORRUPT",
         "The append-only files are not whole: a manifest, a file that it names, or bytes that "
         "are no commands.",
         "While the server still runs, BGREWRITEAOF writes a fresh set from its memory. When it "
         "is down, copy the directory aside before it is started: some starts cut off what they "
         "cannot read."},
    [PROBLEM_WOULD_LOSE] =
        {"WOULD_LOSE",
         "A server that starts on this volume now would lose data: it would not read a file that "
         "holds some, or stop in the middle of one.",
         "Do not start it yet. `redkeep guard` names the file and what is lost; `redkeep guard "
         "--fix` mends what can be mended without loss, after copying it aside."},
    [PROBLEM_WRITE_ERR] =
        {"WRITE_ERR",
         "The server cannot write its append-only file (aof_last_write_status:err), so it refuses "
         "writes.",
         "Free space on its volume, or enlarge it; it goes on by itself. Then run BGREWRITEAOF "
         "before the next restart, since a run of zeros may be left in the file."},
    [PROBLEM_AOF_REWRITE_ERR] =
        {"AOF_REWRITE_ERR",
         "The server's last rewrite of its append-only file failed (aof_last_bgrewrite_status:"
         "err).",
         "Read the server's log for the reason, which is mostly the disk or the fork, mend it, "
         "and run BGREWRITEAOF. Nothing is lost until then, but the files grow."},
    [PROBLEM_DATA_DIR] =
        {"DATA_DIR",
         "The directory that redkeep looks at is not the one that the server writes to.",
         "Mount the server's volume into both containers, and set data-dir, dbfilename and "
         "appenddirname to what CONFIG GET says, as redkeep sees it."},
    [PROBLEM_LOADED_LESS] =
        {"LOADED_LESS", "The server has loaded fewer keys than the newest restore point holds.",
         "Stop what writes to it, and compare with `redkeep list` before anything else. If the "
         "data is gone, stop the server and restore that very backup with `redkeep restore --force "
         "--backup ID`, which keeps what is there aside."},
    [PROBLEM_SHRUNK] =
        {"SHRUNK", "The newest backup is much smaller than the one before it.",
         "If nobody deleted that much on purpose, look for FLUSHALL, an eviction or an empty "
         "start. The backup from before is kept, and can be restored with --backup ID. If it was "
         "meant, `redkeep prune --accept-shrink --confirm` lets retention have it again."},
    [PROBLEM_NO_DATA] =
        {"NO_DATA", "There is nothing to back up: none of the files asked for is there.",
         "Check data-dir and backup-include. With `appendonly no`, backup-include aof alone finds "
         "nothing."},
    [PROBLEM_SERVER_UNREACHABLE] =
        {"SERVER_UNREACHABLE", "The server does not answer, or TLS with it does not come about.",
         "Check that it runs and listens where redis-url says, and that no firewall or network "
         "policy is in between. With rediss://, the message says which certificate or which name "
         "is wrong."},
    [PROBLEM_SERVER_AUTH] =
        {"SERVER_AUTH", "The server wants a password, or refuses the one that it was given.",
         "Set redis-password, and redis-username for an ACL user, to what the server knows. The "
         "user must not be off."},
    [PROBLEM_SERVER_DENIED] =
        {"SERVER_DENIED",
         "The server refuses a command: the ACL user lacks a permission, or the command was "
         "renamed.",
         "Grant +ping +info +bgsave +lastsave +config|get +time +role +client|setname "
         "+bgrewriteaof, or name the renamed command with bgsave-command or config-command."},
    [PROBLEM_SERVER_BUSY] =
        {"SERVER_BUSY",
         "The server takes no commands for now: a script blocks it, or all of its connections are "
         "taken.",
         "Wait, end the script with SCRIPT KILL, or raise maxclients."},
    [PROBLEM_SERVER_LOADING] =
        {"SERVER_LOADING", "The server is still loading its data.",
         "Wait: `redkeep ready` shows how far it is. Do not restart it, or it begins again."},
    [PROBLEM_SERVER_FAILED] = {"SERVER_FAILED",
                               "The server answers, but not with what was asked for.",
                               "Read the message, which quotes the server, and the server's log."},
    [PROBLEM_STORE_UNREACHABLE] =
        {"STORE_UNREACHABLE", "The repository does not answer, or answers that it cannot serve.",
         "Check its URL, AWS_ENDPOINT_URL_S3, AWS_REGION, the network and the proxy, and the "
         "state of the object store. It is tried again at the next run."},
    [PROBLEM_STORE_DENIED] =
        {"STORE_DENIED", "The repository refuses these credentials, or there are none.",
         "Check the key pair or the role, that it is not expired, and that it may list, read, "
         "write and delete below the repository's prefix."},
    [PROBLEM_STORE_MISSING] =
        {"STORE_MISSING", "The repository's bucket or directory does not exist.",
         "Create it, or correct the setting `repository`. Never start an empty server because of "
         "it: the backups are somewhere else."},
    [PROBLEM_NO_BACKUP] =
        {"NO_BACKUP",
         "There is no backup, or none of that id or time, of this instance in the repository.",
         "Check `instance` and `repository` with `redkeep list`, or take a first one with `redkeep "
         "backup`."},
    [PROBLEM_BACKUP_STALE] = {"BACKUP_STALE",
                              "The newest proven backup is older than backup-max-age allows.",
                              "Look at why the last runs failed. `redkeep backup` takes one now."},
    [PROBLEM_BACKUP_CORRUPT] =
        {"BACKUP_CORRUPT", "Bytes read from the repository are not those that were stored.",
         "Restore an older backup, which `redkeep verify --all` finds, and take a new one now. "
         "Then look at the object store: what it returned is not what it acknowledged."},
    [PROBLEM_BACKUP_UNPROVEN] =
        {"BACKUP_UNPROVEN",
         "A backup was stored whose content could not be proven to be whole and as new as it "
         "says.",
         "Read why in its manifest. Turn on rdbchecksum, or use a redkeep that knows the server's "
         "version."},
    [PROBLEM_BACKUP_TOO_NEW] =
        {"BACKUP_TOO_NEW",
         "The backup was written by a server, or a redkeep, too new for this one.",
         "Restore into a server at least as new as the one in its manifest, or update redkeep."},
    [PROBLEM_CONFIG] =
        {"CONFIG", "A setting or an argument cannot be used.",
         "Correct what the message names. `redkeep config` shows every setting and where it came "
         "from."},
    [PROBLEM_HOLDS_DATA] =
        {"HOLDS_DATA",
         "A restore was refused, because the target holds data or a server runs "
         "there.",
         "Stop the server, and restore into an empty directory with --target, or with --force, "
         "which moves what is there aside."},
    [PROBLEM_LOCKED] =
        {"LOCKED", "Another redkeep works on this directory, or holds the lease of this instance.",
         "Wait until it is done. If there should be only one, look for a second pod or container "
         "with the same volume or the same instance name."},
    [PROBLEM_INTERRUPTED] =
        {"INTERRUPTED", "The work was stopped by a signal before it was done.",
         "It leaves nothing half done behind. Run it again, and give it more time to end when "
         "that happens at every stop."},
    [PROBLEM_JOB_CRASHED] =
        {"JOB_CRASHED", "A job of the sidecar died of a signal.",
         "Look whether the container ran out of memory. If it did not, it is a fault of redkeep: "
         "please report it with the log before it."},
    [PROBLEM_JOB_HUNG] =
        {"JOB_HUNG", "A job of the sidecar showed no sign of life and was killed.",
         "Look for a disk or a network file system that does not answer. The job is tried again."},
    [PROBLEM_DRAIN_TIMEOUT] =
        {"DRAIN_TIMEOUT",
         "The sidecar was stopped before the data that the server wrote last was stored.",
         "Raise drain-timeout and the pod's terminationGracePeriodSeconds above it. The data is "
         "still on the volume."},
    [PROBLEM_LOG_LOST] =
        {"LOG_LOST",
         "Lines of the log could not be written: its disk is full, or nobody reads the pipe.",
         "Look at the disk behind standard error, and at the collector that reads it. Backups go "
         "on without it."},
    [PROBLEM_NOTIFY_FAILED] =
        {"NOTIFY_FAILED", "A notification or a heartbeat could not be delivered.",
         "Check notify-url and heartbeat-url, and that the pod may reach them. Backups go on "
         "without them."},
    [PROBLEM_FAILED] = {"FAILED", "Something failed that has no name of its own.",
                        "Read the message, which says what was attempted, on what, and why it "
                        "failed."},
};

const struct problem_row *problem_row(enum problem problem)
{
    return &rows[(unsigned)problem < PROBLEM_COUNT ? problem : PROBLEM_FAILED];
}

enum problem problem_find(const char *code)
{
    for (unsigned i = PROBLEM_NONE + 1; i < PROBLEM_COUNT; i++)
        if (strcmp(rows[i].code, code) == 0)
            return (enum problem)i;
    return PROBLEM_NONE;
}
