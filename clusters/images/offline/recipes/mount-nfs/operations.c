#define _GNU_SOURCE
#include "operations.h"

#include <errno.h>
#include <fcntl.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>

#include "pool.h"
#include "unstable.h"

/* An open file, and who opened it: reads ahead and writes on a descriptor
 * that was passed on are made in the opener's name, as a kernel client does. */
struct handle {
	struct nfsfh *file;
	struct caller caller;
	bool through;           /* every write to the server's disk at once */
	struct unstable unstable;
};

static const struct options *settings;

void operations_configure(const struct options *options)
{
	settings = options;
}

static struct handle *handle_of(const struct fuse_file_info *info)
{
	return (struct handle *)(uintptr_t)info->fh;
}

static struct caller current_caller(void)
{
	const struct fuse_context *context = fuse_get_context();
	struct caller caller = { .uid = context->uid, .gid = context->gid };

	/* The super-user needs no groups, and asking costs a look into /proc. */
	if (caller.uid) {
		gid_t groups[MAX_GROUPS];
		int count = fuse_getgroups(MAX_GROUPS, groups);

		if (count > MAX_GROUPS)
			count = MAX_GROUPS;
		for (int i = 0; i < count; i++)
			caller.groups[caller.group_count++] = groups[i];
	}
	return caller;
}

/* One call in the name of whoever asked, with nothing but a status as answer. */
#define SIMPLE_CALL(start)                                              \
	({                                                              \
		struct caller caller_ = current_caller();               \
		struct reply answer = { .kind = REPLY_STATUS };         \
		struct reply *reply = &answer;                          \
		int status_ = REMOTE_CALL(&caller_, reply, (start));    \
		status_ < 0 ? status_ : 0;                              \
	})

/* The same on an open file, in the name of whoever opened it. */
#define HANDLE_CALL(handle, start)                                              \
	({                                                                      \
		struct reply answer = { .kind = REPLY_STATUS };                 \
		struct reply *reply = &answer;                                  \
		int status_ = REMOTE_CALL(&(handle)->caller, reply, (start));   \
		status_ < 0 ? status_ : 0;                                      \
	})

static int look_up(const char *path, struct nfs_stat_64 *found)
{
	struct caller caller = current_caller();
	struct reply reply = { .kind = REPLY_COPY, .out = found, .room = sizeof *found };

	return REMOTE_CALL(&caller, &reply, nfs_lstat64_async(nfs, path, reply_arrived, &reply));
}

static int nfs_getattr(const char *path, struct stat *stat, struct fuse_file_info *info)
{
	struct nfs_stat_64 found;
	int status;

	if (info) {
		struct handle *handle = handle_of(info);
		struct reply reply = { .kind = REPLY_COPY, .out = &found, .room = sizeof found };

		status = REMOTE_CALL(&handle->caller, &reply,
				     nfs_fstat64_async(nfs, handle->file, reply_arrived, &reply));
	} else {
		status = look_up(path, &found);
	}
	if (status < 0)
		return status;
	*stat = (struct stat){
		.st_ino = found.nfs_ino,
		.st_mode = (mode_t)found.nfs_mode,
		.st_nlink = found.nfs_nlink,
		.st_uid = (uid_t)found.nfs_uid,
		.st_gid = (gid_t)found.nfs_gid,
		.st_rdev = found.nfs_rdev,
		.st_size = (off_t)found.nfs_size,
		.st_blksize = settings->rsize,
		.st_blocks = (blkcnt_t)found.nfs_blocks,
		.st_atim = { (time_t)found.nfs_atime, (long)found.nfs_atime_nsec },
		.st_mtim = { (time_t)found.nfs_mtime, (long)found.nfs_mtime_nsec },
		.st_ctim = { (time_t)found.nfs_ctime, (long)found.nfs_ctime_nsec },
	};
	return 0;
}

static mode_t type_bits(uint32_t type)
{
	switch (type) {
	case NF3REG:
		return S_IFREG;
	case NF3DIR:
		return S_IFDIR;
	case NF3LNK:
		return S_IFLNK;
	case NF3BLK:
		return S_IFBLK;
	case NF3CHR:
		return S_IFCHR;
	case NF3SOCK:
		return S_IFSOCK;
	case NF3FIFO:
		return S_IFIFO;
	default:
		return 0;
	}
}

