#define _GNU_SOURCE
#include "unstable.h"

#include <errno.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw.h>
#include <stdlib.h>
#include <string.h>

/* The most that one open file keeps before it commits by itself, in bytes. */
enum { KEPT_MOST = 16 << 20 };

struct kept_write {
	struct kept_write *next;
	char verifier[NFS3_WRITEVERFSIZE];
	off_t offset;
	size_t size;
	char data[];
};

/* A reply that also holds what libnfs' own write and commit do not tell. */
struct verified {
	struct reply reply;
	size_t count;
	bool stable;
	char verifier[NFS3_WRITEVERFSIZE];
};

/* libnfs hands this out as an opaque pointer "to use with low-level rpc
 * functions"; it starts like an nfs_fh3. */
static struct nfs_fh3 handle_of(struct nfsfh *file)
{
	struct nfs_fh3 handle;

	memcpy(&handle, nfs_get_fh(file), sizeof handle);
	return handle;
}

/* The status of a raw call in the terms of connection_answered(). */
static bool succeeded(struct verified *answer, int rpc_status, const nfsstat3 *nfs_status)
{
	answer->reply.finished = true;
	if (rpc_status != RPC_STATUS_SUCCESS)
		answer->reply.status = -EFAULT;
	else
		answer->reply.status = *nfs_status == NFS3_OK ? 0 : nfsstat3_to_errno(*nfs_status);
	return answer->reply.status == 0;
}

static void written(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct verified *answer = private_data;
	const struct WRITE3res *result = data;

	(void)rpc;
	if (!succeeded(answer, status, &result->status))
		return;
	answer->count = result->WRITE3res_u.resok.count;
	answer->stable = result->WRITE3res_u.resok.committed == FILE_SYNC;
	memcpy(answer->verifier, result->WRITE3res_u.resok.verf, sizeof answer->verifier);
}

static void committed(struct rpc_context *rpc, int status, void *data, void *private_data)
{
	struct verified *answer = private_data;
	const struct COMMIT3res *result = data;

	(void)rpc;
	if (succeeded(answer, status, &result->status))
		memcpy(answer->verifier, result->COMMIT3res_u.resok.verf, sizeof answer->verifier);
}

static int send_write(struct verified *answer, struct nfsfh *file, const struct caller *caller,
		      const char *data, size_t size, off_t offset, bool through)
{
	struct WRITE3args arguments = {
		.file = handle_of(file),
		.offset = (offset3)offset,
		.count = (count3)size,
		.stable = through ? FILE_SYNC : UNSTABLE,
		.data = { .data_len = (u_int)size, .data_val = (char *)data },
	};

	*answer = (struct verified){ .reply = { .kind = REPLY_STATUS } };
	REMOTE_CALL(caller, &answer->reply,
		    rpc_nfs3_write_async(nfs_get_rpc_context(nfs), written, &arguments, answer));
	if (answer->reply.status == 0 && (answer->count == 0 || answer->count > size))
		return -EIO;
	return answer->reply.status;
}

static int send_commit(struct verified *answer, struct nfsfh *file, const struct caller *caller)
{
	struct COMMIT3args arguments = { .file = handle_of(file) };

	*answer = (struct verified){ .reply = { .kind = REPLY_STATUS } };
	return REMOTE_CALL(caller, &answer->reply,
			   rpc_nfs3_commit_async(nfs_get_rpc_context(nfs), committed, &arguments, answer));
}

static void drop_first(struct unstable *unstable)
{
	struct kept_write *kept = unstable->first;

	unstable->first = kept->next;
	if (!unstable->first)
		unstable->end = &unstable->first;
	unstable->bytes -= kept->size;
	free(kept);
}

static bool same_verifier(const struct kept_write *kept, const struct verified *answer)
{
	return !memcmp(kept->verifier, answer->verifier, sizeof kept->verifier);
}

/* Send again, in order, everything from the first lost write on: a later one
 * may have overwritten it. */
static int send_again(struct unstable *unstable, struct nfsfh *file, const struct caller *caller)
{
	for (struct kept_write *kept = unstable->first; kept; kept = kept->next) {
		for (size_t done = 0; done < kept->size;) {
			struct verified answer;
			int status = send_write(&answer, file, caller, kept->data + done, kept->size - done,
						kept->offset + (off_t)done, false);

			if (status < 0)
				return status;
			done += answer.count;
			memcpy(kept->verifier, answer.verifier, sizeof kept->verifier);
		}
	}
	return 0;
}

void unstable_init(struct unstable *unstable)
{
	pthread_mutex_init(&unstable->lock, NULL);
	unstable->first = NULL;
	unstable->end = &unstable->first;
	unstable->bytes = 0;
}

void unstable_destroy(struct unstable *unstable)
{
	while (unstable->first)
		drop_first(unstable);
	pthread_mutex_destroy(&unstable->lock);
}

int unstable_commit(struct unstable *unstable, struct nfsfh *file, const struct caller *caller)
{
	int status = 0;

	pthread_mutex_lock(&unstable->lock);
	while (unstable->first && status == 0) {
		struct verified answer;

		status = send_commit(&answer, file, caller);
		if (status < 0)
			break;
		while (unstable->first && same_verifier(unstable->first, &answer))
			drop_first(unstable);
		status = send_again(unstable, file, caller);
	}
	/* A commit that failed is told once, as fsync(2) does. */
	while (unstable->first)
		drop_first(unstable);
	pthread_mutex_unlock(&unstable->lock);
	return status;
}

int unstable_write(struct unstable *unstable, struct nfsfh *file, const struct caller *caller,
		   const char *data, size_t size, off_t offset, bool through)
{
	struct kept_write *kept = through ? NULL : malloc(sizeof *kept + size);
	struct verified answer;
	bool full;
	int status = send_write(&answer, file, caller, data, size, offset, !kept);

	if (status < 0 || answer.stable || !kept) {
		free(kept);
		return status < 0 ? status : (int)answer.count;
	}
	kept->next = NULL;
	kept->offset = offset;
	kept->size = answer.count;
	memcpy(kept->data, data, answer.count);
	memcpy(kept->verifier, answer.verifier, sizeof kept->verifier);

	pthread_mutex_lock(&unstable->lock);
	*unstable->end = kept;
	unstable->end = &kept->next;
	unstable->bytes += kept->size;
	full = unstable->bytes >= KEPT_MOST;
	pthread_mutex_unlock(&unstable->lock);
	if (full)
		status = unstable_commit(unstable, file, caller);
	return status < 0 ? status : (int)answer.count;
}
