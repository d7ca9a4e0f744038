/* Connections to the NFS server, and calls that survive the server's absence. */
#ifndef POOL_H
#define POOL_H

#include <nfsc/libnfs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "options.h"

enum { MAX_GROUPS = 16 };       /* what AUTH_SYS carries (RFC 5531, appendix A) */

/* Who a call is made for: the server judges by this, as with a kernel client. */
struct caller {
	uint32_t uid;
	uint32_t gid;
	uint32_t group_count;
	uint32_t groups[MAX_GROUPS];
};

enum reply_kind {
	REPLY_STATUS,           /* nothing but success or failure */
	REPLY_COPY,             /* a structure of `room` bytes */
	REPLY_BYTES,            /* `status` bytes, `room` at most */
	REPLY_TEXT,             /* a string, cut at `room` - 1 */
	REPLY_POINTER,          /* the pointer itself */
};

struct reply {
	enum reply_kind kind;
	void *out;
	size_t room;
	bool finished;
	int status;             /* >= 0, or -errno */
};

struct connection;

/* Open options->connections connections; says why not in `error`.
 * Lowers options->rsize and wsize to what the server takes. */
bool pool_open(struct options *options, char *error, size_t room);

/* Calls give up with EIO once this says true. */
void pool_stop_when(bool (*stopping)(void));

/* The lowest free connection, or, when none is, one to wait for. */
struct connection *pool_take(const struct caller *caller);
void pool_give(struct connection *connection);

/* The context to queue a call on, made anew if it was lost. NULL: it cannot
 * be had (soft mount, or stopping), and reply->status says so. */
struct nfs_context *connection_ready(struct connection *connection, struct reply *reply);

/* Wait for what was `queued` (the result of a libnfs *_async function).
 * True: reply->status is the answer. False: the connection was lost, so the
 * call has to be queued once more. */
bool connection_answered(struct connection *connection, int queued, struct reply *reply);

/* The callback to give to libnfs, with the reply as private data. */
void reply_arrived(int status, struct nfs_context *context, void *data, void *private_data);

/* Make one call for `caller`. `start` is a libnfs *_async call that names the
 * context `nfs`, `reply_arrived` and `reply`; it is evaluated again whenever
 * the connection had to be made anew. Value: the status. */
#define REMOTE_CALL(caller, reply, start)                                               \
	({                                                                              \
		struct connection *connection_ = pool_take(caller);                     \
		struct nfs_context *nfs;                                                \
		while ((nfs = connection_ready(connection_, (reply))) &&                \
		       !connection_answered(connection_, (start), (reply)))             \
			continue;                                                       \
		pool_give(connection_);                                                 \
		(reply)->status;                                                        \
	})

#endif