static int nfs_list(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
		    struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	struct caller caller = current_caller();
	struct nfsdir *directory = NULL;
	struct nfsdirent *entry;
	struct reply reply = { .kind = REPLY_POINTER, .out = &directory };
	struct connection *connection = pool_take(&caller);
	struct nfs_context *nfs;

	(void)offset;
	(void)info;
	/* libnfs reads the whole directory in this one call. Its entries belong
	 * to the context, so the connection is kept until they are copied. */
	while ((nfs = connection_ready(connection, &reply)) &&
	       !connection_answered(connection, nfs_opendir_async(nfs, path, reply_arrived, &reply), &reply))
		continue;
	if (reply.status >= 0) {
		while ((entry = nfs_readdir(nfs, directory))) {
			mode_t type = type_bits(entry->type);
			/* Without a type the server sent no attributes at all. */
			bool whole = (flags & FUSE_READDIR_PLUS) && (S_ISREG(type) || S_ISDIR(type));
			struct stat stat = {
				.st_ino = entry->inode,
				.st_mode = type | (entry->mode & 07777),
				.st_nlink = entry->nlink,
				.st_uid = entry->uid,
				.st_gid = entry->gid,
				.st_size = (off_t)entry->size,
				.st_blksize = settings->rsize,
				.st_blocks = (blkcnt_t)((entry->used + 511) / 512),
				.st_atim = { entry->atime.tv_sec, (long)entry->atime_nsec },
				.st_mtim = { entry->mtime.tv_sec, (long)entry->mtime_nsec },
				.st_ctim = { entry->ctime.tv_sec, (long)entry->ctime_nsec },
			};

			if (fill(buffer, entry->name, &stat, 0, whole ? FUSE_FILL_DIR_PLUS : 0)) {
				reply.status = -ENOMEM;
				break;
			}
		}
		nfs_closedir(nfs, directory);
	}
	pool_give(connection);
	return reply.status < 0 ? reply.status : 0;
}

static int keep_handle(struct fuse_file_info *info, const struct caller *caller, struct nfsfh *file)
{
	struct handle *handle = malloc(sizeof *handle);

	if (!handle) {
		struct reply reply = { .kind = REPLY_STATUS };

		REMOTE_CALL(caller, &reply, nfs_close_async(nfs, file, reply_arrived, &reply));
		return -ENOMEM;
	}
	handle->file = file;
	handle->caller = *caller;
	handle->through = settings->sync || (info->flags & O_SYNC);
	unstable_init(&handle->unstable);
	info->fh = (uintptr_t)handle;
	return 0;
}

static int nfs_open_file(const char *path, struct fuse_file_info *info)
{
	struct caller caller = current_caller();
	struct nfsfh *file = NULL;
	struct reply reply = { .kind = REPLY_POINTER, .out = &file };
	int flags = info->flags & (O_ACCMODE | O_TRUNC);
	int status = REMOTE_CALL(&caller, &reply, nfs_open_async(nfs, path, flags, reply_arrived, &reply));

	return status < 0 ? status : keep_handle(info, &caller, file);
}

static int nfs_create_file(const char *path, mode_t mode, struct fuse_file_info *info)
{
	struct caller caller = current_caller();
	struct nfsfh *file = NULL;
	struct reply reply = { .kind = REPLY_POINTER, .out = &file };
	int flags = info->flags & (O_EXCL | O_TRUNC);
	int status = REMOTE_CALL(&caller, &reply,
				 nfs_create_async(nfs, path, flags, (int)(mode & 07777), reply_arrived, &reply));

	return status < 0 ? status : keep_handle(info, &caller, file);
}

static int nfs_read_file(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *info)
{
	struct handle *handle = handle_of(info);
	size_t done = 0;

	(void)path;
	while (done < size) {
		struct reply reply = { .kind = REPLY_BYTES, .out = buffer + done, .room = size - done };
		int status = REMOTE_CALL(&handle->caller, &reply,
					 nfs_pread_async(nfs, handle->file, (uint64_t)offset + done, size - done,
							 reply_arrived, &reply));

		if (status < 0)
			return status;
		if (status == 0)
			break;
		done += (size_t)status;
	}
	return (int)done;
}

static int nfs_write_file(const char *path, const char *buffer, size_t size, off_t offset,
			  struct fuse_file_info *info)
{
	struct handle *handle = handle_of(info);
	size_t done = 0;

