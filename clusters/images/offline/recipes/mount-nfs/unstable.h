/* Writes that the server took but has not yet promised to keep.
 *
 * An UNSTABLE write may be lost when the server restarts; its verifier then
 * changes (RFC 1813, 3.3.7 and 3.3.21). So a copy is kept until a COMMIT
 * answers with the same verifier, and sent again when it does not. */
#ifndef UNSTABLE_H
#define UNSTABLE_H

#include <nfsc/libnfs.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pool.h"

struct kept_write;

struct unstable {
	pthread_mutex_t lock;
	struct kept_write *first;
	struct kept_write **end;
	size_t bytes;
};

void unstable_init(struct unstable *unstable);
void unstable_destroy(struct unstable *unstable);

/* Write at most options.wsize bytes: how many were taken, or -errno.
 * `through`: the server shall answer only when they are on its disk. */
int unstable_write(struct unstable *unstable, struct nfsfh *file, const struct caller *caller,
		   const char *data, size_t size, off_t offset, bool through);

/* Return when everything written before is on the server's disk: 0 or -errno. */
int unstable_commit(struct unstable *unstable, struct nfsfh *file, const struct caller *caller);

#endif
