/* What was really mounted, for whoever asks inside the node:
 * /run/mount.nfs/<pid of the daemon>.json */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"

/* Raise the mount's read-ahead through sysfs: INIT cannot go above 128 KiB. */
void record_raise_read_ahead(const struct options *options, int kib);

/* Write the record of a mount that answers; false leaves a line on stderr. */
bool record_write(const struct options *options, pid_t daemon);
void record_remove(pid_t daemon);

#endif