	(void)path;
	while (done < size) {
		int status = unstable_write(&handle->unstable, handle->file, &handle->caller, buffer + done,
					    size - done, offset + (off_t)done, handle->through);

		if (status < 0)
			return status;
		done += (size_t)status;
	}
	return (int)done;
}

static int commit(struct handle *handle)
{
	return unstable_commit(&handle->unstable, handle->file, &handle->caller);
}

static int nfs_sync_file(const char *path, int data_only, struct fuse_file_info *info)
{
	(void)path;
	(void)data_only;
	return commit(handle_of(info));
}

/* Close-to-open: whoever opens the file after this sees what was written. */
static int nfs_flush_file(const char *path, struct fuse_file_info *info)
{
	(void)path;
	return commit(handle_of(info));
}

static int nfs_release_file(const char *path, struct fuse_file_info *info)
{
	struct handle *handle = handle_of(info);
	int status;

	(void)path;
	status = HANDLE_CALL(handle, nfs_close_async(nfs, handle->file, reply_arrived, reply));
	unstable_destroy(&handle->unstable);
	free(handle);
	return status;
}

static int nfs_make_directory(const char *path, mode_t mode)
{
	return SIMPLE_CALL(nfs_mkdir2_async(nfs, path, (int)(mode & 07777), reply_arrived, reply));
}

static int nfs_make_node(const char *path, mode_t mode, dev_t device)
{
	struct fuse_file_info info = { .flags = O_EXCL };
	int status;

	if (!S_ISREG(mode))
		return SIMPLE_CALL(nfs_mknod_async(nfs, path, (int)mode, (int)device, reply_arrived, reply));
	status = nfs_create_file(path, mode, &info);
	return status < 0 ? status : nfs_release_file(path, &info);
}

static int nfs_remove_file(const char *path)
{
	return SIMPLE_CALL(nfs_unlink_async(nfs, path, reply_arrived, reply));
}

static int nfs_remove_directory(const char *path)
{
	return SIMPLE_CALL(nfs_rmdir_async(nfs, path, reply_arrived, reply));
}

static int nfs_make_symlink(const char *text, const char *path)
{
	return SIMPLE_CALL(nfs_symlink_async(nfs, text, path, reply_arrived, reply));
}

static int nfs_read_symlink(const char *path, char *buffer, size_t size)
{
	struct caller caller = current_caller();
	struct reply reply = { .kind = REPLY_TEXT, .out = buffer, .room = size };
	int status = REMOTE_CALL(&caller, &reply, nfs_readlink_async(nfs, path, reply_arrived, &reply));

	return status < 0 ? status : 0;
}

static int nfs_make_link(const char *from, const char *to)
{
	return SIMPLE_CALL(nfs_link_async(nfs, from, to, reply_arrived, reply));
}

static int nfs_rename_path(const char *from, const char *to, unsigned int flags)
{
	/* NFSv3 can neither exchange two names nor refuse to replace one. */
	if (flags)
		return -EINVAL;
	return SIMPLE_CALL(nfs_rename_async(nfs, from, to, reply_arrived, reply));
}

static int nfs_change_mode(const char *path, mode_t mode, struct fuse_file_info *info)
{
	(void)info;
	return SIMPLE_CALL(nfs_lchmod_async(nfs, path, (int)(mode & 07777), reply_arrived, reply));
}

static int nfs_change_owner(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
	struct nfs_stat_64 found;
	int status;

	(void)info;
	/* libnfs sends both, so the one to be kept has to be known. */
	if (uid == (uid_t)-1 || gid == (gid_t)-1) {
		status = look_up(path, &found);
		if (status < 0)
			return status;
		uid = uid == (uid_t)-1 ? (uid_t)found.nfs_uid : uid;
		gid = gid == (gid_t)-1 ? (gid_t)found.nfs_gid : gid;
	}
	return SIMPLE_CALL(nfs_lchown_async(nfs, path, (int)uid, (int)gid, reply_arrived, reply));
}

static int nfs_change_size(const char *path, off_t size, struct fuse_file_info *info)
{
	if (size < 0)
		return -EINVAL;
	if (info) {
		struct handle *handle = handle_of(info);
		/* Else a write sent again could undo the truncation. */
		int status = commit(handle);

		if (status < 0)
			return status;
		return HANDLE_CALL(handle, nfs_ftruncate_async(nfs, handle->file, (uint64_t)size, reply_arrived, reply));
	}
	return SIMPLE_CALL(nfs_truncate_async(nfs, path, (uint64_t)size, reply_arrived, reply));
}

