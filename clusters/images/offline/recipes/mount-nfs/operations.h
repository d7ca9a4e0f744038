/* The file system that FUSE serves. */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#define FUSE_USE_VERSION FUSE_MAKE_VERSION(3, 12)
#include <fuse.h>

#include "options.h"

extern const struct fuse_operations operations;

/* To be called before the file system is mounted. */
void operations_configure(const struct options *options);

#endif
