/* mount.nfs for nodes whose kernel has no NFS client.
 *
 * mount(8) calls it as it calls the one of nfs-utils. It speaks NFSv3 over
 * TCP through libnfs and serves the export by FUSE from one daemon a mount;
 * /proc/self/mountinfo then says "fuse.nfs SERVER:/EXPORT". Whatever version
 * was asked for, it is NFSv3 on the wire: libnfs 4.0 renews no NFSv4 lease.
 * The record (record.h) says so. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "operations.h"
#include <fuse_lowlevel.h>

#include "options.h"
#include "pool.h"
#include "record.h"

enum {
	VERDICT_MS = 12000,     /* above the pool's own bound of 8 s; name servers may stall */
	READ_AHEAD_KIB = 4096,
};

/* What the daemon tells the process that mount(8) waits for. */
struct verdict {
	int code;
	int connections;
	int rsize;
	int wsize;
};

static struct fuse_session *session;

static bool unmounted(void)
{
	return fuse_session_exited(session);
}

static int refuse(const struct options *options, const char *reason)
{
	fprintf(stderr, "mount.nfs: %s on %s: %s\n", options->source, options->target, reason);
	return MOUNT_FAILED;
}

/* Commas and backslashes end or escape an option of libfuse. */
static char *escape(const char *text)
{
	char *escaped = malloc(strlen(text) * 2 + 1);
	char *to = escaped;

	while (escaped && *text) {
		if (*text == ',' || *text == '\\')
			*to++ = '\\';
		*to++ = *text++;
	}
	if (escaped)
		*to = '\0';
	return escaped;
}

static struct fuse *mount_fuse(const struct options *options)
{
	char program[] = "mount.nfs", flag[] = "-o";
	char *source = escape(options->source);
	char *text = NULL;
	struct fuse *fuse = NULL;

	/* libfuse would forbid devices and set-user-id by default, NFS does not. */
	if (source && asprintf(&text, "allow_other,default_permissions,suid,dev%s%s,fsname=%s,subtype=nfs,max_read=%d",
			       options->vfs, options->read_only ? ",ro" : "", source, options->rsize) > 0) {
		char *words[] = { program, flag, text, NULL };
		struct fuse_args arguments = FUSE_ARGS_INIT(3, words);

		fuse = fuse_new(&arguments, &operations, sizeof operations, NULL);
		if (fuse && fuse_mount(fuse, options->target)) {
			fuse_destroy(fuse);
			fuse = NULL;
		}
		fuse_opt_free_args(&arguments);
		free(text);
	}
	free(source);
	return fuse;
}

static int serve(struct fuse *fuse, const struct options *options)
{
	struct fuse_loop_config *loop = fuse_loop_cfg_create();
	int status;

	if (!loop)
		return MOUNT_SYSTEM;
	fuse_loop_cfg_set_clone_fd(loop, 1);
	fuse_loop_cfg_set_idle_threads(loop, (unsigned int)options->connections * 2);
	fuse_loop_cfg_set_max_threads(loop, (unsigned int)options->connections * 2);
	status = fuse_loop_mt(fuse, loop);
	fuse_loop_cfg_destroy(loop);
	return status ? MOUNT_SYSTEM : MOUNT_OK;
}

/* Whoever called mount(8) reads our output to its end. */
static void leave_output(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
}

static void tell(int pipe, const struct options *options, int code)
{
	struct verdict verdict = {
		.code = code,
		.connections = options->connections,
		.rsize = options->rsize,
		.wsize = options->wsize,
	};

	if (write(pipe, &verdict, sizeof verdict) != sizeof verdict)
		_exit(MOUNT_SYSTEM);
	close(pipe);
}

/* The daemon; returns when the file system was unmounted. */
static int run_daemon(struct options *options, int pipe)
{
	char error[256] = "";
	struct fuse *fuse;
	int code;

	setsid();
	umask(0);
	signal(SIGPIPE, SIG_IGN);
	openlog("mount.nfs", LOG_PID, LOG_DAEMON);
	if (chdir("/") || !pool_open(options, error, sizeof error)) {
		tell(pipe, options, refuse(options, *error ? error : strerror(errno)));
		return MOUNT_FAILED;
	}
	operations_configure(options);
	fuse = mount_fuse(options);
	if (!fuse) {
		tell(pipe, options, refuse(options, "cannot mount a FUSE file system (is there a /dev/fuse?)"));
		return MOUNT_FAILED;
	}
	session = fuse_get_session(fuse);
	fuse_set_signal_handlers(session);
	pool_stop_when(unmounted);
	leave_output();
	tell(pipe, options, MOUNT_OK);
	code = serve(fuse, options);
	fuse_remove_signal_handlers(session);
	fuse_unmount(fuse);
	fuse_destroy(fuse);
	record_remove(getpid());
	return code;
}

/* End a daemon that failed, and the dead mount that it may have left. */
static void end_daemon(const struct options *options, pid_t daemon)
{
	struct statvfs statistics;

	kill(daemon, SIGKILL);
	waitpid(daemon, NULL, 0);
	if (statvfs(options->target, &statistics) && errno == ENOTCONN)
		umount2(options->target, MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int await_verdict(struct options *options, int pipe, pid_t daemon)
{
	struct pollfd readable = { .fd = pipe, .events = POLLIN };
	struct verdict verdict;
	struct statvfs statistics;
	int ready;

	do
		ready = poll(&readable, 1, VERDICT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready == 0) {
		end_daemon(options, daemon);
		return refuse(options, "no answer from the server");
	}
	if (read(pipe, &verdict, sizeof verdict) != sizeof verdict)
		verdict.code = refuse(options, "the daemon ended before it mounted anything");
	if (verdict.code != MOUNT_OK) {
		waitpid(daemon, NULL, 0);
		return verdict.code;
	}
	options->connections = verdict.connections;
	options->rsize = verdict.rsize;
	options->wsize = verdict.wsize;

	/* Only this proves the mount: the first request settles FUSE's terms. */
	if (statvfs(options->target, &statistics)) {
		int code = refuse(options, strerror(errno));

		end_daemon(options, daemon);
		return code;
	}
	record_raise_read_ahead(options, READ_AHEAD_KIB);
	record_write(options, daemon);
	if (options->verbose)
		printf("mount.nfs: %s on %s: NFSv3 over %d connections, rsize %d, wsize %d\n", options->source,
		       options->target, options->connections, options->rsize, options->wsize);
	return MOUNT_OK;
}

int main(int argc, char **argv)
{
	static struct options options;
	int pipe[2];
	pid_t daemon;
	int code = options_parse(&options, argc, argv);

	if (code != MOUNT_OK)
		return code;
	if (options.fake)
		return MOUNT_OK;
	if (pipe2(pipe, O_CLOEXEC)) {
		perror("mount.nfs: pipe");
		return MOUNT_SYSTEM;
	}
	daemon = fork();
	if (daemon < 0) {
		perror("mount.nfs: fork");
		return MOUNT_SYSTEM;
	}
	if (daemon == 0) {
		close(pipe[0]);
		return run_daemon(&options, pipe[1]);
	}
	close(pipe[1]);
	return await_verdict(&options, pipe[0], daemon);
}