static struct timeval chosen_time(const struct timespec *wanted, uint64_t seconds, uint64_t nanoseconds)
{
	struct timeval now;

	if (wanted->tv_nsec == UTIME_OMIT)
		return (struct timeval){ (time_t)seconds, (suseconds_t)(nanoseconds / 1000) };
	if (wanted->tv_nsec == UTIME_NOW) {
		gettimeofday(&now, NULL);
		return now;
	}
	return (struct timeval){ wanted->tv_sec, wanted->tv_nsec / 1000 };
}

static int nfs_change_times(const char *path, const struct timespec wanted[2], struct fuse_file_info *info)
{
	struct nfs_stat_64 found = { 0 };
	struct timeval times[2];
	int status;

	(void)info;
	if (wanted[0].tv_nsec == UTIME_OMIT && wanted[1].tv_nsec == UTIME_OMIT)
		return 0;
	/* The server's own clock, which also those may ask for who can only write. */
	if (wanted[0].tv_nsec == UTIME_NOW && wanted[1].tv_nsec == UTIME_NOW)
		return SIMPLE_CALL(nfs_lutimes_async(nfs, path, NULL, reply_arrived, reply));
	if (wanted[0].tv_nsec == UTIME_OMIT || wanted[1].tv_nsec == UTIME_OMIT) {
		status = look_up(path, &found);
		if (status < 0)
			return status;
	}
	times[0] = chosen_time(&wanted[0], found.nfs_atime, found.nfs_atime_nsec);
	times[1] = chosen_time(&wanted[1], found.nfs_mtime, found.nfs_mtime_nsec);
	return SIMPLE_CALL(nfs_lutimes_async(nfs, path, times, reply_arrived, reply));
}

static int nfs_file_system(const char *path, struct statvfs *statistics)
{
	struct nfs_statvfs_64 found;
	struct caller caller = current_caller();
	struct reply reply = { .kind = REPLY_COPY, .out = &found, .room = sizeof found };
	int status = REMOTE_CALL(&caller, &reply, nfs_statvfs64_async(nfs, path, reply_arrived, &reply));

	if (status < 0)
		return status;
	*statistics = (struct statvfs){
		.f_bsize = found.f_bsize,
		.f_frsize = found.f_frsize,
		.f_blocks = found.f_blocks,
		.f_bfree = found.f_bfree,
		.f_bavail = found.f_bavail,
		.f_files = found.f_files,
		.f_ffree = found.f_ffree,
		.f_favail = found.f_favail,
		.f_namemax = found.f_namemax ? found.f_namemax : 255,
	};
	return 0;
}

static void *nfs_begin(struct fuse_conn_info *connection, struct fuse_config *config)
{
	config->use_ino = 1;
	config->auto_cache = 1;
	config->attr_timeout = settings->attribute_seconds;
	config->entry_timeout = settings->attribute_seconds;
	config->negative_timeout = 0;
	/* libfuse gives up on a max_read that differs from the mount option. */
	connection->max_read = (unsigned int)settings->rsize;
	connection->max_write = (unsigned int)settings->wsize;
	connection->max_background = 64;
	connection->congestion_threshold = 48;
	return NULL;
}

const struct fuse_operations operations = {
	.init = nfs_begin,
	.getattr = nfs_getattr,
	.readdir = nfs_list,
	.open = nfs_open_file,
	.create = nfs_create_file,
	.read = nfs_read_file,
	.write = nfs_write_file,
	.fsync = nfs_sync_file,
	.flush = nfs_flush_file,
	.release = nfs_release_file,
	.mkdir = nfs_make_directory,
	.mknod = nfs_make_node,
	.unlink = nfs_remove_file,
	.rmdir = nfs_remove_directory,
	.symlink = nfs_make_symlink,
	.readlink = nfs_read_symlink,
	.link = nfs_make_link,
	.rename = nfs_rename_path,
	.chmod = nfs_change_mode,
	.chown = nfs_change_owner,
	.truncate = nfs_change_size,
	.utimens = nfs_change_times,
	.statfs = nfs_file_system,
};
